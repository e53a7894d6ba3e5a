"""The plan of one errand: on instances that run anyway, or on a VM made for it and removed after (section 4.5)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from director.model.deployment import Lifecycle
from director.model.names import AgentId, InstanceId, StepKey
from director.model.plan import Change, Move, Plan
from director.model.problem import Problem, Refused
from director.model.step import DeleteVm, DetachPorts, RecordInstance, RunErrand
from director.model.wanted import Wanted, WantedGroup, WantedInstance
from director.planning import attach
from director.planning import chain as chains
from director.planning.build import Builds
from director.planning.diff import Decision
from director.planning.inputs import Inputs
from director.planning.limit import Wave, group_limit
from director.planning.make import IN_MOTION, Maker

ERRAND_S = 24 * 3600.0
"""BOSH lets an errand run for ever; a day is longer than any we know of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """Which job is run where."""

    group: WantedGroup
    instance: WantedInstance
    job: str


def runs_of(wanted: Wanted, errand: str, named: frozenset[InstanceId] | None) -> tuple[Runs, ...]:
    """Where ``errand`` runs: first as a job of any group, else as an errand group's name, then its first instance.

    ``named`` limits it to those instances. Raises Refused when nothing is left (70009).
    """
    by_job = [
        Runs(group=group, instance=instance, job=errand)
        for group in wanted.groups
        for instance in _eligible(group)
        if any(job.job.name == errand and job.job.has_script("run") for job in instance.jobs)
    ]
    found = by_job or [run for group in wanted.groups if group.name == errand for run in _by_group(group)]
    kept = tuple(run for run in found if named is None or run.instance.id in named)
    if not kept:
        raise Refused([_unknown(wanted, errand, is_filtered=bool(found))])
    return kept


def errands_of(wanted: Wanted) -> tuple[str, ...]:
    """Names that can be run: jobs with bin/run, and errand groups."""
    jobs = {j.job.name for g in wanted.groups for i in g.instances for j in i.jobs if j.job.has_script("run")}
    groups = {group.name for group in wanted.groups if group.lifecycle is Lifecycle.ERRAND}
    return tuple(sorted({*map(str, jobs), *map(str, groups)}))


def _eligible(group: WantedGroup) -> tuple[WantedInstance, ...]:
    """Of an errand group only the first instance ever runs (4.5)."""
    return group.instances[:1] if group.lifecycle is Lifecycle.ERRAND else group.instances


def _by_group(group: WantedGroup) -> list[Runs]:
    if group.lifecycle is not Lifecycle.ERRAND:
        return []
    first = ((i, j.job.name) for i in _eligible(group) for j in i.jobs if j.job.has_script("run"))
    return [Runs(group=group, instance=instance, job=job) for instance, job in first][:1]


def _unknown(wanted: Wanted, errand: str, *, is_filtered: bool) -> Problem:
    names = ", ".join(errands_of(wanted)) or "(none)"
    return Problem(
        code="errand.not-here" if is_filtered else "errand.unknown",
        summary="Nothing to run",
        detail=f'None of the named instances has the errand "{errand}".'
        if is_filtered
        else f'Deployment "{wanted.deployment}" has no errand "{errand}".',
        fix="name an instance that has it." if is_filtered else f"run one of: {names}.",
        number=70009,
    )


def make_errand(given: Inputs, runs: tuple[Runs, ...], *, keep_alive: bool) -> tuple[Plan, Mapping[StepKey, Runs]]:
    """The plan, and which step's result belongs to which instance."""
    maker = Maker(given)
    removed = maker.gate("begin", ())
    builds = maker.builds()
    steps = {_add(maker, run, removed, builds, keep_alive=keep_alive): run for run in runs}
    reserve = tuple(chains.record_of(r.instance, maker.decision(r.instance), 0) for r in runs if r.instance.is_new)
    plan = replace(maker.finished(builds.reserve), reserve=(*reserve, *builds.reserve))
    return plan, steps


def planned_runs(plan: Plan, wanted: Wanted) -> Mapping[StepKey, Runs]:
    """The same of a plan that was made before."""
    places = {instance.id: (group, instance) for group in wanted.groups for instance in group.instances}
    return {
        planned.key: Runs(
            group=places[planned.step.instance][0], instance=places[planned.step.instance][1], job=planned.step.job
        )
        for planned in plan.steps
        if isinstance(planned.step, RunErrand) and planned.step.instance in places
    }


def _add(maker: Maker, run: Runs, removed: StepKey, builds: Builds, *, keep_alive: bool) -> StepKey:
    decision = maker.decision(run.instance)
    is_errand = run.group.lifecycle is Lifecycle.ERRAND
    ready: tuple[StepKey, ...] = (removed,)
    agent = decision.case.vm.agent if decision.case.vm else None
    if is_errand and decision.move in IN_MOTION:
        maker.limits.append(group_limit(run.group.name, run.group.update, 1, None))
        wave = Wave(name=run.group.name, instances=(run.instance,))
        ready = maker.instance(run.instance, decision, run.group, wave, (removed,), removed, builds)
        if decision.move in {Move.CREATE, Move.RECREATE}:
            agent = chains.next_identity(decision, run.instance).agent
    if agent is None:
        raise Refused([_no_vm(run)])
    key = _run_step(maker, run, agent, ready)
    if is_errand and not keep_alive:
        _clean(maker, run, decision, key)
    return key


def _run_step(maker: Maker, run: Runs, agent: AgentId, ready: tuple[StepKey, ...]) -> StepKey:
    stage = f"Running errand {run.job}"
    chain = maker.chain(run.instance.label, run.instance.id, stage, (), ready, verb="errand")
    chain.add("run-errand", RunErrand(instance=run.instance.id, agent=agent, job=run.job, timeout_s=ERRAND_S))
    label = run.instance.label
    change = Change(instance=run.instance.id, label=label, move=Move.RUN_ERRAND, reasons=(f"errand {run.job}",))
    maker.changes.append(change)
    return maker.take(chain)[0]


def _clean(maker: Maker, run: Runs, decision: Decision, ran: StepKey) -> None:
    """The errand's VM goes, however the errand and the making of its VM ended."""
    instance, vm = run.instance, decision.case.vm
    identity = chains.next_identity(decision, instance)
    is_new = decision.move in {Move.CREATE, Move.RECREATE} or vm is None
    name, agent = (identity.name, identity.agent) if is_new or vm is None else (vm.name, vm.agent)
    made = tuple(s.key for s in maker.steps if s.key == StepKey(f"{instance.label}:create-vm"))
    chain = maker.chain(instance.label, instance.id, "Deleting errand instances", (), (), verb="remove")
    has_ports = attach.has_ports(instance.shape, instance.attachment.groups, maker.rules.fabrics)
    chain.add("remove-vm", DeleteVm(instance=instance.id, vm=name, agent=agent, has_ports=has_ports))
    if has_ports:
        groups, cpi = instance.attachment.groups, instance.shape.cpi
        chain.add("detach-ports", DetachPorts(instance=instance.id, vm=name, cpi=cpi, groups=groups))
    generation = maker.generation(decision, instance)
    record = replace(chains.record_of(instance, decision, generation), applied=None)
    chain.add("rest", RecordInstance(record=record))
    first, *rest = chain.steps
    maker.steps += [replace(first, after=(*made, ran)), *rest]


def _no_vm(run: Runs) -> Problem:
    return Problem(
        code="errand.no-vm",
        summary="No VM to run it on",
        detail=f'{run.instance.label} has no VM, so the errand "{run.job}" cannot run there.',
        fix="start the instance first, or name others with --instance.",
        number=510000,
    )
