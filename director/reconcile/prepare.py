"""The pass up to the plan: read, resolve, render, look, plan. Deploys, errands and deletions all come through here.

With ``keeps`` False nothing at all is written: secrets that do not exist yet are invented and thrown away.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from director.execution.world import World
from director.manifest.load import Loaded, load_deployment
from director.manifest.values import parse_count
from director.model.cloud import CloudConfig
from director.model.deployment import Deployment, Lifecycle
from director.model.names import DeploymentName, InstanceId, PlanId, StepKey, VariableName
from director.model.plan import Plan
from director.model.problem import Refused
from director.model.record import Config, DeploymentRecord, InstanceRecord, Record
from director.model.release import Catalog
from director.model.sighting import Sighting
from director.model.tree import Node, Tree
from director.model.wanted import Content, Want, Wanted, WantedInstance
from director.planning.diff import Forced
from director.planning.inputs import Asked, Inputs, applied_of
from director.planning.make import make_deletion, make_plan
from director.planning.resolve import Sizes, resolve
from director.planning.spec import spec_tree
from director.ports.infrastructure import InfrastructureInfo
from director.ports.renderer import Renderer, RenderRequest
from director.reconcile.choose import choose
from director.reconcile.look import look
from director.reconcile.networks import Networks, look_for, networks_of
from director.reconcile.placement import with_placements
from director.reconcile.refuse import (
    never_finished,
    no_config,
    no_deployment,
    refuse_deleting_all,
    refuse_ignored,
    refuse_other_name,
    refuse_rolled_back,
    refuse_silent,
)
from director.reconcile.requests import DeleteDeployment, Deploy, Overrides
from director.reconcile.sizes import sizes_of
from director.reconcile.target import ids_of, targets


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A plan and what it takes to carry it out. ``contents`` and ``values`` hold secrets and stay in memory.

    ``done`` is None for a new plan. One that a former director adopted and began has the results of its steps done.
    """

    plan: Plan
    record: Record
    catalog: Catalog
    wanted: Wanted
    manifest: str | None
    config_ids: tuple[int, ...]
    contents: Mapping[InstanceId, Content] = field(default_factory=dict, repr=False)
    values: Mapping[str, Node] = field(default_factory=dict, repr=False)
    done: Mapping[StepKey, Tree] | None = field(default=None, repr=False)

    @property
    def instances(self) -> Mapping[InstanceId, WantedInstance]:
        return {instance.id: instance for group in self.wanted.groups for instance in group.instances}

    @property
    def changes_nothing(self) -> bool:
        """No step would do anything, and what is recorded about the deployment is already so."""
        recorded = self.record.deployment
        same = self.done is None and (recorded.manifest, recorded.config_ids) == (self.manifest, self.config_ids)
        return same and self.plan.is_settled and not self.plan.reserve and not self.plan.joins


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was asked, read and resolved; nothing rendered or looked at yet."""

    plan_id: PlanId
    text: str
    config_ids: tuple[int, ...]
    record: Record
    catalog: Catalog
    loaded: Loaded
    wanted: Wanted
    taken: Mapping[str, InstanceId]
    asked: Asked
    sizes: Sizes
    growers: frozenset[str]
    leavers: frozenset[str]
    networks: Networks

    def inputs(self, contents: Mapping[InstanceId, Content], seen: Sighting) -> Inputs:
        instances = [instance for group in self.wanted.groups for instance in group.instances]
        return Inputs(
            id=self.plan_id,
            wanted=self.wanted,
            specs={i.id: applied_of(i, contents[i.id].configuration_hash) for i in instances if i.id in contents},
            record=self.record,
            seen=seen,
            catalog=self.catalog,
            clouds=self.networks.clouds,
            taken=self.taken,
            config_ids=self.config_ids,
            growers=self.growers,
            leavers=self.leavers,
            fabrics=self.networks.known.cpis,
            stacks=self.networks.stacks,
            recorded_stacks=self.networks.concerned(self.record),
            sizes=self.sizes,
            asked=self.asked,
        )

    def prepared(self, plan: Plan, contents: Mapping[InstanceId, Content], values: Mapping[str, Node]) -> Prepared:
        return Prepared(
            plan=plan,
            record=self.record,
            catalog=self.catalog,
            wanted=self.wanted,
            manifest=self.text,
            config_ids=self.config_ids,
            contents=contents,
            values=values,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparer:
    """``director_started`` is monotonic: when this director came up. ``silent_s``: so long must an agent have said
    nothing for a repair to take it for unable to answer, though its stream is open.
    """

    world: World
    renderer: Renderer
    director_started: float
    calls_in_flight: int
    agent_wait_s: float
    silent_s: float = 30.0

    async def check(self, request: Deploy) -> Plan:
        """The plan of a deploy, touching nothing. Raises Refused."""
        return (await self.deploy(request, keeps=False)).plan

    async def read(self, request: Deploy) -> Read:
        """The pure part: text to Wanted. Raises Refused with everything wrong with what was asked."""
        record = await self.record_of(request.deployment)
        text, configs = await self._texts(request, record)
        catalog = await self.world.store.catalog()
        loaded = _load(text, request, configs, catalog)
        refuse_other_name(loaded.deployment, request)
        states, forced = overrides_of(request.overrides, record)
        chosen = choose(loaded.deployment, catalog)
        taken = await self.world.store.addresses_taken(except_deployment=record.deployment.name)
        plan_id = PlanId(self.world.new_id())
        sizes = await sizes_of(loaded.deployment, loaded.clouds, self.world.infrastructures)
        networks = await networks_of(loaded.deployment, loaded.clouds, self.world)
        wanted = resolve(
            loaded.deployment,
            networks.clouds,
            record,
            catalog,
            taken=taken,
            seed=plan_id,
            versions=chosen.versions,
            stemcells=chosen.stemcells,
            states=states,
            sizes=sizes,
            fabrics=networks.known,
        )
        refuse_deleting_all(wanted, record, request.overrides)
        infos = await self._infos(wanted, loaded.clouds)
        return Read(
            plan_id=plan_id,
            text=text,
            config_ids=tuple(sorted(config.id for config in configs)),
            record=record,
            catalog=catalog,
            loaded=loaded,
            wanted=wanted,
            taken=taken,
            asked=self._asked(request.overrides, forced, record),
            sizes=sizes,
            growers=frozenset(cpi for cpi, info in infos.items() if info.can_grow_disks),
            leavers=frozenset(cpi for cpi, info in infos.items() if info.leaves_enrolment),
            networks=networks,
        )

    async def deploy(self, request: Deploy, *, keeps: bool) -> Prepared:
        read = await self.read(request)
        values = await self.values_of(read.loaded.deployment, keeps=keeps)
        contents = await self.render(read.wanted, values)
        seen = await self.look_for(read)
        plan = make_plan(read.inputs(contents, seen))
        refuse_silent(plan)
        plan = replace(plan, warnings=read.loaded.warnings)
        plan = await with_placements(plan, read.record, values, self.world.infrastructures)
        return read.prepared(plan, contents, values)

    async def deletion(self, request: DeleteDeployment) -> Prepared:
        """Everything of the deployment goes; disks stay as orphans."""
        name = DeploymentName(request.deployment)
        record = await self.world.store.record(name)
        if record is None:
            raise Refused([no_deployment(request.deployment)])
        refuse_ignored(record)
        catalog = await self.world.store.catalog()
        wanted = Wanted(deployment=name, groups=())
        inputs = Inputs(
            id=PlanId(self.world.new_id()),
            wanted=wanted,
            specs={},
            record=record,
            seen=await self.look(record),
            catalog=catalog,
            fabrics=frozenset(self.world.fabrics.by_cpi),
            recorded_stacks={one.stack.name: one for one in record.stacks},
            asked=Asked(calls_in_flight=self.calls_in_flight, agent_wait_s=self.agent_wait_s),
        )
        plan = make_deletion(inputs, is_forced=request.force)
        return Prepared(plan=plan, record=record, catalog=catalog, wanted=wanted, manifest=None, config_ids=())

    async def _infos(self, wanted: Wanted, clouds: CloudConfig) -> Mapping[str, InfrastructureInfo]:
        """Of every CPI this deployment has instances on, or compiles on."""
        compiles_on = {az.cpi or "" for az in clouds.azs if az.name == clouds.compilation.az}
        cpis = sorted(compiles_on | {i.shape.cpi for group in wanted.groups for i in group.instances})
        infos = await asyncio.gather(*(self.world.infrastructures.of(cpi).info() for cpi in cpis))
        return dict(zip(cpis, infos, strict=True))

    async def look_for(self, read: Read) -> Sighting:
        """VMs, agents and networks at once."""
        seen, fabrics = await asyncio.gather(
            self.look(read.record), look_for(read.wanted, read.record, read.networks, self.world)
        )
        return replace(seen, fabrics=fabrics)

    async def look(self, record: Record) -> Sighting:
        """Raises Refused when what is seen is of later than the record."""
        seen = await look(record, self.world, director_started=self.director_started)
        if seen.vms.keys() - {vm.name for vm in record.vms}:
            refuse_rolled_back(record, seen.vms, [intent.target for intent in await self.world.store.open_intents()])
        return seen

    def named(self, names: Sequence[str], record: Record) -> frozenset[InstanceId]:
        return ids_of(names, record.instances)

    async def record_of(self, name: str) -> Record:
        """What is recorded of the deployment, or the empty record of one that does not exist yet."""
        found = await self.world.store.record(DeploymentName(name))
        return found or Record(deployment=DeploymentRecord(name=DeploymentName(name)))

    async def render(
        self, wanted: Wanted, values: Mapping[str, Node], *, errands: bool = False
    ) -> Mapping[InstanceId, Content]:
        """Content of every instance that has jobs to apply; errand groups only when one of them is to run."""
        instances = [
            instance
            for group in wanted.groups
            if errands or group.lifecycle is not Lifecycle.ERRAND
            for instance in group.instances
        ]
        requests = [RenderRequest(label=i.label, spec=spec_tree(i), jobs=i.jobs, values=values) for i in instances]
        contents = await self.renderer.render(requests)
        return {instance.id: content for instance, content in zip(instances, contents, strict=True)}

    async def _texts(self, request: Deploy, record: Record) -> tuple[str, Sequence[Config]]:
        """The manifest and the configs it is read with: those asked for, those last used, or the latest."""
        if request.manifest is not None:
            return request.manifest, await self._configs(request.config_ids)
        if record.deployment.manifest is None:
            known = record.deployment.serial > 0
            raise Refused([never_finished(request.deployment) if known else no_deployment(request.deployment)])
        return record.deployment.manifest, await self._configs(record.deployment.config_ids)

    async def _configs(self, ids: tuple[int, ...] | None) -> Sequence[Config]:
        if ids is None:
            clouds = await self.world.store.configs("cloud")
            return [*clouds, *await self.world.store.configs("runtime")]
        found = [await self.world.store.config(number) for number in ids]
        missing = [number for number, config in zip(ids, found, strict=True) if config is None]
        if missing:
            raise Refused([no_config(number) for number in missing])
        return [config for config in found if config is not None]

    async def values_of(self, deployment: Deployment, *, keeps: bool) -> Mapping[str, Node]:
        get = self.world.secrets.ensure if keeps else self.world.secrets.invent
        values: Mapping[VariableName, Node] = await get(deployment.name, deployment.variables)
        return {str(name): value for name, value in values.items()}

    def _asked(self, overrides: Overrides, forced: Mapping[InstanceId, Forced], record: Record) -> Asked:
        every = "*" in overrides.skip_drain
        skipped = {i.id for i in record.instances} if every else ids_of(overrides.skip_drain, record.instances)
        return Asked(
            forced=forced,
            undrained=frozenset(skipped),
            canaries=parse_count(overrides.canaries) if overrides.canaries else None,
            max_in_flight=parse_count(overrides.max_in_flight) if overrides.max_in_flight else None,
            calls_in_flight=self.calls_in_flight,
            agent_wait_s=self.agent_wait_s,
        )


STATES = {"started": Want.STARTED, "restart": Want.STARTED, "stopped": Want.STOPPED, "detached": Want.DETACHED}


def overrides_of(overrides: Overrides, record: Record) -> tuple[Mapping[InstanceId, Want], Mapping[InstanceId, Forced]]:
    """Wanted states and forced moves by instance. Raises Refused when the target names nothing."""
    named = targets(overrides.target, record.instances) if overrides.target else ()
    ids = {instance.id for instance in named}
    states = {i: STATES[overrides.state] for i in ids if overrides.state in STATES}
    forced = {i.id: _forced(i, overrides, is_target=i.id in ids) for i in record.instances}
    return states, forced


def _forced(instance: InstanceRecord, overrides: Overrides, *, is_target: bool) -> Forced:
    return Forced(
        recreate=overrides.recreate or (is_target and overrides.state == "recreate"),
        restart=is_target and overrides.state == "restart" and instance.want is Want.STARTED,
        new_disk=overrides.recreate_persistent_disks,
        fix=overrides.fix,
    )


def _load(text: str, request: Deploy, configs: Sequence[Config], catalog: Catalog) -> Loaded:
    by_type = {
        kind: [(f"{kind}-config {c.name}", c.content) for c in configs if c.type == kind]
        for kind in ("cloud", "runtime")
    }
    return load_deployment(
        text,
        request.source,
        cloud=by_type["cloud"],
        runtime=by_type["runtime"],
        catalog=catalog,
        strict=request.overrides.strict,
    )
