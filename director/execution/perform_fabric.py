"""Steps that change networks: stacks of objects that deployments share, and the places of instances in them.

It decides nothing but one thing, and that by the record alone: a stack that somebody else uses is not removed.

Note: two deployments and one network. Only one task at a time changes a given stack (``Fabrics.turn``), and each
changes it between two rows. A deployment is written down as a user in the transaction that adopts its plan, long
before its first step. With A and B the deployments, these are the orders in which things can come:

- A and B both make it: the one whose turn is second finds the first one's objects. Where they are as it wishes,
  nothing is written; where they are not, the fabric says Stale and B plans again from what A has recorded. It is never
  READY with one's objects while the other's are being made. What A added and B's plan knows nothing of is Stale too:
  B's READY would leave it there, unrecorded.
- A removes it, B joined before: RetireStack is refused, A leaves instead, and says so. B's objects are not touched,
  whether B has begun to make them or not.
- A removes it, B joins during the removal: the row is REMOVING, so B's plan is not adopted (Conflict); B plans again
  once the row is gone, and finds nothing.
- A removes it and the row is gone already, B joins just then: the row is B's. A saw no row when its turn began,
  so it drops none; or, when B joined before A's RetireStack, A is refused as above. What A removed of the fabric B's
  look did not see, or saw at a revision: B makes it, or is Stale and plans again.
- A and B both leave, each because the other uses it: the row stays without users, nothing of it is lost, and the one
  who left last says so. Drift tells it, clean-up removes it.
- A dies while making it: CHANGING, with what was and what was to be; nobody's removal forgets one of them. While
  removing it: REMOVING, and A is its user still, so that A's next plan removes it or, when A wants it again, makes it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import assert_never

from director.execution.fence import vm_dropped
from director.execution.intend import intending
from director.execution.trail import event
from director.execution.world import Run, World
from director.model.fabric import (
    Carving,
    NatRule,
    NetworkObject,
    PoolAddress,
    Ports,
    Ref,
    Stack,
    StackRecord,
    StackState,
    StaticRoute,
)
from director.model.names import StackName, StepKey
from director.model.outcome import KEPT
from director.model.step import (
    AnnounceInstance,
    AttachPorts,
    DetachPorts,
    EnsureStack,
    LeaveStack,
    RemoveStack,
    WithdrawInstance,
)
from director.model.tree import Tree
from director.ports import store
from director.ports.fabric import FabricFailure, StackChange, Stale, Taken
from director.ports.failure import Conflict

FabricStep = EnsureStack | RemoveStack | LeaveStack | AttachPorts | DetachPorts | AnnounceInstance | WithdrawInstance


async def perform(step: FabricStep, key: StepKey, run: Run, world: World) -> Tree:
    match step:
        case EnsureStack():
            return await _ensure(step, key, run, world)
        case RemoveStack():
            return await _remove(step, key, run, world)
        case LeaveStack():
            return await _leave(step.stack, run, world)
        case AttachPorts():
            return await _attach(step, key, run, world)
        case DetachPorts():
            return await _detach(step, key, run, world)
        case AnnounceInstance():
            return await _announce(step, key, run, world)
        case WithdrawInstance():
            return await _withdraw(step, key, run, world)
        case _:
            assert_never(step)


async def _ensure(step: EnsureStack, key: StepKey, run: Run, world: World) -> Tree:
    wanted = step.stack
    async with world.fabrics.turn(wanted.name):
        recorded = await world.store.stack(wanted.name)
        _check_home(wanted, recorded, world)
        _check_known(step, recorded)
        whole = _with_all(wanted, recorded, step.gone)
        changing = store.PutStack(record=StackRecord(stack=whole, state=StackState.CHANGING))
        async with intending("ensure network", wanted.name, key, run, world, changing) as done:
            change = StackChange(stack=wanted, gone=step.gone, revisions=step.revisions)
            await _change(change, whole, world)
            done.changes.append(store.PutStack(record=StackRecord(stack=wanted, state=StackState.READY)))
    return {}


async def _change(change: StackChange, whole: Stack, world: World) -> None:
    """What was not given is not recorded any longer, so that the next plan does not hold on to it."""
    try:
        await world.fabrics.of(whole.cpi).ensure(change)
    except Taken as taken:
        left = _without(whole, taken.thing)
        await world.store.commit(store.PutStack(record=StackRecord(stack=left, state=StackState.CHANGING)))
        raise


async def _remove(step: RemoveStack, key: StepKey, run: Run, world: World) -> Tree:
    name = step.stack.name
    async with world.fabrics.turn(name):
        recorded = await world.store.stack(name)
        try:
            await world.store.commit(store.RetireStack(name=name, user=run.name))
        except Conflict as refused:
            left = await _leave(name, run, world)
            return {KEPT: str(refused), **left}
        async with intending("delete network", name, key, run, world) as done:
            stack = recorded.stack if recorded else step.stack
            await world.fabrics.of(stack.cpi).remove(_union(stack.objects, step.stack.objects))
            done.changes += [store.DropStack(name=name)] if recorded else []
    return {}


async def _leave(name: StackName, run: Run, world: World) -> Tree:
    await world.store.commit(
        store.LeaveStack(name=name, user=run.name),
        event(run, world, "leave network", name),
    )
    left = await world.store.stack(name)
    if left is None or left.users:
        return {}
    return {KEPT: f'The network objects "{name}" stay, though nobody uses them any more: "clean-up" removes them.'}


async def _attach(step: AttachPorts, key: StepKey, run: Run, world: World) -> Tree:
    vm = run.vms.get(step.vm)
    if vm is None or vm.cid is None:
        raise FabricFailure(f"The ports of VM {step.vm} cannot be attached: it was never created.")
    ports = Ports(vm=step.vm, cid=vm.cid, attachment=step.attachment, segments=step.segments)
    async with intending("attach ports", step.vm, key, run, world, instance=run.label_of(step.instance)):
        await world.fabrics.of(step.cpi).attach(ports)
    return {}


async def _detach(step: DetachPorts, key: StepKey, run: Run, world: World) -> Tree:
    """The VM's row goes with its ports: a director that died before this does it again."""
    vm = run.vms.get(step.vm)
    async with intending("detach ports", step.vm, key, run, world, instance=run.label_of(step.instance)) as done:
        await world.fabrics.of(step.cpi).detach(step.vm, vm.cid if vm else None, step.groups)
        done.changes += vm_dropped(step.vm)
    run.vms.pop(step.vm, None)
    return {}


