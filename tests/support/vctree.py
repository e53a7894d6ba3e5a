"""What a person sees in vCenter, as text; and the things such a person does there by hand."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from pyVim.connect import SmartConnect
from pyVmomi import vim

from tests.support.vcsim import Vcsim

Branch = tuple[str, Sequence["Branch"]]
_TASK_S: Final = 20


@contextlib.contextmanager
def center(sim: Vcsim) -> Iterator[Any]:
    """A session of somebody else than the director's."""
    service = SmartConnect(host=sim.host, port=sim.port, user=sim.user, pwd=sim.password, disableSslCertValidation=True)
    try:
        yield service.content
    finally:
        service._stub.DropConnections()


def destroy_vm(content: Any, name: str) -> None:
    """Switches the VM off and removes it, disks and all."""
    vm = next(vm for vm in _every(content, vim.VirtualMachine) if vm.name == name)
    for task in (vm.PowerOffVM_Task, vm.Destroy_Task):
        _done(task())


def tree(content: Any) -> str:
    """Hosts with what runs on them, folders with what lies in them, and files of persistent disks."""
    datacenter = content.rootFolder.childEntity[0]
    clusters = sorted(datacenter.hostFolder.childEntity, key=lambda one: one.name)
    hosts = (f"{datacenter.name}/host", [(one.name, [_host(host) for host in _sorted(one.host)]) for one in clusters])
    folders = (f"{datacenter.name}/vm", [_folder(one) for one in _sorted(datacenter.vmFolder.childEntity)])
    stores = (f"{datacenter.name}/datastore", [_store(content, one) for one in _sorted(datacenter.datastore)])
    return "\n".join(line for branch in (hosts, folders, stores) for line in _drawn(branch))


def _drawn(branch: Branch) -> Iterator[str]:
    text, below = branch
    yield text
    for number, one in enumerate(below, start=1):
        first, more = ("└─ ", "   ") if number == len(below) else ("├─ ", "│  ")
        for line, drawn in enumerate(_drawn(one)):
            yield (more if line else first) + drawn


def _host(host: Any) -> Branch:
    return host.name, [(_vm(vm), []) for vm in _sorted(host.vm) if not _is_stemcell(vm)]


def _is_stemcell(vm: Any) -> bool:
    return bool(vm.name.startswith("sc-"))


def _vm(vm: Any) -> str:
    hardware = vm.config.hardware
    power = "on" if vm.runtime.powerState == "poweredOn" else "OFF"
    networks = ", ".join(network.name for network in vm.network)
    stores = ", ".join(sorted({store.name for store in vm.datastore}))
    size = f"{hardware.numCPU} CPU, {hardware.memoryMB} MB"
    return f"{vm.name}: {power}, {size}, {vm.guest.ipAddress or '-'} on {networks}, {stores}"


def _folder(entity: Any) -> Branch:
    if isinstance(entity, vim.Folder):
        return f"{entity.name}/", [_folder(one) for one in _sorted(entity.childEntity)]
    return f"{entity.name}: a stemcell, cloned from its snapshot" if _is_stemcell(entity) else entity.name, []


def _store(content: Any, store: Any) -> Branch:
    """VMs' own disks lie in their own directories; here are those that outlive them."""
    browser = vim.host.DatastoreBrowser
    spec = browser.SearchSpec(
        query=[browser.VmDiskQuery(details=browser.VmDiskQuery.Details(capacityKb=True))],
        details=browser.FileInfo.Details(fileType=True),
        matchPattern=["disk-*.vmdk"],
    )
    found = _done(store.browser.SearchDatastoreSubFolders_Task(f"[{store.name}]", spec))
    holders = _holders(content)
    files = {
        f"{_path(folder.folderPath)}/{file.path}": file.capacityKb >> 10 for folder in found for file in folder.file
    }
    return f"{store.name}: disks that outlive VMs", [
        (f"{path}: {size_mb} MB, attached to {holders.get(path, 'nothing')}", [])
        for path, size_mb in sorted(files.items())
        if "BOSH_Disks" in path
    ]


def _path(folder: str) -> str:
    """As a disk's backing has it; search results differ from it, and vCenter's from the simulator's."""
    store, _, path = folder.partition("]")
    return f"{store}] {path.strip(' /')}"


def _holders(content: Any) -> dict[str, str]:
    return {
        device.backing.fileName: vm.name
        for vm in _every(content, vim.VirtualMachine)
        for device in vm.config.hardware.device
        if isinstance(device, vim.vm.device.VirtualDisk)
    }


def _every(content: Any, kind: type) -> list[Any]:
    view = content.viewManager.CreateContainerView(content.rootFolder, [kind], True)
    found = list(view.view)
    view.DestroyView()
    return found


def _sorted(entities: Sequence[Any]) -> list[Any]:
    return sorted(entities, key=lambda one: one.name)


def _done(task: Any) -> Any:
    deadline = time.monotonic() + _TASK_S
    while task.info.state in {"queued", "running"} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert task.info.state == "success", task.info.error
    return task.info.result
