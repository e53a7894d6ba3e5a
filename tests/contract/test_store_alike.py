"""Whatever is committed, every store then reads the same: the fake of the tests promises no more than the real one."""

import asyncio
import dataclasses
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from director.adapters.memory.store import MemoryStore
from director.adapters.store import SqlStore
from director.model.fabric import StackRecord, StackState
from director.model.record import DeploymentRecord, DiskState, SealedVariable, TaskState
from director.model.wanted import Address
from director.ports.failure import Conflict
from director.ports.store import (
    AddEvent,
    CloseIntent,
    DropConfig,
    DropDeployment,
    DropDisk,
    DropInstance,
    DropSetting,
    DropStack,
    DropVariables,
    DropVm,
    EventQuery,
    JoinStack,
    LeaveStack,
    OpenIntent,
    PutDeployment,
    PutDisk,
    PutInstance,
    PutPlan,
    PutSetting,
    PutStack,
    PutTask,
    PutVariable,
    PutVm,
    RetireStack,
    TaskQuery,
)
from tests.formats.samples import INSTANCE, STORED

few = st.sampled_from
DEPLOYMENTS, NAMES, IPS, TIMES = (
    few(["a", "b"]),
    few(["x", "y", "z"]),
    few([None, "10.0.0.1", "10.0.0.2"]),
    few([1.0, 2.0]),
)


def _as(kind, **fields):
    return st.builds(lambda **chosen: dataclasses.replace(STORED[kind], **chosen), **fields)


ADDRESSES = st.lists(st.builds(Address, network=st.just("n"), ip=IPS), max_size=2).map(tuple)
DEPLOYMENT_RECORDS = st.builds(DeploymentRecord, name=DEPLOYMENTS, serial=st.integers(0, 2))
INSTANCES = st.builds(
    lambda **chosen: dataclasses.replace(INSTANCE, **chosen), id=NAMES, deployment=DEPLOYMENTS, addresses=ADDRESSES
)
DISKS = _as("disk", name=NAMES, deployment=DEPLOYMENTS, instance=st.none() | NAMES, state=few(list(DiskState)))
SEALED = st.builds(
    SealedVariable,
    id=NAMES,
    deployment=DEPLOYMENTS,
    name=NAMES,
    type=st.just("password"),
    options_digest=st.just(""),
    sealed=st.binary(max_size=3),
    created_at=TIMES,
)
CLAIMS = st.lists(few(["block:b|10.0.0.0/24", "pool:p|1.2.3.4"]), unique=True, max_size=2).map(tuple)
STACKS = _as("stack", name=NAMES, owner=DEPLOYMENTS, claims=CLAIMS)
STACK_CHANGES = st.one_of(
    st.builds(JoinStack, stack=STACKS, user=DEPLOYMENTS),
    st.builds(PutStack, record=st.builds(StackRecord, stack=STACKS, state=few(list(StackState)))),
    st.builds(LeaveStack, name=NAMES, user=DEPLOYMENTS),
    st.builds(RetireStack, name=NAMES, user=DEPLOYMENTS),
    st.builds(DropStack, name=NAMES),
)
CHANGES = st.one_of(
    st.builds(PutDeployment, record=DEPLOYMENT_RECORDS, expected_serial=st.none() | st.integers(-1, 2)),
    st.builds(DropDeployment, name=DEPLOYMENTS),
    st.builds(PutInstance, record=INSTANCES),
    st.builds(DropInstance, id=NAMES),
    st.builds(PutVm, record=_as("vm", name=NAMES, deployment=DEPLOYMENTS)),
    st.builds(DropVm, name=NAMES),
    st.builds(PutDisk, record=DISKS),
    st.builds(DropDisk, name=NAMES),
    STACK_CHANGES,
    st.builds(OpenIntent, intent=_as("intent", step=NAMES, deployment=DEPLOYMENTS, opened_at=TIMES)),
    st.builds(CloseIntent, task=st.just(9), step=NAMES, at=TIMES),
    st.builds(PutPlan, record=_as("plan_record", id=NAMES, deployment=DEPLOYMENTS, task=st.integers(1, 2))),
    st.builds(PutTask, record=_as("task", id=st.integers(1, 3), state=few(list(TaskState)), changed_at=TIMES)),
    st.builds(AddEvent, event=_as("event", deployment=st.none() | DEPLOYMENTS, at=TIMES)),
    st.builds(PutVariable, record=SEALED),
    st.builds(DropVariables, deployment=DEPLOYMENTS, name=st.none() | NAMES),
    st.builds(PutSetting, name=NAMES, value=few([{}, {"a": 1}])),
    st.builds(DropSetting, name=NAMES),
    st.builds(DropConfig, type=st.just("cloud"), name=NAMES),
    st.builds(DropConfig, id=st.integers(1, 4)),
)
CONFIG = st.tuples(NAMES, few(["one", "two"]), st.none() | st.integers(0, 3))
STACKS_ONLY = st.lists(
    st.lists(STACK_CHANGES | st.builds(DropDeployment, name=DEPLOYMENTS), min_size=1, max_size=3), max_size=16
)
COMMITS = st.lists(st.lists(CHANGES, min_size=1, max_size=6) | CONFIG | st.just("task"), max_size=12)


async def _do(store, commit):
    """What came of it, conflicts included; their words may differ."""
    try:
        match commit:
            case "task":
                return await store.add_task(STORED["task"])
            case tuple():
                name, content, expected = commit
                return await store.add_config("cloud", name, content, 1.0, expected_latest_id=expected)
            case _:
                return await store.commit(*commit)
    except Conflict:
        return Conflict


async def _reads(store):
    return {
        "deployments": await store.deployments(),
        "records": [await store.record(name) for name in "ab"],
        "taken": list((await store.addresses_taken()).items()),
        "others": await store.addresses_taken(except_deployment="a"),
        "vms": await store.vms(),
        "disks": [await store.disks(orphaned=orphaned) for orphaned in (None, True, False)],
        "stacks": await store.stacks(),
        "intents": await store.open_intents(),
        "plans": [await store.plan(name) for name in "xyz"] + [await store.plan_of_task(task) for task in (1, 2)],
        "tasks": await store.tasks(TaskQuery()),
        "queued": await store.tasks(TaskQuery(states=(TaskState.QUEUED, TaskState.DONE))),
        "events": await store.events(EventQuery(deployment="a")),
        "variables": [await store.variables(name) for name in "ab"],
        "configs": [await store.configs("cloud", limit=limit) for limit in (1, 2)],
        "settings": [await store.setting(name) for name in "xyz"],
        "config": [await store.config(number) for number in range(1, 5)],
    }


async def _compare(commits, directory):
    memory, sqlite = MemoryStore(), await SqlStore.open(directory / "director.db")
    try:
        for commit in commits:
            assert await _do(sqlite, commit) == await _do(memory, commit), commit
        assert await _reads(sqlite) == await _reads(memory)
    finally:
        await sqlite.close()


@settings(max_examples=40, deadline=None)
@given(commits=COMMITS)
def test_random_commits_read_the_same_from_memory_and_from_sqlite(commits):
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_compare(commits, Path(directory)))


@settings(max_examples=40, deadline=None)
@given(commits=STACKS_ONLY)
def test_random_changes_of_stacks_read_the_same_from_memory_and_from_sqlite(commits):
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_compare(commits, Path(directory)))
