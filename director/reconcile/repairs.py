"""The pass up to the plan of a repair: read what was last deployed, render and look at the named instances only, plan.

What stands in the way of one instance alone (its infrastructure does not answer, it has no place) becomes a hold of
that one, so that the others are repaired.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from director.model.health import Remedy
from director.model.names import AgentId, InstanceId
from director.model.plan import Hold, Plan
from director.model.problem import Problem, Refused
from director.model.record import Record
from director.model.sighting import SeenAgent, Sighting
from director.model.step import CreateDisk, CreateVm
from director.model.tree import Node
from director.model.wanted import Wanted
from director.planning.inputs import Inputs
from director.planning.repair import make_repair
from director.ports.failure import InfrastructureFailure
from director.reconcile.placement import with_placements
from director.reconcile.prepare import Prepared, Preparer
from director.reconcile.requests import Deploy, Repair

AGENT_WAIT_S: Final = 120.0
"""A VM that never dials in must not hold its deployment's lock for as long as a deploy would wait."""

WATCH: Final = "watch"
"""Who asks when the director repairs by itself."""


async def prepare_repair(preparer: Preparer, request: Repair) -> Prepared:
    """Raises Refused when what was last deployed cannot be read any more or nothing can be placed.

    Raises InfrastructureFailure when none of the named instances can be looked at.
    """
    remedies = remedies_of(request)
    read = await preparer.read(Deploy(deployment=request.deployment))
    values = await preparer.values_of(read.loaded.deployment, keeps=True)
    contents = await preparer.render(_only(read.wanted, remedies), values)
    seen, unseen = await _look(read.record, remedies, preparer)
    asked = replace(read.asked, agent_wait_s=min(read.asked.agent_wait_s, AGENT_WAIT_S))
    left = {instance: remedy for instance, remedy in remedies.items() if instance not in unseen}
    given = replace(read, asked=asked).inputs(contents, seen)
    maker = _Maker(given=given, is_watch=request.by == WATCH, at_once=request.at_once)
    plan = await _placed(maker, left, preparer, values)
    return read.prepared(replace(plan, holds=(*plan.holds, *unseen.values())), contents, values)


def remedies_of(request: Repair) -> Mapping[InstanceId, Remedy]:
    """Raises Refused for a remedy there is none of."""
    known = {remedy.value: remedy for remedy in Remedy}
    unknown = sorted({name for _, name in request.remedies if name not in known})
    if unknown:
        raise Refused([_unknown(name) for name in unknown])
    return {InstanceId(instance): known[name] for instance, name in request.remedies}


def _only(wanted: Wanted, remedies: Mapping[InstanceId, Remedy]) -> Wanted:
    groups = (replace(g, instances=tuple(i for i in g.instances if i.id in remedies)) for g in wanted.groups)
    return replace(wanted, groups=tuple(groups))


# Looking


async def _look(
    record: Record, remedies: Mapping[InstanceId, Remedy], preparer: Preparer
) -> tuple[Sighting, Mapping[InstanceId, Hold]]:
    """VMs and agents of the named instances; and those whose infrastructure does not answer.

    Raises InfrastructureFailure when none of them can be looked at.
    """
    vms = [vm for vm in record.vms if vm.instance in remedies]
    cpis = sorted({vm.shape.cpi for vm in vms})
    named = tuple(one for one in record.instances if one.id in remedies)
    of_named = replace(record, instances=named)
    parts = [replace(of_named, vms=tuple(vm for vm in vms if vm.shape.cpi == cpi)) for cpi in cpis]
    looks = await asyncio.gather(*(_look_at(part, preparer) for part in parts))
    failures = [found for found in looks if isinstance(found, InfrastructureFailure)]
    if failures and len(failures) == len(parts):
        raise failures[0]
    seen = Sighting(at=preparer.world.clock.now(), agents=_answering(preparer))
    unseen: dict[InstanceId, Hold] = {}
    for part, found in zip(parts, looks, strict=True):
        if isinstance(found, Sighting):
            seen = replace(seen, vms={**seen.vms, **found.vms})
        else:
            unseen |= {vm.instance: _hold(record, vm.instance, "hold.unseen", str(found)) for vm in part.vms}
    return seen, unseen


def _answering(preparer: Preparer) -> Mapping[AgentId, SeenAgent]:
    """A stream takes a while to break: an agent whose network is gone is not asked to let go of anything."""
    return {
        agent: seen if seen.silent_s < preparer.silent_s else replace(seen, is_connected=False)
        for agent, seen in preparer.world.agents.seen().items()
    }


async def _look_at(part: Record, preparer: Preparer) -> Sighting | InfrastructureFailure:
    try:
        return await preparer.look(part)
    except InfrastructureFailure as failure:
        return failure


# Planning


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maker:
    given: Inputs
    is_watch: bool
    at_once: int

    def plan(self, remedies: Mapping[InstanceId, Remedy]) -> Plan:
        return make_repair(self.given, remedies, is_watch=self.is_watch, at_once=self.at_once)


async def _placed(
    maker: _Maker, remedies: Mapping[InstanceId, Remedy], preparer: Preparer, values: Mapping[str, Node]
) -> Plan:
    """When not all of them have a place, those that have one alone."""
    record, infrastructures = maker.given.record, preparer.world.infrastructures
    plan = maker.plan(remedies)
    try:
        return await with_placements(plan, record, values, infrastructures)
    except (Refused, InfrastructureFailure) as refused:
        everything = refused
    holds: dict[InstanceId, Hold] = {}
    for instance in _created(plan):
        try:
            await with_placements(_alone(plan, instance), record, values, infrastructures)
        except (Refused, InfrastructureFailure) as refused:
            holds[instance] = _hold(record, instance, "hold.no-place", str(refused))
    if len(holds) in {0, len(plan.changes)}:
        raise everything
    plan = maker.plan({instance: remedy for instance, remedy in remedies.items() if instance not in holds})
    plan = await with_placements(plan, record, values, infrastructures)
    return replace(plan, holds=(*plan.holds, *holds.values()))


def _created(plan: Plan) -> list[InstanceId]:
    changed = {change.instance for change in plan.changes}
    made = (step.step.instance for step in plan.steps if isinstance(step.step, CreateVm | CreateDisk))
    return [instance for instance in dict.fromkeys(made) if instance in changed]


def _alone(plan: Plan, instance: InstanceId) -> Plan:
    kept = (s for s in plan.steps if isinstance(s.step, CreateVm | CreateDisk) and s.step.instance == instance)
    return replace(plan, steps=tuple(kept))


def _hold(record: Record, instance: InstanceId, code: str, words: str) -> Hold:
    label = next((i.label for i in record.instances if i.id == instance), instance)
    return Hold(code=code, subject=label, reason=f"{label} is not repaired now: {words}")


def _unknown(name: str) -> Problem:
    names = ", ".join(f'"{remedy.value}"' for remedy in Remedy)
    return Problem(
        code="repair.unknown-remedy",
        summary="Unknown remedy",
        detail=f'There is no remedy "{name}".',
        fix=f"use one of {names}.",
        number=440001,
    )
