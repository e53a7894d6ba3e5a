"""What the product relies on in the simulator, and tests/tools/vcsim puts right: as vCenter does it."""

import time

import pytest
from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim, shared_sim

__all__ = ["shared_sim"]
pytestmark = pytest.mark.go
Collector = vmodl.query.PropertyCollector
Change = vim.vm.device.VirtualDeviceSpec
UUID = "11111111-2222-3333-4444-555555555555"


class Center:
    """One login, and a template with a disk and a snapshot."""

    def __init__(self, sim):
        self.sim = sim
        self.service = SmartConnect(
            host=sim.host, port=sim.port, user=sim.user, pwd=sim.password, disableSslCertValidation=True
        )
        self.content = self.service.content
        self.dc = self.content.rootFolder.childEntity[0]
        self.pools = [cluster.resourcePool for cluster in self.dc.hostFolder.childEntity]
        self.template = self.done(self.dc.vmFolder.CreateVM_Task(_template(), self.pools[0]))
        self.snapshot = self.done(self.template.CreateSnapshot_Task("initial", "", False, False))

    def end(self, task):
        deadline = time.monotonic() + 20
        while task.info.state in {"queued", "running"} and time.monotonic() < deadline:
            time.sleep(0.005)
        return task.info

    def done(self, task):
        info = self.end(task)
        assert info.state == "success", info.error
        return info.result

    def clone(self, name, **config):
        where = vim.vm.RelocateSpec(
            pool=self.pools[1], datastore=self.dc.datastore[1], diskMoveType="createNewChildDiskBacking"
        )
        spec = vim.vm.CloneSpec(
            location=where, snapshot=self.snapshot, powerOn=True, template=False, config=vim.vm.ConfigSpec(**config)
        )
        return self.template.CloneVM_Task(self.dc.vmFolder, name, spec)

    def free(self):
        return [datastore.summary.freeSpace >> 20 for datastore in self.dc.datastore]


def _template():
    controller = vim.vm.device.ParaVirtualSCSIController(key=1000, busNumber=0, sharedBus="noSharing")
    return vim.vm.ConfigSpec(
        name="template",
        memoryMB=512,
        numCPUs=1,
        files=vim.vm.FileInfo(vmPathName="[LocalDS_0]"),
        deviceChange=[Change(operation="add", device=controller), new_disk("[LocalDS_0]", 0, 3 << 20)],
        extraConfig=options({"director.agent": "baked"}),
    )


def new_disk(file, unit, kb, operation="create"):
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(diskMode="persistent", thinProvisioned=True, fileName=file)
    disk = vim.vm.device.VirtualDisk(
        key=-unit - 1, controllerKey=1000, unitNumber=unit, capacityInKB=kb, backing=backing
    )
    return Change(operation="add", fileOperation=operation, device=disk)


def options(values):
    return [vim.option.OptionValue(key=key, value=value) for key, value in values.items()]


def extra(vm):
    return {option.key: option.value for option in vm.config.extraConfig}


def disks(vm):
    return [device for device in vm.config.hardware.device if isinstance(device, vim.vm.device.VirtualDisk)]


@pytest.fixture(scope="module")
def center(shared_sim):
    made = Center(shared_sim)
    yield made
    made.service._stub.DropConnections()


def test_one_clone_call_applies_everything(center):
    vm = center.done(
        center.clone(
            "everything",
            numCPUs=2,
            memoryMB=2048,
            memoryHotAddEnabled=True,
            annotation="seen",
            instanceUuid=UUID,
            extraConfig=options({"guestinfo.x": "1"}),
            deviceChange=[new_disk("[LocalDS_1]", 1, 1 << 20)],
        )
    )
    hardware = vm.config.hardware
    assert (hardware.numCPU, hardware.memoryMB, vm.config.memoryHotAddEnabled) == (2, 2048, True)
    assert (vm.config.annotation, vm.runtime.powerState) == ("seen", "poweredOn")
    assert {"director.agent": "baked", "guestinfo.x": "1"}.items() <= extra(vm).items()
    assert vm.runtime.host.parent.resourcePool == center.pools[1]
    root, ephemeral = disks(vm)
    assert root.backing.parent.fileName == "[LocalDS_0] template/template.vmdk"
    assert ephemeral.backing.fileName.startswith("[LocalDS_1] everything/")
    assert center.content.searchIndex.FindByUuid(None, UUID, True, True) == vm


def test_a_name_is_given_once_in_a_folder(center):
    center.done(center.clone("once"))
    error = center.end(center.clone("once")).error
    assert isinstance(error, vim.fault.DuplicateName)


def test_an_empty_value_removes_a_key_and_adds_none(center):
    vm = center.done(center.clone("empty", extraConfig=options({"guestinfo.x": "1"})))
    center.done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(extraConfig=options({"guestinfo.x": "", "guestinfo.never": ""}))))
    assert not {"guestinfo.x", "guestinfo.never"} & extra(vm).keys()


