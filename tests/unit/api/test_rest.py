"""Events, locks, disks, clean-up, blobs, the resurrection switch."""

from dataclasses import replace

import pytest

from director.model.names import DeploymentName, TaskId
from director.model.record import DiskState, Event, Task, TaskState
from director.model.release import Catalog
from director.reconcile.requests import CleanUp, DeleteDisk
from tests.unit.api.room import NOW, Room
from tests.unit.api.samples import disk, instance, release, shop, stemcell


def event(number: int, **more) -> Event:
    values = {"id": number, "at": NOW + number, "user": "admin", "action": "create", "object_type": "vm"}
    return Event(**values, object_name=f"vm-{number}", **more)


async def test_an_event_has_text_ids_whole_seconds_and_no_empty_keys(room: Room) -> None:
    room.store.all_events = [
        event(1),
        event(2, parent=1, task=TaskId(4), deployment=DeploymentName("shop"), error="no"),
    ]
    newest, oldest = await room.get("/events")
    assert newest == {
        "id": "2", "parent_id": "1", "timestamp": int(NOW) + 2, "user": "admin", "action": "create",
        "object_type": "vm", "object_name": "vm-2", "task": "4", "deployment": "shop", "error": "no", "context": {},
    }  # fmt: skip
    assert "parent_id" not in oldest
    assert await room.get("/events/2") == newest
    assert (await room.ask("GET", "/events/9")).status_code == 404
    assert (await room.ask("GET", "/events/x")).status_code == 404


@pytest.mark.parametrize(
    "query,ids",
    [
        ("before_id=2", ["1"]),
        ("deployment=none", []),
        ("action=delete", []),
        (f"before_time={int(NOW) + 2}", ["1"]),
        ("before_time=2023-11-14T22:13:22Z", ["1"]),
        ("before_time=2023-11-14 22:13:22 UTC", ["1"]),
        ("before_time=2023-11-14 23:13:22 %2B0100", ["1"]),
    ],
)
async def test_events_are_filtered_as_asked(room: Room, query: str, ids: list[str]) -> None:
    room.store.all_events = [event(1), event(2)]
    assert [row["id"] for row in await room.get(f"/events?{query}")] == ids


@pytest.mark.parametrize("query", ["before_time=yesterday", "before_id=x", "task=y"])
async def test_a_senseless_filter_of_events_is_refused(room: Room, query: str) -> None:
    assert (await room.ask("GET", f"/events?{query}")).status_code == 400


async def test_a_lock_names_its_deployment_and_task(room: Room) -> None:
    room.store.all_tasks[7] = Task(
        id=TaskId(7), type="update_deployment", state=TaskState.PROCESSING, description="create deployment",
        user="admin", deployment=DeploymentName("new"),
    )  # fmt: skip
    assert await room.get("/locks") == []
    room.driver.locks = {"new": TaskId(7)}
    assert await room.get("/locks") == [
        {"type": "deployment", "resource": ["new"], "timeout": "1700000240.000000", "task_id": "7"}
    ]


async def test_orphaned_disks_are_listed_newest_first_and_deleted_by_a_task(room: Room) -> None:
    owner = instance(0)
    room.store.orphans = [
        disk(owner, "old", DiskState.ORPHANED, orphaned_at=NOW),
        replace(disk(owner, "a/b", DiskState.ORPHANED, orphaned_at=NOW + 60), cloud_properties={"type": "fast"}),
    ]
    rows = await room.get("/disks")
    assert rows[0] == {
        "disk_cid": "cid-a/b", "size": 1024, "az": "z1", "deployment_name": "shop", "instance_name": "web/web-id-0",
        "cloud_properties": {"type": "fast"}, "orphaned_at": "2023-11-14T22:14:20Z",
    }  # fmt: skip
    assert rows[1]["disk_cid"] == "cid-old"
    assert (await room.ask("DELETE", "/disks/cid-a%2Fb")).status_code == 303
    assert room.driver.asked == [DeleteDisk(cid="cid-a/b")]


@pytest.mark.parametrize("path,status", [("/disks/cid-d1", 404), ("/disks/cid-d1?orphan=true", 400)])
async def test_a_disk_somebody_owns_is_not_deleted(room: Room, path: str, status: int) -> None:
    shop(room)
    assert (await room.ask("DELETE", path)).status_code == status
    assert not room.driver.asked


async def test_clean_up_is_a_task(room: Room) -> None:
    body = {"config": {"remove_all": True, "keep_orphaned_disks": True}}
    assert (await room.ask("POST", "/cleanup", json=body)).status_code == 303
    assert room.driver.asked == [CleanUp(remove_all=True, keep_orphaned_disks=True)]


async def test_a_dry_clean_up_lists_what_nothing_uses(room: Room) -> None:
    shop(room)
    room.store.orphans = [disk(instance(0), "old", DiskState.ORPHANED, orphaned_at=NOW)]
    versions = ("1.0.0", "1.10.0", "1.9.0", "1.8.0")
    room.store.software = Catalog(releases=tuple(map(release, versions)), stemcells=(stemcell("1"), stemcell("2")))
    some = await room.get("/cleanup/dryrun?remove_all=false&keep_orphaned_disks=false")
    assert some["releases"] == [{"name": "app", "versions": ["1.8.0"]}]
    assert (some["stemcells"], some["orphaned_disks"]) == ([], [])
    every = await room.get("/cleanup/dryrun?remove_all=true&keep_orphaned_disks=false")
    assert every["releases"] == [{"name": "app", "versions": ["1.10.0", "1.9.0", "1.8.0"]}]
    assert [s["version"] for s in every["stemcells"]] == ["2"]
    assert [d["disk_cid"] for d in every["orphaned_disks"]] == ["cid-old"]
    kept = await room.get("/cleanup/dryrun?remove_all=true&keep_orphaned_disks=true")
    assert kept["orphaned_disks"] == []
    room.store.orphans = [disk(instance(0), "old", DiskState.ORPHANED, orphaned_at=NOW - 5 * 86400)]
    some = await room.get("/cleanup/dryrun?remove_all=false&keep_orphaned_disks=false")
    assert [d["disk_cid"] for d in some["orphaned_disks"]] == ["cid-old"]


async def test_a_blob_is_streamed_and_a_missing_one_is_404(room: Room) -> None:
    room.blobs.kept = {"abc": b"0123456789"}
    answer = await room.ask("GET", "/resources/abc")
    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["content-type"] == "application/x-gzip"
    assert (await room.ask("GET", "/resources/none")).status_code == 404


async def test_the_resurrection_switch_is_remembered(room: Room) -> None:
    assert await room.get("/resurrection") == {"resurrection": True}
    assert (await room.ask("PUT", "/resurrection", json={"resurrection_paused": True})).status_code == 200
    assert await room.get("/resurrection") == {"resurrection": False}
    assert room.store.settings == {"resurrection": {"paused": True}}
    assert (await room.ask("PUT", "/resurrection", json={"resurrection_paused": False})).status_code == 200
    assert [(e.action, e.object_type, e.user) for e in room.store.all_events] == [
        ("pause", "resurrection", "admin"),
        ("resume", "resurrection", "admin"),
    ]


@pytest.mark.parametrize("path", ["/orphaned_vms", "/networks?orphaned=true", "/director/certificate_expiry"])
async def test_what_is_never_kept_is_an_empty_list(room: Room, path: str) -> None:
    assert await room.get(path) == []
