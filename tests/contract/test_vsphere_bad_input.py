"""What operators get wrong, or find broken, on a simulated vCenter: one problem each that says what, where, what to do.

What the director makes of it (a task that goes on, nothing left behind) is in ``tests/e2e/test_vsphere_bad_input.py``.
"""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

pytest.importorskip("pyVmomi")

from pyVmomi import vim

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.settings import read_settings
from director.model.placement import VmWish
from director.model.problem import Refused
from director.ports.failure import InfrastructureFailure, Retry
from tests.contract.local_vm import disk_request, vm_request
from tests.support.vcproxy import vcproxy
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_cloud import PlacedVsphere, properties

DIRECTOR = "6f1d3f64-0000-4000-8000-000000000010"
ANOTHER = "6f1d3f64-0000-4000-8000-000000000011"


@pytest.fixture(scope="module")
def sim():
    need_vcsim()
    with vcsim(clusters=1, hosts=2, datastores=2, free_gb={"LocalDS_1": 3}) as running:
        yield running


@pytest.fixture
def proxy(sim):
    with vcproxy(sim) as proxy:
        yield proxy


@asynccontextmanager
async def clouds(at, *, director=DIRECTOR, datacenter=None, **more):
    given = properties(at, **more)
    given["datacenters"][0] |= {"clusters": ["DC0_C0"]} | (datacenter or {})
    cloud = PlacedVsphere(given, director_uuid=director)
    try:
        yield cloud
    finally:
        await cloud.close()


async def problems(cloud, *, networks=None, ip="10.0.0.11", **cloud_properties):
    """What the plan refuses about one VM, each as an operator reads it."""
    request = vm_request("web-1")
    cid = await cloud.stemcell()
    network = {"ip": ip, "cloud_properties": {"name": networks or "DC0_DVPG0"}}
    size = {"cpu": 1, "ram": 512, "disk": 1024, **cloud_properties}
    shape = replace(request.shape, stemcell_cid=cid, cloud_properties=size, networks={"default": network})
    wish = VmWish(name=request.name, deployment=request.deployment, label="web/0", shape=shape, az="z1")
    placed = await super(PlacedVsphere, cloud).place([wish], [])
    assert not placed.problems or not placed.vms, "a plan that cannot go on places nothing"
    return [str(problem) for problem in placed.problems]


def test_every_wrong_property_is_named_at_once_and_no_password_is_shown(sim):
    wrong = properties(sim, password=12345, port="many", default_disk_type="thinn")
    del wrong["user"]
    with pytest.raises(Refused) as refused:
        read_settings(wrong)
    said = str(refused.value)
    for words in ('lacks "user"', "properties.port is 'many'", "give one of thin", "properties.password is not what"):
        assert words in said
    assert "12345" not in said


async def test_a_wrong_password_is_one_sentence_without_the_password(proxy):
    async with clouds(proxy, password="of-nobody") as cloud:
        with pytest.raises(Fault) as told:
            await cloud.find_vms()
        said = str(told.value)
        assert said.startswith(f"logging in to vCenter {proxy.host} as {proxy.user}: ")
        assert "Correct user and password in the infrastructure's properties" in said
        assert "of-nobody" not in said
        assert told.value.retry is Retry.NEVER
        (finding,) = await cloud.diagnose()
        assert not finding.is_well
        assert finding.detail == said
        assert proxy.counts["Login"] == 1, "accounts are locked after a few wrong ones"


@pytest.mark.parametrize(
    ("method", "privilege"),
    [
        ("CloneVM_Task", "VirtualMachine.Provisioning.DeployTemplate"),
        ("CreateFolder", "Folder.Create"),
        ("RetrievePropertiesEx", "System.Read"),
    ],
)
async def test_a_missing_privilege_is_named_with_the_object_it_is_missing_on(proxy, method, privilege):
    own = DIRECTOR.replace("-0000-", f"-{len(privilege):04}-")  # which has no folder yet
    async with clouds(proxy, director=own) as cloud:
        request = await cloud.placed(vm_request("web-1"))
        fields = f'<object type="Folder">group-v3</object><privilegeId>{privilege}</privilegeId>'
        proxy.fault(method, "NoPermission", "Permission to perform this operation was denied.", fields=fields)
        with pytest.raises(Fault) as told:
            await super(PlacedVsphere, cloud).create_vm(request)
        assert f"Give the director's account the privilege {privilege} on group-v3" in str(told.value)
        assert told.value.retry is Retry.NEVER
        await super(PlacedVsphere, cloud).create_vm(request)
        await cloud.delete_vm("web-1")


async def test_a_diagnosis_asks_for_the_rights_on_custom_attributes_only_where_they_are_written(sim):
    async with clouds(sim) as without, clouds(sim, custom_attributes=True) as with_them:
        found = [{one.subject: one.detail for one in await cloud.diagnose()} for cloud in (without, with_them)]
    counts = [int(one["privileges on the root folder"].split()[1]) for one in found]
    assert counts[1] == counts[0] + 2