async def _announce(step: AnnounceInstance, key: StepKey, run: Run, world: World) -> Tree:
    label = run.label_of(step.instance)
    async with intending("announce instance", label, key, run, world, instance=label):
        await world.fabrics.of(step.cpi).announce(step.members)
    return {}


async def _withdraw(step: WithdrawInstance, key: StepKey, run: Run, world: World) -> Tree:
    label = run.label_of(step.instance)
    async with intending("withdraw instance", label, key, run, world, instance=label):
        await world.fabrics.of(step.cpi).withdraw(step.members)
    return {}


def _check_home(wanted: Stack, recorded: StackRecord | None, world: World) -> None:
    """A CPI may have another name by now, but its objects do not move to another one's fabric."""
    if recorded is None or not recorded.stack.objects:
        return
    if world.fabrics.of(recorded.stack.cpi) is not world.fabrics.of(wanted.cpi):
        raise FabricFailure(
            f'The network objects "{wanted.name}" are in the NSX-T of CPI "{recorded.stack.cpi}", '
            f'but wanted in that of "{wanted.cpi}". Delete what uses them there first, or name the network differently.'
        )


def _check_known(step: EnsureStack, recorded: StackRecord | None) -> None:
    """What came to the stack since the plan was made is neither wished for nor taken away by this step: carried out,
    it would be there and no longer recorded.
    """
    known = {one.id for one in (*step.stack.objects, *step.gone)}
    later = [one for one in (recorded.stack.objects if recorded else ()) if one.id not in known]
    if later:
        what = ", ".join(sorted(f"{one.kind} {one.name}" for one in later))
        raise Stale(
            f'Another task has added to the network objects "{step.stack.name}" since the plan was made: {what}.'
        )


def _with_all(wanted: Stack, recorded: StackRecord | None, gone: Iterable[NetworkObject]) -> Stack:
    """What may be there from now on. Of an object that changes, the record keeps how it was: what the next plan holds
    on to is what was made, not what was tried.
    """
    former = recorded.stack if recorded else replace(wanted, objects=(), claims=())
    return replace(
        wanted,
        objects=_union(former.objects, gone, wanted.objects),
        claims=tuple(dict.fromkeys((*former.claims, *wanted.claims))),
    )


def _union(*some: Iterable[NetworkObject]) -> tuple[NetworkObject, ...]:
    """Each object once, as it came first."""
    found: dict[tuple[str, str, Ref | None], NetworkObject] = {}
    for one in (one for objects in some for one in objects):
        found.setdefault((one.kind, one.id, _parent(one)), one)
    return tuple(found.values())


def _without(stack: Stack, thing: Carving | PoolAddress) -> Stack:
    what = thing.cidr if isinstance(thing, Carving) else thing.ip
    place = thing.block if isinstance(thing, Carving) else thing.pool
    return replace(
        stack,
        objects=tuple(one for one in stack.objects if (one.id, _parent(one)) != (thing.id, place)),
        claims=tuple(claim for claim in stack.claims if not claim.endswith(f"{place.to}|{what}")),
    )


def _parent(one: NetworkObject) -> Ref | None:
    """Below what it lies: under another one the same id is another object."""
    match one:
        case NatRule() | StaticRoute():
            return one.router
        case Carving():
            return one.block
        case PoolAddress():
            return one.pool
        case _:
            return None
