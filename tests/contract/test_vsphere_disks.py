"""Persistent disks on the vCenter simulator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TypeAlias

import pytest
from pyVmomi import vim

from director.adapters.vsphere.choices import DiskKind
from director.adapters.vsphere.disk_devices import DEVICES, PROPERTIES, attach_spec
from director.adapters.vsphere.disk_paths import DiskHome, DiskId, FilePath
from director.adapters.vsphere.disk_stores import Stores
from director.adapters.vsphere.disks import Disks
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.folders import ensure_folder
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import DatacenterSettings, StorePattern
from director.model.names import DeploymentName, DiskCid, DiskName, VmCid
from director.model.sighting import SeenDisk
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import DiskRequest
from tests.support.vcsim import Vcsim, vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_world import Losing, moids, opened, value

DB = DeploymentName("db")
ONE = DiskName("disk-aaaaaaaa-1")
TWO = DiskName("disk-bbbbbbbb-1")


Prepare: TypeAlias = "Callable[[World, DiskName], Awaitable[None]]"
Act: TypeAlias = "Callable[[Disks, World, DiskName], Awaitable[object]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One director of its own with two VMs of its own, in the simulator that all tests here share."""

    sim: Vcsim
    session: Losing
    home: DiskHome
    names: tuple[str, str]
    moids: tuple[str, str]
    disks: Disks

    @property
    def vm(self) -> str:
        return self.moids[0]

    @property
    def other(self) -> str:
        return self.moids[1]

    def another_director(self, pattern: str = "LocalDS_0") -> Disks:
        """With nothing in its memory: as after a crash."""
        return make(self.session, self.home, pattern)

    def file(self, store: str, name: DiskName = ONE) -> FilePath:
        return self.home.file(store, disk(name))


def make(session: Session, home: DiskHome, pattern: str = "LocalDS_0") -> Disks:
    settings = DatacenterSettings(name="DC0", persistent=StorePattern(datastores=pattern))
    return Disks(session, Stores(session, settings, home), home, default_kind=DiskKind.THIN)


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Vcsim, Iterator[int]]]:
    """The simulator, and numbers of worlds: each gets the next two VMs."""
    need_vcsim()
    with vcsim(clusters=1, hosts=2, datastores=2, vms=80) as sim:
        yield sim, count()


@pytest.fixture
async def world(shared: tuple[Vcsim, Iterator[int]]) -> AsyncIterator[World]:
    sim, numbers = shared
    number = next(numbers)
    home = DiskHome(disk_path="BOSH_Disks", director=f"d{number}")
    async with opened(sim, Losing, watches=False) as session:
        known = await moids(session, vim.VirtualMachine)
        one, two = [name for name in sorted(known) if name.startswith("DC0_C0_")][2 * number : 2 * number + 2]
        folder = await ensure_folder(session, ("DC0", "vm", home.director))
        machines = [session.of(vim.VirtualMachine, known[name]) for name in (one, two)]
        await session.task("move them there", lambda: folder.MoveInto(machines))
        session.watch.add_folder(folder)
        await session.watch.settled()
        disks = make(session, home)
        yield World(sim=sim, session=session, home=home, names=(one, two), moids=(known[one], known[two]), disks=disks)


def wish(name: DiskName = ONE, size_mb: int = 1024, datastore: str = "LocalDS_0", **properties: str) -> DiskRequest:
    return DiskRequest(
        name=name, deployment=DB, size_mb=size_mb, cloud_properties=properties, where={"datastore": datastore}
    )


async def test_a_created_disk_is_found_with_its_size(world: World) -> None:
    assert await world.disks.create(wish(size_mb=2048)) == ONE
    seen = SeenDisk(name=ONE, cid=DiskCid(ONE), size_mb=2048)
    assert await world.disks.find(ONE) == seen
    assert await world.another_director().find_all() == {ONE: seen}
    assert await world.disks.find_all(DeploymentName("other")) == {}
    assert await world.disks.find(TWO) is None


async def test_a_disk_that_a_lost_call_had_created_is_adopted(world: World) -> None:
    await world.disks.create(wish())
    assert await world.another_director().create(wish()) == ONE
    assert list(await world.disks.find_all()) == [ONE]


