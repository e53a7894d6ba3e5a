"""The life of a VM: cloned in one call or found and adopted, powered, restarted, destroyed. Names are cids here.

Every call may be repeated after any of its requests lost its reply: a VM is known by its name in the director's own
folder and by the instance uuid that follows from it, and ``DuplicateName`` is how vCenter says that a clone had begun.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from pyVmomi import vim, vmodl

from director.adapters.vsphere.collector import VM_PATHS, moid_of
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.folders import ensure_folder, find_folder
from director.adapters.vsphere.identity import instance_uuid
from director.adapters.vsphere.seen import ON, TOOLS_RUN
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.single import SingleFlight
from director.adapters.vsphere.watch import WatchedVm
from director.ports.failure import Retry

CLONE_S: Final = 3600.0
"""A full clone of a large root disk between arrays; a linked one takes seconds."""
POWER_S: Final = 300.0
RECONFIGURE_S: Final = 300.0
DESTROY_S: Final = 900.0
_STARTING_S: Final = 15.0
_OFF: Final = "poweredOff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clone:
    """``spec`` gives what to make; it is asked for anew when the template it was made for is gone."""

    name: str
    template: str
    spec: Any
    slots: tuple[str, ...]


class Vms:
    """``path`` is the folder of this director's VMs: datacenter, ``vm``, …"""

    def __init__(self, session: Session, path: Sequence[str], *, director_uuid: str) -> None:
        self._session = session
        self._path = tuple(path)
        self._director = director_uuid
        self._folder: Any = None
        self._looking: SingleFlight[bool, Any] = SingleFlight()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def alone(self, name: str) -> asyncio.Lock:
        """Held by whoever changes the VM of that name."""
        return self._locks.setdefault(name, asyncio.Lock())

    async def folder(self, *, is_made: bool) -> Any:
        """The director's folder, watched; made when it is not there and ``is_made``, else None."""
        if self._folder is None or not self._session.watch.has_folder(self._folder):
            return await self._looking.do(is_made, lambda: self._look(is_made=is_made))
        return self._folder

    async def _look(self, *, is_made: bool) -> Any:
        self._folder = await (ensure_folder if is_made else find_folder)(self._session, self._path)
        if self._folder is not None:
            self._session.watch.add_folder(self._folder)
            await self._session.watch.settled()
        return self._folder

    async def find(self, name: str) -> WatchedVm | None:
        """As vCenter has it now, also when somebody moved it to another folder."""
        if await self.folder(is_made=False) is not None:
            await self._session.watch.settled()
        return self.known(name) or await self._elsewhere(name)

    def known(self, name: str) -> WatchedVm | None:
        """As the watch last heard of it."""
        uuid = instance_uuid(self._director, name)
        every = self._session.watch.vms.values()
        return next((vm for vm in every if vm.instance_uuid == uuid and vm.name == name), None)

    async def all(self) -> Sequence[WatchedVm]:
        """Of ours in our folder, as vCenter has them now. Sorted by name."""
        if await self.folder(is_made=False) is None:
            return ()
        await self._session.watch.settled()
        return self.all_known()

    def all_known(self) -> Sequence[WatchedVm]:
        """As the watch last heard of them. Sorted by name."""
        every = self._session.watch.vms.values()
        ours = [vm for vm in every if vm.name and vm.instance_uuid == instance_uuid(self._director, vm.name)]
        return sorted(ours, key=lambda vm: vm.name)

    async def known_or_found(self, name: str) -> WatchedVm | None:
        await self.folder(is_made=False)
        return self.known(name) or await self.find(name)

    async def _elsewhere(self, name: str) -> WatchedVm | None:
        what = f'look for VM "{name}"'
        search = self._session.content.searchIndex.FindByUuid
        ask = partial(search, None, instance_uuid(self._director, name), True, True)  # VMs, by instance uuid
        found = await self._session.call(what, ask)
        if found is None:
            return None
        facts = await self._session.read(what, vim.VirtualMachine, list(VM_PATHS), [found])
        return next((WatchedVm(moid=moid).changed(one) for moid, one in facts.items()), None)

    async def clone(self, ask: Callable[[], Awaitable[Clone]], forget: Callable[[], None]) -> tuple[str, bool]:
        """The VM's moid, and whether it is new: else an earlier, lost call made it, or makes it still.

        When vCenter says that something in it is gone, it is forgotten and asked for once more.
        """
        for is_last in (False, True):
            wish = await ask()
            try:
                return await self._clone(wish)
            except Fault as fault:
                if fault.is_a(vmodl.fault.ManagedObjectNotFound) and not is_last:
                    self._folder = None
                    forget()
                    continue
                if not fault.is_reply_lost:
                    raise
                here = await self._after(fault, wish.name)
                if here is not None:
                    return here.moid, False
                if is_last:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _after(self, lost: Fault, name: str) -> WatchedVm | None:
        try:
            return await self.find(name)
        except Fault as fault:
            raise lost from fault

    async def _clone(self, wish: Clone) -> tuple[str, bool]:
        folder = await self.folder(is_made=True)
        template = self._session.of(vim.VirtualMachine, wish.template)
        start = partial(template.CloneVM_Task, folder=folder, name=wish.name, spec=wish.spec)
        try:
            made = await self._session.task(f'clone VM "{wish.name}"', start, timeout_s=CLONE_S, slots=wish.slots)
        except Fault as fault:
            if fault.is_a(vim.fault.DuplicateName):
                return await self._namesake(wish.name, fault), False
            raise
        return moid_of(made), True

    async def _namesake(self, name: str, fault: Fault) -> str:
        """Ours, perhaps still being made; or a stranger's, which is left alone."""
        await self._session.watch.settled()
        there = next((vm for vm in self._session.watch.vms.values() if vm.name == name), None)
        if there is None:
            raise fault
        if not there.instance_uuid:
            there = await self._session.watch.await_vm(there.moid, lambda vm: bool(vm.instance_uuid), CLONE_S)
        if there.instance_uuid != instance_uuid(self._director, name):
            raise Fault(
                f'Folder "{"/".join(self._path)}" has a VM "{name}" that this director did not make '
                f"({there.moid}). Rename it or move it elsewhere in vCenter, then deploy again.",
                fault=fault.fault,
                retry=Retry.NEVER,
            )
        return there.moid

    async def power_on(self, name: str, moid: str) -> None:
        """Also of one whose clone still runs, and will perhaps power it on itself."""
        vm = self._session.of(vim.VirtualMachine, moid)
        async with _deadline(f'power on VM "{name}"', CLONE_S):
            while True:
                try:
                    await self._session.task(f'power on VM "{name}"', vm.PowerOnVM_Task, timeout_s=POWER_S)
                except Fault as fault:
                    if fault.is_a(vim.fault.TaskInProgress) and not await self._is_on_soon(moid):
                        continue
                    if not fault.is_a(vim.fault.InvalidPowerState, vim.fault.TaskInProgress):
                        raise
                return

    async def _is_on_soon(self, moid: str) -> bool:
        try:
            await self._session.watch.await_vm(moid, lambda vm: vm.power == ON, _STARTING_S)
        except Fault:
            return False
        return True

    async def reconfigure(self, what: str, moid: str, spec: Any) -> None:
        vm = self._session.of(vim.VirtualMachine, moid)
        await self._session.task(what, lambda: vm.ReconfigVM_Task(spec), timeout_s=RECONFIGURE_S)

    async def write_options(self, what: str, moid: str, options: Mapping[str, str]) -> None:
        """Into the extra configuration; an empty value removes its key."""
        values = [vim.option.OptionValue(key=key, value=value) for key, value in sorted(options.items())]
        await self.reconfigure(what, moid, vim.vm.ConfigSpec(extraConfig=values))

    async def power_off(self, vm: WatchedVm) -> None:
        if vm.power == _OFF:
            return
        await self._answer(vm)
        it = self._session.of(vim.VirtualMachine, vm.moid)
        try:
            await self._session.task(f'power off VM "{vm.name}"', it.PowerOffVM_Task, timeout_s=POWER_S)
        except Fault as fault:
            if not fault.is_a(vim.fault.InvalidPowerState):
                raise

    async def _answer(self, vm: WatchedVm) -> None:
        """A VM with a question open (its CD-ROM locked, its disk full) does nothing until it has the usual answer."""
        question = vm.question
        if question is None:
            return
        choice = question.choice
        key = choice.choiceInfo[choice.defaultIndex or 0].key
        it = self._session.of(vim.VirtualMachine, vm.moid)
        await self._session.call(f'answer the question of VM "{vm.name}"', lambda: it.AnswerVM(question.id, str(key)))

    async def remove(self, vm: WatchedVm, detach: Callable[[str], Awaitable[object]]) -> None:
        """``detach`` frees the persistent disks once it is off: destroying it would take them along."""
        it = self._session.of(vim.VirtualMachine, vm.moid)
        try:
            await self.power_off(vm)
            await detach(vm.moid)
            await self._session.task(f'destroy VM "{vm.name}"', it.Destroy_Task, timeout_s=DESTROY_S)
        except Fault as fault:
            if not fault.is_a(vmodl.fault.ManagedObjectNotFound):
                raise

    async def reboot(self, vm: WatchedVm) -> None:
        """By its own operating system if that listens, else as by the reset button."""
        it = self._session.of(vim.VirtualMachine, vm.moid)
        if vm.power != ON:
            await self.power_on(vm.name, vm.moid)
            return
        if vm.tools == TOOLS_RUN:
            try:
                await self._session.call(f'reboot VM "{vm.name}"', it.RebootGuest)
            except Fault as fault:
                if not fault.is_a(vim.fault.ToolsUnavailable, vmodl.fault.MethodNotFound):
                    raise
            else:
                return
        await self._answer(vm)
        await self._session.task(f'reset VM "{vm.name}"', it.ResetVM_Task, timeout_s=POWER_S)


@asynccontextmanager
async def _deadline(what: str, timeout_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise Fault(f"{what}: not done within {timeout_s:.0f} s.", retry=Retry.BOUNDED) from error
