"""The plan that sets networks of a deployment back as they were last deployed, and its instances back into their pools.

What is wished for is what is recorded of its stacks: neither the manifest nor a config is read, so nothing that was
changed in them since is carried out or undone. Stacks are written whole: one that differs in more than was confirmed is
held, and so is an instance that could not serve.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.model.fabric import Member, StackRecord, StackState
from director.model.names import AgentId, PlanId, StepKey
from director.model.plan import Change, Hold, Limit, Move, Plan, PlannedStep, Unit
from director.model.problem import Refused
from director.model.record import InstanceRecord, Record
from director.model.sighting import JobState, SeenAgent, Sighting
from director.model.step import AnnounceInstance, Gate
from director.planning.audit import audit
from director.planning.drift import Drift, DriftKind
from director.planning.fabric import READY, ensure_steps, plan_stacks, stack_limit
from director.planning.limit import CALLS
from director.planning.order import in_order
from director.planning.steps import Chain

STAGE: Final = "Setting networks back"
CALLS_MAX: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFix:
    """What is set back. ``stacks`` as recorded, ``members`` by instance; ``holds`` is what is left out, and why."""

    stacks: tuple[StackRecord, ...] = ()
    members: tuple[tuple[InstanceRecord, tuple[Member, ...]], ...] = ()
    holds: tuple[Hold, ...] = ()


def choose_networks(
    record: Record, confirmed: Sequence[Drift], others: Sequence[Drift], agents: Mapping[AgentId, SeenAgent]
) -> NetworkFix:
    """``confirmed`` is set back, ``others`` is what differs besides. Sorted by name."""
    more = {one.stack: one for one in reversed(others) if one.stack}
    wanted = {one.stack for one in confirmed if one.stack}
    stacks = [r for r in record.stacks if r.stack.name in wanted and r.state is StackState.READY]
    holds = [_more(more[r.stack.name]) for r in stacks if r.stack.name in more]
    lost = [(i, found) for i in record.instances if (found := _lost(i, record, confirmed))]
    holds += [hold for instance, _ in lost if (hold := _absent(instance, record, agents))]
    held = {hold.subject for hold in holds}
    return NetworkFix(
        stacks=tuple(r for r in sorted(stacks, key=lambda r: r.stack.name) if r.stack.name not in held),
        members=tuple(one for one in sorted(lost, key=lambda one: one[0].label) if one[0].label not in held),
        holds=tuple(holds),
    )


def _lost(instance: InstanceRecord, record: Record, confirmed: Sequence[Drift]) -> tuple[Member, ...]:
    """Its places in pools that it was confirmed to be missing in."""
    names = {str(one.id): f"{one.kind} {one.name}" for r in record.stacks for one in r.stack.objects}
    subjects = {d.subject for d in confirmed if d.kind is DriftKind.MEMBER_MISSING and d.instance == instance.label}
    return tuple(m for m in instance.members if m.pool.is_ours and names.get(m.pool.to) in subjects)


def _more(other: Drift) -> Hold:
    reason = f"{other.stack} is not set back: {other.subject} ({other.kind.value}) differs too, and was not confirmed."
    return Hold(code="hold.not-confirmed", subject=other.stack, reason=reason)


def _absent(instance: InstanceRecord, record: Record, agents: Mapping[AgentId, SeenAgent]) -> Hold | None:
    """Who does not serve is not announced: a pool would send it what it cannot answer."""
    if instance.is_ignored:
        return Hold(
            code="hold.ignored",
            subject=instance.label,
            reason=f"{instance.label} is ignored; `director unignore {instance.label}` lets it be changed again.",
        )
    vm = max(record.vms_of(instance.id), key=lambda vm: vm.generation, default=None)
    agent = agents.get(vm.agent) if vm else None
    if agent is not None and agent.is_connected and agent.job_state is JobState.RUNNING:
        return None
    reason = (
        f"{instance.label} does not run, so it is not announced to its server pools now; what repairs it does that."
    )
    return Hold(code="hold.not-running", subject=instance.label, reason=reason)


def make_network_repair(name: PlanId, record: Record, fix: NetworkFix, seen: Sighting) -> Plan:
    """``seen.fabrics`` has a look at the stacks of ``fix``. Raises Refused for what no plan may go on with."""
    recorded = {one.stack.name: one for one in fix.stacks}
    stacks = plan_stacks(record.deployment.name, [one.stack for one in fix.stacks], recorded, seen.fabrics)
    if stacks.problems:
        raise Refused(stacks.problems)
    made = list(ensure_steps(stacks))
    steps, units = [step for step, _ in made], [unit for _, unit in made]
    if made:
        needs = tuple(step.key for step in steps)
        steps.append(PlannedStep(key=READY, step=Gate(name="networks ready"), subject="networks ready", needs=needs))
    for instance, members in fix.members:
        chain = _announced(instance, members, (READY,) if made else ())
        steps += chain.steps
        units.append(Unit(name=chain.unit, stage=STAGE, task=f"{instance.group}/{instance.id} ({instance.index})"))
    plan = Plan(
        id=name,
        deployment=record.deployment.name,
        parent=record.deployment.serial,
        steps=in_order(steps),
        units=tuple(units),
        limits=(Limit(name=CALLS, max=CALLS_MAX), stack_limit()),
        changes=tuple(_change(instance) for instance, _ in fix.members),
        holds=fix.holds,
        stack_moves=stacks.moves,
    )
    faults = audit(plan, record)
    assert not faults, f"a plan that sets networks back breaks the rules: {'; '.join(faults)}"
    return plan


def _announced(instance: InstanceRecord, members: tuple[Member, ...], needs: tuple[StepKey, ...]) -> Chain:
    chain = Chain(subject=instance.label, unit=f"announce {instance.label}", needs=needs)
    chain.add("announce", AnnounceInstance(instance=instance.id, cpi=members[0].cpi, members=members))
    return chain


def _change(instance: InstanceRecord) -> Change:
    reasons = ("was taken out of its server pool",)
    return Change(instance=instance.id, label=instance.label, move=Move.ATTACH, reasons=reasons)