@pytest.mark.parametrize("kind", [kind.value for kind in DiskKind])
async def test_every_type_of_disk_can_be_created(world: World, kind: str) -> None:
    await world.disks.create(wish(type=kind))
    assert await world.disks.find(ONE) is not None


async def test_a_datastore_that_is_gone_is_named(world: World) -> None:
    with pytest.raises(InfrastructureFailure, match='no datastore "attic"'):
        await world.disks.create(wish(datastore="attic"))


async def test_all_disks_are_found_with_one_search_for_each_datastore(world: World) -> None:
    for number in range(5):
        await world.disks.create(wish(DiskName(f"disk-cccccccc-{number}")))
    await world.disks.attach(world.vm, DiskName("disk-cccccccc-0"))
    await world.disks.find_all()
    before = world.sim.counts()
    assert len(await world.disks.find_all()) == 5
    after = world.sim.counts()
    assert after["SearchDatastoreSubFolders_Task"] - before["SearchDatastoreSubFolders_Task"] == 1
    assert after["RetrievePropertiesEx"] == before["RetrievePropertiesEx"], "no VM had changed"


async def test_an_attached_disk_is_independent_and_named_by_its_uuid(world: World) -> None:
    await world.disks.create(wish())
    hint = await world.disks.attach(world.vm, ONE)
    device = await the_disk(world, world.vm)
    assert hint == {"id": device.backing.uuid.lower()}
    assert device.backing.diskMode == "independent_persistent"
    assert await world.disks.attached() == {world.vm: (ONE,)}
    assert await world.disks.find(ONE) == SeenDisk(name=ONE, cid=DiskCid(ONE), size_mb=1024, vm=VmCid(world.names[0]))


async def test_attaching_again_gives_the_same_hint_and_one_device(world: World) -> None:
    await world.disks.create(wish())
    hint = await world.disks.attach(world.vm, ONE)
    assert await world.another_director().attach(world.vm, ONE) == hint
    assert len(await files_of(world, world.vm)) == 1


async def test_two_disks_at_once_take_two_units(world: World) -> None:
    await asyncio.gather(world.disks.create(wish(ONE)), world.disks.create(wish(TWO)))
    await asyncio.gather(world.disks.attach(world.vm, ONE), world.disks.attach(world.vm, TWO))
    assert await world.disks.attached() == {world.vm: (ONE, TWO)}
    assert await world.disks.detach_all(world.vm) == (ONE, TWO)
    assert await world.disks.attached() == {}


async def test_a_disk_that_an_earlier_attempt_made_on_another_datastore_is_adopted_there(world: World) -> None:
    await world.disks.create(wish(datastore="LocalDS_1"))
    again = world.another_director()
    assert await again.create(replace(wish(datastore="LocalDS_0"), is_again=True)) == ONE
    place = await again.place(ONE)
    assert place is not None
    assert place.path == world.file("LocalDS_1")
    await again.delete(ONE)
    assert await world.another_director("LocalDS").place(ONE) is None, "there was only one"
    await again.create(replace(wish(datastore="LocalDS_0"), is_again=True))
    assert await again.place(ONE) is not None, "made, when the earlier attempt had not come so far"


async def test_a_disk_of_another_vm_is_refused_by_that_vms_name(world: World) -> None:
    await world.disks.create(wish())
    await world.disks.attach(world.vm, ONE)
    with pytest.raises(InfrastructureFailure, match=f'attached to VM "{world.names[0]}": detach it there'):
        await world.another_director().attach(world.other, ONE)


async def test_a_disk_that_is_nowhere_is_named(world: World) -> None:
    with pytest.raises(InfrastructureFailure, match=f'Disk "{ONE}" is on no datastore'):
        await world.disks.attach(world.vm, ONE)


async def test_detaching_keeps_the_file_and_may_be_repeated(world: World) -> None:
    await world.disks.create(wish())
    await world.disks.attach(world.vm, ONE)
    for _ in range(2):
        await world.disks.detach(world.vm, [ONE])
    assert await files_of(world, world.vm) == []
    assert not await value(world.session, vim.VirtualMachine, world.vm, PROPERTIES)
    assert await world.another_director().find(ONE) == SeenDisk(name=ONE, cid=DiskCid(ONE), size_mb=1024)
    await world.disks.attach(world.other, ONE)


