"""One suite for every infrastructure: in memory, on this machine as root or user, a CPI program, a vCenter."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from director.adapters.local import LocalInfrastructure, destroy
from director.adapters.memory.infrastructure import MemoryInfrastructure
from director.model.deployment import VmResources
from director.model.placement import DiskWish, VmWish
from director.model.sighting import Power
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import StemcellRequest
from tests.contract.cpi_world import cpi
from tests.contract.local_vm import AGENT_COMMAND, IS_ROOT, Guests, disk_request, vm_request
from tests.support.tinyovf import tiny_image
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_cloud import PlacedVsphere, properties


@asynccontextmanager
async def memory(_):
    yield MemoryInfrastructure()


@asynccontextmanager
async def local(tmp_path):
    state_dir = tmp_path / "state dir"
    guests = Guests()
    await guests.listen(tmp_path / "run")
    try:
        yield LocalInfrastructure(
            state_dir, agent_command=AGENT_COMMAND, sockets_dir=tmp_path / "run", calls_in_flight=4
        )
    finally:
        await destroy(state_dir)
        await guests.close()
    assert not list(state_dir.glob("*"))


@asynccontextmanager
async def vsphere(_):
    need_vcsim()
    with vcsim() as sim:
        yield PlacedVsphere(properties(sim), director_uuid="6f1d3f64-0000-4000-8000-000000000001")


# A process is root or it is not: as root, test_local_user.py runs the user's part in a child that is not.
LOCAL = (
    pytest.param(local, id="local-root", marks=pytest.mark.root) if IS_ROOT else pytest.param(local, id="local-user")
)


@pytest.fixture(
    params=[pytest.param(memory, id="memory"), LOCAL, pytest.param(cpi, id="cpi"), pytest.param(vsphere, id="vsphere")]
)
async def cloud(request, tmp_path):
    async with request.param(tmp_path) as infrastructure:
        yield infrastructure
        await infrastructure.close()


async def test_a_created_vm_is_found_by_its_name_and_is_on(cloud):
    cid = await cloud.create_vm(vm_request("web-1"))
    seen = await cloud.find_vm("web-1")
    assert (seen.name, seen.cid, seen.power, seen.instance) == ("web-1", cid, Power.ON, "instance-of-web-1")
    assert seen.disks == ()


async def test_a_name_nobody_has_is_not_found(cloud):
    assert await cloud.find_vm("nobody") is None
    assert await cloud.find_vms() == {}
    assert await cloud.find_disk("nothing") is None
    assert await cloud.find_disks() == {}


async def test_creating_a_vm_again_adopts_it(cloud):
    first = await cloud.create_vm(vm_request("web-1"))
    await cloud.create_disk(disk_request("disk-1"))
    await cloud.attach_disk(first, "disk-1")
    assert await cloud.create_vm(vm_request("web-1")) == first
    assert (await cloud.find_vm("web-1")).disks == ("disk-1",), "it is the same VM"


async def test_vms_are_found_in_bulk_and_by_deployment(cloud):
    await cloud.create_vm(vm_request("b", number=11))
    await cloud.create_vm(vm_request("a", number=12))
    await cloud.create_vm(vm_request("c", number=13, deployment="other"))
    assert list(await cloud.find_vms()) == ["a", "b", "c"]
    assert list(await cloud.find_vms("shop")) == ["a", "b"]
    assert list(await cloud.find_vms("nobody")) == []


async def test_details_are_what_the_vm_was_made_with_or_nothing_where_they_cannot_be_told(cloud):
    request = vm_request("web-1")
    await cloud.create_vm(request)
    seen = (await cloud.find_vms("shop", in_detail=True))["web-1"]
    ip = request.shape.networks["default"]["ip"]
    assert seen.addresses is None or any(ip in card for card in seen.addresses)
    assert seen.tags is None or request.tags.items() <= seen.tags.items()
    plain = (await cloud.find_vms("shop"))["web-1"]
    assert replace(seen, addresses=None, tags=None) == replace(plain, addresses=None, tags=None)


async def test_a_deleted_vm_is_gone_and_deleting_it_again_is_well(cloud):
    cid = await cloud.create_vm(vm_request("web-1"))
    await cloud.delete_vm(cid)
    assert await cloud.find_vm("web-1") is None
    await cloud.delete_vm(cid)
    again = await cloud.create_vm(vm_request("web-1"))
    assert (await cloud.find_vm("web-1")).cid == again, "its name is free again"


async def test_a_rebooted_vm_is_the_same_one_and_on(cloud):
    cid = await cloud.create_vm(vm_request("web-1"))
    await cloud.create_disk(disk_request("disk-1"))
    await cloud.attach_disk(cid, "disk-1")
    await cloud.reboot_vm(cid)
    seen = await cloud.find_vm("web-1")
    assert (seen.power, seen.disks) == (Power.ON, ("disk-1",))


async def test_what_is_not_there_cannot_be_rebooted(cloud):
    with pytest.raises(InfrastructureFailure, match="nobody"):
        await cloud.reboot_vm("nobody")


async def test_a_created_disk_is_found_and_creating_it_again_is_well(cloud):
    cid = await cloud.create_disk(disk_request("disk-1", size_mb=10))
    assert await cloud.create_disk(disk_request("disk-1", size_mb=10)) == cid
    seen = await cloud.find_disk("disk-1")
    assert (seen.name, seen.cid, seen.size_mb, seen.vm) == ("disk-1", cid, 10, None)


async def test_disks_are_found_in_bulk_and_by_deployment(cloud):
    await cloud.create_disk(disk_request("b"))
    await cloud.create_disk(disk_request("a"))
    await cloud.create_disk(disk_request("c", deployment="other"))
    assert list(await cloud.find_disks()) == ["a", "b", "c"]
    assert list(await cloud.find_disks("shop")) == ["a", "b"]


async def test_an_attached_disk_is_seen_on_both_sides_and_the_hint_says_where(cloud):
    vm = await cloud.create_vm(vm_request("web-1"))
    disk = await cloud.create_disk(disk_request("disk-1"))
    hint = await cloud.attach_disk(vm, disk)
    assert set(hint) in ({"path"}, {"id"})
    assert all(hint.values())
    assert await cloud.attach_disk(vm, disk) == hint, "attaching again is well"
    assert (await cloud.find_vm("web-1")).disks == (disk,)
    assert (await cloud.find_disk("disk-1")).vm == vm


async def test_a_disk_is_attached_to_one_vm_at_most(cloud):
    one = await cloud.create_vm(vm_request("web-1", number=11))
    two = await cloud.create_vm(vm_request("web-2", number=12))
    disk = await cloud.create_disk(disk_request("disk-1"))
    await cloud.attach_disk(one, disk)
    with pytest.raises(InfrastructureFailure, match="web-1"):
        await cloud.attach_disk(two, disk)
    await cloud.detach_disk(two, disk)
    assert (await cloud.find_disk("disk-1")).vm == one, "only its holder lets it go"


async def test_only_what_is_there_can_be_attached(cloud):
    vm = await cloud.create_vm(vm_request("web-1"))
    disk = await cloud.create_disk(disk_request("disk-1"))
    with pytest.raises(InfrastructureFailure, match="nothing"):
        await cloud.attach_disk(vm, "nothing")
    with pytest.raises(InfrastructureFailure, match="nobody"):
        await cloud.attach_disk("nobody", disk)


async def test_a_detached_disk_is_free_and_detaching_it_again_is_well(cloud):
    vm = await cloud.create_vm(vm_request("web-1"))
    disk = await cloud.create_disk(disk_request("disk-1"))
    await cloud.attach_disk(vm, disk)
    await cloud.detach_disk(vm, disk)
    await cloud.detach_disk(vm, disk)
    await cloud.detach_disk(vm, "nothing")
    assert (await cloud.find_disk("disk-1")).vm is None
    assert (await cloud.find_vm("web-1")).disks == ()


async def test_deleting_a_vm_detaches_its_disks_and_keeps_them(cloud):
    vm = await cloud.create_vm(vm_request("web-1"))
    disk = await cloud.create_disk(disk_request("disk-1"))
    await cloud.attach_disk(vm, disk)
    await cloud.delete_vm(vm)
    assert (await cloud.find_disk("disk-1")).vm is None


async def test_an_attached_disk_is_not_deleted_and_a_free_one_is_once(cloud):
    vm = await cloud.create_vm(vm_request("web-1"))
    disk = await cloud.create_disk(disk_request("disk-1"))
    await cloud.attach_disk(vm, disk)
    with pytest.raises(InfrastructureFailure, match="detach"):
        await cloud.delete_disk(disk)
    await cloud.detach_disk(vm, disk)
    await cloud.delete_disk(disk)
    await cloud.delete_disk(disk)
    assert await cloud.find_disk("disk-1") is None


async def test_a_stemcell_it_takes_gives_a_cid_and_another_is_refused(cloud, tmp_path):
    formats = (await cloud.info()).stemcell_formats
    image = tmp_path / "image" if "local" in formats else tiny_image(tmp_path / "tiny")
    good = StemcellRequest(key="good/1", image=image, properties={"format": formats[0]})
    cid = await cloud.create_stemcell(good)
    assert await cloud.create_stemcell(good) == cid, "asked again it is the same"
    await cloud.delete_stemcell(cid)
    await cloud.delete_stemcell(cid)
    (tmp_path / "raw").write_bytes(bytes(1024))
    bad = StemcellRequest(key="raw/1", image=tmp_path / "raw", properties={"format": "raw"})
    with pytest.raises(InfrastructureFailure, match="raw"):
        await cloud.create_stemcell(bad)


async def test_a_free_disk_grows_in_place_and_growing_it_again_is_well(cloud):
    vm = await cloud.create_vm(vm_request("web-1"))
    disk = await cloud.create_disk(disk_request("disk-1", size_mb=10))
    assert (await cloud.info()).can_grow_disks
    await cloud.attach_disk(vm, disk)
    with pytest.raises(InfrastructureFailure, match="detach"):
        await cloud.grow_disk(disk, 20)
    await cloud.detach_disk(vm, disk)
    await cloud.grow_disk(disk, 20)
    await cloud.grow_disk(disk, 20)
    assert (await cloud.find_disk("disk-1")).size_mb == 20
    with pytest.raises(InfrastructureFailure, match="shrink"):
        await cloud.grow_disk(disk, 10)
    with pytest.raises(InfrastructureFailure, match="nothing"):
        await cloud.grow_disk("nothing", 10)


async def test_resources_become_properties_and_clearing_an_enrolment_again_is_well(cloud):
    resources = VmResources(cpu=2, ram_mb=512, ephemeral_disk_mb=1024)
    assert await cloud.cloud_properties_for(resources) == {"cpu": 2, "ram": 512, "disk": 1024}
    vm = await cloud.create_vm(vm_request("web-1"))
    await cloud.clear_enrolment(vm)
    await cloud.clear_enrolment(vm)
    assert (await cloud.find_vm("web-1")).power is Power.ON


async def test_what_it_can_make_has_a_place(cloud):
    request = vm_request("web-1")
    wish = VmWish(name=request.name, deployment=request.deployment, label="web/0", shape=request.shape, az=None)
    placements = await cloud.place([wish], [DiskWish(name="disk-1", size_mb=10, vm=request.name)])
    assert placements.problems == ()


async def test_it_tells_whether_it_is_well(cloud):
    findings = await cloud.diagnose()
    assert findings
    assert all(finding.is_well for finding in findings), findings
