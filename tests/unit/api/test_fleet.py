"""The fleet at a glance: counted whole, listed worst first, and not sent twice."""

from dataclasses import replace

from director.model.sighting import JobState
from tests.unit.api.room import Room
from tests.unit.api.samples import instance, seen, shop


async def test_a_fleet_is_summed_by_deployment(room: Room) -> None:
    shop(room, 2)
    told = await room.get("/fleet")
    assert told["agents"] == {"connected": 2, "away": 0}
    assert told["deployments"] == [
        {
            "name": "shop", "instances": 2, "states": {"running": 2},
            "load": 0.1, "cpu": 1.5, "mem": 10.0, "disk": 5.0,
        }
    ]  # fmt: skip
    assert [row["instance"] for row in told["instances"]] == ["web/0", "web/1"]


async def test_the_worst_come_first_and_the_limit_leaves_out_the_best(room: Room) -> None:
    record = shop(room, 4)
    full = {"mem": {"percent": "97"}}
    failing, filled, away = record.vms[2], record.vms[3], record.vms[1]
    room.agents.known |= {
        failing.agent: seen(failing, job_state=JobState.FAILING),
        filled.agent: seen(filled, vitals=full),
        away.agent: seen(away, is_connected=False),
    }
    told = await room.get("/fleet?limit=3")
    rows = [(row["instance"], row["state"]) for row in told["instances"]]
    assert rows == [("web/2", "failing"), ("web/1", "unresponsive agent"), ("web/3", "running")]
    assert (told["total"], told["deployments"][0]["instances"]) == (4, 4)
    assert told["agents"] == {"connected": 3, "away": 1}


async def test_an_instance_that_lost_its_vm_stands_there_without_vitals(room: Room) -> None:
    record = shop(room, 1)
    room.store.records["shop"] = replace(record, instances=(*record.instances, instance(1)))
    first = (await room.get("/fleet"))["instances"][0]
    assert (first["instance"], first["state"], first["mem"], first["load"]) == ("web/1", "no VM", None, None)


async def test_what_did_not_change_is_not_sent_again(room: Room) -> None:
    record = shop(room, 1)
    tag = (await room.ask("GET", "/fleet")).headers["etag"]
    again = await room.ask("GET", "/fleet", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    (one,) = record.vms
    room.agents.known = {one.agent: seen(one, job_state=JobState.FAILING)}
    assert (await room.ask("GET", "/fleet", headers={"If-None-Match": tag})).status_code == 200


async def test_another_deployment_is_left_out(room: Room) -> None:
    shop(room, 1)
    told = await room.get("/fleet?deployment=other")
    assert (told["deployments"], told["instances"], told["total"]) == ([], [], 0)


async def test_figures_that_are_none_are_not_known_rather_than_wrong(room: Room) -> None:
    record = shop(room, 1)
    (one,) = record.vms
    room.agents.known = {one.agent: seen(one, vitals={"load": [], "mem": {"percent": "much"}, "disk": {"system": 1}})}
    row = (await room.get("/fleet"))["instances"][0]
    assert [row[key] for key in ("load", "cpu", "mem", "disk")] == [None] * 4
