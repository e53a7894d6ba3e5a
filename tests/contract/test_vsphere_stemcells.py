"""Stemcells on the vCenter simulator: imported, copied, replicated, deleted; and what a crash leaves."""

import asyncio
import itertools
import tarfile
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from pyVmomi import vim

from director.adapters.vsphere.choices import ClusterChoice
from director.adapters.vsphere.replicas import name_of
from director.adapters.vsphere.session import Login, Session
from director.adapters.vsphere.settings import DatacenterSettings, Settings, StorePattern
from director.adapters.vsphere.stemcells import Stemcells
from director.adapters.vsphere.where import VmWhere
from director.model.names import StemcellCid
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import StemcellRequest
from tests.support.tinyovf import CAPACITY, tiny_image
from tests.support.vcsim import Vcsim, vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_world import opened

DIRECTOR = "6f1d3f64-0000-4000-8000-000000000001"
CID = StemcellCid(f"sc-{uuid5(UUID(DIRECTOR), 'debian/1')}")

NO_HARDWARE = f"""<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1">
  <DiskSection><Disk capacity="{CAPACITY}" diskId="d"/></DiskSection>
  <VirtualSystem id="x"><VirtualHardwareSection><System/>
    <Item><ElementName>odd</ElementName><InstanceID>1</InstanceID><ResourceType>99</ResourceType></Item>
  </VirtualHardwareSection></VirtualSystem>
</Envelope>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    sim: Vcsim
    session: Session
    stemcells: Stemcells
    image: Path
    percents: list[int] = field(default_factory=list)

    def request(self, **properties: Any) -> StemcellRequest:
        return StemcellRequest(key="debian/1", image=self.image, properties=properties, progress=self.percents.append)

    def another_director(self, **settings: str) -> Stemcells:
        """With nothing in its memory: as after a crash, or a second process."""
        return make(self.sim, self.session, **settings)

    async def vms(self) -> dict[str, dict[str, Any]]:
        """By name, what is in vCenter below our folder."""
        paths = ("name", "snapshot", "datastore", "config.hardware.device", "config.extraConfig", "config.annotation")
        rows = await self.session.read("look", vim.VirtualMachine, paths)
        return {row["name"]: {"snapshot": None, **row, "moid": moid} for moid, row in rows.items()}

    async def where(self, datastore: str = "LocalDS_1") -> VmWhere:
        stores = await self.session.read("look", vim.Datastore, ("name", "host"))
        moid = next(moid for moid, row in stores.items() if row["name"] == datastore)
        clusters = await self.session.read("look", vim.ClusterComputeResource, ("name", "resourcePool", "host"))
        cluster, row = next(iter(clusters.items()))
        return VmWhere(
            datacenter="DC0",
            cluster=cluster,
            cluster_name=row["name"],
            pool=row["resourcePool"]._moId,
            host=row["host"][0]._moId,
            datastore=moid,
            datastore_name=datastore,
        )


def make(sim: Vcsim, session: Any, pattern: str = "LocalDS_0", folder: str = "Templates/ours") -> Stemcells:
    login = Login(host=sim.host, port=sim.port, user=sim.user, password=sim.password, is_verified=False)
    place = DatacenterSettings(
        name="DC0",
        template_folder=folder,
        ephemeral=StorePattern(datastores=pattern),
        clusters=(ClusterChoice(name="DC0_C0"),),
    )
    settings = Settings(host=sim.host, port=sim.port, user=sim.user, password=sim.password, datacenter=place)
    return Stemcells(session, login, settings, director_uuid=DIRECTOR)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    need_vcsim()
    with vcsim(clusters=1, hosts=2, datastores=3, vms=1) as sim:
        async with opened(sim) as session:
            image = tiny_image(tmp_path / "image")
            yield World(sim=sim, session=session, stemcells=make(sim, session), image=image)


def replace_disk(image: Path) -> Path:
    """The same image without its VMDK."""
    short = image.with_name("short")
    with tarfile.open(image) as tar, tarfile.open(short, "w") as out:
        for member in tar:
            if not member.name.endswith(".vmdk"):
                out.addfile(member, tar.extractfile(member))
    return short


def nics(devices: Iterable[Any]) -> list[Any]:
    return [device for device in devices if isinstance(device, vim.vm.device.VirtualEthernetCard)]


def keys(devices: Iterable[Any]) -> list[int]:
    return [device.key for device in devices]


def extra(row: dict[str, Any]) -> dict[str, str]:
    return {option.key: option.value for option in row["config.extraConfig"]}


async def test_an_uploaded_stemcell_is_a_vm_with_a_snapshot_and_no_nic(world: World) -> None:
    cid = await world.stemcells.create(world.request(name="debian", version="1"))

    assert cid == CID
    vm = (await world.vms())[cid]
    assert [root.name for root in vm["snapshot"].rootSnapshotList] == ["initial"]
    assert nics(vm["config.hardware.device"]) == []
    assert extra(vm)["director.agent"] == "baked"
    assert vm["config.annotation"] == "Stemcell debian/1"
    assert world.percents[-1] == 100
    assert world.percents == sorted(world.percents)
    assert len(world.percents) > 5
    assert world.sim.counts()["HttpNfcLeaseProgress"] >= 1


async def test_asked_again_it_is_adopted_without_an_upload(world: World) -> None:
    await world.stemcells.create(world.request())
    before = world.sim.counts()
    assert await world.another_director().create(world.request()) == CID

    assert world.sim.counts()["ImportVApp"] == before["ImportVApp"]
    assert [name for name in await world.vms() if name.startswith("sc-")] == [CID]


async def test_an_upload_that_never_came_to_its_end_is_removed_and_done_again(world: World) -> None:
    world.sim.fail_task("CreateSnapshot_Task", "GenericVmConfigFault")
    with pytest.raises(InfrastructureFailure):
        await world.stemcells.create(world.request())
    half = (await world.vms())[CID]["moid"]

    assert await world.another_director().create(world.request()) == CID

    whole = (await world.vms())[CID]
    assert whole["moid"] != half
    assert whole["snapshot"] is not None
    assert [name for name in await world.vms() if name.startswith("sc-")] == [CID]


class Crash(BaseException):
    """The director's process ends here."""


