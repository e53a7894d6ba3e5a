"""Instances: lists, changes of state as deploys of the stored manifest, ignoring, logs, errands."""

import time
from dataclasses import replace

import pytest

from director.model.names import TaskId
from director.model.record import VmState
from director.reconcile.requests import Deploy, FetchLogs, ListInstances, Overrides, RunErrand
from tests.unit.api.room import Room
from tests.unit.api.samples import instance, shop, vm


async def test_instances_have_boshs_keys_and_live_state(room: Room) -> None:
    shop(room, 1)
    assert await room.get("/deployments/shop/instances") == [
        {
            "agent_id": "agent-web-id-0-1", "cid": "cid-web-id-0-1", "job": "web", "index": 0, "id": "web-id-0",
            "az": "z1", "ips": ["10.0.0.10"], "vm_created_at": "2023-11-14T22:13:20Z", "expects_vm": True,
            "job_state": "running", "state": "started",
        }
    ]  # fmt: skip


async def test_vms_have_boshs_keys(room: Room) -> None:
    shop(room, 1)
    (row,) = await room.get("/deployments/shop/vms")
    assert row.keys() >= {"agent_id", "cid", "job", "index", "id", "az", "ips", "vm_created_at", "active"}
    assert row["active"] is True
    assert row["permanent_nats_credentials"] is False


async def test_an_instance_without_vm_is_an_instance_but_no_vm(room: Room) -> None:
    record = shop(room, 1)
    room.store.records["shop"] = replace(record, instances=(*record.instances, instance(1)))
    assert [row["cid"] for row in await room.get("/deployments/shop/instances")] == ["cid-web-id-0-1", None]
    assert len(await room.get("/deployments/shop/vms")) == 1


async def test_the_newest_of_two_vms_speaks_for_the_instance(room: Room) -> None:
    record = shop(room, 1)
    newer = vm(record.instances[0], generation=2, state=VmState.CREATING)
    room.store.records["shop"] = replace(record, vms=(newer, *record.vms))
    assert (await room.get("/deployments/shop/instances"))[0]["cid"] == newer.cid
    assert {row["cid"]: row["active"] for row in await room.get("/deployments/shop/vms")} == {
        "cid-web-id-0-1": True,
        "cid-web-id-0-2": False,
    }


@pytest.mark.parametrize("kind,vms_only", [("vms", True), ("instances", False)])
async def test_the_full_list_is_a_task_found_by_302(room: Room, kind: str, vms_only: bool) -> None:
    shop(room)
    answer = await room.ask("GET", f"/deployments/shop/{kind}?format=full")
    assert (answer.status_code, answer.headers["location"]) == (302, "/tasks/1")
    assert room.driver.asked == [ListInstances(deployment="shop", vms_only=vms_only)]
    assert (await room.ask("GET", f"/deployments/none/{kind}?format=full")).status_code == 404


async def test_fifty_instances_are_listed_in_a_few_milliseconds(room: Room) -> None:
    shop(room, 50)
    async with room.client() as client:
        await client.get("/deployments/shop/instances")
        begin = time.process_time()
        for _ in range(5):
            answer = await client.get("/deployments/shop/instances")
        took = (time.process_time() - begin) / 5
    assert len(answer.json()) == 50
    assert took < 0.02


@pytest.mark.parametrize(
    "method,path,overrides",
    [
        ("PUT", "jobs/*?state=stopped", Overrides(state="stopped", target="*")),
        ("PUT", "jobs/web?state=detached", Overrides(state="detached", target="web")),
        ("PUT", "jobs/web/0?state=restart", Overrides(state="restart", target="web/0")),
        (
            "PUT",
            "jobs/web?state=recreate&fix=true&skip_drain=true&canaries=0&max_in_flight=3",
            Overrides(state="recreate", target="web", fix=True, skip_drain=("web",), canaries="0", max_in_flight="3"),
        ),
        ("POST", "instance_groups/web/id-1/actions/start", Overrides(state="started", target="web/id-1")),
        ("POST", "instance_groups/web/0/actions/stop", Overrides(state="stopped", target="web/0")),
        ("POST", "instance_groups/web/0/actions/stop?hard=true", Overrides(state="detached", target="web/0")),
        (
            "POST",
            "instance_groups/web/0/actions/restart?skip_drain=true",
            Overrides(state="restart", target="web/0", skip_drain=("web/0",)),
        ),
        (
            "POST",
            "instance_groups/web/0/actions/recreate?ignore_unresponsive_agent=true",
            Overrides(state="recreate", target="web/0", fix=True),
        ),
    ],
)
async def test_a_change_of_state_is_a_deploy_of_the_stored_manifest(
    room: Room, method: str, path: str, overrides: Overrides
) -> None:
    shop(room)
    answer = await room.ask(method, f"/deployments/shop/{path}", content="", headers={"Content-Type": "text/yaml"})
    assert answer.status_code == 303
    assert room.driver.asked == [Deploy(deployment="shop", overrides=overrides)]


async def test_a_manifest_may_come_with_a_change_of_state(room: Room) -> None:
    shop(room)
    await room.ask("PUT", "/deployments/shop/jobs/web?state=started&dry_run=true", content="name: shop")
    assert room.driver.asked == [
        Deploy(
            deployment="shop",
            manifest="name: shop",
            dry_run=True,
            overrides=Overrides(state="started", target="web"),
        )
    ]


