"""VMs on segments that a (simulated) vCenter shows some time after they were asked for."""

import asyncio

import pytest

pytest.importorskip("pyVmomi")

from pyVmomi import vim

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.where import NetworkKind, vm_where
from director.ports.failure import Retry
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vcsim_segments import add_segment, clouds, planned, remove_segment
from tests.support.vsphere_world import opened, value

CARD = vim.vm.device.VirtualEthernetCard


@pytest.fixture(scope="module")
def sim():
    need_vcsim()
    with vcsim(clusters=1, hosts=2, datastores=1, opaque=1) as running:
        yield running


async def backings(cloud, name):
    moid = cloud._vms.known(name).moid
    devices = await value(cloud.session, vim.VirtualMachine, moid, "config.hardware.device")
    return [device.backing for device in devices if isinstance(device, CARD)]


async def logical_switch(cloud, backing):
    group = backing.port.portgroupKey
    return await value(cloud.session, vim.dvs.DistributedVirtualPortgroup, group, "config.logicalSwitchUuid")


async def test_a_vm_is_made_the_moment_its_segment_shows(sim):
    async with clouds(sim) as cloud, opened(sim) as nsx:
        request, why = await planned(cloud, "web-1", "seg-late")
        assert 'waits for segment "seg-late" to show in vCenter' in why
        making = asyncio.ensure_future(cloud.create_vm(request))
        done, _ = await asyncio.wait({making}, timeout=0.5)
        assert not done
        before = sim.counts()["RetrievePropertiesEx"]
        await asyncio.wait({making}, timeout=0.5)
        assert sim.counts()["RetrievePropertiesEx"] == before, "told of, never asked for"
        logical = await add_segment(nsx, "seg-late")
        assert await asyncio.wait_for(making, 10) == "web-1"
        (backing,) = await backings(cloud, "web-1")
        assert await logical_switch(cloud, backing) == logical
        _, why = await planned(cloud, "web-2", "seg-late")
        assert "waits" not in why
        await cloud.delete_vm("web-1")


async def test_a_segment_made_anew_under_its_name_is_told_from_the_one_the_plan_saw(sim):
    async with clouds(sim) as cloud, opened(sim) as nsx:
        await add_segment(nsx, "seg-anew")
        request, _ = await planned(cloud, "web-1", "seg-anew")
        assert [nic.kind for nic in vm_where(request.where).nics] == [NetworkKind.SEGMENT]
        first = await planned(cloud, "web-0", "seg-anew", number=22)
        await cloud.create_vm(first[0])
        await cloud.delete_vm("web-0")
        await remove_segment(nsx, "seg-anew")
        logical = await add_segment(nsx, "seg-anew")
        await cloud.create_vm(request)
        (backing,) = await backings(cloud, "web-1")
        assert await logical_switch(cloud, backing) == logical
        await cloud.delete_vm("web-1")


async def test_an_opaque_network_and_its_port_groups_are_one_segment(sim):
    async with clouds(sim) as cloud:
        request, why = await planned(cloud, "web-1", "DC0_NSX0")
        assert "waits" not in why
        await cloud.create_vm(request)
        await cloud.delete_vm("web-1")


async def test_a_segment_that_never_shows_is_told_with_what_to_do(sim):
    async with clouds(sim, segment_wait_s=1) as cloud:
        request, _ = await planned(cloud, "web-1", "seg-never")
        with pytest.raises(Fault, match='VM on segment "seg-never": vCenter does not show it after 1 s') as told:
            await cloud.create_vm(request)
        assert "See in NSX that the segment is realised" in str(told.value)
        assert told.value.retry is Retry.NEVER
        assert await cloud.find_vm("web-1") is None


async def test_two_segments_of_one_name_are_never_guessed_between(sim):
    async with clouds(sim, segment_wait_s=1) as cloud, opened(sim) as nsx:
        request, _ = await planned(cloud, "web-1", "seg-twin")
        one, other = sorted([await add_segment(nsx, "seg-twin"), await add_segment(nsx, "seg-twin")])
        with pytest.raises(Fault, match=f"shows several of that name \\({one}, {other}\\)"):
            await cloud.create_vm(request)
