"""An address that changes hands: its new owner begins only when the old one's VM is gone and its row is free.

It adds needs to steps, and refuses what no order can do in one deploy (BOSH refuses all of it, issue 462 there).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from director.model.names import InstanceId, StepKey
from director.model.plan import PlannedStep
from director.model.problem import Problem, Refused
from director.model.record import Record
from director.model.step import CreateVm, DeleteVm, ForgetInstance
from director.planning.order import has_circle


def hand_over(steps: Sequence[PlannedStep], record: Record) -> tuple[PlannedStep, ...]:
    """The steps with the needs added. Raises Refused when two instances would wait for each other."""
    holder = {a.ip: i.id for i in record.instances for a in i.addresses if a.ip is not None}
    waits = _waits(steps, holder, _releases(steps))
    if not waits:
        return tuple(steps)
    added = tuple(replace(s, needs=(*s.needs, *waits[s.key])) if s.key in waits else s for s in steps)
    if has_circle(added):
        raise Refused([_circle(sorted({key.partition(":")[0] for key in waits}))])
    return added


def _releases(steps: Iterable[PlannedStep]) -> dict[InstanceId, StepKey]:
    """The step after which nothing of an instance's former VM and reservation is left."""
    found: dict[InstanceId, StepKey] = {}
    for planned in steps:
        if isinstance(planned.step, DeleteVm | ForgetInstance):
            found[planned.step.instance] = planned.key
    return found


def _waits(
    steps: Sequence[PlannedStep], holder: dict[str, InstanceId], releases: dict[InstanceId, StepKey]
) -> dict[StepKey, tuple[StepKey, ...]]:
    """Whoever creates a VM at an address of another waits before its unit's first step: it holds no limit yet."""
    first: dict[str | None, StepKey] = {}
    found: dict[StepKey, tuple[StepKey, ...]] = {}
    for planned in steps:
        begin = first.setdefault(planned.unit, planned.key)
        if isinstance(planned.step, CreateVm):
            own = planned.step.instance
            others = {holder.get(str(n.get("ip"))) for n in planned.step.shape.networks.values()} - {own, None}
            keys = tuple(sorted(releases[other] for other in others if other in releases))
            if keys:
                found[begin] = keys
    return found


def _circle(labels: Sequence[str]) -> Problem:
    return Problem(
        code="plan.addresses-in-a-circle",
        summary="Addresses change hands in a circle",
        detail=f"{', '.join(labels)} exchange addresses with instances that are updated at another time; "
        "each would wait for the other to let go.",
        fix="use two deploys: first give one of them a free address, then exchange.",
        number=130008,
    )
