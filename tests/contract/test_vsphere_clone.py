"""What ``spec`` builds from a plan's place, carried out by a simulated vCenter in one clone."""

from pyVmomi import vim

from director.adapters.vsphere.cloud import read_vm_properties
from director.adapters.vsphere.inventory import read_inventory
from director.adapters.vsphere.place import asked_of, place
from director.adapters.vsphere.spec import GrowRoot, clone_spec, follow_ups, grow_spec, template_of
from director.adapters.vsphere.where import vm_where
from director.model.names import AgentId, InstanceId
from director.ports.infrastructure import Enrolment, VmRequest
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_site import settings, vm
from tests.support.vsphere_world import moids, opened

OURS = settings("DC0_C1", ephemeral="LocalDS_1", persistent="LocalDS_0", vmx_options={"x.y": "1"})
NETWORKS = {
    "a": {"cloud_properties": {"name": "DC0_DVPG1"}},
    "b": {"cloud_properties": {"name": "DC0_NSXPG0"}},
    "c": {"cloud_properties": {"name": "VM Network"}},
}
SHOWN = ("name", "runtime.host", "runtime.powerState", "resourcePool", "datastore", "config")


async def made(session, wish):
    """The wish carried out as the director does; the VM's properties."""
    source = session.of(vim.VirtualMachine, (await moids(session, vim.VirtualMachine))["DC0_C0_RP0_VM0"])
    snapshot = await session.task("snap", lambda: source.CreateSnapshot_Task("initial", "", False, False))
    devices = (await session.read("look", vim.VirtualMachine, ("config.hardware.device",), [source]))[source._moId]
    template = template_of(source._moId, snapshot._moId, devices["config.hardware.device"])
    found = await read_inventory(session, OURS, asked_of([wish], [], OURS))
    placements = place([wish], [], found, OURS)
    assert placements.problems == ()
    where = vm_where(placements.vms[wish.name].where)
    properties = read_vm_properties(wish.shape.cloud_properties, "", [])
    request = VmRequest(
        name=wish.name,
        instance=InstanceId("i"),
        deployment=wish.deployment,
        shape=wish.shape,
        enrolment=Enrolment(agent=AgentId("a"), token="t", ca_certificate="c", enrol_targets=(), agent_targets=()),
        where=placements.vms[wish.name].where,
    )
    uuid = "6f1d3f64-0000-4000-8000-0000000000aa"
    extra = {"guestinfo.hello": "world"}
    spec = clone_spec(
        request, properties, where, template, OURS, extra_config=extra, instance_uuid=uuid, annotation="hi"
    )
    folder = session.of(vim.Folder, found.vm_folder)
    clone = await session.task("clone", lambda: source.CloneVM_Task(folder=folder, name="clone", spec=spec))
    for up in follow_ups(properties, OURS, template):
        assert isinstance(up, GrowRoot)
        change = grow_spec(up, await hardware(session, clone))
        await session.task("grow", lambda change=change: clone.ReconfigVM_Task(change))
    return where, (await session.read("look", vim.VirtualMachine, SHOWN, [clone]))[clone._moId]


async def hardware(session, clone):
    path = "config.hardware.device"
    return (await session.read("look", vim.VirtualMachine, (path,), [clone]))[clone._moId][path]


async def test_one_clone_makes_the_vm_that_was_placed():
    need_vcsim()
    with vcsim(vms=1) as sim:
        async with opened(sim) as session:
            where, seen = await made(
                session, vm("web/0", ram_gb=2, disk_gb=3, networks=NETWORKS, cpu_hot_add_enabled=True)
            )
    config = seen["config"]
    assert (config.hardware.numCPU, config.hardware.memoryMB, config.cpuHotAddEnabled) == (1, 2048, True)
    assert (config.instanceUuid, config.annotation) == ("6f1d3f64-0000-4000-8000-0000000000aa", "hi")
    assert seen["runtime.powerState"] == "poweredOn"
    assert (seen["runtime.host"]._moId, seen["resourcePool"]._moId) == (where.host, where.pool)
    options = {option.key: option.value for option in config.extraConfig}
    assert {"x.y": "1", "guestinfo.hello": "world", "disk.enableUUID": "TRUE"}.items() <= options.items()
    cards = [one for one in config.hardware.device if isinstance(one, vim.vm.device.VirtualEthernetCard)]
    assert [card.macAddress for card in sorted(cards, key=lambda card: card.key)] == list(where.macs)
    disks = [one for one in config.hardware.device if isinstance(one, vim.vm.device.VirtualDisk)]
    assert 3 << 20 in {disk.capacityInKB for disk in disks}
    assert {disk.backing.datastore._moId for disk in disks} == {where.datastore}


async def test_a_larger_root_disk_is_grown_before_the_first_boot():
    need_vcsim()
    with vcsim(vms=1) as sim:
        async with opened(sim) as session:
            _, seen = await made(session, vm("web/0", networks={"a": NETWORKS["a"]}, root_disk_size_gb=40))
    disks = [one for one in seen["config"].hardware.device if isinstance(one, vim.vm.device.VirtualDisk)]
    assert max(disk.capacityInKB for disk in disks) == 40 << 20
    assert seen["runtime.powerState"] == "poweredOff"
