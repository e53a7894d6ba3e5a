"""Tasks: lists, output from any byte, waiting without polling, cancelling."""

import asyncio
from dataclasses import replace

import pytest

from director.model.names import DeploymentName, TaskId
from director.model.record import Task, TaskState
from tests.unit.api.room import NOW, Room


def task(number: int, **more) -> Task:
    values = {
        "id": TaskId(number),
        "type": "update_deployment",
        "state": TaskState.DONE,
        "description": "create deployment",
        "user": "admin",
        "deployment": DeploymentName("shop"),
        "created_at": NOW,
        "started_at": NOW + 0.7,
        "changed_at": NOW + 9.9,
        "result": "/deployments/shop",
        **more,
    }
    return Task(**values)


@pytest.fixture
def known(room: Room) -> Room:
    room.store.all_tasks = {
        1: task(1),
        2: task(2, type="vms", description="retrieve vm-stats", context_id="ctx"),
        3: task(3, state=TaskState.QUEUED, started_at=None, result="", deployment=None),
    }
    return room


async def test_a_row_has_the_keys_bosh_reads_with_times_in_whole_seconds(known: Room) -> None:
    assert await known.get("/tasks/1") == {
        "id": 1, "state": "done", "description": "create deployment", "timestamp": int(NOW) + 9,
        "started_at": int(NOW), "result": "/deployments/shop", "user": "admin", "deployment": "shop", "context_id": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    "query,ids",
    [
        ("", [3, 1]),
        ("verbose=2", [3, 2, 1]),
        ("context_id=ctx", [2]),
        ("state=queued,processing,cancelling&verbose=1", [3]),
        ("verbose=2&limit=1", [3]),
        ("deployment=shop", [1]),
    ],
)
async def test_the_list_is_filtered_as_asked(known: Room, query: str, ids: list[int]) -> None:
    assert [row["id"] for row in await known.get(f"/tasks?{query}")] == ids


@pytest.mark.parametrize("query", ["state=sleeping", "limit=many", "limit=-1"])
async def test_a_senseless_filter_is_refused(known: Room, query: str) -> None:
    assert (await known.ask("GET", f"/tasks?{query}")).status_code == 400