async def test_a_detached_disk_survives_its_vm(world: World) -> None:
    await world.disks.create(wish())
    await world.disks.attach(world.vm, ONE)
    await world.disks.detach_all(world.vm)
    await destroy(world, world.vm)
    assert await world.disks.find(ONE) is not None
    await world.disks.detach(world.vm, [ONE])


async def test_a_disk_that_storage_vmotion_renamed_is_found_and_named_back(world: World) -> None:
    await world.disks.create(wish())
    await world.disks.attach(world.vm, ONE)
    await storage_vmotion(world, "LocalDS_1")
    fresh = world.another_director()
    assert (await fresh.find_all())[ONE].vm == world.names[0]
    assert (await fresh.places())[ONE].path.store == "LocalDS_1"
    await fresh.detach(world.vm, [ONE])
    assert (await world.another_director("LocalDS_1").places())[ONE].path == world.file("LocalDS_1")
    assert not await value(world.session, vim.VirtualMachine, world.vm, PROPERTIES)


async def test_a_director_that_ends_before_the_renaming_loses_nothing(world: World) -> None:
    await world.disks.create(wish())
    await world.disks.attach(world.vm, ONE)
    await storage_vmotion(world, "LocalDS_1")
    world.sim.fail_task("MoveVirtualDisk_Task", "NoDiskSpace")
    with pytest.raises(Fault):
        await world.disks.detach(world.vm, [ONE])
    fresh = world.another_director()
    assert await fresh.find(ONE) == SeenDisk(name=ONE, cid=DiskCid(ONE), size_mb=1024)
    await fresh.attach(world.other, ONE)
    assert await fresh.attached() == {world.other: (ONE,)}
    assert not await value(world.session, vim.VirtualMachine, world.vm, PROPERTIES)


async def test_a_disk_goes_to_a_datastore_that_the_host_reaches(world: World, tmp_path: Path) -> None:
    await local_datastore(world, "far", tmp_path)
    disks = world.another_director("LocalDS_0|far")
    await disks.create(wish(datastore="far"))
    await disks.attach(world.vm, ONE)
    assert (await disks.places())[ONE].path == world.file("LocalDS_0")


async def test_a_disk_moves_where_the_plan_says(world: World) -> None:
    stores = await moids(world.session, vim.Datastore)
    disks = world.another_director("Local")
    await disks.create(wish())
    for _ in range(2):
        await disks.move(ONE, stores["LocalDS_1"])
    assert (await disks.places())[ONE].path == world.file("LocalDS_1")


async def test_a_move_that_ended_before_its_last_step_is_finished(world: World) -> None:
    disks = world.another_director("Local")
    await disks.create(wish())
    world.sim.fail_task("MoveVirtualDisk_Task", "NoDiskSpace", skip=1)
    with pytest.raises(Fault):
        await disks.move(ONE, "LocalDS_1")
    fresh = world.another_director("Local")
    assert await fresh.find(ONE) == SeenDisk(name=ONE, cid=DiskCid(ONE), size_mb=1024)
    await fresh.attach(world.vm, ONE)
    assert (await fresh.places())[ONE].path == world.file("LocalDS_1")


async def test_half_a_copy_is_never_taken_for_the_disk(world: World) -> None:
    disks = world.another_director("Local")
    await disks.create(wish())
    await disks.create(wish(TWO, datastore="LocalDS_1"))
    await rename(world, world.file("LocalDS_1", TWO), world.home.file("LocalDS_1", disk(ONE).moving))
    assert (await disks.places())[ONE].path.store == "LocalDS_0"
    await disks.move(ONE, "LocalDS_1")
    assert (await disks.places())[ONE].path == world.file("LocalDS_1")
    await disks.delete(ONE)
    assert await disks.find_all() == {}


async def test_deleting_is_refused_while_attached_and_well_when_gone(world: World) -> None:
    await world.disks.create(wish())
    await world.disks.attach(world.vm, ONE)
    with pytest.raises(InfrastructureFailure, match="detach"):
        await world.disks.delete(ONE)
    await world.disks.detach(world.vm, [ONE])
    for _ in range(2):
        await world.disks.delete(ONE)
    assert await world.disks.find(ONE) is None


