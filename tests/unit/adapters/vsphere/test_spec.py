"""A VM request becomes one clone's specification, and the few things that a clone cannot say."""

from dataclasses import replace

import pytest
from pyVmomi import SoapAdapter, vim

from director.adapters.vsphere.choices import DiskKind
from director.adapters.vsphere.cloud import VmProperties
from director.adapters.vsphere.spec import (
    ApplyPolicy,
    GrowRoot,
    OverrideDrs,
    Template,
    UpgradeHardware,
    clone_spec,
    ephemeral_unit,
    follow_ups,
    grow_spec,
    policy_spec,
    powers_on_in_clone,
    template_of,
)
from director.adapters.vsphere.where import NetworkKind, NicWhere, VmWhere, to_tree
from director.model.names import AgentId, DeploymentName, InstanceId, StemcellCid, VmName
from director.model.wanted import VmShape
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import Enrolment, VmRequest
from tests.support.vsphere_site import settings

NICS = (
    NicWhere(network="a", kind=NetworkKind.STANDARD, moid="network-1", name="VM Network"),
    NicWhere(network="b", kind=NetworkKind.DISTRIBUTED, moid="dvportgroup-1", name="PG", key="dvportgroup-1", of="u-1"),
    NicWhere(network="c", kind=NetworkKind.NSX_DISTRIBUTED, moid="dvportgroup-2", name="S", key="ls",
             of="nsx.LogicalSwitch"),
    NicWhere(network="d", kind=NetworkKind.OPAQUE, moid="network-o1", name="O", key="op", of="nsx.LogicalSwitch"),
)  # fmt: skip
WHERE = VmWhere(
    datacenter="datacenter-1", cluster="domain-c1", cluster_name="C", pool="resgroup-1", host="host-1", host_name="h",
    datastore="datastore-1", datastore_name="ds", nics=NICS, macs=tuple(f"00:50:56:00:00:0{i}" for i in range(4)),
    cpu_mhz=2500,
)  # fmt: skip
PLAIN = VmProperties(cpu=2, ram_mb=1024, disk_mb=2048)
DISK = vim.vm.device.VirtualDisk(key=2000, controllerKey=1000, unitNumber=0, capacityInKB=3 << 20)
DEVICES = [
    vim.vm.device.VirtualIDEController(key=200),
    vim.vm.device.ParaVirtualSCSIController(key=1000, busNumber=0),
    vim.vm.device.VirtualVmxnet3(key=4000, controllerKey=100, unitNumber=7),
    DISK,
]
TEMPLATE = template_of("vm-1", "snapshot-1", DEVICES, "vmx-13")
SETTINGS = settings("C", vmx_options={"x": "settings", "y": "settings"})


def request(where=WHERE):
    return VmRequest(
        name=VmName("vm-1"),
        instance=InstanceId("i"),
        deployment=DeploymentName("cf"),
        shape=VmShape(
            stemcell_name="s",
            stemcell_version="1",
            stemcell_cid=StemcellCid("sc"),
            cloud_properties={},
            networks={name: {"ip": f"10.0.0.{i}"} for i, name in enumerate("dcba")} | {"v": {"type": "vip"}},
        ),
        enrolment=Enrolment(agent=AgentId("a"), token="t", ca_certificate="c", enrol_targets=(), agent_targets=()),
        where=to_tree(where),
    )


def clone(properties=PLAIN, where=WHERE, template=TEMPLATE, our=SETTINGS, **more):
    asked = {"extra_config": {"guestinfo.x": "1"}, "instance_uuid": "u", **more}
    return clone_spec(request(where), properties, where, template, our, **asked)


def added(spec, kind):
    add = vim.vm.device.VirtualDeviceSpec.Operation.add
    return [
        change for change in spec.config.deviceChange if change.operation == add and isinstance(change.device, kind)
    ]


def test_a_plain_request_is_one_linked_clone_that_powers_on():
    spec = clone()
    assert (spec.config.numCPUs, spec.config.memoryMB, spec.config.instanceUuid) == (2, 1024, "u")
    assert spec.powerOn
    assert spec.snapshot._moId == "snapshot-1"
    assert spec.location.diskMoveType == "createNewChildDiskBacking"
    places = (spec.location.datastore, spec.location.pool, spec.location.host)
    assert [place._moId for place in places] == ["datastore-1", "resgroup-1", "host-1"]
    assert spec.config.cpuAllocation is None
    assert spec.config.memoryReservationLockedToMax is None