@pytest.mark.parametrize("path", ["/tasks/99", "/tasks/x", "/tasks/99/output?type=event", f"/tasks/{'9' * 30}"])
async def test_an_unknown_task_is_404_with_boshs_code(known: Room, path: str) -> None:
    answer = await known.ask("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, 10000)


@pytest.mark.parametrize(
    "asked,status,text,content_range",
    [
        (None, 200, "hello world", None),
        ("bytes=0-", 206, "hello world", "bytes 0-10/11"),
        ("bytes=6-", 206, "world", "bytes 6-10/11"),
        ("bytes=0-4", 206, "hello", "bytes 0-4/11"),
        ("bytes=6-99", 206, "world", "bytes 6-10/11"),
        ("bytes=11-", 416, "Byte range unsatisfiable\n", "bytes */11"),
        ("bytes=5-4", 416, "Byte range unsatisfiable\n", "bytes */11"),
        ("lines=1-", 200, "hello world", None),
    ],
)
async def test_output_from_any_byte(
    known: Room, asked: str | None, status: int, text: str, content_range: str | None
) -> None:
    known.log.put(1, "event", "hello world")
    headers = {"Range": asked} if asked else {}
    answer = await known.ask("GET", "/tasks/1/output?type=event", headers=headers)
    assert (answer.status_code, answer.text) == (status, text)
    assert answer.headers.get("content-range") == content_range


async def test_an_empty_output_is_204_and_with_a_range_416(known: Room) -> None:
    assert (await known.ask("GET", "/tasks/1/output?type=result")).status_code == 204
    answer = await known.ask("GET", "/tasks/1/output?type=result", headers={"Range": "bytes=0-"})
    assert answer.status_code == 416


@pytest.mark.parametrize("kind", ["event", "result", "debug", "cpi", "progress"])
async def test_each_kind_of_output_is_its_own(known: Room, kind: str) -> None:
    known.log.put(1, kind, f"of {kind}")
    assert (await known.ask("GET", f"/tasks/1/output?type={kind}")).text == f"of {kind}"


async def test_without_a_type_it_is_the_debug_log(known: Room) -> None:
    known.log.put(1, "debug", "details")
    assert (await known.ask("GET", "/tasks/1/output")).text == "details"


async def test_an_unknown_kind_is_refused(known: Room) -> None:
    assert (await known.ask("GET", "/tasks/1/output?type=gossip")).status_code == 400


async def test_a_large_output_arrives_whole(known: Room) -> None:
    text = "".join(f"{number}\n" for number in range(100_000))
    known.log.put(1, "debug", text)
    assert (await known.ask("GET", "/tasks/1/output?type=debug")).text == text
    part = await known.ask("GET", "/tasks/1/output?type=debug", headers={"Range": "bytes=2-"})
    assert part.text == text[2:]


async def test_waiting_for_output_ends_as_soon_as_there_is_some(known: Room) -> None:
    headers = {"Range": "bytes=0-", "X-Director-Wait": "20"}
    asked = asyncio.create_task(known.ask("GET", "/tasks/3/output?type=event", headers=headers))
    while not known.log.waited_s:
        await asyncio.sleep(0)
    await known.log.append(3, "event", "news")
    answer = await asked
    assert (answer.status_code, answer.text) == (206, "news")
    assert known.log.waited_s == [20.0]


async def test_waiting_for_output_ends_with_416_when_the_task_is_over(known: Room) -> None:
    await known.log.close(1)
    answer = await known.ask("GET", "/tasks/1/output?type=event", headers={"Range": "bytes=0-", "X-Director-Wait": "9"})
    assert answer.status_code == 416


async def test_nobody_waits_longer_than_the_limit(known: Room) -> None:
    await known.log.close(3)
    await known.ask("GET", "/tasks/3", headers={"X-Director-Wait": "3600"})
    assert known.log.waited_s == [30.0]


async def test_waiting_for_a_task_outlasts_its_events_and_ends_with_its_log(known: Room) -> None:
    asked = asyncio.create_task(known.ask("GET", "/tasks/3", headers={"X-Director-Wait": "30"}))
    while not known.log.waited_s:
        await asyncio.sleep(0)
    await known.log.append(3, "event", "one more line\n")
    while len(known.log.waited_s) < 2:
        await asyncio.sleep(0)
    assert not asked.done()
    known.store.all_tasks[3] = replace(known.store.all_tasks[3], state=TaskState.ERROR)
    await known.log.close(3)
    assert (await asked).json()["state"] == "error"


async def test_an_ended_task_is_answered_at_once(known: Room) -> None:
    await known.ask("GET", "/tasks/1", headers={"X-Director-Wait": "30"})
    assert known.log.waited_s == []


async def test_cancelling_is_204_and_400_once_it_has_ended(known: Room) -> None:
    assert (await known.ask("DELETE", "/task/3")).status_code == 204
    assert (await known.ask("DELETE", "/task/1")).status_code == 400
    assert (await known.ask("DELETE", "/task/99")).status_code == 404


async def test_cancelling_many_takes_those_that_match(known: Room) -> None:
    known.store.all_tasks[4] = task(4, state=TaskState.PROCESSING)
    body = {"deployment": "shop", "states": ["queued", "processing"]}
    assert (await known.ask("POST", "/tasks/cancel", json=body)).status_code == 204
    states = {number: found.state for number, found in known.store.all_tasks.items()}
    assert states[4] is TaskState.CANCELLING
    assert states[3] is TaskState.QUEUED
    assert (await known.ask("POST", "/tasks/cancel", json={})).status_code == 204
    assert known.store.all_tasks[3].state is TaskState.CANCELLING
