"""Settles what a stopped director left open: looks up what each intent was about, and writes down what became of it.

The row written with an intent names what may exist (a VM or disk "creating" or "deleting"). Found, it is adopted; a
removal is finished. Not found, a creation's row stays: the next plan asks for it again under the same name, and adopts
it should it come late. What cannot be asked now stays open, for later. Networks are left to the next plan, which knows
them by their own rows.

Note: late VMs. A VM whose creation was never answered, and which is not there when it is to be removed, may still come:
it would run beside its successor, with the same addresses. ``late_intent`` stays open for ``LATE_S`` to catch it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from director.execution.fence import vm_dropped
from director.execution.world import World
from director.model.alert import Alert, Severity
from director.model.names import AgentId, DeploymentName, DiskName, StepKey, TaskId, VmName
from director.model.record import DiskRecord, DiskState, Event, Intent, VmRecord, VmState
from director.model.sighting import Power, SeenDisk, SeenVm
from director.ports.failure import Failure
from director.ports.store import AddEvent, Change, CloseIntent, PutDisk, PutVm

log = structlog.get_logger()

LOOK_S: Final = 20.0
"""No infrastructure keeps the director from its work for longer; what it has not told by then is asked for again."""
END_S: Final = 600.0
"""The removal of one VM that was being removed already."""
LATE_S: Final = 3600.0
"""Infrastructures give up what they have in hand long before."""
LATE: Final = "late vm"
UNSEEN: Final = "journal.unseen"


def late_intent(vm: VmRecord, task: TaskId, step: StepKey, at: float) -> Intent:
    """Of no deployment: it outlives the one it is of."""
    effect = f"{LATE} {vm.shape.cpi}".rstrip()
    key = StepKey(f"{step}:late")
    return Intent(task=task, step=key, effect=effect, target=vm.name, deployment=DeploymentName(""), opened_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one infrastructure shows. Empty ``why`` unless it could not be asked."""

    vms: Mapping[VmName, SeenVm] = field(default_factory=dict)
    disks: Mapping[DiskName, SeenDisk] = field(default_factory=dict)
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How an intent ends: what is recorded, in which words. Before, ``removes`` (a VM of ``cpi``) has to be gone."""

    words: str
    changes: tuple[Change, ...] = ()
    removes: SeenVm | None = None
    cpi: str = ""
    revokes: AgentId | None = None


async def settle(
    world: World, chosen: Callable[[Intent], bool] = lambda _: True, *, finishes: bool = False
) -> tuple[Intent, ...]:
    """Closes the open intents among ``chosen`` and returns those it could not close.

    With ``finishes`` removals are carried to their end, which takes as long as it takes; without, they stay open.
    Nobody else may be changing what the intents are about.
    """
    intents = [intent for intent in await world.store.open_intents() if chosen(intent)]
    if not intents:
        return ()
    vms = {vm.name: vm for vm in await world.store.vms()}
    disks = {disk.name: disk for disk in await world.store.disks()}
    seen = await _look(_asked(intents, vms, disks), world)
    left = []
    for intent in intents:
        end = _end_of(intent, vms, disks, seen, world)
        if end is not None and await _is_ended(intent, end, world, finishes=finishes):
            continue
        left.append(intent)
    return tuple(left)


def _asked(
    intents: Iterable[Intent], vms: Mapping[VmName, VmRecord], disks: Mapping[DiskName, DiskRecord]
) -> Mapping[str, set[VmName]]:
    """The infrastructures concerned by CPI, each with the VMs to look for."""
    asked: dict[str, set[VmName]] = {}
    for intent in intents:
        name = VmName(intent.target)
        if intent.effect.startswith(LATE):
            asked.setdefault(_late_cpi(intent), set()).add(name)
        elif intent.effect.endswith(" vm") and name in vms:
            asked.setdefault(vms[name].shape.cpi, set()).add(name)
        elif intent.effect.endswith(" disk") and DiskName(intent.target) in disks:
            asked.setdefault(disks[DiskName(intent.target)].cpi, set())
    return asked


async def _look(asked: Mapping[str, set[VmName]], world: World) -> Mapping[str, _Seen]:
    looks = await asyncio.gather(*(_look_at(cpi, names, world) for cpi, names in asked.items()))
    seen = dict(zip(asked, looks, strict=True))
    for cpi, one in seen.items():
        _tell(cpi, one, world)
    return seen


async def _look_at(cpi: str, names: Collection[VmName], world: World) -> _Seen:
    try:
        infrastructure = world.infrastructures.of(cpi)
        async with asyncio.timeout(LOOK_S):
            vms, disks = await asyncio.gather(infrastructure.find_vms(doubted=names), infrastructure.find_disks())
    except Failure as failure:
        return _Seen(why=str(failure))
    except TimeoutError:
        return _Seen(why=f"It did not show its VMs and disks within {LOOK_S:g} s.")
    return _Seen(vms=vms, disks=disks)


def _tell(cpi: str, seen: _Seen, world: World) -> None:
    if seen.why:
        log.warning("what a stopped director left cannot be looked up yet", cpi=cpi, why=seen.why)
    name = f'infrastructure "{cpi}"' if cpi else "the director's own infrastructure"
    words = f"What a stopped director left unfinished on {name} cannot be looked up: {seen.why}"
    alert = Alert(at=world.clock.now(), severity=Severity.WARNING, code=UNSEEN, subject=cpi or "default", words=words)
    world.alerts.ring(replace(alert, is_over=not seen.why))


def _end_of(
    intent: Intent,
    vms: Mapping[VmName, VmRecord],
    disks: Mapping[DiskName, DiskRecord],
    seen: Mapping[str, _Seen],
    world: World,
) -> _End | None:
    """None while nobody can tell."""
    vm, disk = vms.get(VmName(intent.target)), disks.get(DiskName(intent.target))
    if intent.effect.startswith(LATE):
        return _late(intent, seen[_late_cpi(intent)], world.clock.now())
    if intent.effect in {"create vm", "delete vm"}:
        if vm is None or vm.state is VmState.CREATED:
            return _End(words="a later task has settled it")
        where = seen[vm.shape.cpi]
        if where.why:
            return None
        there = where.vms.get(vm.name)
        return _created(vm, there) if vm.state is VmState.CREATING else _deleted(vm, there, disks.values(), world)
    if intent.effect.endswith(" disk") and disk is not None:
        where = seen[disk.cpi]
        return None if where.why else _disk_end(intent.effect, disk, where.disks.get(disk.name))
    return _End(words="the director stopped: the next plan looks at it")


def _created(vm: VmRecord, there: SeenVm | None) -> _End:
    if there is None:
        return _End(words="the director stopped: the VM is not there")
    if there.power is not Power.ON or not there.is_whole:
        return _End(words="the director stopped: the VM is half made, and is made again under its name")
    created = replace(vm, state=VmState.CREATED, cid=there.cid)
    return _End(words="the director stopped: the VM is there", changes=(PutVm(record=created),))


def _deleted(vm: VmRecord, there: SeenVm | None, disks: Iterable[DiskRecord], world: World) -> _End:
    """Where a fabric may hold its ports, the row stays for the plan that lets them go."""
    freed = [PutDisk(record=replace(d, vm=None, state=DiskState.DETACHED)) for d in disks if d.vm == vm.name]
    dropped = () if world.fabrics.has(vm.shape.cpi) else vm_dropped(vm.name)
    return _End(
        words="the director stopped: the VM is gone",
        changes=(*freed, *dropped),
        removes=there,
        cpi=vm.shape.cpi,
        revokes=vm.agent,
    )


def _disk_end(effect: str, disk: DiskRecord, there: SeenDisk | None) -> _End:
    if there is None:
        return _End(words="the director stopped: the disk is not there")
    now = disk
    if effect == "create disk" and disk.state is DiskState.CREATING:
        now = replace(disk, state=DiskState.DETACHED, cid=there.cid)
    elif effect == "grow disk" and there.size_mb > disk.size_mb:
        now = replace(disk, size_mb=there.size_mb)
    elif effect == "detach disk" and there.vm is None and disk.vm is not None:
        now = replace(disk, vm=None, state=DiskState.DETACHED)
    changes = () if now == disk else (PutDisk(record=now),)
    return _End(words="the director stopped: the disk is as recorded now", changes=changes)


def _late(intent: Intent, where: _Seen, now: float) -> _End | None:
    there = where.vms.get(VmName(intent.target))
    if there is not None:
        return _End(words="it came late, and was removed", removes=there, cpi=_late_cpi(intent))
    is_over = not where.why and now - intent.opened_at >= LATE_S
    return _End(words="it never came") if is_over else None


async def _is_ended(intent: Intent, end: _End, world: World, *, finishes: bool) -> bool:
    """Whether the intent is closed now."""
    if end.removes is not None and not (finishes and await _is_removed(end.removes, end.cpi, world)):
        return False
    if end.revokes is not None:
        await world.agents.revoke(end.revokes)
    closing = CloseIntent(task=intent.task, step=intent.step, at=world.clock.now(), result=end.words)
    told = (_told(intent, end.words, world),) if end.changes or end.removes else ()
    await world.store.commit(*end.changes, closing, *told)
    log.info("intent settled", effect=intent.effect, target=intent.target, deployment=intent.deployment, end=end.words)
    return True


async def _is_removed(there: SeenVm, cpi: str, world: World) -> bool:
    try:
        async with asyncio.timeout(END_S):
            await world.infrastructures.of(cpi).delete_vm(there.cid)
    except (Failure, TimeoutError) as failure:
        log.warning("a VM that is to go cannot be removed yet", vm=there.name, why=str(failure) or "it takes too long")
        return False
    return True


def _late_cpi(intent: Intent) -> str:
    return intent.effect.removeprefix(LATE).strip()


def _told(intent: Intent, words: str, world: World) -> AddEvent:
    event = Event(
        at=world.clock.now(),
        user="director",
        action="settle",
        object_type="vm" if " vm" in intent.effect else "disk",
        object_name=intent.target,
        task=intent.task,
        deployment=intent.deployment or None,
        context={"intent": intent.effect, "found": words},
    )
    return AddEvent(event=event)