async def test_a_disk_that_somebody_has_given_to_a_vm_of_his_own_is_not_deleted(world: World) -> None:
    await world.disks.create(wish())
    known = await moids(world.session, vim.VirtualMachine)
    name = max(name for name in known if name.startswith("DC0_C0_"))
    theirs = world.session.of(vim.VirtualMachine, known[name])
    seen = await world.session.read("look", vim.VirtualMachine, (DEVICES,), [theirs])
    here = world.file("LocalDS_0")
    spec = attach_spec(world.home, disk(ONE), here, "uuid", seen[known[name]][DEVICES], ())
    await world.session.task("turn it off", theirs.PowerOff)
    await world.session.task("attach it", lambda: theirs.Reconfigure(spec))
    with pytest.raises(InfrastructureFailure, match=f'attached to VM "{name}", which is not of this director'):
        await world.disks.delete(ONE)
    assert await world.disks.find(ONE) is not None
    device = next(
        one
        for one in (await world.session.read("look", vim.VirtualMachine, (DEVICES,), [theirs]))[known[name]][DEVICES]
        if getattr(one.backing, "fileName", None) == str(here)
    )
    removal = vim.vm.device.VirtualDeviceSpec(operation="remove", device=device)
    await world.session.task("detach it", lambda: theirs.Reconfigure(vim.vm.ConfigSpec(deviceChange=[removal])))
    await world.disks.delete(ONE)
    assert await world.disks.find(ONE) is None


async def test_a_disk_grows_in_place_and_never_shrinks(world: World) -> None:
    await world.disks.create(wish(size_mb=1024))
    for _ in range(2):
        await world.disks.grow(ONE, 4096)
    assert (await world.disks.find_all())[ONE].size_mb == 4096
    with pytest.raises(InfrastructureFailure, match="cannot shrink to 1024 MB"):
        await world.disks.grow(ONE, 1024)
    await world.disks.attach(world.vm, ONE)
    with pytest.raises(InfrastructureFailure, match="detach"):
        await world.disks.grow(ONE, 8192)


async def test_a_snapshot_is_a_copy_that_is_no_disk(world: World) -> None:
    await world.disks.create(wish())
    await world.disks.attach(world.vm, ONE)
    with pytest.raises(InfrastructureFailure, match="which runs"):
        await world.disks.snapshot(ONE, "s1")
    await world.disks.detach(world.vm, [ONE])
    assert [await world.disks.snapshot(ONE, "s1") for _ in range(2)] == [f"{ONE}-snapshot-s1"] * 2
    assert list(await world.disks.find_all()) == [ONE]
    await world.disks.delete(ONE)
    assert await world.disks.find(DiskName(f"{ONE}-snapshot-s1")) is not None
    for _ in range(2):
        await world.disks.delete_snapshot(f"{ONE}-snapshot-s1")
    assert await world.disks.find(DiskName(f"{ONE}-snapshot-s1")) is None


async def nothing(world: World, name: DiskName) -> None:
    pass


async def created(world: World, name: DiskName) -> None:
    await world.disks.create(wish(name))


async def plugged(world: World, name: DiskName) -> None:
    await created(world, name)
    await world.disks.attach(world.vm, name)


async def migrated(world: World, name: DiskName) -> None:
    await plugged(world, name)
    await storage_vmotion(world, "LocalDS_1")


REPEATED: dict[str, tuple[Prepare, Act, tuple[str, int, bool] | None]] = {
    "create": (nothing, lambda disks, world, name: disks.create(wish(name)), ("LocalDS_0", 1024, False)),
    "attach": (created, lambda disks, world, name: disks.attach(world.vm, name), ("LocalDS_0", 1024, True)),
    "detach": (plugged, lambda disks, world, name: disks.detach(world.vm, [name]), ("LocalDS_0", 1024, False)),
    "detach, renamed": (migrated, lambda disks, world, name: disks.detach_all(world.vm), ("LocalDS_1", 1024, False)),
    "move": (created, lambda disks, world, name: disks.move(name, "LocalDS_1"), ("LocalDS_1", 1024, False)),
    "grow": (created, lambda disks, world, name: disks.grow(name, 2048), ("LocalDS_0", 2048, False)),
    "delete": (created, lambda disks, world, name: disks.delete(name), None),
    "snapshot": (created, lambda disks, world, name: disks.snapshot(name, "s"), ("LocalDS_0", 1024, False)),
}