@pytest.mark.parametrize(
    "method,path,status",
    [
        ("PUT", "/deployments/none/jobs/web?state=started", 404),
        ("PUT", "/deployments/shop/jobs/web?state=asleep", 400),
        ("PUT", "/deployments/shop/jobs/web", 400),
        ("POST", "/deployments/shop/instance_groups/web/0/actions/explode", 404),
        ("PUT", "/deployments/shop/jobs/web/0/resurrection", 410),
    ],
)
async def test_a_senseless_change_of_state_is_refused(room: Room, method: str, path: str, status: int) -> None:
    shop(room)
    assert (await room.ask(method, path)).status_code == status
    assert not room.driver.asked


async def test_a_deployment_never_finished_must_be_deployed_before_its_state_is_changed(room: Room) -> None:
    record = shop(room)
    room.store.records["shop"] = replace(record, deployment=replace(record.deployment, manifest=None))
    answer = await room.ask("PUT", "/deployments/shop/jobs/web?state=started")
    assert answer.status_code == 400
    assert "Deploy it again" in answer.json()["description"]
    assert not room.driver.asked


async def test_ignoring_sets_the_flag_and_tells_the_audit_trail(room: Room) -> None:
    shop(room)
    answer = await room.ask("PUT", "/deployments/shop/instance_groups/web/1/ignore", json={"ignore": True})
    assert answer.status_code == 200
    flags = {i.index: i.is_ignored for i in room.store.records["shop"].instances}
    assert flags == {0: False, 1: True}
    assert [(e.action, e.instance, e.user) for e in room.store.all_events] == [("ignore", "web/web-id-1", "admin")]


async def test_ignoring_waits_for_the_task_that_owns_the_rows(room: Room) -> None:
    shop(room)
    room.driver.locks = {"shop": TaskId(5)}
    answer = await room.ask("PUT", "/deployments/shop/instance_groups/web/1/ignore", json={"ignore": True})
    assert answer.status_code == 409
    assert "Task 5" in answer.json()["description"]
    assert not room.store.all_events


async def test_ignoring_an_unknown_instance_is_404(room: Room) -> None:
    shop(room)
    answer = await room.ask("PUT", "/deployments/shop/instance_groups/web/9/ignore", json={"ignore": True})
    assert (answer.status_code, answer.json()["code"]) == (404, 70001)


@pytest.mark.parametrize(
    "path,what",
    [
        ("*/*/logs?type=job", FetchLogs(deployment="shop", target="*")),
        ("web/*/logs?type=agent", FetchLogs(deployment="shop", target="web", kinds=("agent",))),
        (
            "web/0/logs?type=job,system&filters=a.log,b/*.log",
            FetchLogs(deployment="shop", target="web/0", kinds=("job", "system"), filters=("a.log", "b/*.log")),
        ),
    ],
)
async def test_logs_are_a_task_found_by_302(room: Room, path: str, what: FetchLogs) -> None:
    shop(room)
    assert (await room.ask("GET", f"/deployments/shop/jobs/{path}")).status_code == 302
    assert room.driver.asked == [what]


async def test_an_unknown_kind_of_log_is_refused(room: Room) -> None:
    shop(room)
    assert (await room.ask("GET", "/deployments/shop/jobs/web/0/logs?type=gossip")).status_code == 400


async def test_errands_are_errand_groups_and_jobs_that_can_run(room: Room) -> None:
    shop(room)
    names = [row["name"] for row in await room.get("/deployments/shop/errands")]
    assert names == ["smoke", "status", "tests"]


async def test_a_deployment_never_finished_has_no_errands(room: Room) -> None:
    record = shop(room)
    room.store.records["shop"] = replace(record, deployment=replace(record.deployment, manifest=None))
    assert await room.get("/deployments/shop/errands") == []


async def test_an_errand_runs_where_it_is_asked_to(room: Room) -> None:
    shop(room)
    body = {"keep-alive": True, "when-changed": True, "instances": [{"group": "web", "id": "first"}, {"group": "db"}]}
    answer = await room.ask("POST", "/deployments/shop/errands/status/runs", json=body)
    assert answer.status_code == 303
    assert room.driver.asked == [
        RunErrand(deployment="shop", errand="status", instances=("web/first", "db"), keep_alive=True, when_changed=True)
    ]


async def test_an_unknown_errand_is_404_and_names_those_there_are(room: Room) -> None:
    shop(room)
    answer = await room.ask("POST", "/deployments/shop/errands/nothing/runs", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, 70009)
    assert "smoke, status, tests" in answer.json()["description"]


async def test_variables_are_named_and_can_be_forgotten(room: Room) -> None:
    shop(room)
    room.secrets.kept = {"shop": ["password", "tls/ca"]}
    assert await room.get("/deployments/shop/variables") == [
        {"id": "id-password", "name": "password"},
        {"id": "id-tls/ca", "name": "tls/ca"},
    ]
    assert (await room.ask("DELETE", "/deployments/shop/variables/tls/ca")).status_code == 204
    assert room.secrets.kept == {"shop": ["password"]}
    assert (await room.ask("DELETE", "/deployments/shop/variables/tls/ca")).status_code == 404
