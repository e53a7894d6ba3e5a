"""The Store port's promises, held by every adapter. Another database joins by another entry in ``STORES``."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from director.adapters.memory.store import MemoryStore
from director.adapters.store import SqlStore
from director.model.record import Config, DeploymentRecord, DiskState, PlanRecord, SealedVariable, TaskState
from director.model.wanted import Address
from director.ports.failure import Conflict, StoreFailure
from director.ports.store import (
    AddEvent,
    CloseIntent,
    DropAgent,
    DropCompiled,
    DropConfig,
    DropDeployment,
    DropDisk,
    DropInstance,
    DropRelease,
    DropSetting,
    DropStemcell,
    DropVariables,
    DropVm,
    EventQuery,
    OpenIntent,
    PutAgent,
    PutCompiled,
    PutDeployment,
    PutDisk,
    PutInstance,
    PutPlan,
    PutRelease,
    PutSetting,
    PutStemcell,
    PutTask,
    PutVariable,
    PutVm,
    TaskQuery,
)
from tests.formats.samples import INSTANCE, RELEASE, STORED


@asynccontextmanager
async def _memory(_path):
    store = MemoryStore()
    yield store
    await store.close()


@asynccontextmanager
async def _sqlite(path):
    store = await SqlStore.open(path / "director.db")
    yield store
    await store.close()


STORES = {"memory": _memory, "sqlite": _sqlite}


@pytest.fixture(params=sorted(STORES))
async def store(request, tmp_path):
    async with STORES[request.param](tmp_path) as opened:
        yield opened


AGENT, COMPILED, DEPLOYMENT, DISK, EVENT, INTENT, STEMCELL, TASK, VM = (
    STORED[name]
    for name in ("agent", "compiled_package", "deployment", "disk", "event", "intent", "stemcell", "task", "vm")
)
PLAN = STORED["plan_record"]
SEALED = SealedVariable(
    id="s-1", deployment="shop", name="pw", type="password", options_digest="o", sealed=b"\x00\xff", created_at=1.5
)


def _instance(name, *ips, deployment="shop", index=0):
    addresses = tuple(Address(network="default", ip=ip) for ip in ips)
    return replace(INSTANCE, id=name, deployment=deployment, index=index, addresses=addresses)


def _claim(name, *ips):
    return PutInstance(record=_instance(name, *ips))


async def test_a_deployment_is_read_as_it_was_written(store):
    await store.commit(PutDeployment(record=DEPLOYMENT))
    assert await store.deployment("shop") == DEPLOYMENT
    assert await store.deployment("other") is None
    assert await store.deployments() == (DEPLOYMENT,)


async def test_deployments_are_sorted_by_name(store):
    names = ["b", "B", "a", "ä"]
    await store.commit(*(PutDeployment(record=DeploymentRecord(name=name)) for name in names))
    assert [one.name for one in await store.deployments()] == sorted(names)


async def test_a_stale_serial_is_a_conflict_and_nothing_of_the_commit_happens(store):
    await store.commit(PutDeployment(record=DEPLOYMENT, expected_serial=-1))
    newer = replace(DEPLOYMENT, serial=5)
    with pytest.raises(Conflict, match="shop"):
        await store.commit(PutInstance(record=INSTANCE), PutDeployment(record=newer, expected_serial=3))
    with pytest.raises(Conflict):
        await store.commit(PutDeployment(record=newer, expected_serial=-1))
    assert (await store.record("shop")).instances == ()
    await store.commit(PutDeployment(record=newer, expected_serial=4))
    assert (await store.deployment("shop")).serial == 5


async def test_serials_within_one_commit_follow_each_other(store):
    second = replace(DEPLOYMENT, serial=5)
    await store.commit(
        PutDeployment(record=DEPLOYMENT, expected_serial=-1), PutDeployment(record=second, expected_serial=4)
    )
    assert await store.deployment("shop") == second


async def test_a_record_is_the_whole_deployment_and_nothing_of_another(store):
    second = replace(INSTANCE, id="i-0", group="api", addresses=())
    stray = _instance("i-9", "10.9.9.9", deployment="other")
    orphan = replace(DISK, name="d-9", instance=None, state=DiskState.ORPHANED)
    await store.commit(
        PutDeployment(record=DEPLOYMENT),
        PutInstance(record=INSTANCE),
        PutInstance(record=second),
        PutInstance(record=stray),
        PutVm(record=VM),
        PutVm(record=replace(VM, name="v-9", deployment="other")),
        PutDisk(record=DISK),
        PutDisk(record=orphan),
    )
    record = await store.record("shop")
    assert record.deployment == DEPLOYMENT
    assert record.instances == (second, INSTANCE)
    assert record.vms == (VM,)
    assert record.disks == (DISK,)
    assert await store.record("other") is None


async def test_what_was_dropped_is_gone(store):
    await store.commit(
        PutDeployment(record=DEPLOYMENT), PutInstance(record=INSTANCE), PutVm(record=VM), PutDisk(record=DISK)
    )
    await store.commit(DropVm(name=VM.name), DropDisk(name=DISK.name), DropInstance(id=INSTANCE.id))
    record = await store.record("shop")
    assert (record.instances, record.vms, record.disks) == ((), (), ())
    assert await store.vms() == ()
    assert await store.addresses_taken() == {}


async def test_dropping_what_is_not_there_is_no_error(store):
    await store.commit(
        DropVm(name="v"), DropDisk(name="d"), DropInstance(id="i"), DropDeployment(name="n"), DropAgent(id="a")
    )


async def test_an_address_belongs_to_one_instance_of_all_deployments(store):
    await store.commit(PutInstance(record=_instance("i-1", "10.0.0.4", deployment="shop", index=3)))
    with pytest.raises(Conflict, match=r"10\.0\.0\.4.*web/3.*shop"):
        await store.commit(PutInstance(record=_instance("i-2", "10.0.0.4", deployment="other")))
    assert await store.addresses_taken() == {"10.0.0.4": "i-1"}


async def test_two_instances_of_one_commit_may_not_share_an_address(store):
    with pytest.raises(Conflict, match=r"10\.0\.0\.4"):
        await store.commit(_claim("i-1", "10.0.0.4"), _claim("i-2", "10.0.0.4"))


async def test_two_instances_may_swap_addresses_in_one_commit(store):
    await store.commit(_claim("i-1", "10.0.0.4"), _claim("i-2", "10.0.0.5"))
    await store.commit(_claim("i-1", "10.0.0.5"), _claim("i-2", "10.0.0.4"))
    assert await store.addresses_taken() == {"10.0.0.4": "i-2", "10.0.0.5": "i-1"}


async def test_an_address_is_free_once_its_instance_gave_it_up_or_is_gone(store):
    await store.commit(_claim("i-1", "10.0.0.4", "10.0.0.5"))
    await store.commit(_claim("i-1", "10.0.0.5"), _claim("i-2", "10.0.0.4"))
    await store.commit(_claim("i-3", "10.0.0.5"), DropInstance(id="i-1"))
    assert await store.addresses_taken() == {"10.0.0.4": "i-2", "10.0.0.5": "i-3"}


async def test_an_address_not_yet_known_is_nobodys(store):
    loose = (Address(network="loose", ip=None),)
    await store.commit(*(PutInstance(record=replace(INSTANCE, id=name, addresses=loose)) for name in "ab"))
    assert await store.addresses_taken() == {}


async def test_addresses_taken_leaves_out_the_deployment_that_asks(store):
    await store.commit(
        _claim("i-2", "10.0.0.9", "10.0.0.1"),
        PutInstance(record=_instance("i-1", "10.0.0.4", deployment="other")),
    )
    assert list(await store.addresses_taken()) == ["10.0.0.1", "10.0.0.4", "10.0.0.9"]
    assert await store.addresses_taken(except_deployment="shop") == {"10.0.0.4": "i-1"}


async def test_a_deployment_is_dropped_with_all_it_owns(store):
    await store.commit(
        PutDeployment(record=DEPLOYMENT),
        PutInstance(record=INSTANCE),
        PutVm(record=VM),
        PutPlan(record=PLAN),
        PutAgent(record=AGENT),
        PutVariable(record=SEALED),
        OpenIntent(intent=INTENT),
        AddEvent(event=EVENT),
        PutInstance(record=_instance("i-9", "10.9.9.9", deployment="other")),
    )
    await store.commit(DropDeployment(name="shop"))
    assert await store.record("shop") is None
    assert await store.vms() == ()
    assert await store.plan(PLAN.id) is None
    assert await store.agent(AGENT.id) is None
    assert await store.variables("shop") == ()
    assert await store.open_intents() == ()
    assert await store.addresses_taken() == {"10.9.9.9": "i-9"}
    assert len(await store.events(EventQuery())) == 1
    await store.commit(CloseIntent(task=INTENT.task, step=INTENT.step, at=2.0))


async def test_a_deployment_with_disks_is_not_dropped_until_they_are_orphaned(store):
    await store.commit(PutDeployment(record=DEPLOYMENT), PutDisk(record=DISK))
    with pytest.raises(Conflict, match=f"{DISK.name}.*[Oo]rphan"):
        await store.commit(DropDeployment(name="shop"))
    orphan = replace(DISK, instance=None, state=DiskState.ORPHANED)
    await store.commit(PutDisk(record=orphan), DropDeployment(name="shop"))
    assert await store.deployments() == ()
    assert await store.disks(orphaned=True) == (orphan,)
    assert await store.disks(orphaned=False) == ()


async def test_disks_are_listed_by_whether_an_instance_owns_them(store):
    deleting = replace(DISK, name="d-0", instance=None, state=DiskState.DELETING)
    await store.commit(PutDisk(record=DISK), PutDisk(record=deleting))
    assert await store.disks() == (deleting, DISK)
    assert await store.disks(orphaned=True) == (deleting,)
    assert await store.disks(orphaned=False) == (DISK,)


async def test_open_intents_are_those_without_a_result_in_the_order_they_were_opened(store):
    late = replace(INTENT, step="a", opened_at=20.0)
    early = replace(INTENT, step="b", opened_at=10.0)
    await store.commit(OpenIntent(intent=late), OpenIntent(intent=early), OpenIntent(intent=INTENT))
    await store.commit(CloseIntent(task=INTENT.task, step=INTENT.step, at=12.0, result="failed"))
    assert await store.open_intents() == (early, late)
    again = replace(INTENT, opened_at=30.0)
    await store.commit(OpenIntent(intent=again))
    assert await store.open_intents() == (early, late, again)


async def test_tasks_are_numbered_from_one(store):
    added = [await store.add_task(replace(TASK, id=0)) for _ in range(3)]
    assert [task.id for task in added] == [1, 2, 3]
    assert await store.task(2) == replace(TASK, id=2)
    assert await store.task(4) is None


async def test_a_task_changes_in_place(store):
    task = await store.add_task(replace(TASK, id=0))
    done = replace(task, state=TaskState.DONE, result="ok", changed_at=9.0)
    await store.commit(PutTask(record=done))
    assert await store.task(task.id) == done
    assert (await store.add_task(replace(TASK, id=0))).id == 2


async def test_tasks_are_found_newest_change_first(store):
    tasks = [
        await store.add_task(replace(TASK, id=0, state=state, deployment=deployment, type=type_, changed_at=at))
        for state, deployment, type_, at in (
            (TaskState.DONE, "shop", "update_deployment", 5.0),
            (TaskState.DONE, "shop", "run_errand", 7.0),
            (TaskState.QUEUED, "other", "update_deployment", 6.0),
            (TaskState.ERROR, None, "update_release", 6.0),
        )
    ]

    async def ids(**query):
        return [task.id for task in await store.tasks(TaskQuery(**query))]

    assert await ids() == [2, 4, 3, 1]
    assert await ids(limit=2) == [2, 4]
    assert await ids(states=(TaskState.DONE, TaskState.QUEUED)) == [2, 3, 1]
    assert await ids(deployment="shop") == [2, 1]
    assert await ids(types=("update_deployment", "update_release")) == [4, 3, 1]
    assert await ids(context_id="ctx") == [2, 4, 3, 1]
    assert await ids(context_id="none") == []
    assert tasks[0].type == "update_deployment"


async def test_a_task_has_the_plan_it_made_last(store):
    second = replace(PLAN, id="plan-0", created_at=PLAN.created_at)
    other = PlanRecord(id="plan-9", deployment="shop", task=1, parent=0, created_at=99.0, body={})
    await store.commit(PutPlan(record=PLAN), PutPlan(record=second), PutPlan(record=other), PutPlan(record=PLAN))
    assert await store.plan("plan-1") == PLAN
    assert await store.plan("none") is None
    assert await store.plan_of_task(PLAN.task) == second
    assert await store.plan_of_task(77) is None


async def test_a_configs_versions_are_appended(store):
    first = await store.add_config("cloud", "default", "a", 1.0)
    second = await store.add_config("cloud", "default", "b", 2.0, expected_latest_id=first.id)
    other = await store.add_config("cloud", "extra", "b", 3.0, expected_latest_id=0)
    runtime = await store.add_config("runtime", "default", "b", 4.0)
    assert second == Config(id=2, type="cloud", name="default", content="b", created_at=2.0, is_current=True)
    assert await store.configs() == (runtime, other, second)
    assert await store.configs("cloud") == (other, second)
    assert await store.configs("cloud", "default", limit=5) == (second, replace(first, is_current=False))
    assert await store.configs(name="default") == (runtime, second)
    assert await store.config(first.id) == replace(first, is_current=False)
    assert await store.config(second.id) == second
    assert await store.config(99) is None


async def test_the_same_text_makes_no_version(store):
    first = await store.add_config("cloud", "default", "a", 1.0)
    assert await store.add_config("cloud", "default", "a", 2.0) == first
    assert await store.configs("cloud", limit=9) == (first,)


async def test_a_config_changed_by_somebody_else_is_a_conflict(store):
    first = await store.add_config("cloud", "default", "a", 1.0)
    for expected in (0, first.id + 1):
        with pytest.raises(Conflict, match=f"id {first.id}"):
            await store.add_config("cloud", "default", "a", 2.0, expected_latest_id=expected)


async def test_a_dropped_config_is_hidden_but_its_versions_can_still_be_read(store):
    first = await store.add_config("cloud", "default", "a", 1.0)
    second = await store.add_config("cloud", "default", "b", 2.0)
    other = await store.add_config("cloud", "other", "b", 2.0)
    await store.commit(DropConfig(type="cloud", name="default"))
    assert await store.configs("cloud", limit=9) == (other,)
    assert await store.config(second.id) == replace(second, is_current=False)
    again = await store.add_config("cloud", "default", "b", 3.0, expected_latest_id=0)
    assert again.id > other.id
    assert await store.config(again.id) == again
    await store.commit(DropConfig(id=again.id))
    assert await store.configs("cloud", "default") == ()
    assert (await store.config(first.id)).content == "a"


async def test_the_catalog_is_sorted_and_read_as_written(store):
    older = replace(RELEASE, version="0.9")
    other = replace(COMPILED, key="k0")
    east = replace(STEMCELL, cpi="")
    await store.commit(
        PutRelease(release=RELEASE),
        PutRelease(release=older),
        PutStemcell(stemcell=STEMCELL),
        PutStemcell(stemcell=east),
        PutCompiled(package=COMPILED),
        PutCompiled(package=other),
    )
    catalog = await store.catalog()
    assert catalog.releases == (older, RELEASE)
    assert catalog.stemcells == (east, STEMCELL)
    assert list(catalog.compiled.items()) == [("k0", other), ("k1", COMPILED)]


async def test_software_is_replaced_and_dropped_by_its_key(store):
    bare = replace(RELEASE, jobs=())
    await store.commit(PutRelease(release=RELEASE), PutStemcell(stemcell=STEMCELL), PutCompiled(package=COMPILED))
    await store.commit(PutRelease(release=bare))
    assert (await store.catalog()).releases == (bare,)
    await store.commit(
        DropRelease(name=RELEASE.name, version=RELEASE.version),
        DropStemcell(name=STEMCELL.name, version=STEMCELL.version),
        DropCompiled(key=COMPILED.key),
    )
    catalog = await store.catalog()
    assert (catalog.releases, catalog.compiled) == ((), {})
    assert catalog.stemcells == (STEMCELL,), "that one is of another cpi"


async def test_events_are_numbered_and_found_newest_first(store):
    events = [
        replace(EVENT, at=10.0, user="ann"),
        replace(EVENT, at=20.0, action="delete", object_type="disk", object_name="d-1", task=None, instance=None),
        replace(EVENT, at=30.0, deployment=None, parent=None, error=None),
    ]
    await store.commit(*(AddEvent(event=event) for event in events))
    stored = tuple(replace(event, id=number) for number, event in enumerate(events, start=1))

    async def ids(**query):
        return [event.id for event in await store.events(EventQuery(**query))]

    assert await store.events(EventQuery()) == stored[::-1]
    assert await ids(limit=2) == [3, 2]
    assert await ids(before_id=3) == [2, 1]
    assert await ids(before=30.0, after=10.0) == [2]
    assert await ids(task=9) == [3, 1]
    assert await ids(deployment="shop") == [2, 1]
    assert await ids(instance="web/i-1", user="admin") == [3]
    assert await ids(action="delete") == await ids(object_type="disk") == await ids(object_name="d-1") == [2]


async def test_an_agent_is_kept_until_dropped(store):
    await store.commit(PutAgent(record=AGENT))
    assert await store.agent(AGENT.id) == AGENT
    await store.commit(DropAgent(id=AGENT.id))
    assert await store.agent(AGENT.id) is None


async def test_variables_are_kept_by_deployment_and_name(store):
    other = replace(SEALED, id="s-2", name="ca")
    shared = replace(SEALED, id="s-3", deployment="", name="/ca")
    newer = replace(SEALED, id="s-4", sealed=b"new")
    await store.commit(*(PutVariable(record=record) for record in (SEALED, other, shared, newer)))
    assert await store.variables("shop") == (other, newer)
    await store.commit(DropVariables(deployment="shop", name="ca"))
    assert await store.variables("shop") == (newer,)
    await store.commit(DropVariables(deployment="shop"))
    assert await store.variables("shop") == ()
    assert await store.variables("") == (shared,)


async def test_a_setting_is_a_tree(store):
    assert await store.setting("uuid") is None
    await store.commit(PutSetting(name="uuid", value={"value": "x", "more": [1, None, {"a": 0.5}]}))
    assert await store.setting("uuid") == {"value": "x", "more": [1, None, {"a": 0.5}]}
    await store.commit(PutSetting(name="uuid", value={}))
    assert await store.setting("uuid") == {}
    await store.commit(DropSetting(name="uuid"), DropSetting(name="another"))
    assert await store.setting("uuid") is None


async def test_an_empty_commit_is_nothing(store):
    await store.commit()
    assert await store.deployments() == ()


async def test_of_many_commits_at_once_only_the_conflicting_ones_fail(store):
    async def reserve(number):
        # Every third asks for the one address they all cannot have.
        ip = "10.0.0.1" if number % 3 == 0 else f"10.0.1.{number}"
        await store.commit(PutInstance(record=_instance(f"i-{number:02}", ip)), PutSetting(name=f"{number}", value={}))

    ended = await asyncio.gather(*(reserve(number) for number in range(60)), return_exceptions=True)
    lost = [number for number, outcome in enumerate(ended) if isinstance(outcome, Conflict)]
    assert len(lost) == 19
    assert all(number % 3 == 0 for number in lost)
    assert [outcome for outcome in ended if outcome is not None and not isinstance(outcome, Conflict)] == []
    assert len(await store.addresses_taken()) == 41
    assert [await store.setting(str(number)) is None for number in range(60)] == [n in lost for n in range(60)]


async def test_a_closed_store_says_so(store):
    await store.close()
    with pytest.raises(StoreFailure, match="stopping"):
        await store.commit(PutSetting(name="a", value={}))
    with pytest.raises(StoreFailure, match="stopping"):
        await store.deployment("shop")
    with pytest.raises(StoreFailure, match="stopping"):
        await store.record("shop")
