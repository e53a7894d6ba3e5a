"""What the VMs of stemcells are read as."""

from pyVmomi import vim

from director.adapters.vsphere.replicas import cid_of, name_of, seen_replicas, snapshot_of
from director.model.names import StemcellCid

CID = StemcellCid("sc-1")


def tree(name: str, moid: str, *children: vim.vm.SnapshotTree) -> vim.vm.SnapshotTree:
    return vim.vm.SnapshotTree(name=name, snapshot=vim.vm.Snapshot(moid), childSnapshotList=list(children))


def test_a_copys_name_says_whose_and_where() -> None:
    assert cid_of(name_of(CID, "datastore-7")) == cid_of(CID) == CID


def test_the_snapshot_is_found_wherever_it_is() -> None:
    info = vim.vm.SnapshotInfo(rootSnapshotList=[tree("by hand", "s-1", tree("initial", "s-2"))])
    assert snapshot_of(info) == "s-2"
    assert snapshot_of(vim.vm.SnapshotInfo(rootSnapshotList=[tree("by hand", "s-1")])) is None
    assert snapshot_of(None) is None


def test_without_snapshot_it_is_half_made() -> None:
    rows = {"vm-1": {"name": "sc-1", "datastore": [vim.Datastore("ds-1")], "config.hardware.device": []}}
    (one,) = seen_replicas(rows)
    assert (one.moid, one.datastores, one.replica) == ("vm-1", frozenset({"ds-1"}), None)


def test_size_way_and_order_are_read() -> None:
    scsi = vim.vm.device.ParaVirtualSCSIController(key=1000, busNumber=0, sharedBus="noSharing")
    disk = vim.vm.device.VirtualDisk(key=2000, controllerKey=1000, unitNumber=0, capacityInKB=1024 * 10 + 1)
    disk.backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName="[a] b.vmdk", diskMode="persistent")
    row = {
        "datastore": [vim.Datastore("ds-1")],
        "snapshot": vim.vm.SnapshotInfo(rootSnapshotList=[tree("initial", "s-1")]),
        "config.hardware.device": [scsi, disk],
        "config.extraConfig": [vim.option.OptionValue(key="director.agent", value="ssh")],
    }
    copy, first = {**row, "name": name_of(CID, "ds-1"), "config.extraConfig": None}, {**row, "name": CID}
    one, two = seen_replicas({"vm-2": copy, "vm-1": first, "vm-0": {}})
    assert (one.name, two.name) == (CID, name_of(CID, "ds-1"))
    assert one.replica is not None
    assert two.replica is not None
    assert (one.replica.install, one.replica.size_mb, one.replica.template.snapshot) == ("ssh", 11, "s-1")
    assert two.replica.install == "baked"
