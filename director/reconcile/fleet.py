"""Reads what the watch looks at: every recorded instance with its agent, and second opinions of infrastructures."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from director.execution.world import World
from director.model.health import Presence, Watched, Witness
from director.model.names import DeploymentName, TaskId, VmName
from director.model.record import DiskState, Record, TaskState, VmRecord
from director.model.sighting import Power, SeenVm
from director.planning.health import is_watched
from director.planning.witness import is_blind
from director.ports.failure import Failure
from director.ports.store import TaskQuery

WITNESS_S: Final = 20.0
"""How long an infrastructure may take; then it has told nothing."""
BUSY_S: Final = 5.0

UNFINISHED = (TaskState.QUEUED, TaskState.PROCESSING, TaskState.CANCELLING)


class FleetReader:
    """Keeps the record of a deployment that a task is changing for a moment: nothing is done about it meanwhile."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[DeploymentName, tuple[float, Record]] = {}
        self.manifests: Mapping[DeploymentName, str] = {}
        """Those last deployed to their end, as of the last reading."""

    async def read(self, witnesses: Mapping[VmName, Witness]) -> tuple[Watched, ...]:
        """Every instance of every deployment that is watched, in the order of names."""
        tasks = await self._tasks()
        names = sorted(deployment.name for deployment in await self._world.store.deployments())
        self._kept = {name: kept for name, kept in self._kept.items() if name in names}
        found: list[Watched] = []
        for name in names:
            record = await self._record(name, is_busy=name in tasks)
            if record is not None:
                found += _of(record, self._world.agents.seen(), witnesses, tasks.get(name))
        manifests = {name: record.deployment.manifest for name, (_, record) in self._kept.items()}
        self.manifests = {name: manifest for name, manifest in manifests.items() if manifest is not None}
        return tuple(one for one in found if is_watched(one))

    async def _record(self, name: DeploymentName, *, is_busy: bool) -> Record | None:
        now = self._world.clock.monotonic()
        kept = self._kept.pop(name, None)
        if kept is None or not is_busy or now - kept[0] > BUSY_S:
            record = await self._world.store.record(name)
            if record is None:
                return None
            kept = (now, record)
        self._kept[name] = kept
        return kept[1]

    async def _tasks(self) -> Mapping[DeploymentName, TaskId]:
        """Which task changes a deployment, or is about to. Those that only read are among them: they are short."""
        tasks = await self._world.store.tasks(TaskQuery(states=UNFINISHED))
        return {task.deployment: task.id for task in tasks if task.deployment is not None}


def _of(record: Record, seen: Mapping, witnesses: Mapping, task: TaskId | None) -> Iterable[Watched]:  # type: ignore[type-arg]
    attached = {disk.instance for disk in record.disks if disk.state is DiskState.ATTACHED}
    detached = {disk.instance for disk in record.disks if disk.state is DiskState.DETACHED}
    newest = {vm.instance: vm for vm in sorted(record.vms, key=lambda vm: vm.generation)}
    for instance in sorted(record.instances, key=lambda one: (one.group, one.index)):
        vm = newest.get(instance.id)
        yield Watched(
            instance=instance,
            vm=vm,
            # A repair that broke off may have left it detached; of a deploy that did, the next one decides.
            has_disk=instance.id in attached or (instance.is_settled and instance.id in detached),
            agent=seen.get(vm.agent) if vm else None,
            witness=witnesses.get(vm.name) if vm else None,
            task=task,
        )


async def ask_witnesses(fleet: Sequence[Watched], doubted: Sequence[Watched], world: World) -> Mapping[VmName, Witness]:
    """One bulk look for each infrastructure and deployment that has somebody in doubt, side by side."""
    asked: dict[tuple[str, DeploymentName], list[VmRecord]] = {}
    for one in doubted:
        if one.vm is not None:
            asked.setdefault((one.vm.shape.cpi, one.vm.deployment), []).append(one.vm)
    answers = await asyncio.gather(*(_ask(cpi, name, vms, fleet, world) for (cpi, name), vms in sorted(asked.items())))
    return {name: witness for answer in answers for name, witness in answer.items()}


async def _ask(
    cpi: str, deployment: DeploymentName, vms: Sequence[VmRecord], fleet: Sequence[Watched], world: World
) -> Mapping[VmName, Witness]:
    at = world.clock.monotonic()
    try:
        async with asyncio.timeout(WITNESS_S):
            infrastructure = world.infrastructures.of(cpi)
            shown = await infrastructure.find_vms(deployment, doubted={vm.name for vm in vms})
    except TimeoutError:
        words = f"its infrastructure did not answer within {WITNESS_S:g} s"
        return {vm.name: Witness(at=at, presence=Presence.UNTOLD, words=words) for vm in vms}
    except Failure as failure:
        return {vm.name: Witness(at=at, presence=Presence.UNTOLD, words=str(failure)) for vm in vms}
    blind = _is_blind(cpi, deployment, shown, fleet)
    return {vm.name: _witness(vm, shown, at, is_blind=blind) for vm in vms}


def _is_blind(cpi: str, deployment: DeploymentName, shown: Collection[VmName], fleet: Sequence[Watched]) -> bool:
    talking = [
        one.vm.name
        for one in fleet
        if one.vm
        and one.vm.deployment == deployment
        and one.vm.shape.cpi == cpi
        and one.agent
        and one.agent.is_connected
    ]
    return is_blind(talking, shown)


def _witness(vm: VmRecord, shown: Mapping[VmName, SeenVm], at: float, *, is_blind: bool) -> Witness:
    seen = shown.get(vm.name)
    if seen is None:
        if is_blind:
            words = "its infrastructure does not even show VMs whose agents answer"
            return Witness(at=at, presence=Presence.UNTOLD, words=words)
        return Witness(at=at, presence=Presence.ABSENT)
    presence = Presence.OFF if seen.power is Power.OFF else Presence.ON
    return Witness(at=at, presence=presence, words=seen.guest)
