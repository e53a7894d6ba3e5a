"""One login at a vCenter with pyVmomi, as NSX has at its compute managers. Blocking: for threads, knows no simulator.

Speaks API 7.0, the first in which port groups tell of NSX.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pyVmomi import vim, vmodl
from pyVmomi.SoapAdapter import SoapStubAdapter

PC: Final = vmodl.query.PropertyCollector
VERSION: Final = "vim.version.v7_0"
MARK: Final = "made by nsxsim"
"""In the description of our port groups: others' are left alone."""
TASK_S: Final = 60

VM_PATHS: Final = (
    "name",
    "config.instanceUuid",
    "config.uuid",
    "config.template",
    "config.hardware.device",
    "guest.net",
    "guest.hostName",
    "runtime.powerState",
    "runtime.host",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortGroup:
    """`segment` is the path in its segmentId, `switch` its switch's id, `key` what NICs name it by."""

    moid: str
    key: str
    name: str
    segment: str
    switch: str
    is_ours: bool


def moid_of(managed: Any) -> str:
    return str(managed._GetMoId())


class Line:
    """Connected and logged in. Not for two threads at once: the one that waits has a line of its own."""

    def __init__(self, login: Login, *, timeout_s: float) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._stub: Any = SoapStubAdapter(
            host=login.host,
            port=login.port,
            path="/sdk",
            version=VERSION,
            sslContext=context,
            connectionPoolTimeout=-1,
            httpConnectionTimeout=timeout_s,
        )
        instance: Any = vim.ServiceInstance("ServiceInstance", self._stub)
        self.content = instance.RetrieveContent()
        self.content.sessionManager.Login(login.user, login.password)
        self._collector = self.content.propertyCollector

    def close(self) -> None:
        try:
            self.content.sessionManager.Logout()
        finally:
            self._stub.DropConnections()

    def read(self, kind: type, paths: Sequence[str]) -> dict[Any, dict[str, Any]]:
        """Of every object of a kind in the inventory."""
        spec = PC.FilterSpec(
            objectSet=[everything(self.content.rootFolder)],
            propSet=[PC.PropertySpec(type=kind, all=False, pathSet=list(paths))],
        )
        answer = self._collector.RetrievePropertiesEx(specSet=[spec], options=PC.RetrieveOptions())
        found: dict[Any, dict[str, Any]] = {}
        while answer is not None:
            found |= {each.obj: {one.name: one.val for one in each.propSet} for each in answer.objects}
            answer = self._collector.ContinueRetrievePropertiesEx(answer.token) if answer.token else None
        return found

    def port_groups(self) -> list[PortGroup]:
        """Those that NSX backs."""
        paths = ("name", "key", "config.segmentId", "config.distributedVirtualSwitch", "config.description")
        found = self.read(vim.dvs.DistributedVirtualPortgroup, paths)
        return [
            PortGroup(
                moid=moid_of(group),
                key=str(one["key"]),
                name=str(one["name"]),
                segment=str(one["config.segmentId"]),
                switch=moid_of(one["config.distributedVirtualSwitch"]),
                is_ours=one.get("config.description") == MARK,
            )
            for group, one in found.items()
            if one.get("config.segmentId")
        ]

    def switches(self) -> list[str]:
        return sorted(moid_of(switch) for switch in self.read(vim.DistributedVirtualSwitch, ("name",)))

    def add_port_group(self, switch: str, name: str, segment: str, logical_switch: str) -> None:
        spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(
            name=name,
            type="earlyBinding",
            numPorts=8,
            description=MARK,
            backingType="nsx",
            logicalSwitchUuid=logical_switch,
            segmentId=segment,
        )
        self._finish(vim.DistributedVirtualSwitch(switch, self._stub).AddDVPortgroup_Task([spec]))

    def rename(self, moid: str, name: str) -> None:
        self._finish(vim.dvs.DistributedVirtualPortgroup(moid, self._stub).Rename_Task(name))

    def remove(self, moid: str) -> None:
        try:
            self._finish(vim.dvs.DistributedVirtualPortgroup(moid, self._stub).Destroy_Task())
        except vmodl.fault.ManagedObjectNotFound:
            return

    def _finish(self, task: Any) -> None:
        """Waits for the end of a task as vCenter tells it. Raises its fault."""
        collector = self._collector.CreatePropertyCollector()
        try:
            spec = PC.FilterSpec(
                objectSet=[PC.ObjectSpec(obj=task)],
                propSet=[PC.PropertySpec(type=vim.Task, all=False, pathSet=["info.state", "info.error"])],
            )
            collector.CreateFilter(spec=spec, partialUpdates=True)
            version = ""
            state: dict[str, Any] = {}
            while state.get("info.state") not in ("success", "error"):
                answer = collector.WaitForUpdatesEx(version, PC.WaitOptions(maxWaitSeconds=TASK_S))
                if answer is None:
                    raise TimeoutError(f"{task} did not end within {TASK_S} s")
                version = answer.version
                state |= {
                    one.name: one.val for part in answer.filterSet for obj in part.objectSet for one in obj.changeSet
                }
        finally:
            collector.DestroyPropertyCollector()
        if state["info.state"] == "error":
            raise state["info.error"]


class VmWatch:
    """All VMs of the inventory, told of as they change."""

    def __init__(self, line: Line) -> None:
        self._collector = line.content.propertyCollector.CreatePropertyCollector()
        spec = PC.FilterSpec(
            objectSet=[everything(line.content.rootFolder)],
            propSet=[PC.PropertySpec(type=vim.VirtualMachine, all=False, pathSet=list(VM_PATHS))],
            reportMissingObjectsInResults=True,
        )
        self._collector.CreateFilter(spec=spec, partialUpdates=False)
        self._version = ""
        self._is_over = False
        self._known: dict[str, dict[str, Any]] = {}

    def end(self) -> None:
        """Ends the wait of another thread."""
        self._is_over = True
        self._collector.CancelWaitForUpdates()

    def wait(self, most_s: int) -> Mapping[str, Mapping[str, Any] | None]:
        """What changed since the last time: VM's id to all its properties, or to None when it is gone."""
        changed: dict[str, Mapping[str, Any] | None] = {}
        while not self._is_over:
            options = PC.WaitOptions(maxWaitSeconds=0 if changed else most_s)
            try:
                answer = self._collector.WaitForUpdatesEx(self._version, options)
            except vmodl.fault.RequestCanceled:
                return changed
            if answer is None:
                return changed
            self._version = answer.version
            for part in answer.filterSet:
                for update in part.objectSet:
                    changed[moid_of(update.obj)] = self._applied(update)
            if not answer.truncated:
                return changed
        return changed

    def _applied(self, update: Any) -> Mapping[str, Any] | None:
        moid = moid_of(update.obj)
        if update.kind == "leave":
            self._known.pop(moid, None)
            return None
        known = self._known.setdefault(moid, {})
        for change in update.changeSet:
            known[change.name] = change.val
        return dict(known)


def everything(root: Any) -> Any:
    """From the root folder to all networks, switches and VMs."""
    again = [PC.SelectionSpec(name=name) for name in ("folder", "vms", "networks")]
    ways = (
        ("folder", vim.Folder, "childEntity"),
        ("vms", vim.Datacenter, "vmFolder"),
        ("networks", vim.Datacenter, "networkFolder"),
    )
    return PC.ObjectSpec(
        obj=root,
        skip=False,
        selectSet=[
            PC.TraversalSpec(name=name, type=kind, path=path, skip=False, selectSet=again) for name, kind, path in ways
        ],
    )
