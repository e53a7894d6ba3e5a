"""Where a persistent disk's file lies."""

import pytest

from director.adapters.vsphere.disk_paths import DiskHome, DiskId, FilePath, disk_of, read_path
from director.adapters.vsphere.disk_stores import matches
from director.adapters.vsphere.settings import StorePattern
from director.model.names import DeploymentName, DiskName
from director.ports.failure import InfrastructureFailure

HOME = DiskHome(disk_path="BOSH_Disks", director="d1")
DISK = DiskId(deployment=DeploymentName("db"), name=DiskName("disk-1-1"))


def test_every_file_of_a_disk_is_read_back_as_that_disk() -> None:
    for disk in (DISK, DISK.moving, DISK.snapshot("s1"), DISK.snapshot("s1").moving):
        path = HOME.file("fast 1", disk)
        assert read_path(str(path)) == path
        assert HOME.disk_at(path) == disk


def test_a_disk_lies_in_the_folder_of_its_deployment() -> None:
    assert str(HOME.file("ds", DISK)) == "[ds] BOSH_Disks/d1/db/disk-1-1.vmdk"
    assert str(HOME.folder("ds")) == "[ds] BOSH_Disks/d1"


def test_the_first_folder_may_go_by_the_id_that_vsan_gave_it() -> None:
    assert HOME.disk_at(read_path("[vsan] 52f1-77/d1/db/disk-1-1.vmdk")) == DISK


@pytest.mark.parametrize(
    "path", ["[ds] vm-1/vm-1_3.vmdk", "[ds] BOSH_Disks/d2/db/disk-1-1.vmdk", "[ds] disk-1-1.vmdk", "[ds] d1/db/x.vmx"]
)
def test_other_files_are_no_disks_of_ours(path: str) -> None:
    assert HOME.disk_at(read_path(path)) is None


@pytest.mark.parametrize("file", ["disk-1-1-flat.vmdk", "disk-1-1-ctk.vmdk", "disk-1-1-delta.vmdk", "disk-1-1.log"])
def test_parts_of_a_disk_are_no_disks(file: str) -> None:
    assert disk_of("db", file) is None


def test_a_snapshot_says_that_it_is_one() -> None:
    assert DISK.snapshot("s1").is_snapshot
    assert not DISK.is_snapshot


def test_what_is_no_datastore_path_is_refused() -> None:
    with pytest.raises(InfrastructureFailure, match="no datastore path"):
        read_path("/vmfs/volumes/ds/x.vmdk")


def test_a_store_is_for_disks_by_its_name_or_by_its_datastore_cluster() -> None:
    assert matches(StorePattern(datastores="^fast-"), "fast-1", None)
    assert not matches(StorePattern(datastores="^fast-"), "slow-1", "fast-pod")
    assert matches(StorePattern(pods="fast"), "any", "fast-pod")
    assert not matches(StorePattern(), "any", None)


def test_a_path_knows_its_datastore() -> None:
    assert read_path("[a b] c/d.vmdk") == FilePath(store="a b", path="c/d.vmdk")