class Dying:
    """A session of a process that ends at its ``at``-th exchange with vCenter: before it, or with its answer lost."""

    def __init__(self, session: Session, at: int, *, is_done_first: bool) -> None:
        self._session = session
        self._left = at
        self._is_done_first = is_done_first

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def call(self, *args: Any, **more: Any) -> Any:
        return await self._exchange(self._session.call, args, more)

    async def task(self, *args: Any, **more: Any) -> Any:
        return await self._exchange(self._session.task, args, more)

    async def read(self, *args: Any, **more: Any) -> Any:
        return await self._exchange(self._session.read, args, more)

    async def _exchange(self, do: Any, args: Any, more: Any) -> Any:
        self._left -= 1
        if self._left < 0 or (self._left == 0 and not self._is_done_first):
            raise Crash
        answer = await do(*args, **more)
        if self._left == 0:
            raise Crash
        return answer


@pytest.mark.parametrize("is_done_first", [False, True])
async def test_a_crash_anywhere_in_an_upload_leaves_one_stemcell_after_the_next_try(
    world: World, is_done_first: bool
) -> None:
    for at in itertools.count(1):
        request = replace(world.request(), key=f"debian/crash-{at}")
        dying = make(world.sim, Dying(world.session, at, is_done_first=is_done_first))
        try:
            cid = await dying.create(request)
        except Crash:
            cid = await world.another_director().create(request)
        else:
            break
        vms = {name: row for name, row in (await world.vms()).items() if name.startswith(cid)}
        assert list(vms) == [cid]
        assert vms[cid]["snapshot"] is not None
        await world.another_director().delete(cid)
    assert at > 8


