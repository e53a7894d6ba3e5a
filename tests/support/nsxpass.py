"""The network half of a director: its planning, its steps and its fabric are the real ones; the record is in memory.

It has no VMs and no agents, so that one pass costs its requests and little else. Knows nothing of pytest: the bench
uses it too.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.infrastructure import MemoryInfrastructure
from director.adapters.memory.store import MemoryStore
from director.adapters.tasklog import FileTaskLog
from director.execution.fabrics import Fabrics
from director.execution.infrastructures import Infrastructures
from director.execution.perform import perform
from director.execution.report import Stages, WalkReport
from director.execution.walk import walk
from director.execution.world import Run, World, start_run
from director.manifest.load import load_deployment
from director.model.fabric import NOT_ATTACHED, Attachment, FabricSighting, Member, Stack, StackRecord
from director.model.names import AgentId, InstanceId, ObjectId, PlanId, StackName, StepKey, TaskId, VmCid, VmName
from director.model.outcome import End
from director.model.plan import Plan, PlannedStep, Unit
from director.model.record import DeploymentRecord, Record, VmRecord, VmState
from director.model.release import Catalog
from director.model.step import AnnounceInstance, AttachPorts, DetachPorts, Step, WithdrawInstance
from director.model.tree import Tree
from director.model.wanted import Address, VmShape
from director.planning.fabric import StackPlan, departure_steps, ensure_steps, plan_stacks, stack_limit
from director.planning.fabric_stacks import attachment_of, segments_of
from director.ports.fabric import Fabric
from director.ports.failure import Failure, Outdated
from director.ports.store import DropDeployment, JoinStack, PutDeployment, PutSetting
from director.reconcile.networks import Networks, look_at_fabrics, networks_of
from tests.support.planning import CATALOG

REPLANS: Final = 3

HEAD: Final = """
name: {name}
releases: [{{name: sample, version: "1"}}]
stemcells: [{{alias: default, os: local, version: "1"}}]
update: {{canaries: 1, max_in_flight: 1, canary_watch_time: 0-5000, update_watch_time: 0-5000}}
instance_groups:
"""
GROUP: Final = """
- {{name: {group}, instances: 0, azs: [z1], stemcell: default, vm_type: small, jobs: [], vm_extensions: {extensions},
   networks: [{{name: {network}}}]}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """The one VM of a pass: ``come`` makes NSX see it on a segment's path, ``go`` ends that; both may be repeated."""

    name: str
    ip: str
    come: Callable[[str, str], None]
    go: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where the guest goes: what its extension asks for."""

    attachment: Attachment = NOT_ATTACHED
    members: tuple[Member, ...] = ()
    segments: tuple[ObjectId, ...] = ()


@dataclass(slots=True)
class NetworkDirector:
    """``cloud`` is a cloud config's text; a deployment has a group without instances on each network of it.

    ``plans`` and ``stale`` count what every request took so far.
    """

    fabric: Fabric
    uuid: str
    folder: Path
    cloud: str = ""
    guest: Guest | None = None
    plans: int = 0
    stale: int = 0
    world: World = field(init=False)
    _placed: dict[str, Places] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clock = SystemClock()
        self.world = World(
            store=MemoryStore(),
            infrastructures=Infrastructures(MemoryInfrastructure()),
            agents=MemoryAgents(clock),
            secrets=None,  # type: ignore[arg-type]  networks have none
            tasklog=FileTaskLog(self.folder),
            clock=clock,
            fabrics=Fabrics(self.fabric),
        )

    def succeed(self, fabric: Fabric) -> None:
        """Another process of the same director: it has the record, and a client of its own."""
        self.fabric = fabric
        self.world = replace(self.world, fabrics=Fabrics(fabric))

    async def deploy(self, name: str, groups: Mapping[str, str], extensions: Sequence[str] = ()) -> int:
        """``groups`` are networks by instance group. How many stacks were changed. Raises Failure, Refused."""
        text = HEAD.format(name=name) + "".join(
            GROUP.format(group=group, network=network, extensions=f"[{', '.join(extensions)}]")
            for group, network in groups.items()
        )
        return await self._until_settled(lambda: self._deploy(name, text))

    async def delete(self, name: str) -> int:
        """Raises Failure."""
        return await self._until_settled(lambda: self._delete(name))

    async def look(self, name: str, groups: Mapping[str, str], extensions: Sequence[str] = ()) -> StackPlan:
        """The plan of a deploy, and nothing else."""
        text = HEAD.format(name=name) + "".join(
            GROUP.format(group=group, network=network, extensions=f"[{', '.join(extensions)}]")
            for group, network in groups.items()
        )
        networks = await self._networks(text)
        return (await self._planned(name, networks.stacks, networks))[0]

    async def _until_settled(self, attempt: Callable[[], Any]) -> int:
        """As ``again_when_outdated``, without its pauses."""
        for _ in range(REPLANS):
            try:
                return int(await attempt())
            except Outdated:
                self.stale += 1
        return int(await attempt())

    async def _networks(self, text: str) -> Networks:
        await self.world.store.commit(PutSetting(name="director", value={"uuid": self.uuid}))
        loaded = load_deployment(text, "m.yml", cloud=[("default", self.cloud)], runtime=[], catalog=CATALOG)
        return await networks_of(loaded.deployment, loaded.clouds, self.world)

    async def _deploy(self, name: str, text: str) -> int:
        networks = await self._networks(text)
        plan, seen = await self._planned(name, networks.stacks, networks)
        places = self._places(networks) if self.guest else None
        steps = [*ensure_steps(plan)]
        made = tuple(step.key for step, _ in steps)
        if places is not None and self._is_missing(name, places, seen):
            self._placed[name] = places
            steps += self._arrive(places, made)
        steps += departure_steps(plan, made)
        await self._carry_out(name, plan, steps)
        return len(plan.moves)

    async def _delete(self, name: str) -> int:
        plan, _ = await self._planned(name, (), None)
        steps = [*self._leave(self._placed[name])] if name in self._placed else []
        steps += departure_steps(plan, tuple(step.key for step, _ in steps))
        await self._carry_out(name, plan, steps)
        self._placed.pop(name, None)
        await self.world.store.commit(DropDeployment(name=name))  # type: ignore[arg-type]  a name is a str
        return len(plan.moves)

    async def _planned(
        self, name: str, stacks: Sequence[Stack], networks: Networks | None
    ) -> tuple[StackPlan, FabricSighting]:
        self.plans += 1
        every = {one.stack.name: one for one in await self.world.store.stacks()}
        names = {stack.name for stack in stacks}
        concerned = {key: one for key, one in every.items() if key in names or name in one.users}
        pools = [(m.cpi, m.pool) for m in self._places(networks).members] if networks and self.guest else []
        seen = await look_at_fabrics(stacks, concerned.values(), self.world, pools=pools)
        plan = plan_stacks(name, stacks, concerned, seen)  # type: ignore[arg-type]  a name is a str
        if plan.problems:
            raise Failure(" ".join(str(problem) for problem in plan.problems))
        return plan, seen.get("", FabricSighting())

    def _places(self, networks: Networks) -> Places:
        assert self.guest is not None
        known = networks.known
        group = known.deployment.groups[0]
        tree: Tree = {}
        for extension in known.clouds.vm_extensions:
            if extension.name in group.vm_extensions:
                tree = {**tree, **extension.cloud_properties}
        addresses = [Address(network=group.networks[0].name, ip=self.guest.ip)]
        attachment, members = attachment_of(known, group, group.azs[0], tree, addresses, self.guest.name, [])
        return Places(attachment=attachment, members=members, segments=segments_of(known, addresses))

    def _is_missing(self, name: str, places: Places, seen: FabricSighting) -> bool:
        shown = {(one.pool, one.label, one.ip, one.port) for one in seen.members}
        there = all((m.pool.to, m.label, m.ip, m.port) in shown for m in places.members)
        return not there or self._placed.get(name) != places

    def _arrive(self, places: Places, needs: tuple[StepKey, ...]) -> Sequence[tuple[PlannedStep, Unit]]:
        instance, vm = self._who()
        attach = AttachPorts(instance=instance, vm=vm, cpi="", attachment=places.attachment, segments=places.segments)
        announce = AnnounceInstance(instance=instance, cpi="", members=places.members)
        return self._chain(needs, attach=attach, announce=announce)

    def _leave(self, places: Places) -> Sequence[tuple[PlannedStep, Unit]]:
        instance, vm = self._who()
        withdraw = WithdrawInstance(instance=instance, cpi="", members=places.members)
        detach = DetachPorts(instance=instance, vm=vm, cpi="", groups=places.attachment.groups)
        return self._chain((), withdraw=withdraw, detach=detach)

    def _who(self) -> tuple[InstanceId, VmName]:
        assert self.guest is not None
        return InstanceId(f"i-{self.guest.name}"), VmName(self.guest.name)

    def _chain(self, needs: tuple[StepKey, ...], **steps: Step) -> Sequence[tuple[PlannedStep, Unit]]:
        unit = Unit(name="guest", stage="Updating instance", task="guest")
        found = []
        for verb, step in steps.items():
            key = StepKey(f"guest:{verb}")
            found.append((PlannedStep(key=key, step=step, subject="guest", needs=needs, unit=unit.name), unit))
            needs = (key,)
        return found

    async def _carry_out(self, name: str, plan: StackPlan, steps: Sequence[tuple[PlannedStep, Unit]]) -> None:
        known = await self.world.store.deployment(name) or DeploymentRecord(name=name)  # type: ignore[arg-type]
        whole = Plan(
            id=PlanId("p"),
            deployment=known.name,
            parent=known.serial,
            steps=tuple(step for step, _ in steps),
            units=tuple({unit.name: unit for _, unit in steps}.values()),
            limits=(stack_limit(),),
            joins=plan.joins,
        )
        joins = [JoinStack(stack=stack, user=known.name) for stack in plan.joins]
        await self.world.store.commit(PutDeployment(record=replace(known, serial=known.serial + 1)), *joins)
        run = start_run(
            task=TaskId(1), plan_id="p", user="test", record=Record(deployment=known), wanted={}, contents={},
            values={}, catalog=Catalog(), manifest=None,
        )  # fmt: skip
        if self.guest is not None:
            run.vms[VmName(self.guest.name)] = _vm_of(self.guest, known)
        outcomes = await walk(
            whole,
            lambda step: self._act(step, run),
            clock=self.world.clock,
            listener=WalkReport(whole, Stages(TaskId(1), self.world)),
            cancelled=asyncio.Event(),
        )
        failed = [outcome for outcome in outcomes.values() if outcome.end is End.FAILED]
        if failed:
            kind = Outdated if all(outcome.is_outdated for outcome in failed) else Failure
            raise kind("\n".join(dict.fromkeys(outcome.error for outcome in failed)))

    async def _act(self, step: PlannedStep, run: Run) -> Tree:
        """The VM comes just before its ports are attached, and goes just before they are detached."""
        if self.guest is not None and isinstance(step.step, AttachPorts):
            (segment,) = step.step.segments
            await asyncio.to_thread(self.guest.come, f"/infra/segments/{segment}", self.guest.ip)
        if self.guest is not None and isinstance(step.step, DetachPorts):
            await asyncio.to_thread(self.guest.go, self.guest.name)
        return await perform(step, run, self.world)

    async def stacks(self) -> Mapping[StackName, StackRecord]:
        return {one.stack.name: one for one in await self.world.store.stacks()}


def _vm_of(guest: Guest, deployment: DeploymentRecord) -> VmRecord:
    shape = VmShape(
        stemcell_name="s", stemcell_version="1", stemcell_cid=CATALOG.stemcells[0].cid, cloud_properties={}, networks={}
    )
    return VmRecord(
        name=VmName(guest.name),
        instance=InstanceId(f"i-{guest.name}"),
        deployment=deployment.name,
        agent=AgentId(f"a-{guest.name}"),
        generation=1,
        shape=shape,
        state=VmState.CREATED,
        created_at=0.0,
        cid=VmCid(guest.name),
    )