def test_every_specification_can_be_sent():
    for properties in (PLAIN, replace(PLAIN, root_disk_gb=9, reserves_cpu=True, nested_virtualization=True)):
        text = SoapAdapter.SerializeToStr(clone(properties, managed_by="ext"))
        assert "00:50:56:00:00:03" in text


def test_the_template_s_nics_go_and_the_request_s_come_in_the_order_of_their_names():
    spec = clone()
    removed = [one.device.key for one in spec.config.deviceChange if one.operation == "remove"]
    assert removed == [4000]
    cards = [one.device for one in added(spec, vim.vm.device.VirtualVmxnet3)]
    assert [card.macAddress for card in cards] == list(WHERE.macs)
    assert {card.addressType for card in cards} == {"manual"}
    standard, distributed, nsx, opaque = (card.backing for card in cards)
    assert standard.deviceName == "VM Network"
    assert (distributed.port.portgroupKey, distributed.port.switchUuid) == ("dvportgroup-1", "u-1")
    assert (nsx.opaqueNetworkId, nsx.opaqueNetworkType) == ("ls", "nsx.LogicalSwitch")
    assert opaque.opaqueNetworkId == "op"


def test_new_devices_have_negative_keys_of_their_own():
    keys = [one.device.key for one in added(clone(), vim.vm.device.VirtualDevice)]
    assert len(set(keys)) == len(keys) == 5
    assert all(key < 0 for key in keys)


def test_a_plan_without_a_place_on_a_network_is_refused():
    with pytest.raises(InfrastructureFailure, match="no place on d"):
        clone(where=replace(WHERE, nics=NICS[:3]))


@pytest.mark.parametrize(
    "kind, thin, eager",
    [(DiskKind.THIN, True, False), (DiskKind.PREALLOCATED, False, False), (DiskKind.EAGER_ZEROED_THICK, False, True)],
)
def test_the_ephemeral_disk_lies_beside_the_root_disk(kind, thin, eager):
    (change,) = added(clone(our=replace(SETTINGS, default_disk=kind)), vim.vm.device.VirtualDisk)
    disk = change.device
    assert change.fileOperation == "create"
    assert (disk.controllerKey, disk.unitNumber, disk.capacityInKB) == (1000, 1, 2 << 20)
    assert (disk.backing.thinProvisioned, disk.backing.eagerlyScrub) == (thin, eager)
    assert disk.backing.fileName == "[ds]"


def test_the_controller_s_own_unit_is_never_used():
    assert ephemeral_unit(replace(TEMPLATE, used_units=frozenset(range(7)))) == 8
    with pytest.raises(InfrastructureFailure, match="no free place"):
        ephemeral_unit(replace(TEMPLATE, used_units=frozenset(range(16))))


def test_options_of_the_vm_type_win_over_the_settings_and_ours_over_both():
    properties = replace(PLAIN, vmx_options={"x": "type", "guestinfo.x": "theirs", "disk.enableUUID": "FALSE"})
    options = {option.key: option.value for option in clone(properties).config.extraConfig}
    assert options == {"x": "type", "y": "settings", "guestinfo.x": "1", "disk.enableUUID": "TRUE"}


def test_reservations_are_the_type_s_else_the_settings():
    ours = replace(SETTINGS, reserves_cpu=True, reserves_memory=True)
    assert clone(our=ours).config.cpuAllocation.reservation == 5000
    assert clone(our=ours).config.memoryReservationLockedToMax
    own = replace(PLAIN, reserves_cpu=False, reserves_memory=False)
    assert clone(own, our=ours).config.cpuAllocation is None
    assert clone(own, our=ours).config.memoryReservationLockedToMax is None


def test_hot_add_and_nested_virtualization_are_asked_for():
    config = clone(replace(PLAIN, cpu_hot_add=True, memory_hot_add=True, nested_virtualization=True)).config
    assert (config.cpuHotAddEnabled, config.memoryHotAddEnabled, config.nestedHVEnabled) == (True, True, True)
    assert clone().config.nestedHVEnabled is None