@pytest.mark.parametrize("operation", REPEATED)
async def test_whatever_reply_is_lost_doing_it_again_ends_well(world: World, operation: str) -> None:
    prepare, act, wanted = REPEATED[operation]
    lost = 0
    for request in range(100):
        name = DiskName(f"disk-dddddddd-{request}")
        await prepare(world, name)
        world.session.lose_after = request
        try:
            await act(world.another_director("Local"), world, name)
        except Fault:
            lost += 1
            await act(world.another_director("Local"), world, name)
        is_over, world.session.lose_after = world.session.lose_after is not None, None
        place = (await world.another_director("Local").places()).get(name)
        found = None if place is None else (place.path.store, place.size_mb, place.vm is not None)
        assert found == wanted, f"after losing the reply to request {request}"
        await world.disks.detach_all(world.vm)
        if is_over:
            break
    assert lost > 0


def disk(name: DiskName) -> DiskId:
    return DiskId(deployment=DB, name=name)


async def datacenter_of(world: World) -> vim.Datacenter:
    return world.session.of(vim.Datacenter, (await moids(world.session, vim.Datacenter))["DC0"])


async def the_disk(world: World, vm: str) -> vim.vm.device.VirtualDisk:
    devices = await value(world.session, vim.VirtualMachine, vm, DEVICES)
    (found,) = [one for one in devices if getattr(one.backing, "diskMode", "") == "independent_persistent"]
    return found


async def files_of(world: World, vm: str) -> list[str]:
    devices = await value(world.session, vim.VirtualMachine, vm, DEVICES)
    files = [one.backing.fileName for one in devices if isinstance(one, vim.vm.device.VirtualDisk)]
    return [file for file in files if f"/{world.home.director}/" in file]


async def rename(world: World, source: object, target: object) -> None:
    manager = world.session.content.virtualDiskManager
    datacenter = await datacenter_of(world)
    await world.session.task(
        "rename", lambda: manager.MoveVirtualDisk(str(source), datacenter, str(target), datacenter, False, [])
    )


async def storage_vmotion(world: World, datastore: str) -> None:
    """What vCenter does to a disk's file, which the simulator's RelocateVM does not: another name, the same uuid."""
    device = await the_disk(world, world.vm)
    target = f"[{datastore}] {world.names[0]}/{world.names[0]}_3.vmdk"
    manager, datacenter = world.session.content.fileManager, await datacenter_of(world)
    await world.session.call("make", lambda: manager.MakeDirectory(f"[{datastore}] {world.names[0]}", datacenter, True))
    await rename(world, device.backing.fileName, target)
    device.backing.fileName = target
    device.backing.datastore = None
    change = vim.vm.device.VirtualDeviceSpec(operation="edit", device=device)
    machine = world.session.of(vim.VirtualMachine, world.vm)
    spec = vim.vm.ConfigSpec(deviceChange=[change])
    await world.session.task("edit", lambda: machine.Reconfigure(spec))


async def destroy(world: World, vm: str) -> None:
    machine = world.session.of(vim.VirtualMachine, vm)
    await world.session.task("stop", machine.PowerOff)
    await world.session.task("destroy", machine.Destroy)


async def local_datastore(world: World, name: str, directory: Path) -> None:
    """One that the VM's host does not have."""
    hosts = await moids(world.session, vim.HostSystem)
    at = await value(world.session, vim.VirtualMachine, world.vm, "runtime.host")
    host = world.session.of(vim.HostSystem, next(moid for moid in hosts.values() if moid != at._moId))
    system = await world.session.call("its datastores", lambda: host.configManager.datastoreSystem)
    await world.session.call("make one", lambda: system.CreateLocalDatastore(name, str(directory)))