def test_a_disk_keeps_its_uuid_and_its_space_wherever_it_goes(center):
    manager, files, before = center.content.virtualDiskManager, center.content.fileManager, center.free()
    spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(diskType="thin", adapterType="lsiLogic", capacityKb=2 << 20)
    for store in ("LocalDS_0", "LocalDS_1"):
        files.MakeDirectory(f"[{store}] disks", center.dc, True)
    old, new = "[LocalDS_1] disks/d.vmdk", "[LocalDS_0] disks/d.vmdk"
    center.done(manager.CreateVirtualDisk_Task(old, center.dc, spec))
    center.done(manager.ExtendVirtualDisk_Task(old, center.dc, 4 << 20, False))
    uuid = manager.QueryVirtualDiskUuid(old, center.dc)
    center.done(manager.MoveVirtualDisk_Task(old, center.dc, new, center.dc, False, None))
    assert manager.QueryVirtualDiskUuid(new, center.dc) == uuid
    assert center.free() == [before[0] - 4096, before[1]]

    wanted = vim.host.DatastoreBrowser.SearchSpec(
        query=[vim.host.DatastoreBrowser.VmDiskQuery()],
        details=vim.host.DatastoreBrowser.FileInfo.Details(
            fileType=True, fileSize=True, modification=False, fileOwner=False
        ),
    )
    found = center.done(center.dc.datastore[0].browser.SearchDatastore_Task("[LocalDS_0] disks", wanted))
    assert [(file.path, file.capacityKb) for file in found.file] == [("d.vmdk", 4 << 20)]

    vm = center.done(center.clone("holder"))
    center.done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[new_disk(new, 1, 4 << 20, operation=None)])))
    assert disks(vm)[-1].backing.uuid == uuid
    assert center.free()[0] == before[0] - 4096


def test_a_task_fails_as_it_was_told_to(center):
    center.sim.fail_task("CloneVM_Task", "NoDiskSpace", message="LocalDS_1 is full.", skip=1)
    center.done(center.clone("passes"))
    error = center.end(center.clone("fails")).error
    assert isinstance(error, vim.fault.NoDiskSpace)
    assert error.msg == "LocalDS_1 is full."


def test_what_does_not_fit_is_refused_before_anything_is_made(center):
    error = center.end(center.clone("large", deviceChange=[new_disk("[LocalDS_1]", 1, 1 << 40)])).error
    assert isinstance(error, vim.fault.NoDiskSpace)
    assert "large" not in {child.name for child in center.dc.vmFolder.childEntity}


def test_updates_that_were_lost_are_told_again_and_old_ones_are_not(center):
    collector = center.content.propertyCollector.CreatePropertyCollector()
    wanted = Collector.PropertySpec(type=vim.VirtualMachine, pathSet=["name", "runtime.powerState"])
    into = Collector.TraversalSpec(type=vim.Folder, path="childEntity", skip=False)
    start = Collector.ObjectSpec(obj=center.dc.vmFolder, skip=True, selectSet=[into])
    collector.CreateFilter(Collector.FilterSpec(propSet=[wanted], objectSet=[start]), False)
    first = collector.WaitForUpdatesEx("", Collector.WaitOptions(maxWaitSeconds=5))
    vm = center.done(center.clone("watched"))
    second = collector.WaitForUpdatesEx(first.version, Collector.WaitOptions(maxWaitSeconds=5))
    again = collector.WaitForUpdatesEx(first.version, Collector.WaitOptions(maxWaitSeconds=5))
    assert second.version == again.version
    assert vm in [update.obj for found in again.filterSet for update in found.objectSet]
    with pytest.raises(vmodl.query.InvalidCollectorVersion):
        collector.WaitForUpdatesEx("99", Collector.WaitOptions(maxWaitSeconds=0))
    center.done(vm.PowerOffVM_Task())
    center.done(vm.Destroy_Task())
    kinds, version = [], second.version
    while "leave" not in kinds:
        more = collector.WaitForUpdatesEx(version, Collector.WaitOptions(maxWaitSeconds=5))
        assert more is not None, "the VM is gone, and nobody was told"
        version = more.version
        kinds += [update.kind for found in more.filterSet for update in found.objectSet if update.obj == vm]
    collector.DestroyPropertyCollector()


def test_a_task_is_seen_running_while_its_object_can_be_read(shared_sim):
    del shared_sim
    need_vcsim()
    with vcsim(task_delay_ms=300, clusters=2, hosts=1) as slow:
        center = Center(slow)
        began = time.monotonic()
        task = center.clone("slow")
        assert center.template.name == "template"
        assert task.info.state == "running"
        center.done(task)
        assert time.monotonic() - began >= 0.3
        center.service._stub.DropConnections()
