"""``director drift`` looks at fabrics beside infrastructures."""

from dataclasses import replace

import pytest

from director.adapters.memory.infrastructure import Fault, FaultKind
from director.model.fabric import StackState
from director.model.names import StackName, TaskId
from director.model.record import Intent
from director.planning.drift import DriftKind
from director.ports.store import DropStack, OpenIntent, PutStack
from director.reconcile.drift import look_for_drift
from tests.support.networks import SHOP, fabric_of, id_of, managed, new_world, record


@pytest.fixture
async def world():
    made = new_world()
    await record(made, managed("web", "10.20.0.0/24"))
    return made


async def kinds(world):
    report = await look_for_drift(world)
    assert report.unseen == ()
    return [one.kind for one in report.drifts]


async def test_a_fabric_as_recorded_is_clean_and_counted(world):
    report = await look_for_drift(world)
    assert (report.is_clean, report.objects) == (True, 3)


async def test_missing_changed_and_unrecorded_are_found(world):
    there = fabric_of(world)
    there.drop(id_of("t1", "web"))
    there.change(id_of("seg", "web"), gateway="10.20.0.9/24")
    await record(world, managed("old", "10.21.0.0/24"))
    await world.store.commit(DropStack(name=StackName("network/old/0")))
    found = [(one.kind, one.subject) for one in (await look_for_drift(world)).drifts]
    assert found == [
        (DriftKind.NETWORK_UNRECORDED, "carving old"),
        (DriftKind.NETWORK_UNRECORDED, "router old"),
        (DriftKind.NETWORK_MISSING, "router web"),
        (DriftKind.NETWORK_UNRECORDED, "segment old-0a1b2c3d"),
        (DriftKind.NETWORK_CHANGED, "segment web-0a1b2c3d"),
    ]


async def test_a_fabric_that_does_not_answer_is_told_as_unseen(world):
    world.fabrics.of("").faults.append(Fault(call="find_all", kind=FaultKind.FAIL))
    report = await look_for_drift(world)
    assert report.drifts == ()
    (unseen,) = report.unseen
    assert unseen.reason.startswith("NSX-T: find_all")


async def test_a_stack_that_an_open_intent_names_is_not_judged(world):
    fabric_of(world).drop(id_of("t1", "web"))
    assert await kinds(world) == [DriftKind.NETWORK_MISSING]
    intent = Intent(
        task=TaskId(1),
        step="network/web/0:ensure",
        effect="ensure",
        target="network/web/0",
        deployment=SHOP,
        opened_at=0.0,
    )
    await world.store.commit(OpenIntent(intent=intent))
    assert await kinds(world) == []


async def test_a_stack_that_is_being_changed_is_not_judged(world):
    fabric_of(world).drop(id_of("t1", "web"))
    (row,) = await world.store.stacks()
    await world.store.commit(PutStack(record=replace(row, state=StackState.CHANGING)))
    assert await kinds(world) == []
