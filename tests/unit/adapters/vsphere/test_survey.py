"""What vCenter answers becomes values; what it leaves out is left out, or unusable."""

import pytest
from pyVmomi import vim

from director.adapters.vsphere.survey import (
    build_clusters,
    build_datastores,
    build_groups,
    build_networks,
    build_pods,
    paths_of,
    with_hosts,
)
from director.adapters.vsphere.where import NetworkKind

MB = 1 << 20
ROOT = vim.ResourcePool("resgroup-1")
HOST = {
    "name": "esx",
    "runtime.connectionState": "connected",
    "runtime.powerState": "poweredOn",
    "runtime.inMaintenanceMode": False,
    "summary.hardware.memorySize": 1024 * MB,
    "summary.quickStats.overallMemoryUsage": 24,
}


def clusters(hosts=None, pools=None):
    hosts = hosts if hosts is not None else {"host-1": HOST}
    refs = [vim.HostSystem(moid) for moid in ("host-1", "host-2")]
    one = {"name": "a%2fb", "resourcePool": ROOT, "host": refs, "summary.effectiveMemory": 1000}
    (found,) = build_clusters({"domain-1": one}, hosts, pools or {}, {})
    return found


def test_a_host_s_free_memory_is_what_it_has_less_what_it_uses():
    found = clusters()
    assert (found.name, found.root_pool, found.effective_mb) == ("a/b", "resgroup-1", 1000)
    assert [(host.name, host.free_mb, host.is_usable) for host in found.hosts] == [("esx", 1000, True)]


@pytest.mark.parametrize(
    "change",
    [
        {"runtime.connectionState": "notResponding"},
        {"runtime.powerState": "standBy"},
        {"runtime.inMaintenanceMode": True},
        {"runtime.inMaintenanceMode": None},
    ],
)
def test_a_host_that_does_not_surely_run_is_unusable(change):
    assert not clusters({"host-1": {**HOST, **change}}).hosts[0].is_usable


def test_a_pool_s_free_memory_is_its_limit_less_its_use():
    outer = {"name": "outer", "parent": ROOT, "runtime.memory.maxUsage": 100 * MB}
    pools = {
        "resgroup-2": {**outer, "summary.quickStats.hostMemoryUsage": 30},
        "resgroup-3": {**outer, "parent": vim.ResourcePool("resgroup-2"), "runtime.memory.overallUsage": 10 * MB},
        "resgroup-9": {**outer, "parent": vim.ResourcePool("resgroup-8")},
        "resgroup-1": {"name": "Resources", "parent": vim.ClusterComputeResource("domain-1")},
    }
    assert [(pool.path, pool.free_mb) for pool in clusters(pools=pools).pools] == [("outer", 70), ("outer/outer", 90)]


def mount(host, **changes):
    info = vim.host.MountInfo(**{"accessMode": "readWrite", "mounted": True, "accessible": True, **changes})
    return vim.Datastore.HostMount(key=vim.HostSystem(host), mountInfo=info)


def test_a_datastore_is_reached_by_hosts_that_may_write_to_it():
    one = {
        "name": "ds%2f1",
        "parent": vim.StoragePod("group-p1"),
        "summary.accessible": True,
        "summary.freeSpace": 5 * MB,
        "summary.capacity": 9 * MB,
        "host": [
            mount("host-1"),
            mount("host-2", accessMode="readOnly"),
            mount("host-3", accessible=False),
            mount("host-4", mounted=False),
            mount("host-5", mounted=None, accessible=None),
        ],
    }
    (found,) = build_datastores({"datastore-1": one})
    assert (found.name, found.free_mb, found.capacity_mb, found.pod) == ("ds/1", 5, 9, "group-p1")
    assert found.hosts == {"host-1", "host-5"}
    assert found.is_usable


@pytest.mark.parametrize("change", [{"summary.accessible": False}, {"summary.maintenanceMode": "enteringMaintenance"}])
def test_a_datastore_out_of_use_is_unusable(change):
    (found,) = build_datastores({"datastore-1": {"name": "d", "summary.accessible": True, **change}})
    assert not found.is_usable


def test_only_hosts_make_a_host_group():
    groups = [
        vim.cluster.HostGroup(name="h", host=[vim.HostSystem("host-1")]),
        vim.cluster.VmGroup(name="v", vm=[vim.VirtualMachine("vm-1")]),
    ]
    assert build_groups(vim.cluster.ConfigInfoEx(group=groups)) == {"h": frozenset({"host-1"})}
    assert build_groups(None) == {}


def test_a_pod_without_an_answer_about_its_drs_has_none():
    found = build_pods({"group-p1": {"name": "a"}, "group-p2": {}})
    assert [(pod.name, pod.has_drs) for pod in found] == [("a", False)]


ROOT_FOLDER = "group-n1"


def test_networks_have_paths_and_uplinks_are_none():
    root, dmz = vim.Folder(ROOT_FOLDER), vim.Folder("group-n2")
    switch = vim.DistributedVirtualSwitch("dvs-1")
    networks = {
        "network-1": {"name": "VM Network", "parent": root},
        "dvportgroup-1": {"name": "PG", "parent": dmz},
        "dvportgroup-2": {"name": "seg", "parent": dmz},
        "dvportgroup-3": {"name": "uplinks", "parent": dmz},
        "network-o1": {"name": "seg", "parent": vim.Folder("group-hidden")},
        "network-gone": {},
    }
    of = {"key": "k", "config.distributedVirtualSwitch": switch}
    groups = {
        "dvportgroup-1": of,
        "dvportgroup-2": {**of, "config.logicalSwitchUuid": "ls-1"},
        "dvportgroup-3": {**of, "config.uplink": True},
    }
    summary = vim.OpaqueNetwork.Summary(opaqueNetworkId="ls-1", opaqueNetworkType="nsx.LogicalSwitch")
    folders = {"group-n2": {"name": "dmz", "parent": root}}
    paths = paths_of(networks, folders, ROOT_FOLDER)
    opaque = {"network-o1": {"summary": summary}}
    found = build_networks(networks, groups, opaque, {"dvs-1": {"name": "DVS", "uuid": "u"}}, paths)
    assert [(one.path, one.kind, one.switch, one.key, one.of) for one in found] == [
        ("VM Network", NetworkKind.STANDARD, "", "", ""),
        ("dmz/PG", NetworkKind.DISTRIBUTED, "DVS", "k", "u"),
        ("dmz/seg", NetworkKind.NSX_DISTRIBUTED, "DVS", "ls-1", "nsx.LogicalSwitch"),
        ("seg", NetworkKind.OPAQUE, "", "ls-1", "nsx.LogicalSwitch"),
    ]
    hosts = with_hosts(found, {"network-1": {"host": [vim.HostSystem("host-1")]}, "dvportgroup-1": {"host": []}})
    assert [one.hosts for one in hosts] == [frozenset({"host-1"}), None, None, None]
