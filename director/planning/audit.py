"""Rules a finished plan must never break. A breach is the planner's fault, so it is an assertion, not a problem."""

from collections import defaultdict
from collections.abc import Iterator

from director.model.names import InstanceId, StepKey
from director.model.plan import Plan, PlannedStep
from director.model.record import Record
from director.model.step import CreateVm, DeleteVm, ForgetInstance


def audit(plan: Plan, record: Record) -> tuple[str, ...]:
    """Every breach, in words; empty for a sound plan."""
    return (
        *_unknown_names(plan),
        *_two_vms(plan),
        *_kept_vms(plan, record),
        *_units_that_wait(plan),
    )


def _unknown_names(plan: Plan) -> Iterator[str]:
    limits = {limit.name for limit in plan.limits}
    units = {unit.name: unit for unit in plan.units}
    for unit in plan.units:
        yield from (f"{unit.name} is bound by {name}, which is no limit" for name in unit.limits if name not in limits)
    for step in plan.steps:
        if step.unit is not None and step.unit not in units:
            yield f"{step.key} belongs to {step.unit}, which is no unit"
        yield from (f"{step.key} is bound by {name}, which is no limit" for name in step.limits if name not in limits)


def _two_vms(plan: Plan) -> Iterator[str]:
    """I1: one plan never creates two VMs for one instance."""
    seen: set[InstanceId] = set()
    for step in plan.steps:
        if isinstance(step.step, CreateVm):
            if step.step.instance in seen:
                yield f"{step.key} creates a second VM for {step.subject}"
            seen.add(step.step.instance)


def _kept_vms(plan: Plan, record: Record) -> Iterator[str]:
    """I1 again: a VM is created only after every other VM of its instance is gone; no instance leaves its VM behind."""
    gone: dict[InstanceId, set[str]] = defaultdict(set)
    for planned in plan.steps:
        step = planned.step
        if isinstance(step, DeleteVm):
            gone[step.instance].add(step.vm)
        if isinstance(step, CreateVm):
            others = {vm.name for vm in record.vms_of(step.instance)} - gone[step.instance] - {step.vm}
            if others:
                yield f"{planned.key} creates a VM while {', '.join(sorted(others))} is still there"
        if isinstance(step, ForgetInstance):
            left = {vm.name for vm in record.vms_of(step.instance)} - gone[step.instance]
            if left:
                yield f"{planned.key} forgets an instance that still has {', '.join(sorted(left))}"


def _units_that_wait(plan: Plan) -> Iterator[str]:
    """Whoever holds a limit must not wait for another that needs the same one: they would wait for each other."""
    limits = {unit.name: frozenset(unit.limits) for unit in plan.units}
    unit_of: dict[StepKey, str | None] = {step.key: step.unit for step in plan.steps}
    begun: set[str] = set()
    for step in plan.steps:
        if step.unit is None:
            continue
        if step.unit in begun:
            yield from _clashes(step, step.unit, limits, unit_of)
        begun.add(step.unit)


def _clashes(
    step: PlannedStep, unit: str, limits: dict[str, frozenset[str]], unit_of: dict[StepKey, str | None]
) -> Iterator[str]:
    for key in (*step.needs, *step.after):
        other = unit_of[key]
        if other is not None and other != unit and limits[other] & limits[unit]:
            yield f"{step.key} holds {', '.join(sorted(limits[unit]))} while it waits for {key}"
