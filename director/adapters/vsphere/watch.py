"""The one waiter: what becomes of tasks and of our VMs, as vCenter tells it (``WaitForUpdatesEx``).

Nothing is asked for by and by. A wait is outstanding only while somebody waits for something; an idle director asks
nothing, and the first to want to know again is told all that changed meanwhile, in one request.

Note: one collector. Updates come through a property collector of our own with one version chain, asked by one thread:
collectors are not for sharing. When session or connection are lost it is made anew, and everything is told again.

Note: tasks. ``TaskManager.recentTask`` brings tasks without a request for each. A vCenter lists some hundreds of them,
everybody's; a pending task that it does not list (any more) is watched by a filter made for it. Another product's
task may end in what pyVmomi cannot read: from then on only states are watched, and the ends of our tasks are read.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from pyVmomi import vmodl

from director.adapters.vsphere.collector import Change, Collector, moid_of
from director.adapters.vsphere.connections import Unreadable
from director.adapters.vsphere.faults import Fault, fault_of
from director.adapters.vsphere.site import Network
from director.adapters.vsphere.watched import WatchedVm
from director.adapters.vsphere.watched_networks import Choice, WatchedNetworks
from director.ports.failure import Retry

__all__ = ["Watch", "WatchedVm"]

_T = TypeVar("_T")

WAIT_S: Final = 60
"""The longest one wait stays outstanding; asking again shows that vCenter is still there."""
UNLISTED_WAIT_S: Final = 2
"""The same while a pending task has not been heard of: then it gets a filter of its own."""
PAUSE_S: Final = 0.05
"""Between two waits, so that changes of many VMs come in one answer."""
TRIES: Final = 7
"""With pauses of 0.5 s, doubled each time: about a minute until a vCenter that went away is given up."""
_ANSWER_S: Final = 30.0
_CANCEL_AGAIN_S: Final = 1.0
_TASKS_KEPT: Final = 1000
_ENDED: Final = frozenset({"success", "error"})


class Line(Protocol):
    """What the watch needs of a session. ``wait`` runs ``do`` in the thread that is the watch's alone."""

    async def collector(self, *, is_careful: bool) -> Collector: ...

    async def ask(self, what: str, do: Callable[[], _T], *, timeout_s: float) -> _T: ...

    async def wait(self, what: str, do: Callable[[], _T], *, timeout_s: float) -> _T: ...

    async def pause(self, seconds: float) -> None: ...