@pytest.mark.parametrize("is_done_first", [False, True])
async def test_a_crash_anywhere_in_a_copy_leaves_one_copy_after_the_next_try(world: World, is_done_first: bool) -> None:
    cid = await world.stemcells.create(world.request())
    where = await world.where()
    for at in itertools.count(1):
        dying = make(world.sim, Dying(world.session, at, is_done_first=is_done_first))
        try:
            await dying.ensure_replica(cid, where)
        except Crash:
            replica = await world.another_director().ensure_replica(cid, where)
        else:
            break
        vms = await world.vms()
        assert [name for name in vms if name.startswith("sc-")] == [cid, name_of(cid, where.datastore)]
        assert vms[name_of(cid, where.datastore)]["moid"] == replica.template.moid
        await world.session.task("remove", world.session.of(vim.VirtualMachine, replica.template.moid).Destroy)
    assert at > 5


async def test_what_the_ovf_lacks_is_said_and_nothing_is_made(world: World, tmp_path: Path) -> None:
    (tmp_path / "image.ovf").write_text(NO_HARDWARE)
    request = StemcellRequest(key="debian/1", image=tmp_path / "image.ovf")

    with pytest.raises(InfrastructureFailure, match="Use a stemcell for vSphere"):
        await world.stemcells.create(request)

    assert CID not in await world.vms()


async def test_a_broken_upload_leaves_nothing_that_a_second_one_trips_over(world: World) -> None:
    short = replace_disk(world.image)
    with pytest.raises(InfrastructureFailure, match=r"it has no image-disk1\.vmdk"):
        await world.stemcells.create(StemcellRequest(key="debian/1", image=short))

    assert await world.another_director().create(world.request()) == CID
    assert [name for name in await world.vms() if name.startswith("sc-")] == [CID]


async def test_an_upload_that_is_cancelled_gives_its_lease_back(world: World) -> None:
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    request = StemcellRequest(
        key="debian/1", image=world.image, progress=lambda percent: loop.call_soon_threadsafe(began.set) and None
    )
    creating = asyncio.ensure_future(world.stemcells.create(request))
    await began.wait()
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating

    assert world.sim.counts().get("HttpNfcLeaseAbort", 0) + world.sim.counts().get("HttpNfcLeaseComplete", 0) == 1


async def test_no_datastore_with_room_is_said_with_what_each_has(world: World) -> None:
    with pytest.raises(InfrastructureFailure, match=r'No usable datastore matches "fast-.*LocalDS_0, LocalDS_1'):
        await world.another_director(pattern="fast-.*").create(world.request())


