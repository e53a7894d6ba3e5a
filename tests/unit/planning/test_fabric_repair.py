"""The plan that sets networks back: what of them, in which order, and what is left out."""

from dataclasses import replace

import pytest

from director.model.fabric import (
    FabricSighting,
    Member,
    ObjectState,
    Ref,
    SeenObject,
    ServerPool,
    StackRecord,
    StackState,
)
from director.model.plan import Move
from director.model.problem import Refused
from director.model.record import DeploymentRecord, Record
from director.model.sighting import JobState, SeenAgent, Sighting
from director.model.step import AnnounceInstance, EnsureStack
from director.planning.drift import Drift, DriftKind
from director.planning.fabric import READY
from director.planning.fabric_repair import choose_networks, make_network_repair
from tests.support.networks import SHOP, instance, managed, vm_of

STACK = managed("web", "172.20.4.0/24", vip="198.51.100.21")
OTHER = managed("db", "172.20.5.0/24")
(POOL,) = [one for one in STACK.objects if isinstance(one, ServerPool)]
WEB = instance("web", 0, members=(Member(pool=Ref(to=POOL.id), label="web-0", ip="172.20.4.10"),))
VM = vm_of(WEB)
WELL = {VM.agent: SeenAgent(id=VM.agent, is_connected=True, silent_s=1.0, job_state=JobState.RUNNING)}
RECORD = Record(
    deployment=DeploymentRecord(name=SHOP, serial=7),
    instances=(WEB,),
    vms=(VM,),
    stacks=tuple(StackRecord(stack=one, state=StackState.READY, users=(SHOP,)) for one in (STACK, OTHER)),
)


def drift(kind, subject, *, stack="", instance=""):
    return Drift(
        kind=kind,
        deployment=SHOP,
        instance=instance,
        subject=subject,
        cpi="",
        recorded="",
        seen="",
        fix="",
        stack=stack,
    )


CHANGED = drift(DriftKind.NETWORK_CHANGED, "router web", stack=STACK.name)
LOST = drift(DriftKind.MEMBER_MISSING, f"server pool {POOL.name}", instance=WEB.label)


def seen(**differing):
    """Everything is there; objects by their id with what is wrong with them."""
    objects = [
        SeenObject(id=one.id, kind=one.kind, name=one.name, revision="r1", **differing.get(str(one.id), {}))
        for one in (*STACK.objects, *OTHER.objects)
    ]
    return Sighting(at=0.0, fabrics={"": FabricSighting(objects=tuple(objects))})


ROUTER = str(STACK.objects[0].id)
WRONG = {ROUTER: {"differences": ("failover is theirs",)}}


def plan(confirmed, others=(), agents=WELL, record=RECORD, sighting=None):
    fix = choose_networks(record, confirmed, others, agents)
    return make_network_repair("p", record, fix, sighting or seen(**WRONG))


def test_a_stack_is_ensured_as_recorded_and_its_neighbour_left_alone():
    made = plan([CHANGED])
    (step,) = [one.step for one in made.steps if isinstance(one.step, EnsureStack)]
    assert (step.stack, step.gone) == (STACK, ())
    assert [(move.stack, move.move) for move in made.stack_moves] == [(STACK.name, Move.UPDATE)]
    assert (made.deployment, made.parent, made.joins, made.holds) == (SHOP, 7, (), ())


def test_an_instance_is_announced_once_the_pools_are_there():
    made = plan([CHANGED, LOST])
    (announce,) = [one for one in made.steps if isinstance(one.step, AnnounceInstance)]
    assert (announce.needs, announce.step.members) == ((READY,), WEB.members)
    (alone,) = plan([LOST]).steps
    assert (alone.needs, alone.step.members) == ((), WEB.members)


@pytest.mark.parametrize(
    "agents",
    [
        {},
        {VM.agent: replace(WELL[VM.agent], is_connected=False)},
        {VM.agent: replace(WELL[VM.agent], job_state=JobState.FAILING)},
    ],
    ids=["unheard", "silent", "failing"],
)
def test_who_does_not_run_is_not_announced(agents):
    made = plan([LOST], agents=agents)
    assert (made.steps, [hold.code for hold in made.holds]) == ((), ["hold.not-running"])


def test_an_ignored_instance_is_left_alone():
    made = plan([LOST], record=replace(RECORD, instances=(replace(WEB, is_ignored=True),)))
    assert (made.steps, [hold.code for hold in made.holds]) == ((), ["hold.ignored"])


def test_a_stack_with_more_wrong_than_was_confirmed_is_held_and_one_with_other_stacks_wrong_is_not():
    missing = drift(DriftKind.NETWORK_MISSING, "segment web", stack=STACK.name)
    held = plan([CHANGED], [missing])
    assert (held.steps, [hold.subject for hold in held.holds]) == ((), [STACK.name])
    elsewhere = replace(missing, stack=OTHER.name)
    assert [move.stack for move in plan([CHANGED], [elsewhere]).stack_moves] == [STACK.name]


def test_a_stack_that_a_task_left_half_changed_is_the_next_deploys():
    half = replace(RECORD, stacks=(replace(RECORD.stacks[0], state=StackState.CHANGING),))
    assert plan([CHANGED], record=half).steps == ()


def test_what_has_come_right_meanwhile_takes_no_step():
    assert plan([CHANGED], sighting=seen()).steps == ()


def test_somebody_elses_object_under_our_id_is_refused():
    with pytest.raises(Refused, match="without this director's tag"):
        plan([CHANGED], sighting=seen(**{ROUTER: {"is_foreign": True, "state": ObjectState.REALISED}}))
