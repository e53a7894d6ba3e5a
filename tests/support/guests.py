"""What vCenter says of all VMs, as their guests would see it: told by WaitForUpdatesEx to one thread."""

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from tests.support.vcsim import Vcsim

_PATHS: Final = (
    "name",
    "config.template",
    "config.extraConfig",
    "config.hardware.device",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "runtime.powerState",
    "summary.runtime.bootTime",
)
_Collector = vmodl.query.PropertyCollector


@dataclass(slots=True, kw_only=True)
class Guest:
    """``guestinfo`` is the whole extraConfig. ``disks`` are the persistent ones: uuid (lower case) to MB."""

    moid: str
    name: str = ""
    is_template: bool = False
    is_on: bool = False
    boot_time: Any = None
    cpu: int = 1
    ram_mb: int = 0
    guestinfo: Mapping[str, str] = field(default_factory=dict)
    disks: Mapping[str, int] = field(default_factory=dict)

    def read(self, path: str, value: Any) -> None:
        match path:
            case "name":
                self.name = value
            case "config.template":
                self.is_template = bool(value)
            case "config.extraConfig":
                self.guestinfo = {option.key: str(option.value) for option in value or ()}
            case "config.hardware.device":
                self.disks = dict(_persistent(device) for device in value or () if _is_persistent(device))
            case "config.hardware.numCPU":
                self.cpu = value
            case "config.hardware.memoryMB":
                self.ram_mb = value
            case "runtime.powerState":
                self.is_on = value == "poweredOn"
            case "summary.runtime.bootTime":
                self.boot_time = value


def _is_persistent(device: Any) -> bool:
    return isinstance(device, vim.vm.device.VirtualDisk) and device.backing.diskMode == "independent_persistent"


def _persistent(device: Any) -> tuple[str, int]:
    return device.backing.uuid.lower(), device.capacityInKB // 1024


class Guests:
    """``watch`` runs in a thread of its own until ``close``, which another one calls."""

    def __init__(self, sim: Vcsim) -> None:
        self._guests: dict[str, Guest] = {}
        self._lock = threading.Lock()
        self._is_over = False
        self._service = SmartConnect(
            host=sim.host, port=sim.port, user=sim.user, pwd=sim.password, disableSslCertValidation=True
        )
        content = self._service.content
        self._collector = content.propertyCollector.CreatePropertyCollector()
        self._collector.CreateFilter(_every_vm(content.rootFolder), False)

    def now(self) -> dict[str, Guest]:
        """By moid; templates are nobody's guests."""
        with self._lock:
            return {moid: replace(guest) for moid, guest in self._guests.items() if not guest.is_template}

    def watch(self, tell: Callable[[set[str]], Any]) -> None:
        """``tell`` is called with the moids of what changed, for each set of updates that is whole."""
        version, known = "", set[str]()
        while not self._is_over:
            try:
                updates = self._collector.WaitForUpdatesEx(version, _Collector.WaitOptions())
            except vmodl.fault.RequestCanceled:
                return
            if updates is None:
                continue
            version = updates.version
            told = [change for found in updates.filterSet for change in found.objectSet]
            changed = [change for change in told if change.kind != "leave" or not self._is_there(change.obj._moId)]
            with self._lock:
                for change in changed:
                    self._take(change)
            known |= {change.obj._moId for change in changed}
            if not updates.truncated:  # else the rest is there to be asked for at once
                tell(known)
                known = set()

    def _is_there(self, moid: str) -> bool:
        """The simulator has told that a VM left which it still had; a guest that is gone is not made again."""
        try:
            return bool(vim.VirtualMachine(moid, self._service._stub).name)
        except vmodl.fault.ManagedObjectNotFound:
            return False

    def _take(self, change: Any) -> None:
        if change.kind == "leave":
            self._guests.pop(change.obj._moId, None)
            return
        guest = self._guests.setdefault(change.obj._moId, Guest(moid=change.obj._moId))
        for one in change.changeSet:
            guest.read(one.name, one.val)

    def close(self) -> None:
        self._is_over = True
        with contextlib.suppress(OSError):  # the vCenter may be gone already
            self._collector.CancelWaitForUpdates()
        self._service._stub.DropConnections()


def _every_vm(root: Any) -> Any:
    walk = _Collector.TraversalSpec
    again = _Collector.SelectionSpec(name="folders")
    into = walk(name="center", type=vim.Datacenter, path="vmFolder", skip=True, selectSet=[again])
    folders = walk(name="folders", type=vim.Folder, path="childEntity", skip=False, selectSet=[again, into])
    start = _Collector.ObjectSpec(obj=root, skip=True, selectSet=[folders])
    wanted = _Collector.PropertySpec(type=vim.VirtualMachine, pathSet=list(_PATHS))
    return _Collector.FilterSpec(objectSet=[start], propSet=[wanted])
