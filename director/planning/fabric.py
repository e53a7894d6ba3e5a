"""Decides what happens to each stack of network objects: wanted against recorded against seen; and its steps.

Which objects a stack is made of is derived elsewhere (``fabric_stacks``); here nothing is named or chosen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from director.model.fabric import (
    OUTLIVING,
    FabricSighting,
    NetworkObject,
    ObjectState,
    SeenObject,
    Stack,
    StackRecord,
    StackState,
)
from director.model.names import DeploymentName, ObjectId, PlanId, StackName, StepKey
from director.model.plan import Limit, Move, Plan, PlannedStep, StackMove, Unit
from director.model.problem import Problem
from director.model.step import AnnounceInstance, AttachPorts, CreateVm, EnsureStack, LeaveStack, RemoveStack, Step
from director.planning.fabric_words import about

NETWORKS: Final = "networks"
"""Bounds how many stacks are changed at once; a fabric bounds its requests itself."""
STACKS_AT_ONCE: Final = 64
READY: Final = StepKey("gate:networks ready")

NOTHING_SEEN: Final = FabricSighting()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """``ensures`` come before what needs networks, ``departures`` after everything that could still use them."""

    ensures: tuple[EnsureStack, ...] = ()
    departures: tuple[RemoveStack | LeaveStack, ...] = ()
    moves: tuple[StackMove, ...] = ()
    joins: tuple[Stack, ...] = ()
    problems: tuple[Problem, ...] = ()


def plan_stacks(
    deployment: DeploymentName,
    wanted: Sequence[Stack],
    recorded: Mapping[StackName, StackRecord],
    seen: Mapping[str, FabricSighting],
) -> StackPlan:
    """``recorded`` are the stacks wanted or used so far, whoever uses them. Sorted by name; pure."""
    ensures: list[EnsureStack] = []
    moves: list[StackMove] = []
    problems = [problem for sighting in seen.values() for problem in sighting.problems]
    for stack in sorted(wanted, key=lambda one: one.name):
        sighting, record = seen.get(stack.cpi, NOTHING_SEEN), recorded.get(stack.name)
        problems += _foreign(stack, sighting)
        step = _ensure(stack, record, sighting)
        if (move := _move(step, record, sighting)) is not None:
            ensures.append(step)
            moves.append(move)
    names = {stack.name for stack in wanted}
    left = [r for name, r in sorted(recorded.items()) if name not in names and deployment in r.users]
    departures = [_departure(deployment, record) for record in left]
    moves += [_removal(step) for step in departures if isinstance(step, RemoveStack)]
    return StackPlan(
        ensures=tuple(ensures),
        departures=tuple(departures),
        moves=tuple(moves),
        joins=tuple(s for s in wanted if s.name not in recorded or deployment not in recorded[s.name].users),
        problems=tuple(dict.fromkeys(problems)),
    )


def _ensure(stack: Stack, record: StackRecord | None, seen: FabricSighting) -> EnsureStack:
    """``gone`` are all that the record has and that are not wanted, also those that are not there: what is recorded
    beyond that when the step is performed has come to it since.
    """
    ids = {one.id for one in stack.objects}
    former = record.stack.objects if record else ()
    gone = tuple(one for one in former if one.id not in ids)
    shown = {one.id: one for one in seen.objects}
    looked_at = [*ids, *(one.id for one in gone)]
    revisions = {one: shown[one].revision for one in sorted(looked_at) if one in shown and shown[one].revision}
    return EnsureStack(stack=stack, gone=gone, revisions=revisions)


def _is_there(seen: SeenObject | None) -> bool:
    return seen is not None and seen.state is not ObjectState.ABSENT


def _move(step: EnsureStack, record: StackRecord | None, seen: FabricSighting) -> StackMove | None:
    """What the step would come to; None when the stack is recorded and there as it should be."""
    shown = {one.id: one for one in seen.objects}
    lines = [line for one in step.stack.objects if (line := _line(one, shown.get(one.id)))]
    lines += [f"- {one.kind} {one.name}" for one in step.gone if _is_there(shown.get(one.id))]
    if record is None or not record.stack.objects:
        return StackMove(stack=step.stack.name, move=Move.CREATE, reasons=("new",), objects=tuple(lines))
    reasons = [*_reasons(step.stack, record), *(["not as it should be"] if lines else [])]
    if not reasons:
        return None
    return StackMove(stack=step.stack.name, move=Move.UPDATE, reasons=tuple(reasons), objects=tuple(lines))


def _reasons(stack: Stack, record: StackRecord) -> Iterator[str]:
    if record.state is not StackState.READY:
        yield "its last change did not finish"
    elif (record.stack.objects, record.stack.claims) != (stack.objects, stack.claims):
        yield "what is wanted of it changed"


def _line(wanted: NetworkObject, seen: SeenObject | None) -> str | None:
    if seen is None or not _is_there(seen) or seen.state is ObjectState.LEAVING:
        return f"+ {wanted.kind} {wanted.name}: {about(wanted)}"
    if seen.state is ObjectState.FAILED:
        return f"~ {wanted.kind} {wanted.name}: failed: {seen.error}"
    if seen.differences:
        return f"~ {wanted.kind} {wanted.name}: {'; '.join(seen.differences)}"
    return None


def _foreign(stack: Stack, seen: FabricSighting) -> Iterator[Problem]:
    shown = {one.id: one for one in seen.objects}
    for one in stack.objects:
        found = shown.get(one.id)
        if found is not None and found.is_foreign:
            yield Problem(
                code="network.foreign-object",
                summary="Somebody else's network object has our id",
                detail=f'{one.kind} "{one.name}" of {stack.name} would have the id {one.id}, '
                "but an object of that id without this director's tag is there already.",
                fix="remove or rename that object in NSX-T, or name yours differently.",
            )


def _departure(deployment: DeploymentName, record: StackRecord) -> RemoveStack | LeaveStack:
    if set(record.users) == {deployment}:
        return RemoveStack(stack=record.stack)
    return LeaveStack(stack=record.stack.name)


def _removal(step: RemoveStack) -> StackMove:
    lines = tuple(f"- {one.kind} {one.name}" for one in reversed(step.stack.objects))
    return StackMove(stack=step.stack.name, move=Move.DELETE, reasons=("no longer used",), objects=lines)


# Steps


def ensure_steps(plan: StackPlan) -> Iterator[tuple[PlannedStep, Unit]]:
    """Groups first: load balancers may speak of them."""
    groups = tuple(_key(s.stack.name, "ensure") for s in plan.ensures if _holds_groups(s.stack.name))
    for step in plan.ensures:
        name = step.stack.name
        yield _step(step, name, "ensure", "Creating networks", () if _holds_groups(name) else groups)


def departure_steps(plan: StackPlan, needs: tuple[StepKey, ...]) -> Iterator[tuple[PlannedStep, Unit]]:
    """Groups last, for the same reason."""
    named = [(step, _name_of(step), _verb_of(step)) for step in plan.departures]
    others = tuple(_key(name, verb) for _, name, verb in named if not _holds_groups(name))
    for step, name, verb in named:
        yield _step(step, name, verb, "Deleting networks", (*needs, *(others if _holds_groups(name) else ())))


def _holds_groups(name: StackName) -> bool:
    return name.startswith("groups/")


def _name_of(step: RemoveStack | LeaveStack) -> StackName:
    return step.stack.name if isinstance(step, RemoveStack) else step.stack


def _verb_of(step: RemoveStack | LeaveStack) -> str:
    return "remove" if isinstance(step, RemoveStack) else "leave"


def _key(name: StackName, verb: str) -> StepKey:
    return StepKey(f"{name}:{verb}")


def _step(step: Step, name: StackName, verb: str, stage: str, needs: tuple[StepKey, ...]) -> tuple[PlannedStep, Unit]:
    unit = Unit(name=f"{verb} {name}", stage=stage, task=name)
    planned = PlannedStep(
        key=_key(name, verb), step=step, subject=name, needs=needs, unit=unit.name, limits=(NETWORKS,)
    )
    return planned, unit


def make_networks_plan(name: PlanId, parent: int, plan: StackPlan) -> Plan:
    """What network configs say, as a plan of its own."""
    steps = [*ensure_steps(plan)]
    steps += departure_steps(plan, tuple(step.key for step, _ in steps))
    return Plan(
        id=name,
        deployment=OUTLIVING,
        parent=parent,
        steps=tuple(step for step, _ in steps),
        units=tuple(unit for _, unit in steps),
        limits=(stack_limit(),) if steps else (),
        stack_moves=plan.moves,
        joins=plan.joins,
    )


def stack_limit() -> Limit:
    return Limit(name=NETWORKS, max=STACKS_AT_ONCE)


def with_networks_first(steps: Iterable[PlannedStep]) -> tuple[PlannedStep, ...]:
    """Whatever puts a VM on a network or into a pool waits until all networks are ready."""
    needing = (CreateVm, AttachPorts, AnnounceInstance)
    return tuple(replace(s, needs=(*s.needs, READY)) if isinstance(s.step, needing) else s for s in steps)


def ids_of(stacks: Iterable[Stack]) -> frozenset[ObjectId]:
    return frozenset(one.id for stack in stacks for one in stack.objects)
