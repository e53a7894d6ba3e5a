"""The property collector behind the watch: its filters, and what its answers say. Blocking: one thread's alone.

Every function here is one request, ``wait`` one for each page.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pyVmomi import vim, vmodl

PC: Final = vmodl.query.PropertyCollector

_STATE: Final = ("info.state", "info.progress")
_END: Final = ("info.result", "info.error")
"""Never ``info`` whole: it is large, and names entities that clients cannot read (agent-cpi-vsphere.md 4.6)."""

VM_PATHS: Final[Mapping[str, str]] = {
    "name": "name",
    "parent": "folder",
    "config.instanceUuid": "instance_uuid",
    "config.changeVersion": "change_version",
    "config.hardware.numCPU": "cpu",
    "config.hardware.memoryMB": "ram_mb",
    "config.template": "is_template",
    "runtime.powerState": "power",
    "runtime.host": "host",
    "runtime.question": "question",
    "guest.ipAddress": "addresses",
    "guest.toolsRunningStatus": "tools",
}
"""vCenter's path → field of WatchedVm. No arrays: they cost many times what the rest does."""

NETWORK_PATHS: Final[Mapping[type, Sequence[str]]] = {
    vim.OpaqueNetwork: ("name", "host", "summary"),
    vim.dvs.DistributedVirtualPortgroup: ("name", "host", "config.logicalSwitchUuid", "config.uplink"),
}
"""Of exactly these kinds: what NSX backs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """``is_gone``: the object left what is watched. ``values`` has what is new, None for what was unset.

    Neither a task's nor a network's is a VM's.
    """

    moid: str
    is_task: bool
    is_network: bool = False
    is_gone: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


class Collector:
    """``is_told``: the first answer, with all there was, has come.

    ``is_careful``: only the states of tasks are watched, since some stranger's result or error cannot be read.
    """

    def __init__(self, content: Any, *, is_careful: bool) -> None:
        self._content = content
        self._it = content.propertyCollector.CreatePropertyCollector()
        self._version = ""
        self._unlisted: Any = None
        self.folders: set[str] = set()
        self.is_told = False
        self.is_careful = is_careful
        self._task_paths = _STATE if is_careful else (*_STATE, *_END)
        self._add(_tasks_of(content), vim.Task, self._task_paths)

    def _add(self, objects: Sequence[Any], kind: type, paths: Sequence[str]) -> Any:
        return self._add_kinds(objects, {kind: paths})

    def _add_kinds(self, objects: Sequence[Any], kinds: Mapping[type, Sequence[str]]) -> Any:
        spec = PC.FilterSpec(
            objectSet=list(objects),
            propSet=[PC.PropertySpec(type=kind, all=False, pathSet=list(paths)) for kind, paths in kinds.items()],
            reportMissingObjectsInResults=True,
        )
        return self._it.CreateFilter(spec=spec, partialUpdates=True)

    def add_folder(self, folder: Any) -> None:
        children = PC.TraversalSpec(name="children", type=vim.Folder, path="childEntity", skip=False)
        self._add([PC.ObjectSpec(obj=folder, skip=True, selectSet=[children])], vim.VirtualMachine, list(VM_PATHS))
        self.folders.add(moid_of(folder))

    def add_networks(self, folder: Any) -> None:
        """All that NSX may back, at any depth below."""
        again = [PC.SelectionSpec(name="children")]
        children = PC.TraversalSpec(name="children", type=vim.Folder, path="childEntity", skip=False, selectSet=again)
        self._add_kinds([PC.ObjectSpec(obj=folder, skip=True, selectSet=[children])], NETWORK_PATHS)
        self.folders.add(moid_of(folder))

    def watch_unlisted(self, tasks: Sequence[Any]) -> None:
        """Tasks that ``recentTask`` does not list get one filter together, in place of the last such."""
        before, self._unlisted = self._unlisted, None
        self._unlisted = self._add([PC.ObjectSpec(obj=task, skip=False) for task in tasks], vim.Task, self._task_paths)
        if before is not None:
            before.DestroyPropertyFilter()

    def wait(self, most_s: int) -> list[Change]:
        """All that is new since the last time; waits ``most_s`` for something to be. Raises pyVmomi's faults."""
        changes: list[Change] = []
        while True:
            options = PC.WaitOptions(maxWaitSeconds=0 if changes else most_s)
            try:
                answer = self._it.WaitForUpdatesEx(version=self._version, options=options)
            except vmodl.fault.RequestCanceled:
                return changes
            self.is_told = True
            if answer is None:
                return changes
            self._version = answer.version
            changes.extend(_changes(answer))
            if not answer.truncated:
                return changes

    def end_of(self, task: Any) -> Mapping[str, Any]:
        """Result and error of a task that has ended."""
        spec = PC.FilterSpec(
            objectSet=[PC.ObjectSpec(obj=task)], propSet=[PC.PropertySpec(type=vim.Task, pathSet=list(_END))]
        )
        answer = self._content.propertyCollector.RetrievePropertiesEx(specSet=[spec], options=PC.RetrieveOptions())
        return {each.name: each.val for found in answer.objects for each in found.propSet}

    def cancel(self) -> None:
        self._it.CancelWaitForUpdates()

    def destroy(self) -> None:
        self._it.DestroyPropertyCollector()


def moid_of(managed: Any) -> str:
    moid: str = managed._GetMoId()  # noqa: SLF001  # the library's only way to a moid
    return moid


def _tasks_of(content: Any) -> list[Any]:
    recent = PC.TraversalSpec(name="recent", type=vim.TaskManager, path="recentTask", skip=False)
    return [PC.ObjectSpec(obj=content.taskManager, skip=True, selectSet=[recent])]


def _changes(answer: Any) -> Iterator[Change]:
    for filtered in answer.filterSet:
        for update in filtered.objectSet:
            yield Change(
                moid=moid_of(update.obj),
                is_task=isinstance(update.obj, vim.Task),
                is_network=isinstance(update.obj, vim.Network),
                is_gone=update.kind == "leave",
                values={change.name: change.val for change in update.changeSet},
            )
