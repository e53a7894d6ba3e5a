"""What is read of a simulated vCenter, in how many requests, and that a plan can be made from it."""

import asyncio
from dataclasses import replace

import pytest
from pyVmomi import vim

from director.adapters.vsphere.choices import ClusterChoice
from director.adapters.vsphere.inventory import read_inventory
from director.adapters.vsphere.place import asked_of, place
from director.adapters.vsphere.site import Asked
from director.adapters.vsphere.where import NetworkKind, vm_where
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_site import disk, settings, vm
from tests.support.vsphere_world import opened

OURS = settings("DC0_C0", "DC0_C1", ephemeral="LocalDS_", persistent="LocalDS_1")


@pytest.fixture(scope="module")
def site():
    need_vcsim()
    sizes = {"free_gb": {"LocalDS_1": 100}, "host_mb": 65536, "datastore_gb": 4096}
    with vcsim(
        clusters=3, hosts=3, datastores=2, portgroups=2, nsx_portgroups=1, opaque=1, pools=1, **sizes
    ) as running:
        yield running


async def test_a_whole_datacenter_is_read(site):
    async with opened(site) as session:
        found = await read_inventory(session, OURS)
    assert found.datacenters == ("DC0",)
    assert found.cluster_names == ("DC0_C0", "DC0_C1", "DC0_C2")
    assert [cluster.name for cluster in found.clusters] == ["DC0_C0", "DC0_C1", "DC0_C2"]
    first = found.clusters[0]
    assert [host.name for host in first.hosts] == ["DC0_C0_H0", "DC0_C0_H1", "DC0_C0_H2"]
    assert all(host.is_usable and host.memory_mb == 65536 and host.cpu_mhz for host in first.hosts)
    assert [pool.path for pool in first.pools] == ["DC0_C0_RP1"]
    stores = {store.name: store for store in found.datastores}
    assert sorted(stores) == ["LocalDS_0", "LocalDS_1"]
    assert stores["LocalDS_1"].free_mb == 100 * 1024
    assert stores["LocalDS_0"].capacity_mb == 4096 * 1024
    every_host = {host.moid for cluster in found.clusters for host in cluster.hosts}
    assert stores["LocalDS_0"].hosts == every_host


async def test_networks_of_every_kind_are_told_apart(site):
    async with opened(site) as session:
        found = await read_inventory(session, OURS, Asked(networks=frozenset({"DC0_DVPG0"})))
    networks = {network.name: network for network in found.networks}
    assert networks["VM Network"].kind is NetworkKind.STANDARD
    group, nsx, opaque = networks["DC0_DVPG0"], networks["DC0_NSXPG0"], networks["DC0_NSX0"]
    assert (group.kind, group.switch, group.key) == (NetworkKind.DISTRIBUTED, "DVS0", group.moid)
    assert group.of
    assert (nsx.kind, nsx.of) == (NetworkKind.NSX_DISTRIBUTED, "nsx.LogicalSwitch")
    assert (opaque.kind, opaque.of) == (NetworkKind.OPAQUE, "nsx.LogicalSwitch")
    assert group.hosts
    assert nsx.hosts is None, "nobody asked for it"


async def test_only_the_clusters_asked_for_are_read(site):
    async with opened(site) as session:
        found = await read_inventory(session, OURS, Asked(clusters=frozenset({"DC0_C1"}), has_pools=False))
    assert [cluster.name for cluster in found.clusters] == ["DC0_C1"]
    assert found.clusters[0].pools == ()
    assert len(found.cluster_names) == 3


async def test_the_number_of_requests_does_not_grow_with_the_site():
    need_vcsim()
    counts = []
    for size in ({"clusters": 1, "hosts": 1, "datastores": 1}, {"clusters": 4, "hosts": 4, "datastores": 6, "vms": 20}):
        with vcsim(**size) as sim:
            async with opened(sim) as session:
                before = sum(sim.counts().values())
                await read_inventory(session, OURS, Asked(clusters=frozenset({"DC0_C0"}), has_pools=False))
                counts.append(sum(sim.counts().values()) - before)
    assert counts[0] == counts[1] <= 13