async def test_many_who_need_a_replica_at_once_get_the_same_one(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    where = await world.where("LocalDS_1")
    before = world.sim.counts().get("CloneVM_Task", 0)

    replicas = await asyncio.gather(*(world.stemcells.ensure_replica(cid, where) for _ in range(16)))

    assert len(set(replicas)) == 1
    assert world.sim.counts()["CloneVM_Task"] - before == 1
    copy = (await world.vms())[name_of(cid, where.datastore)]
    assert [store._moId for store in copy["datastore"]] == [where.datastore]
    assert replicas[0].template.moid == copy["moid"]
    assert (replicas[0].install, replicas[0].size_mb) == ("baked", CAPACITY >> 20)


async def test_a_replica_known_costs_no_request(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    where = await world.where("LocalDS_1")
    await world.stemcells.ensure_replica(cid, where)
    before = world.session.requests
    await world.stemcells.ensure_replica(cid, where)
    assert world.session.requests == before


async def test_the_uploaded_one_is_the_replica_of_its_datastore(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    replica = await world.stemcells.ensure_replica(cid, await world.where("LocalDS_0"))
    assert replica.template.moid == (await world.vms())[cid]["moid"]


async def test_two_directors_that_copy_at_once_share_one_copy(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    where = await world.where("LocalDS_2")

    first, second = await asyncio.gather(
        world.another_director().ensure_replica(cid, where), world.another_director().ensure_replica(cid, where)
    )

    assert first.template.moid == second.template.moid
    assert sum(name.startswith("sc-") for name in await world.vms()) == 2


async def test_a_copy_without_its_snapshot_gets_it(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    where = await world.where("LocalDS_1")
    world.sim.fail_task("CreateSnapshot_Task", "GenericVmConfigFault")
    with pytest.raises(InfrastructureFailure):
        await world.stemcells.ensure_replica(cid, where)
    half = (await world.vms())[name_of(cid, where.datastore)]["moid"]

    replica = await world.another_director().ensure_replica(cid, where)

    assert replica.template.moid == half


async def test_a_full_datastore_is_a_failure_for_everybody_who_waited(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    where = await world.where("LocalDS_1")
    world.sim.fail_task("CloneVM_Task", "NoDiskSpace", times=1)

    results = await asyncio.gather(
        *(world.stemcells.ensure_replica(cid, where) for _ in range(4)), return_exceptions=True
    )

    assert all(isinstance(result, InfrastructureFailure) for result in results)
    assert (await world.stemcells.ensure_replica(cid, where)).template.moid


async def test_a_replica_somebody_removed_is_made_again_once_that_is_told(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    where = await world.where("LocalDS_1")
    gone = await world.stemcells.ensure_replica(cid, where)
    vm = world.session.of(vim.VirtualMachine, gone.template.moid)
    await world.session.task("remove it", vm.Destroy)

    world.stemcells.forget(cid)

    assert (await world.stemcells.ensure_replica(cid, where)).template.moid != gone.template.moid


async def test_a_stemcell_goes_with_all_its_replicas_and_only_those(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    other = await world.stemcells.create(StemcellRequest(key="debian/2", image=world.image))
    for datastore in ("LocalDS_1", "LocalDS_2"):
        await world.stemcells.ensure_replica(cid, await world.where(datastore))

    await world.stemcells.delete(cid)
    await world.stemcells.delete(cid)

    assert [name for name in await world.vms() if name.startswith("sc-")] == [other]
    with pytest.raises(InfrastructureFailure, match="upload it again"):
        await world.stemcells.ensure_replica(cid, await world.where())


async def test_a_template_in_vcenter_is_copied_and_stays_as_it_was(world: World) -> None:
    name = next(iter(await world.vms()))
    before = (await world.vms())[name]
    request = world.request(template=f"/DC0/vm/{name}", agent={"install": "cloud-init"})

    cid = await world.stemcells.create(request)

    vms = await world.vms()
    assert [root.name for root in vms[cid]["snapshot"].rootSnapshotList] == ["initial"]
    assert (nics(vms[cid]["config.hardware.device"]), extra(vms[cid])["director.agent"]) == ([], "cloud-init")
    assert keys(nics(vms[name]["config.hardware.device"])) == keys(nics(before["config.hardware.device"])) != []
    assert vms[name]["snapshot"] is None
    assert (await world.stemcells.ensure_replica(cid, await world.where())).install == "cloud-init"
    await world.stemcells.delete(cid)
    assert list(await world.vms()) == [name]


async def test_a_template_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(InfrastructureFailure, match='no VM or template at "/DC0/vm/ubuntu"'):
        await world.stemcells.create(world.request(template="ubuntu"))


async def test_a_way_for_the_agent_that_is_none_is_refused_before_anything_is_made(world: World) -> None:
    with pytest.raises(InfrastructureFailure, match="baked, cloud-init, ssh"):
        await world.stemcells.create(world.request(agent={"install": "by-post"}))
    assert CID not in await world.vms()


async def test_all_complete_replicas_are_known_in_one_read(world: World) -> None:
    cid = await world.stemcells.create(world.request())
    where = await world.where("LocalDS_1")
    await world.stemcells.ensure_replica(cid, where)

    known = await world.another_director().known()

    assert list(known) == [cid]
    assert where.datastore in {store for one in known[cid] for store in one.datastores}
