"""``GET /health``: what the watch last saw, of all deployments or of one."""

from dataclasses import replace

from director.model.deployment import Lifecycle
from director.model.health import Condition, Finding, HealthReport, Remedy, Repairing, Verdict
from director.model.plan import Hold
from director.model.wanted import Want
from tests.unit.api.room import NOW, Room
from tests.unit.api.samples import instance, shop

HOLD = Hold(code="hold.ignored", subject="web/0", reason="it is ignored")


def finding(index: int, condition: Condition, deployment: str = "shop", **more) -> Finding:
    of = instance(index)
    fields = {"az": "z1", "vm": f"vm-{index}", "since": NOW - 60, "evidence": ("silent for 60 s",)}
    name = f"{deployment}-{of.id}" if deployment != "shop" else of.id
    return Finding(
        deployment=deployment, instance=name, label=of.label, group="web", condition=condition, **{**fields, **more}
    )


def report(**more) -> HealthReport:
    return HealthReport(at=NOW - 2, wall=NOW - 2, **more)


async def test_with_nothing_deployed_there_is_nothing_to_tell(room: Room) -> None:
    assert await room.get("/health") == {
        "looked": True,
        "seen_s": 0.0,
        "deployments": 0,
        "resurrection": True,
        "repairs": True,
        "counts": {},
        "instances": [],
        "doubts": [],
    }


async def test_a_held_verdict_has_its_evidence_and_its_hold(room: Room) -> None:
    shop(room)
    held = Verdict(finding=finding(0, Condition.UNRESPONSIVE), remedy=Remedy.RECREATE, hold=HOLD, not_before=NOW + 30)
    room.health = report(counts=((Condition.RUNNING, 1), (Condition.UNRESPONSIVE, 1)), verdicts=(held,))
    found = await room.get("/health")
    assert (found["seen_s"], found["counts"]) == (2.0, {"running": 1, "unresponsive agent": 1})
    assert found["instances"] == [
        {
            "deployment": "shop",
            "instance": "web/0",
            "id": "web-id-0",
            "group": "web",
            "az": "z1",
            "vm": "vm-0",
            "condition": "unresponsive agent",
            "since_s": 60.0,
            "evidence": ["silent for 60 s"],
            "remedy": "recreate its VM",
            "task": None,
            "task_s": None,
            "hold": {"code": "hold.ignored", "reason": "it is ignored"},
            "in_s": 30.0,
        }
    ]


async def test_what_is_being_repaired_stands_there_once_with_its_task(room: Room) -> None:
    shop(room)
    lost = finding(1, Condition.OFF)
    room.health = report(
        verdicts=(Verdict(finding=lost, remedy=Remedy.REBOOT, hold=HOLD),),
        repairing=(Repairing(finding=lost, remedy=Remedy.REBOOT, task=7, since=NOW - 5),),
    )
    (row,) = (await room.get("/health"))["instances"]
    assert (row["remedy"], row["task"], row["task_s"], row["hold"]) == ("reboot its VM", 7, 5.0, None)


async def test_instances_stand_by_deployment_group_and_label(room: Room) -> None:
    shop(room)
    verdicts = [
        Verdict(finding=finding(index, Condition.OFF, deployment), remedy=Remedy.REBOOT)
        for index, deployment in ((1, "shop"), (0, "shop"), (0, "blog"))
    ]
    room.health = report(verdicts=tuple(verdicts))
    found = await room.get("/health")
    assert [(row["deployment"], row["instance"]) for row in found["instances"]] == [
        ("blog", "web/0"),
        ("shop", "web/0"),
        ("shop", "web/1"),
    ]


async def test_of_one_deployment_only_its_instances_are_counted_and_those_not_told_are_as_wished(room: Room) -> None:
    record = shop(room, 4)
    errand = replace(instance(0, "smoke"), lifecycle=Lifecycle.ERRAND)
    wants = {0: Want.STARTED, 1: Want.STARTED, 2: Want.STOPPED, 3: Want.DETACHED}
    instances = tuple(replace(instance(index), want=want) for index, want in wants.items())
    room.store.records["shop"] = replace(record, instances=(*instances, errand))
    room.health = report(
        counts=((Condition.RUNNING, 99),),
        verdicts=(
            Verdict(finding=finding(0, Condition.OFF), remedy=Remedy.REBOOT),
            Verdict(finding=finding(0, Condition.OFF, "blog"), remedy=Remedy.REBOOT),
        ),
    )
    found = await room.get("/health?deployment=shop")
    assert found["counts"] == {"running": 1, "stopped": 1, "off": 1, "no VM": 1}
    assert [row["deployment"] for row in found["instances"]] == ["shop"]
    assert found["deployments"] == 1


async def test_before_the_first_look_nobody_is_said_to_run(room: Room) -> None:
    shop(room)
    room.health = report(has_looked=False, doubts=("the director came up 0 s ago",))
    for path in ("/health", "/health?deployment=shop"):
        found = await room.get(path)
        assert (found["looked"], found["counts"], found["instances"]) == (False, {}, [])


async def test_an_unknown_deployment_is_404(room: Room) -> None:
    assert (await room.ask("GET", "/health?deployment=none")).status_code == 404


async def test_the_switch_the_setting_and_the_doubts_are_told(room: Room) -> None:
    room.store.settings = {"resurrection": {"paused": True}}
    room.health = report(is_on=False, doubts=("it started 3 s ago",))
    found = await room.get("/health")
    assert (found["resurrection"], found["repairs"], found["doubts"]) == (False, False, ["it started 3 s ago"])


async def test_health_demands_credentials(room: Room) -> None:
    async with room.client(auth=("admin", "wrong")) as client:
        assert (await client.get("/health")).status_code == 401