async def test_an_unknown_cluster_is_told_with_the_nearest(sim):
    async with clouds(sim) as cloud:
        (said,) = await problems(cloud, datacenters=[{"name": "DC0", "clusters": ["dc0_c0"]}])
        assert 'web in z1 asks for cluster "dc0_c0", which vCenter does not have' in said
        assert 'did you mean "DC0_C0"?' in said


async def test_a_pattern_that_matches_nothing_is_told_with_what_there_is(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1"))
    async with clouds(sim, director=ANOTHER, datacenter={"datastore_pattern": "^ssd"}) as cloud:
        wish = VmWish(name="web-1", deployment="shop", label="web/0", shape=request.shape, az=None)
        (problem,) = (await super(PlacedVsphere, cloud).place([wish], [])).problems
        assert 'No datastore of the clusters asked for matches the settings\' pattern "^ssd" for ephemeral' in str(
            problem
        )
        assert "LocalDS_0, LocalDS_1" in problem.fix
        with pytest.raises(InfrastructureFailure, match=r'No usable datastore matches "\^ssd".*LocalDS_0, LocalDS_1'):
            await cloud.stemcell()


async def test_a_network_that_exists_twice_is_told_with_the_paths_to_choose_from():
    need_vcsim()
    with vcsim(clusters=1, hosts=1) as sim:
        async with clouds(sim) as cloud:
            await _second_network(cloud)
            (said,) = await problems(cloud)
            assert 'network "default" asks for network "DC0_DVPG0", of which vCenter has several' in said
            assert said.endswith("write its path, one of: DVS0/DC0_DVPG0, DVS1/DC0_DVPG0.")
            assert await problems(cloud, networks="DVS1/DC0_DVPG0") == []


async def _second_network(cloud):
    """Another switch with a port group of the same name."""
    session = cloud.session
    await session.open()
    (datacenter,) = (await session.read("look", vim.Datacenter, ("networkFolder",))).values()
    folder = datacenter["networkFolder"]
    rack = await session.call("make", lambda: folder.CreateFolder("rack"))
    name = vim.DistributedVirtualSwitch.ConfigSpec(name="DVS1")
    switch = await session.task(
        "make", lambda: rack.CreateDVS_Task(vim.DistributedVirtualSwitch.CreateSpec(configSpec=name))
    )
    group = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(name="DC0_DVPG0", type="earlyBinding", numPorts=1)
    await session.task("make", lambda: switch.AddDVPortgroup_Task([group]))


async def test_a_full_datastore_is_told_by_the_plan_with_what_is_free_and_what_is_needed(sim):
    async with clouds(sim) as cloud:
        (said,) = await problems(cloud, datastores=["LocalDS_1"], disk=8192)
        assert "There is no room for web/0: cluster DC0_C0: 9.6 GB needed for its own disks, but free are" in said
        assert "LocalDS_1 3.0 GB" in said
        assert "To fix it: free space, widen the datastore patterns, or ask for smaller disks." in said


async def test_a_datastore_that_has_filled_up_by_the_time_of_the_clone_is_named_and_nothing_is_left(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1"))
        sim.fail_task("CloneVM_Task", "NoDiskSpace")
        with pytest.raises(Fault, match=r'clone VM "web-1": .*Free space there .* places are chosen anew') as told:
            await cloud.create_vm(request)
        assert told.value.retry is Retry.NEVER
        assert await cloud.find_vm("web-1") is None


async def test_a_full_datastore_is_told_for_persistent_disks_too(sim):
    async with clouds(sim, datacenter={"persistent_datastore_pattern": "LocalDS_1"}) as cloud:
        with pytest.raises(AssertionError, match=r"Disk disk-1 of nobody needs a datastore with 9\.8 GB free"):
            await cloud.create_disk(disk_request(size_mb=9000))


async def test_a_guest_without_tools_is_said_to_be_one_while_it_runs(sim):
    async with clouds(sim) as cloud:
        await cloud.create_vm(vm_request("web-1"))
        assert "VMware Tools do not run in it" in (await cloud.find_vm("web-1")).guest
        moid = cloud._vms.known("web-1").moid
        sim.guest(moid, is_running=True)
        assert (await cloud.find_vm("web-1")).guest == "its VMware Tools run, but show no address"
        sim.guest(moid, is_running=True, address="10.0.0.11")
        assert (await cloud.find_vm("web-1")).guest == "its VMware Tools run and show address 10.0.0.11"
        await cloud.delete_vm("web-1")


async def test_an_address_that_a_strangers_vm_answers_for_is_refused_with_its_name(sim):
    async with (
        clouds(sim) as cloud,
        clouds(sim, ensure_no_ip_conflicts=False) as careless,
        clouds(sim, director=ANOTHER) as stranger,
    ):
        await stranger.create_vm(vm_request("printer"))
        sim.guest(stranger._vms.known("printer").moid, is_running=True, address="10.0.0.11")
        (said,) = await problems(cloud)
        assert 'web/0 is to have 10.0.0.11 on network "default", which VM "printer" answers for already' in said
        assert "reserve 10.0.0.11 in the cloud config's subnet" in said
        assert await problems(cloud, ip="10.0.0.12") == []
        assert await problems(careless) == []
