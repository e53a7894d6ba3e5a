"""Examines a deployment for cloud-check: agents, then the infrastructures of those that do not answer, then disks.

Reads only. What it found is kept, numbered, until the next scan.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from director.execution.world import World
from director.model.health import Presence, Watched, Witness
from director.model.names import DeploymentName, DiskName, InstanceId, VmName
from director.model.problem_found import OpenProblem, ProblemFound, ProblemType, open_problem_of, problems_name
from director.model.record import DiskRecord, Record, VmState
from director.model.sighting import SeenDisk
from director.model.tree import Tree
from director.planning.cloudcheck import Examined, answers, disk_problems, vm_problem
from director.ports.failure import AgentSilent, InfrastructureFailure
from director.ports.store import PutSetting, Store
from director.reconcile.fleet import ask_witnesses

PATIENCE_S: Final = 10.0
"""How long a silent agent is waited for; BOSH asks for its state for as long (5.5)."""
DISKS_S: Final = 60.0
OF_VMS: Final = frozenset({ProblemType.MISSING_VM, ProblemType.UNRESPONSIVE_AGENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """``vms`` and ``disks`` count what was examined, ``unseen`` says in words what could not be."""

    problems: tuple[ProblemFound, ...] = ()
    vms: int = 0
    disks: int = 0
    unseen: tuple[str, ...] = ()

    def find(self, problem: ProblemFound) -> ProblemFound | None:
        """The same problem, if it is there now; of a VM also what became of it: silent once, gone now."""
        same = next((one for one in self.problems if one.key == problem.key), None)
        if same is not None or problem.type not in OF_VMS:
            return same
        return next((p for p in self.problems if p.type in OF_VMS and p.instance == problem.instance), None)


async def examine(
    record: Record,
    world: World,
    *,
    only: Collection[InstanceId] | None = None,
    with_disks: bool = True,
    patience_s: float = PATIENCE_S,
) -> Examination:
    """Of every instance, or of ``only`` some. What is wrong with VMs comes first, each in the order of names."""
    fleet = [one for one in _watched(record, world) if only is None or one.instance.id in only]
    witnesses = await _witnesses(fleet, record, world)
    away = [one for one in fleet if _is_away(one) and not _is_lost(one, witnesses)]
    if away:
        await asyncio.gather(*(_await(one, world, patience_s) for one in away))
        fleet = [_heard(one, world) for one in fleet]
        witnesses = await _witnesses(fleet, record, world)
    owned = {one.instance.id: record.disks_of(one.instance.id) for one in fleet} if with_disks else {}
    mounted = {name for one in fleet if one.agent and answers(one.agent) for name in one.agent.disks}
    shown, unseen = await _disks(record.deployment.name, [d for disks in owned.values() for d in disks], mounted, world)
    examined = [
        Examined(
            instance=one.instance,
            vm=one.vm,
            agent=one.agent,
            witness=witnesses.get(one.vm.name) if one.vm else None,
            disks=owned.get(one.instance.id, ()),
            shown=shown,
            unseen_cpis=frozenset(unseen),
        )
        for one in fleet
    ]
    of_vms = [problem for problem in map(vm_problem, examined) if problem]
    of_disks = [problem for one in examined for problem in disk_problems(one)]
    return Examination(
        problems=(*of_vms, *of_disks),
        vms=sum(one.vm is not None for one in fleet),
        disks=sum(len(disks) for disks in owned.values()),
        unseen=tuple(f"Disks on {cpi or 'the own infrastructure'} were not examined: {unseen[cpi]}" for cpi in unseen),
    )


def _watched(record: Record, world: World) -> Iterable[Watched]:
    seen = world.agents.seen()
    for instance in sorted(record.instances, key=lambda one: (one.group, one.index)):
        vm = max(record.vms_of(instance.id), key=lambda vm: vm.generation, default=None)
        yield Watched(instance=instance, vm=vm, agent=seen.get(vm.agent) if vm else None)


async def _witnesses(fleet: Sequence[Watched], record: Record, world: World) -> Mapping[VmName, Witness]:
    doubted = [one for one in fleet if not one.instance.is_ignored and not answers(one.agent)]
    return await ask_witnesses(list(_watched(record, world)), doubted, world) if doubted else {}


def _is_away(one: Watched) -> bool:
    if one.vm is None or one.vm.state is not VmState.CREATED or one.instance.is_ignored:
        return False
    return one.agent is None or not one.agent.is_connected


def _is_lost(one: Watched, witnesses: Mapping[VmName, Witness]) -> bool:
    """Its infrastructure shows its VM off, or knows none: no agent comes from there."""
    witness = witnesses.get(one.vm.name) if one.vm else None
    return witness is not None and witness.presence in {Presence.OFF, Presence.ABSENT}


async def _await(one: Watched, world: World, patience_s: float) -> None:
    """An agent between two connections gets the time to be back."""
    assert one.vm is not None, "only an agent of a VM is away"
    try:
        await world.agents.await_connected(one.vm.agent, patience_s)
    except AgentSilent:
        return  # It is told as a problem.


def _heard(one: Watched, world: World) -> Watched:
    return replace(one, agent=world.agents.seen().get(one.vm.agent) if one.vm else None)


async def _disks(
    deployment: DeploymentName, disks: Sequence[DiskRecord], mounted: Collection[DiskName], world: World
) -> tuple[Mapping[DiskName, SeenDisk], Mapping[str, str]]:
    """What the infrastructures show, and by CPI why one shows nothing."""
    cpis = sorted({disk.cpi for disk in disks})
    doubted = {cpi: sorted(d.name for d in disks if d.cpi == cpi and d.name not in mounted) for cpi in cpis}
    looks = await asyncio.gather(*(_shown(cpi, deployment, doubted[cpi], world) for cpi in cpis))
    shown: dict[DiskName, SeenDisk] = {}
    unseen: dict[str, str] = {}
    for cpi, answer in zip(cpis, looks, strict=True):
        if isinstance(answer, str):
            unseen[cpi] = answer
        else:
            shown |= answer
    return shown, unseen


async def _shown(
    cpi: str, deployment: DeploymentName, doubted: Sequence[DiskName], world: World
) -> Mapping[DiskName, SeenDisk] | str:
    """One bulk read, or why there is none. ``doubted``, which no agent has mounted, are asked for by name as well: some
    infrastructures tell only what they remember when they are asked for all.
    """
    try:
        async with asyncio.timeout(DISKS_S):
            infrastructure = world.infrastructures.of(cpi)
            found = dict(await infrastructure.find_disks(deployment))
            for name in doubted:
                seen = await infrastructure.find_disk(name)
                if seen is None:
                    found.pop(name, None)
                else:
                    found[name] = seen
    except InfrastructureFailure as failure:
        return str(failure)
    except TimeoutError:
        return f"it did not show them within {DISKS_S:g} s."
    return found


# What is kept between a scan and its answer


async def open_problems(deployment: str, store: Store) -> tuple[OpenProblem, ...]:
    """As the last scan left them, by id, without those that were closed since."""
    kept = (await store.setting(problems_name(deployment)) or {}).get("open", [])
    assert isinstance(kept, list)
    return tuple(open_problem_of(one) for one in kept if isinstance(one, dict))


async def keep(deployment: str, found: Sequence[ProblemFound], store: Store) -> tuple[OpenProblem, ...]:
    """Numbers them on from the last scan's, so that an old id never means a new problem."""
    last = (await store.setting(problems_name(deployment)) or {}).get("last", 0)
    assert isinstance(last, int)
    numbered = tuple(OpenProblem(id=number, found=one) for number, one in enumerate(found, start=last + 1))
    await store.commit(_put(deployment, numbered, last + len(numbered)))
    return numbered


async def close(deployment: str, ids: Collection[int], store: Store) -> None:
    """These are solved, or skipped."""
    setting = await store.setting(problems_name(deployment)) or {}
    left = [one for one in await open_problems(deployment, store) if one.id not in ids]
    last = setting.get("last", 0)
    assert isinstance(last, int)
    await store.commit(_put(deployment, left, last))


def _put(deployment: str, left: Sequence[OpenProblem], last: int) -> PutSetting:
    value: Tree = {"last": last, "open": [one.to_tree() for one in left]}
    return PutSetting(name=problems_name(deployment), value=value)
