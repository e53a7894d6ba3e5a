"""What plan, settings and cloud properties say is what happens in the (simulated) vCenter, or a warning says not."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

pytest.importorskip("pyVmomi")

from pyVmomi import vim

from director.model.placement import DiskWish, VmWish
from director.model.problem import Severity
from director.ports.infrastructure import StemcellRequest
from tests.contract.local_vm import disk_request, vm_request
from tests.support.tinyovf import tiny_image
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_cloud import PlacedVsphere, properties
from tests.support.vsphere_world import moids, value

DIRECTOR = "6f1d3f64-0000-4000-8000-000000000012"
DEVICES = "config.hardware.device"


@pytest.fixture(scope="module")
def sim():
    need_vcsim()
    with vcsim(clusters=2, hosts=1, datastores=2) as running:
        yield running


@asynccontextmanager
async def clouds(at, *, director=DIRECTOR, datacenter=None, **more):
    given = properties(at, **more)
    given["datacenters"][0] |= {"clusters": ["DC0_C0", "DC0_C1"]} | (datacenter or {})
    cloud = PlacedVsphere(given, director_uuid=director)
    try:
        yield cloud
    finally:
        await cloud.close()


async def wished(cloud, name="web-1", *, disks=(), number=11, **cloud_properties):
    request = vm_request(name, number=number)
    networks = {"default": {**request.shape.networks["default"], "cloud_properties": {"name": "DC0_DVPG0"}}}
    size = {"cpu": 1, "ram": 512, "disk": 1024, **cloud_properties}
    shape = replace(request.shape, stemcell_cid=await cloud.stemcell(), cloud_properties=size, networks=networks)
    request = replace(request, shape=shape, disks=tuple(disks))
    return request, VmWish(
        name=request.name, deployment=request.deployment, label=f"{name}/0", shape=shape, az=None, disks=tuple(disks)
    )


async def only_on(cloud, cluster, name, directory):
    """A datastore that only the host of this cluster has."""
    session = cloud.session
    await session.open()
    hosts = await session.read("look", vim.HostSystem, ("name",))
    host = session.of(vim.HostSystem, next(moid for moid, one in hosts.items() if str(one["name"]).startswith(cluster)))
    system = await session.call("its datastores", lambda: host.configManager.datastoreSystem)
    await session.call("make one", lambda: system.CreateLocalDatastore(name, str(directory)))


async def test_a_disk_goes_where_the_plan_says_when_it_is_attached_to_its_new_vm(sim, tmp_path):
    narrow = {"persistent_datastore_pattern": "^far$"}
    async with clouds(sim, datacenter=narrow) as before, clouds(sim) as cloud:
        await only_on(before, "DC0_C1", "far", tmp_path)
        disk = await before.create_disk(disk_request("disk-moves", size_mb=64))
        near = [{"name": "DC0", "clusters": ["DC0_C0"]}]
        request, wish = await wished(cloud, disks=[disk], datacenters=near)
        placement = (await super(PlacedVsphere, cloud).place([wish], [])).vms[wish.name]
        (planned,) = placement.where["moves"].values()
        stores = {moid: name for name, moid in (await moids(cloud.session, vim.Datastore)).items()}
        assert f"moves disk-moves to {stores[planned]}" in placement.why
        other = next(moid for moid, name in stores.items() if name.startswith("Local") and moid != planned)
        # Both have as much room: only the plan can tell them apart.
        await super(PlacedVsphere, cloud).create_vm(replace(request, where={**placement.where, "moves": {disk: other}}))
        async with clouds(sim) as anew:
            hint = await anew.attach_disk("web-1", disk)
            assert await anew.attach_disk("web-1", disk) == hint
        held = [one for one in await _devices(cloud, "web-1") if getattr(one.backing, "diskMode", "").startswith("ind")]
        assert [one.backing.fileName.split("]")[0] for one in held] == [f"[{stores[other]}"]
        await cloud.delete_vm("web-1")
        assert (await cloud.find_disk(disk)).vm is None
        await cloud.delete_disk(disk)


async def test_the_storage_policy_of_a_disk_type_chooses_its_datastore_and_is_given_to_the_disk(sim, monkeypatch):
    policy = "VVol No Requirements Policy"
    async with clouds(sim) as cloud:
        given = []
        create = cloud._disks.create
        monkeypatch.setattr(
            cloud._disks, "create", lambda *a, policy: given.append(policy) or create(*a, policy=policy)
        )
        wish = DiskWish(
            name="disk-gold", size_mb=64, vm="nobody", cloud_properties={"storage_policy": {"name": policy}}
        )
        placed = await super(PlacedVsphere, cloud).place([], [wish])
        request = replace(
            disk_request("disk-gold", size_mb=64),
            cloud_properties=wish.cloud_properties,
            where=placed.disks[wish.name].where,
        )
        await super(PlacedVsphere, cloud).create_disk(request)
        assert given == [await cloud._joining.policy_id(policy)]
        unknown = replace(wish, cloud_properties={"storage_policy": {"name": "of nobody"}})
        (problem,) = (await super(PlacedVsphere, cloud).place([], [unknown])).problems
        assert 'its disk type asks for storage policy "of nobody", which vCenter does not have' in problem.detail
        await cloud.delete_disk("disk-gold")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("paravirtual", vim.vm.device.ParaVirtualSCSIController),
        ("lsi_logic", vim.vm.device.VirtualLsiLogicController),
        ("lsi_logic_sas", vim.vm.device.VirtualLsiLogicSASController),
    ],
)
async def test_stemcells_are_uploaded_with_the_scsi_controller_of_the_settings(sim, tmp_path, word, kind):
    async with clouds(sim, default_scsi_controller_type=word) as cloud:
        await cloud.create_stemcell(StemcellRequest(key=f"tiny/{word}", image=tiny_image(tmp_path)))
        cloud._stemcell = await cloud.create_stemcell(StemcellRequest(key=f"tiny/{word}", image=tiny_image(tmp_path)))
        await cloud.create_vm(vm_request(f"web-{word}"))
        devices = await _devices(cloud, f"web-{word}")
        scsi = [one for one in devices if isinstance(one, vim.vm.device.VirtualSCSIController)]
        assert [type(one) for one in scsi] == [kind]
        disks = [one for one in devices if isinstance(one, vim.vm.device.VirtualDisk)]
        assert {one.controllerKey for one in disks} == {scsi[0].key}
        await cloud.delete_vm(f"web-{word}")


async def test_drs_is_off_for_a_vm_that_asks_for_it_as_long_as_it_lives(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1", cloud_properties={"disable_drs": True}))
        await cloud.create_vm(request)
        moid, cluster = cloud._vms.known("web-1").moid, request.where["cluster"]

        async def off():
            found = await value(cloud.session, vim.ClusterComputeResource, cluster, "configurationEx")
            return [one.key._moId for one in found.drsVmConfig or () if one.enabled is False]

        assert await off() == [moid]
        await cloud.delete_vm("web-1")
        assert await off() == []


async def test_keys_that_nobody_knows_are_warnings_of_the_plan_and_of_the_diagnosis(sim):
    async with clouds(sim, nsx={"address": "nsx.example.com"}) as cloud:
        _, wish = await wished(cloud, warp_drive=True)
        disk = DiskWish(name="d", size_mb=64, vm=wish.name, cloud_properties={"name": "mine", "flavour": "sweet"})
        placed = await super(PlacedVsphere, cloud).place([wish], [disk])
        assert placed.problems == ()
        assert all(one.severity is Severity.WARNING for one in placed.warnings)
        said = " ".join(str(one) for one in placed.warnings)
        for words in ('has "warp_drive", which', 'has "flavour", which', "name is not used: a disk's file has"):
            assert words in said
        found = [one for one in await cloud.diagnose() if one.subject == "settings"]
        assert [one.is_well for one in found] == [True]
        assert "nsx asks for NSX-V, which VMware no longer makes" in found[0].detail


async def test_a_mac_address_that_any_vm_has_is_not_given_again(sim):
    async with clouds(sim) as cloud, clouds(sim, director=DIRECTOR.replace("6", "7")) as stranger:
        _, wish = await wished(cloud, "web-1")
        first = (await super(PlacedVsphere, cloud).place([wish], [])).vms["web-1"].where["macs"]
        theirs = await stranger.placed(vm_request("their-1", number=12))
        await super(PlacedVsphere, stranger).create_vm(replace(theirs, where={**theirs.where, "macs": first}))
        sim.guest(stranger._vms.known("their-1").moid, is_running=True, address="10.0.0.77")
        second = (await super(PlacedVsphere, cloud).place([wish], [])).vms["web-1"].where["macs"]
        assert second != first, "a stranger's, seen by its tools"
        ours = await cloud.placed(vm_request("our-1", number=13))
        await super(PlacedVsphere, cloud).create_vm(replace(ours, where={**ours.where, "macs": second}))
        async with clouds(sim) as anew:
            third = (await super(PlacedVsphere, anew).place([wish], [])).vms["web-1"].where["macs"]
        assert third[0] not in (*first, *second), "one of ours, written on it"
        await cloud.delete_vm("our-1")
        await stranger.delete_vm("their-1")


async def test_deleting_many_vms_asks_about_their_disks_together(sim):
    async with clouds(sim, operations_in_flight={"vcenter": 32, "host": 32, "datastore": 32}) as cloud:
        names = [f"web-{number}" for number in range(12)]
        requests = [await cloud.placed(vm_request(name, number=11 + at)) for at, name in enumerate(names)]
        await asyncio.gather(*(cloud.create_vm(request) for request in requests))
        before = cloud.session.requests
        await asyncio.gather(*(cloud.delete_vm(name) for name in names))
        assert (cloud.session.requests - before) / len(names) <= 3, "off, destroyed, and a share of waits and reads"
        assert await cloud.find_vms() == {}


async def _devices(cloud, name):
    await cloud.find_vms()
    return await value(cloud.session, vim.VirtualMachine, cloud._vms.known(name).moid, DEVICES)
