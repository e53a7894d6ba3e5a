"""Two directors at one vCenter, with a deployment of the same name: neither sees what is the other's."""

from contextlib import asynccontextmanager

import pytest

pytest.importorskip("pyVmomi")

from tests.contract.local_vm import disk_request, vm_request
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_cloud import PlacedVsphere, properties

OURS = "6f1d3f64-0000-4000-8000-000000000010"
THEIRS = "6f1d3f64-0000-4000-8000-000000000011"


@pytest.fixture
def sim():
    need_vcsim()
    with vcsim() as running:
        yield running


@asynccontextmanager
async def director(sim, uuid):
    cloud = PlacedVsphere(properties(sim), director_uuid=uuid)
    try:
        yield cloud
    finally:
        await cloud.close()


async def test_fault_5_what_another_director_left_is_neither_seen_nor_found_by_its_name(sim):
    async with director(sim, OURS) as ours, director(sim, THEIRS) as theirs:
        await ours.create_vm(vm_request("web-1"))
        await theirs.create_vm(vm_request("web-2", number=12))
        await theirs.create_disk(disk_request("disk-2"))
        assert list(await ours.find_vms("shop")) == list(await ours.find_vms()) == ["web-1"]
        assert await ours.find_vm("web-2") is None
        assert await ours.find_disks() == {}
        assert await ours.find_disk("disk-2") is None
        assert list(await theirs.find_vms()) == ["web-2"]
        assert list(await theirs.find_disks()) == ["disk-2"]


async def test_fault_5_a_director_that_starts_anew_still_knows_which_are_its_own(sim):
    async with director(sim, THEIRS) as theirs:
        await theirs.create_vm(vm_request("web-2", number=12))
    async with director(sim, OURS) as ours:
        await ours.create_vm(vm_request("web-1"))
    async with director(sim, OURS) as ours:
        assert list(await ours.find_vms()) == ["web-1"]
    async with director(sim, THEIRS) as theirs:
        assert list(await theirs.find_vms()) == ["web-2"]
