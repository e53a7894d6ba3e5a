"""Carries out what network configs say: the same pass as a deploy, for what belongs to no deployment.

Its plans are those of OUTLIVING, a deployment in name only: it has a serial, so that no two tasks work from one record,
and it uses its stacks, so that no deployment takes them along.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from director.execution.world import World
from director.model.fabric import OUTLIVING, NetworkObject
from director.model.names import ObjectId, PlanId
from director.model.problem import Problem, Refused
from director.model.record import DeploymentRecord, InstanceRecord, Record
from director.model.release import Catalog
from director.model.step import RemoveStack
from director.model.wanted import Wanted
from director.planning.explain import explain, summary
from director.planning.fabric import StackPlan, make_networks_plan, plan_stacks
from director.planning.fabric_names import Namer
from director.planning.fabric_stacks import config_rooms_wanted, stacks_of_config
from director.reconcile.converge import again_when_outdated, converge
from director.reconcile.driver import Job
from director.reconcile.encode import Encode
from director.reconcile.networks import look_at_fabrics, network_configs, rooms_of
from director.reconcile.prepare import Prepared
from director.reconcile.requests import ApplyNetworks
from director.reconcile.seed import director_uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlivingNetworks:
    world: World
    encode: Encode

    async def apply(self, request: ApplyNetworks, job: Job) -> str:
        if request.dry_run:
            job.stages.say(explain((await self._prepared(removes=True)).plan))
            return "networks (dry run)"
        await again_when_outdated(lambda: self._apply(job, removes=request.remove), job, self.world.clock)
        return "networks"

    async def _apply(self, job: Job, *, removes: bool) -> None:
        prepared = await self._prepared(removes=removes)
        job.check()
        await converge(prepared, job, self.world, self.encode)
        job.stages.say(summary(prepared.plan))

    async def _prepared(self, *, removes: bool) -> Prepared:
        """Raises Refused with all that is wrong; unless ``removes``, also with all that would go."""
        record = await self.world.store.record(OUTLIVING) or Record(deployment=DeploymentRecord(name=OUTLIVING))
        stacks = await self._planned(record, removes=removes)
        plan = make_networks_plan(PlanId(self.world.new_id()), record.deployment.serial, stacks)
        wanted = Wanted(deployment=OUTLIVING, groups=())
        return Prepared(plan=plan, record=record, catalog=Catalog(), wanted=wanted, manifest=None, config_ids=())

    async def _planned(self, record: Record, *, removes: bool) -> StackPlan:
        names = Namer(director=await director_uuid(self.world.store))
        recorded = await self.world.store.stacks()
        configs = await network_configs(self.world)
        problems = [_no_fabric(c.name, c.cpi) for c in configs if not self.world.fabrics.has(c.cpi)]
        _refuse(problems)
        rooms = await rooms_of(config_rooms_wanted(configs, recorded, names), self.world)
        stacks = stacks_of_config(configs, recorded, rooms, names, problems)
        _refuse(problems)
        concerned = {r.stack.name: r for r in (*record.stacks, *recorded) if OUTLIVING in r.users}
        seen = await look_at_fabrics(stacks, concerned.values(), self.world)
        plan = plan_stacks(OUTLIVING, stacks, concerned, seen)
        left = () if removes else [_unsaid(one) for one in _going(plan)]
        _refuse([*plan.problems, *await self._still_used(plan), *left])
        return plan

    async def _still_used(self, plan: StackPlan) -> Sequence[Problem]:
        """What instances or other stacks refer to stays until they no longer do."""
        going = {one.id: f"{one.kind} {one.name}" for one in _going(plan)}
        if not going:
            return []
        found: list[Problem] = []
        for deployment in await self.world.store.deployments():
            record = await self.world.store.record(deployment.name)
            for instance in record.instances if record else ():
                found += [_in_use(going[id_], instance) for id_ in _pools_of(instance) if id_ in going]
        return found


def _going(plan: StackPlan) -> Iterator[NetworkObject]:
    for ensure in plan.ensures:
        yield from ensure.gone
    for departure in plan.departures:
        if isinstance(departure, RemoveStack):
            yield from departure.stack.objects


def _pools_of(instance: InstanceRecord) -> Iterator[ObjectId]:
    return (ObjectId(member.pool.to) for member in instance.members if member.pool.is_ours)


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Refused(dict.fromkeys(problems))


def _unsaid(one: NetworkObject) -> Problem:
    return Problem(
        code="network.unsaid",
        summary="Something would be removed",
        detail=f"{one.kind} {one.name} is said by no network config any more.",
        fix="say --remove to have it removed, or put it back into a network config.",
    )


def _in_use(what: str, instance: InstanceRecord) -> Problem:
    return Problem(
        code="network.in-use",
        summary="An instance still needs it",
        detail=f"{what} is said by no network config any more, but {instance.deployment}: {instance.label} is in it.",
        fix="deploy that deployment without it first.",
    )


def _no_fabric(config: str, cpi: str) -> Problem:
    where = f'CPI "{cpi}"' if cpi else "the director's own infrastructure"
    return Problem(
        code="network.no-fabric",
        summary="No NSX-T to make networks in",
        detail=f'Network config "{config}" is for {where}, for which no NSX-T is configured.',
        fix="name one with `director configure nsx-t`.",
    )