async def test_a_datacenter_that_is_not_there_is_told_by_the_plan(site):
    elsewhere = replace(OURS, datacenter=replace(OURS.datacenter, name="DC7"))
    async with opened(site) as session:
        found = await read_inventory(session, elsewhere)
    placements = place([vm("a/0")], [], found, elsewhere)
    assert [problem.code for problem in placements.problems] == ["vsphere.unknown-datacenter"]
    assert "DC0" in placements.problems[0].fix


async def test_folders_make_paths_and_the_same_name_twice_needs_one(site):
    async with opened(site) as session:
        (folder,) = await make_networks(session)
        try:
            found = await read_inventory(session, OURS, Asked(networks=frozenset({"DC0_DVPG0"})))
        finally:
            await session.task("undo", folder.Destroy_Task)
    assert sorted(network.path for network in found.networks if network.name == "DC0_DVPG0") == [
        "DC0_DVPG0",
        "dmz/DC0_DVPG0",
    ]
    switches = {network.path: network.switch for network in found.networks}
    assert switches["dmz/DC0_DVPG0"] == "DVS-dmz"


async def make_networks(session):
    """A folder with a switch and a port group, whose name another switch has too."""
    root = next(iter((await session.read("dc", vim.Datacenter, ("networkFolder",))).values()))["networkFolder"]
    folder = await session.call("folder", lambda: root.CreateFolder("dmz"))
    create = vim.DistributedVirtualSwitch.CreateSpec(configSpec=vim.DistributedVirtualSwitch.ConfigSpec(name="DVS-dmz"))
    switch = await session.task("switch", lambda: folder.CreateDVS_Task(create))
    group = vim.dvs.DistributedVirtualPortgroup.ConfigSpec(name="DC0_DVPG0", type="earlyBinding", numPorts=1)
    await session.task("group", lambda: switch.AddDVPortgroup_Task([group]))
    return (folder,)


async def test_host_groups_and_maintenance_are_seen(site):
    async with opened(site) as session:
        before = await read_inventory(session, OURS)
        cluster = before.clusters[2]
        group = vim.cluster.HostGroup(name="hg", host=[session.of(vim.HostSystem, cluster.hosts[0].moid)])
        change = vim.cluster.ConfigSpecEx(groupSpec=[vim.cluster.GroupSpec(operation="add", info=group)])
        target = session.of(vim.ClusterComputeResource, cluster.moid)
        await session.task("group", lambda: target.ReconfigureComputeResource_Task(change, True))
        resting = session.of(vim.HostSystem, cluster.hosts[1].moid)
        await session.task("rest", lambda: resting.EnterMaintenanceMode_Task(timeout=0))
        found = (await read_inventory(session, OURS)).clusters[2]
        await session.task("work", lambda: resting.ExitMaintenanceMode_Task(timeout=0))
    assert found.host_groups == {"hg": frozenset({cluster.hosts[0].moid})}
    assert [host.is_usable for host in found.hosts] == [True, False, True]


async def test_a_plan_is_made_from_what_was_read(site):
    networks = {"default": {"ip": "10.0.0.5", "cloud_properties": {"name": "DVS0/DC0_DVPG0"}}}
    vms, disks = [vm(f"web/{i}", networks=networks) for i in range(2)], [disk("d", "web/0")]
    async with opened(site) as session:
        found = await read_inventory(session, OURS, asked_of(vms, disks, OURS))
    placements = place(vms, disks, found, OURS)
    assert placements.problems == ()
    places = [vm_where(placement.where) for placement in placements.vms.values()]
    assert {place.cluster_name for place in places} == {"DC0_C0", "DC0_C1"}
    assert places[0].nics[0].name == "DC0_DVPG0"
    pooled = settings(ClusterChoice(name="DC0_C0", resource_pool="DC0_C0_RP1"), ephemeral=".", persistent=".")
    async with opened(site) as session:
        found = await read_inventory(session, pooled, asked_of(vms[:1], [], pooled))
    assert [pool.path for pool in found.clusters[0].pools] == ["DC0_C0_RP1"]


async def test_reading_can_be_given_up(site):
    async with opened(site) as session:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await read_inventory(session, OURS)
        assert (await read_inventory(session, OURS)).clusters