@dataclass(slots=True, kw_only=True)
class _Pending:
    task: Any
    done: asyncio.Future[Any]
    progress: Callable[[int], None] | None
    what: str
    since: int
    """The number of waits that had begun when it was started."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Hope:
    moid: str
    is_so: Callable[[WatchedVm], bool]
    done: asyncio.Future[WatchedVm]


class Watch:
    """``vms`` (by moid) is as new as the last wait; ``settled`` makes it as new as now."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._collector: Collector | None = None
        self._folders: dict[str, Any] = {}
        self._network_folders: dict[str, Any] = {}
        self._networks = WatchedNetworks()
        self._vms: dict[str, WatchedVm] = {}
        self._tasks: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._filtered: frozenset[str] = frozenset()
        self._pending: dict[str, _Pending] = {}
        self._hopes: list[_Hope] = []
        self._settling: list[asyncio.Future[None]] = []
        self._is_careful = False
        self._hurry = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._trouble: Fault | None = None
        self.waits = 0

    @property
    def vms(self) -> Mapping[str, WatchedVm]:
        return self._vms

    @property
    def networks(self) -> Sequence[Network]:
        """Those that NSX backs, below the folders given."""
        return self._networks.all

    def add_folder(self, folder: Any) -> None:
        """VMs right below it are in ``vms`` from the next answer on."""
        self._folders[moid_of(folder)] = folder

    def add_networks(self, folder: Any) -> None:
        """Networks of NSX anywhere below it are in ``networks`` from the next answer on."""
        self._network_folders[moid_of(folder)] = folder

    def has_folder(self, folder: Any) -> bool:
        """Not any more once vCenter said that it is gone."""
        return moid_of(folder) in {**self._folders, **self._network_folders}

    async def settled(self, *, timeout_s: float = 60.0) -> None:
        """All that had happened before this call is now in ``vms``. Raises Fault when vCenter cannot be asked."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._settling.append(done)
        self._hurry.set()
        await self._until(done, "looking at the VMs", timeout_s)

    async def await_vm(self, moid: str, is_so: Callable[[WatchedVm], bool], timeout_s: float) -> WatchedVm:
        """Returns the VM when it is so. Raises Fault when it goes away or does not become so within ``timeout_s``."""
        vm = self._vms.get(moid)
        if vm is not None and is_so(vm):
            return vm
        hope = _Hope(moid=moid, is_so=is_so, done=asyncio.get_running_loop().create_future())
        self._hopes.append(hope)
        try:
            return await self._until(hope.done, f"waiting for VM {vm.name if vm else moid}", timeout_s)
        finally:
            self._hopes.remove(hope)

    async def await_network(self, choose: Choice, timeout_s: float) -> Network:
        """What ``choose`` finds among ``networks``. Raises TimeoutError when it finds none within ``timeout_s``, and
        Fault when vCenter stops telling.
        """
        found = choose(self._networks.all)
        if found is not None:
            return found
        hope = self._networks.hope(choose)
        try:
            self._wake()
            async with asyncio.timeout(timeout_s):
                return await hope.done
        finally:
            self._networks.forget(hope)

    async def end_of(
        self, what: str, task: Any, timeout_s: float, progress: Callable[[int], None] | None = None
    ) -> Any:
        """The task's result; raises Fault with the error it ended in, or when it has not ended by then."""
        moid = moid_of(task)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[moid] = _Pending(task=task, what=what, done=done, progress=progress, since=self.waits)
        self._tell(moid)
        try:
            return await self._until(done, what, timeout_s)
        finally:
            del self._pending[moid]

    async def close(self) -> None:
        self._give_up(Fault("The director is ending; what vCenter does goes on without it.", is_reply_lost=True))
        if self._runner is not None:
            self._runner.cancel()
            with suppress(asyncio.CancelledError):
                await self._runner

    async def _until(self, done: asyncio.Future[_T], what: str, timeout_s: float) -> _T:
        self._wake()
        try:
            async with asyncio.timeout(timeout_s):
                return await done
        except TimeoutError as error:
            words = f"{what}: vCenter did not say that it was done within {timeout_s:.0f} s"
            if self._trouble is not None:
                why = Fault(f"{words}. {self._trouble}", is_reply_lost=True, retry=self._trouble.retry)
                raise why from self._trouble
            raise Fault(
                f"{words}. See its tasks in vCenter; it may still happen.", is_reply_lost=True, retry=Retry.BOUNDED
            ) from error

    def _wake(self) -> None:
        if self._is_wanted and (self._runner is None or self._runner.done()):
            self._runner = asyncio.get_running_loop().create_task(self._run(), name="vsphere watch")

    def _waiting(self) -> Sequence[asyncio.Future[Any]]:
        every: list[asyncio.Future[Any]] = [*self._settling, *(hope.done for hope in self._hopes)]
        return [*every, *self._networks.waiting(), *(task.done for task in self._pending.values())]

    @property
    def _is_wanted(self) -> bool:
        return any(not done.done() for done in self._waiting())

    async def _run(self) -> None:
        failures = 0
        try:
            while self._is_wanted:
                try:
                    await self._round()
                    failures, self._trouble = 0, None
                except Fault as fault:
                    failures += 1
                    await self._failed(fault, failures)
        finally:
            # Only a defect gets here with somebody waiting: he must not wait for ever.
            self._give_up(Fault("The director's watch on vCenter ended; see its log."))

    async def _failed(self, fault: Fault, failures: int) -> None:
        self._collector, self._trouble = None, fault
        self._is_careful = self._is_careful or isinstance(fault.__cause__, Unreadable)
        if failures > TRIES or fault.retry is Retry.NEVER:
            self._give_up(fault)
        else:
            await self._line.pause(0.25 * 2**failures)

    async def _round(self) -> None:
        """One answer of vCenter; then a breath, unless somebody is in a hurry."""
        collector = await self._ready()
        settling = tuple(self._settling)
        self._hurry.clear()
        wait_s = 0 if settling or not collector.is_told else UNLISTED_WAIT_S if self._unlisted() else WAIT_S
        is_first = not collector.is_told
        self.waits += 1
        self._apply(await self._answer(collector, wait_s), is_first=is_first)
        if collector.is_careful:
            await self._read_ends(collector)
        self._settling = [done for done in self._settling if done not in settling]
        for done in settling:
            if not done.done():
                done.set_result(None)
        if wait_s and self._is_wanted:
            with suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_S):
                    await self._hurry.wait()

    async def _ready(self) -> Collector:
        """The collector, with a filter for each folder and for pending tasks that a whole wait did not tell of."""
        if self._collector is None:
            self._tasks.clear()
            self._filtered = frozenset()
            self._collector = await self._line.collector(is_careful=self._is_careful)
        collector = self._collector
        for folders, add in ((self._folders, collector.add_folder), (self._network_folders, collector.add_networks)):
            for moid in sorted(set(folders) - collector.folders):
                await self._watch_folder(folders, moid, add)
        unlisted = self._unlisted()
        late = [moid for moid in unlisted if self._pending[moid].since < self.waits and moid not in self._filtered]
        if late:
            tasks = [self._pending[moid].task for moid in unlisted]
            await self._line.ask("watching tasks", lambda: collector.watch_unlisted(tasks), timeout_s=_ANSWER_S)
            self._filtered = frozenset(unlisted)
        return collector

    async def _watch_folder(self, folders: dict[str, Any], moid: str, add: Callable[[Any], None]) -> None:
        try:
            await self._line.ask("watching a folder", partial(add, folders[moid]), timeout_s=_ANSWER_S)
        except Fault as fault:
            if not fault.is_a(vmodl.fault.ManagedObjectNotFound):
                raise
            del folders[moid]

    async def _read_ends(self, collector: Collector) -> None:
        """Of our tasks only, one by one: so a stranger's unreadable end is nobody's trouble but his."""
        for moid, pending in sorted(self._pending.items()):
            if self._tasks.get(moid, {}).get("info.state") in _ENDED and not pending.done.done():
                read = partial(collector.end_of, pending.task)
                try:
                    end = await self._line.ask(pending.what, read, timeout_s=_ANSWER_S)
                except Fault as fault:
                    _fail(pending.done, fault)
                else:
                    self._tasks[moid] |= {"is read": True, **end}
                    self._tell(moid)

    def _unlisted(self) -> Sequence[str]:
        return sorted(moid for moid in self._pending if moid not in self._tasks)

    async def _answer(self, collector: Collector, wait_s: int) -> Sequence[Change]:
        """Cuts a long wait short when somebody is in a hurry; again, should that have overtaken the wait itself."""
        asked = self._line.wait("waiting for vCenter", lambda: collector.wait(wait_s), timeout_s=wait_s + _ANSWER_S)
        if wait_s == 0:
            return await asked
        waiting = asyncio.ensure_future(asked)
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            await asyncio.wait({waiting, hurry}, return_when=asyncio.FIRST_COMPLETED)
            while not waiting.done():
                await self._line.ask("asking vCenter to answer now", collector.cancel, timeout_s=_ANSWER_S)
                await asyncio.wait({waiting}, timeout=_CANCEL_AGAIN_S)
            return await waiting
        finally:
            hurry.cancel()
            waiting.cancel()

    def _apply(self, changes: Sequence[Change], *, is_first: bool) -> None:
        before = self._vms
        if is_first:
            self._vms = {}
            self._networks.clear()
        for change in changes:
            if change.is_task:
                self._apply_task(change)
            elif change.is_network:
                self._networks.apply(change)
            else:
                self._apply_vm(change)
        if any(change.is_network for change in changes):
            self._networks.fulfil()
        gone = set(before) - set(self._vms)
        for hope in [hope for hope in self._hopes if hope.moid in gone and not hope.done.done()]:
            hope.done.set_exception(Fault(f"VM {before[hope.moid].name} is gone from its folder in vCenter."))

    def _apply_vm(self, change: Change) -> None:
        if change.is_gone:
            self._vms = {moid: vm for moid, vm in self._vms.items() if moid != change.moid}
            return
        vm = (self._vms.get(change.moid) or WatchedVm(moid=change.moid)).changed(change.values)
        self._vms[change.moid] = vm
        for hope in self._hopes:
            if hope.moid == vm.moid and not hope.done.done() and hope.is_so(vm):
                hope.done.set_result(vm)

    def _apply_task(self, change: Change) -> None:
        if change.is_gone:
            if change.moid not in self._filtered:
                self._tasks.pop(change.moid, None)
            return
        self._tasks.setdefault(change.moid, {}).update(change.values)
        self._tell(change.moid)
        while len(self._tasks) > _TASKS_KEPT:
            self._tasks.popitem(last=False)

    def _tell(self, moid: str) -> None:
        pending, task = self._pending.get(moid), self._tasks.get(moid)
        if pending is None or task is None or pending.done.done():
            return
        if self._is_careful and "is read" not in task and task.get("info.state") in _ENDED:
            return
        match task.get("info.state"):
            case "success":
                pending.done.set_result(task.get("info.result"))
            case "error":
                pending.done.set_exception(fault_of(pending.what, task["info.error"]))
            case _ if pending.progress is not None and task.get("info.progress") is not None:
                pending.progress(task["info.progress"])

    def _give_up(self, fault: Fault) -> None:
        for task in self._pending.values():
            words = f"{task.what}: what becomes of it is not known, since vCenter stopped telling. {fault}"
            _fail(task.done, Fault(words, fault=fault.fault, is_reply_lost=True, retry=fault.retry))
        for done in self._waiting():
            _fail(done, Fault(str(fault), fault=fault.fault, is_reply_lost=True, retry=fault.retry))
        self._settling = []


def _fail(done: asyncio.Future[Any], fault: Fault) -> None:
    if not done.done():
        done.set_exception(fault)