def test_a_grown_root_disk_needs_a_full_clone_and_is_grown_before_the_first_boot():
    properties = replace(PLAIN, root_disk_gb=10)
    spec = clone(properties)
    assert (spec.snapshot, spec.powerOn) == (None, False)
    assert spec.location.diskMoveType == "moveAllDiskBackingsAndConsolidate"
    assert follow_ups(properties, SETTINGS, TEMPLATE) == (GrowRoot(disk=2000, size_kb=10 << 20),)
    assert follow_ups(replace(PLAIN, root_disk_gb=3), SETTINGS, TEMPLATE) == ()


def test_what_a_clone_cannot_say_follows_in_order():
    properties = replace(PLAIN, root_disk_gb=10, upgrades_hardware=True, storage_policy="gold", disable_drs=True)
    assert follow_ups(properties, SETTINGS, TEMPLATE) == (
        UpgradeHardware(version="vmx-17"),
        GrowRoot(disk=2000, size_kb=10 << 20),
        ApplyPolicy(policy="gold"),
        OverrideDrs(),
    )


@pytest.mark.parametrize("hardware, is_upgraded", [("vmx-9", True), ("vmx-17", False), ("vmx-21", False), ("", True)])
def test_hardware_is_upgraded_only_when_it_is_older(hardware, is_upgraded):
    ups = follow_ups(replace(PLAIN, upgrades_hardware=True), SETTINGS, replace(TEMPLATE, hardware=hardware))
    assert bool(ups) is is_upgraded


@pytest.mark.parametrize(
    "ups, at_once",
    [
        ((), True),
        ((OverrideDrs(),), True),
        ((ApplyPolicy(policy="p"),), False),
        ((UpgradeHardware(version="vmx-17"), OverrideDrs()), False),
    ],
)
def test_the_clone_powers_on_when_nothing_must_come_between(ups, at_once):
    assert powers_on_in_clone(ups) is at_once


def test_the_root_disk_is_edited_whole_and_never_shrunk():
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(fileName="[ds] vm-1/vm-1.vmdk", diskMode="persistent")
    live = vim.vm.device.VirtualDisk(key=2000, controllerKey=1000, unitNumber=0, capacityInKB=5 << 20, backing=backing)
    (change,) = grow_spec(GrowRoot(disk=2000, size_kb=9 << 20), [live]).deviceChange
    assert (change.operation, change.device.capacityInKB, change.device.backing) == ("edit", 9 << 20, backing)
    assert grow_spec(GrowRoot(disk=2000, size_kb=1), [live]).deviceChange[0].device.capacityInKB == 5 << 20
    with pytest.raises(InfrastructureFailure):
        grow_spec(GrowRoot(disk=2001, size_kb=1), [live])


def test_a_policy_is_for_the_vm_s_own_disks_not_for_persistent_ones():
    flat = vim.vm.device.VirtualDisk.FlatVer2BackingInfo
    own = vim.vm.device.VirtualDisk(key=1, backing=flat(fileName="a", diskMode="persistent"))
    persistent = vim.vm.device.VirtualDisk(key=2, backing=flat(fileName="b", diskMode="independent_persistent"))
    spec = policy_spec("p-1", [own, persistent, *DEVICES[:2]])
    assert [change.device.key for change in spec.deviceChange] == [1]
    assert spec.vmProfile[0].profileId == "p-1"


@pytest.mark.parametrize("devices, lacking", [(DEVICES[:1], "SCSI controller"), (DEVICES[:2], "disk")])
def test_a_template_that_cannot_be_cloned_is_refused(devices, lacking):
    with pytest.raises(InfrastructureFailure, match=lacking):
        template_of("vm-1", "s", devices)


def test_a_template_s_facts_are_read_from_its_devices():
    facts = Template(
        moid="vm-1",
        snapshot="snapshot-1",
        scsi=1000,
        used_units=frozenset({0}),
        nics=(4000,),
        disk=2000,
        disk_kb=3 << 20,
        hardware="vmx-13",
    )
    assert template_of("vm-1", "snapshot-1", DEVICES, "vmx-13") == facts
