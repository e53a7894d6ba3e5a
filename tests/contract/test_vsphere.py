"""The vSphere adapter at a simulated vCenter that misbehaves: lost replies, ended sessions, slowness, strangers."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest
from pyVmomi import vim

from director.adapters.vsphere.enrol import read_enrolment
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.session import Login, Session
from director.model.sighting import Power
from director.ports.failure import InfrastructureFailure, Retry
from tests.contract.local_vm import vm_request
from tests.support.vcproxy import vcproxy
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim
from tests.support.vsphere_cloud import PlacedVsphere, properties

DIRECTOR = "6f1d3f64-0000-4000-8000-000000000001"


class Hasty:
    """A clock on which waiting takes a hundredth of the time."""

    def now(self):
        return time.time()

    def monotonic(self):
        return time.monotonic()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds / 100)


@asynccontextmanager
async def clouds(at, **more):
    cloud = PlacedVsphere(properties(at, **more), director_uuid=DIRECTOR, clock=Hasty())
    try:
        yield cloud
    finally:
        await cloud.close()


@asynccontextmanager
async def sessions(at, **more):
    login = {"host": at.host, "port": at.port, "user": at.user, "password": at.password, "is_verified": False}
    session = Session(Login(**(login | more.pop("login", {}))), clock=Hasty(), **more)
    try:
        yield session
    finally:
        await session.close()


@pytest.fixture
def sim():
    need_vcsim()
    with vcsim() as running:
        yield running


@pytest.fixture
def slow_sim():
    """Its tasks are seen running for a while."""
    need_vcsim()
    with vcsim(task_delay_ms=300) as running:
        yield running


@pytest.fixture
def proxy(sim):
    with vcproxy(sim) as proxy:
        yield proxy


async def vms_named(session, name):
    read = await session.read("look", vim.VirtualMachine, ("name",))
    return [moid for moid, vm in read.items() if vm["name"] == name]


# -- nothing doubled


async def test_a_clone_whose_reply_was_lost_is_adopted_and_there_is_one_vm(proxy):
    async with clouds(proxy) as cloud:
        await cloud.create_vm(vm_request("before"))
        proxy.lose_reply("CloneVM_Task")
        assert await cloud.create_vm(vm_request("web-1", number=12)) == "web-1"
        assert len(await vms_named(cloud.session, "web-1")) == 1
        assert (await cloud.find_vm("web-1")).power is Power.ON


async def test_a_clone_whose_request_was_lost_is_made_by_the_second_one(proxy):
    async with clouds(proxy) as cloud:
        await cloud.stemcell()
        proxy.drop("CloneVM_Task")
        await cloud.create_vm(vm_request("web-1"))
        assert len(await vms_named(cloud.session, "web-1")) == 1


async def test_a_vcenter_that_goes_away_in_the_midst_of_a_clone_is_told_and_the_clone_adopted_on_repeat(slow_sim):
    with vcproxy(slow_sim) as proxy:
        async with clouds(proxy) as cloud:
            request = await cloud.placed(vm_request("web-1"))
            creating = asyncio.ensure_future(cloud.create_vm(request))
            while not slow_sim.counts().get("CloneVM_Task"):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(proxy.go_away)
            with pytest.raises(Fault, match='clone VM "web-1"') as told:
                await creating
            assert told.value.is_reply_lost
            assert told.value.retry is Retry.SOON
            proxy.come_back()
            assert await cloud.create_vm(request) == "web-1"
            assert len(await vms_named(cloud.session, "web-1")) == 1
            assert (await cloud.find_vm("web-1")).power is Power.ON


async def test_a_vm_made_by_an_earlier_plan_is_enrolled_with_the_macs_that_it_has(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1"))
        await cloud.create_vm(request)
        chosen = ["00:50:56:01:02:03"] * len(request.shape.networks)
        await cloud.create_vm(replace(request, where={**request.where, "macs": chosen}))
        paths = ("config.hardware.device", "config.extraConfig")
        vm = (await cloud.session.read("look", vim.VirtualMachine, paths))[cloud._vms.known("web-1").moid]
        cards = [one for one in vm[paths[0]] if isinstance(one, vim.vm.device.VirtualEthernetCard)]
        told = read_enrolment({option.key: str(option.value) for option in vm[paths[1]]})
        assert sorted(net["mac"] for net in told["networks"].values()) == sorted(card.macAddress for card in cards)
        assert chosen[0] not in {card.macAddress for card in cards}


async def test_two_directors_making_the_same_vm_make_one(slow_sim):
    async with clouds(slow_sim) as one, clouds(slow_sim) as other:
        request = await one.placed(vm_request("web-1"))
        await other.stemcell()
        await asyncio.gather(one.create_vm(request), other.create_vm(request))
        assert len(await vms_named(one.session, "web-1")) == 1
        assert (await other.find_vm("web-1")).power is Power.ON


async def test_a_strangers_vm_of_the_name_is_left_alone_and_named(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1"))
        folder = await cloud._vms.folder(is_made=True)
        template = cloud.session.of(vim.VirtualMachine, (await vms_named(cloud.session, await cloud.stemcell()))[0])
        pool = cloud.session.of(vim.ResourcePool, request.where["pool"])
        spec = vim.vm.CloneSpec(location=vim.vm.RelocateSpec(pool=pool), template=False, powerOn=False)
        start = partial(template.CloneVM_Task, folder=folder, name="web-1", spec=spec)
        stranger = await cloud.session.task("clone", start)
        with pytest.raises(Fault, match=f"did not make .{stranger._moId}.*Rename it"):
            await cloud.create_vm(request)
        assert await cloud.find_vm("web-1") is None, "it is none of ours"


async def test_a_vm_moved_to_another_folder_by_hand_is_found_and_deleted(sim):
    async with clouds(sim) as cloud:
        await cloud.create_vm(vm_request("web-1"))
        moid = cloud._vms.known("web-1").moid
        vm, folder = cloud.session.of(vim.VirtualMachine, moid), cloud.session.content.rootFolder
        datacenter = next(iter(await cloud.session.read("look", vim.Datacenter, ("vmFolder",))))
        folders = await cloud.session.read("look", vim.Datacenter, ("vmFolder",))
        folder = folders[datacenter]["vmFolder"]
        await cloud.session.task("move", lambda: folder.MoveIntoFolder_Task([vm]))
        assert (await cloud.find_vm("web-1")).power is Power.ON
        await cloud.delete_vm("web-1")
        assert await vms_named(cloud.session, "web-1") == []


async def test_a_template_that_is_gone_is_told(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1"))
        await cloud.create_vm(await cloud.placed(vm_request("web-2", number=12)))
        await cloud.delete_stemcell(request.shape.stemcell_cid)
        with pytest.raises(InfrastructureFailure, match=request.shape.stemcell_cid):
            await cloud.create_vm(request)


async def test_what_a_clone_cannot_say_is_done_before_the_vm_runs(sim):
    special = {"root_disk_size_gb": 1, "upgrade_hw_version": True, "vm_group": "webs"}
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1", cloud_properties=special))
        await cloud.create_vm(request)
        moid, cluster = cloud._vms.known("web-1").moid, request.where["cluster"]

        async def group():
            entity = cloud.session.of(vim.ClusterComputeResource, cluster)
            read = await cloud.session.read("look", vim.ClusterComputeResource, ("configurationEx",), [entity])
            return {one.name: [member._moId for member in one.vm] for one in read[cluster]["configurationEx"].group}

        paths = ("config.version", "config.hardware.device")
        vm = cloud.session.of(vim.VirtualMachine, moid)
        read = (await cloud.session.read("look", vim.VirtualMachine, paths, [vm]))[moid]
        disks = [one for one in read["config.hardware.device"] if isinstance(one, vim.vm.device.VirtualDisk)]
        assert max(disk.capacityInKB for disk in disks) == 1 << 20
        assert read["config.version"] == "vmx-17"
        assert (await group())["webs"] == [moid]
        assert (await cloud.find_vm("web-1")).power is Power.ON
        assert await cloud.create_vm(request) == "web-1", "all of it may be done again"
        await cloud.delete_vm("web-1")
        assert not (await group()).get("webs")


# -- what is seen


async def test_what_is_changed_by_hand_is_seen_at_the_next_look(sim):
    async with clouds(sim) as cloud:
        await cloud.create_vm(vm_request("web-1", cloud_properties={"cpu": 2, "ram": 1024}))
        seen = await cloud.find_vm("web-1")
        assert (seen.sizes, seen.power) == ({"cpu": 2, "ram": 1024}, Power.ON)
        assert seen.place.startswith("DC0_C")
        moid = cloud._vms.known("web-1").moid
        async with sessions(sim) as by_hand:
            await by_hand.open()
            vm = by_hand.of(vim.VirtualMachine, moid)
            await by_hand.task("off", vm.PowerOffVM_Task)
            await by_hand.task("resize", lambda: vm.ReconfigVM_Task(vim.vm.ConfigSpec(numCPUs=4, memoryMB=2048)))
            seen = (await cloud.find_vms("shop"))["web-1"]
            assert (seen.sizes, seen.power) == ({"cpu": 4, "ram": 2048}, Power.OFF)
            await by_hand.task("destroy", vm.Destroy_Task)
        assert await cloud.find_vms("shop") == {}


async def test_a_director_that_starts_anew_knows_whose_vms_there_are(sim):
    async with clouds(sim) as before:
        await before.create_vm(vm_request("web-1"))
        await before.create_vm(vm_request("db-1", number=12, deployment="data"))
    async with clouds(sim) as cloud:
        assert list(await cloud.find_vms("shop")) == ["web-1"]
        assert (await cloud.find_vms())["db-1"].instance == "instance-of-db-1"


async def test_looking_again_when_nothing_changed_costs_one_request(sim):
    async with clouds(sim) as cloud:
        for number in range(11, 14):
            await cloud.create_vm(vm_request(f"web-{number}", number=number))
        await cloud.find_vms("shop")
        before = cloud.session.requests
        assert len(await cloud.find_vms("shop")) == 3
        assert cloud.session.requests - before == 1


async def test_the_enrolment_is_readable_until_it_is_cleared(sim):
    async with clouds(sim) as cloud:
        await cloud.create_vm(vm_request("web-1"))
        moid = cloud._vms.known("web-1").moid
        vm = cloud.session.of(vim.VirtualMachine, moid)

        async def keys():
            read = await cloud.session.read("look", vim.VirtualMachine, ("config.extraConfig",), [vm])
            return {option.key: option.value for option in read[moid]["config.extraConfig"] if option.value}

        assert "guestinfo.director.enrolment" in await keys()
        await cloud.clear_enrolment("web-1")
        assert "guestinfo.director.enrolment" not in await keys()
        assert (await keys())["director.deployment"] == "shop"
        await cloud.clear_enrolment("nobody")


# -- the session


async def test_twenty_calls_that_find_the_session_ended_log_in_once(proxy):
    async with sessions(proxy) as session:
        await session.open()
        proxy.expire_sessions()
        proxy.reset_counts()
        read = partial(session.read, "look", vim.Datacenter, ("name",))
        assert all(len(found) == 1 for found in await asyncio.gather(*(read() for _ in range(20))))
        assert proxy.counts["Login"] == 1
        assert session.logins == 2


async def test_a_session_that_ends_while_a_task_is_awaited_does_not_lose_its_end(slow_sim):
    with vcproxy(slow_sim) as proxy:
        async with clouds(proxy) as cloud:
            request = await cloud.placed(vm_request("web-1"))
            creating = asyncio.ensure_future(cloud.create_vm(request))
            while not slow_sim.counts().get("CloneVM_Task"):
                await asyncio.sleep(0.01)
            await asyncio.to_thread(proxy.expire_sessions)
            assert await creating == "web-1"
            assert cloud.session.logins == 2


async def test_a_slow_call_ends_at_its_deadline_and_says_so(proxy):
    async with sessions(proxy) as session:
        await session.open()
        proxy.delay("CurrentTime", 5.0, times=9)
        began = time.monotonic()
        service = session.of(vim.ServiceInstance, "ServiceInstance")
        with pytest.raises(Fault, match=r"asking the time: .*no answer within 0.3 s"):
            await session.call("asking the time", service.CurrentTime, timeout_s=0.3)
        assert time.monotonic() - began < 4.5


async def test_a_transient_refusal_is_tried_again_and_another_is_not(proxy):
    async with sessions(proxy) as session:
        await session.open()
        service = session.of(vim.ServiceInstance, "ServiceInstance")
        proxy.fault("CurrentTime", "HostCommunication", times=2)
        await session.call("asking the time", service.CurrentTime)
        proxy.reset_counts()
        proxy.fault("CurrentTime", "NoPermission")
        with pytest.raises(Fault, match="asking the time"):
            await session.call("asking the time", service.CurrentTime)
        assert proxy.counts["CurrentTime"] == 1


async def test_a_lost_reply_is_asked_again_only_when_that_is_harmless(proxy):
    async with sessions(proxy) as session:
        await session.open()
        service = session.of(vim.ServiceInstance, "ServiceInstance")
        proxy.lose_reply("CurrentTime")
        await session.call("asking the time", service.CurrentTime)
        proxy.lose_reply("CurrentTime")
        with pytest.raises(Fault, match="may have been done") as told:
            await session.call("asking the time", service.CurrentTime, repeatable=False)
        assert told.value.is_reply_lost


async def test_a_task_that_fails_says_why_and_what_to_do(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1"))
        sim.fail_task("CloneVM_Task", "NoDiskSpace", message="Insufficient disk space on datastore 'LocalDS_0'.")
        with pytest.raises(Fault, match=r'clone VM "web-1": .*LocalDS_0.* deploy again') as told:
            await cloud.create_vm(request)
        assert told.value.is_a(vim.fault.NoDiskSpace)
        assert await cloud.create_vm(request) == "web-1"


async def test_a_task_refused_for_another_one_at_work_is_started_again(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1"))
        sim.fail_task("CloneVM_Task", "ConcurrentAccess", times=2)
        assert await cloud.create_vm(request) == "web-1"


async def test_an_end_of_a_task_that_cannot_be_read_is_taken_for_a_lost_reply_and_stops_nothing_else(sim):
    async with clouds(sim) as cloud:
        request = await cloud.placed(vm_request("web-1"))
        sim.fail_task("CloneVM_Task", "TaskInProgress")  # told without the task that it must name
        assert await cloud.create_vm(request) == "web-1"
        assert len(await vms_named(cloud.session, "web-1")) == 1
        await cloud.reboot_vm("web-1")


async def test_a_wrong_password_is_tried_once_in_a_while(proxy):
    async with sessions(proxy, login={"password": "of-nobody"}) as session:
        for _ in range(3):
            with pytest.raises(Fault, match=r"logging in .* user and password") as told:
                await session.read("look", vim.Datacenter, ("name",))
            assert "of-nobody" not in str(told.value)
        assert proxy.counts["Login"] == 1


async def test_a_certificate_nobody_vouches_for_is_refused(sim):
    async with sessions(sim, login={"is_verified": True}) as session:
        with pytest.raises(Fault, match=r"not trusted.*ca_cert"):
            await session.open()


async def test_a_vcenter_that_is_not_there_is_told(sim, unused_tcp_port):
    async with sessions(sim, login={"port": unused_tcp_port}) as session:
        with pytest.raises(Fault, match="cannot be reached") as told:
            await session.open()
        assert told.value.retry is Retry.SOON


async def test_bulk_reads_go_on_where_a_page_ends_and_leave_out_what_is_gone(sim, monkeypatch):
    monkeypatch.setattr("director.adapters.vsphere.bulk.PAGE", 2)
    async with sessions(sim) as session:
        assert len(await session.read("look", vim.HostSystem, ("name",))) == 9
        gone = session.of(vim.HostSystem, "host-0")
        assert await session.read("look", vim.HostSystem, ("name",), [gone]) == {}
        assert await session.read("look", vim.HostSystem, ("name",), []) == {}


async def test_no_more_operations_run_at_once_than_their_datastore_takes(slow_sim):
    async with sessions(slow_sim, slots={"datastore": 2}) as session:
        await session.open()
        running, most = 0, 0
        folder = next(iter((await session.read("look", vim.Datacenter, ("vmFolder",))).values()))["vmFolder"]

        async def rename(number):
            nonlocal running, most
            started = asyncio.Event()

            def start():
                nonlocal running, most
                running += 1
                most = max(most, running)
                return folder.Rename_Task(f"vm-{number}")

            await session.task("rename", start, slots=["datastore:d"])
            running -= 1
            started.set()

        await asyncio.gather(*(rename(number) for number in range(6)))
        assert most == 2


async def test_requests_and_connections_stay_few_for_many_vms_at_once(slow_sim):
    with vcproxy(slow_sim) as proxy:
        async with clouds(proxy, operations_in_flight={"vcenter": 32, "host": 32, "datastore": 32}) as cloud:
            requests = [await cloud.placed(vm_request(f"web-{number}", number=number)) for number in range(20)]
            await cloud.create_vm(requests[0])
            before = cloud.session.requests

            async def make(request):
                await cloud.create_vm(request)
                await cloud.clear_enrolment(request.name)

            await asyncio.gather(*(make(request) for request in requests[1:]))
            assert (cloud.session.requests - before) / 19 <= 6
            assert cloud.session.connections <= 8
            assert proxy.connections.at_once_max <= 8


async def test_closing_ends_all_threads_and_connections(proxy):
    async with clouds(proxy) as cloud:
        await cloud.create_vm(vm_request("web-1"))
    assert cloud.session._connections.open_now == 0
    assert proxy.counts["Logout"] == 1


async def test_another_directors_clone_request_is_refused_without_a_place(sim):
    async with clouds(sim) as cloud:
        request = replace(await cloud.placed(vm_request("web-1")), where={})
        with pytest.raises(InfrastructureFailure, match="no place"):
            await super(PlacedVsphere, cloud).create_vm(request)


async def test_a_diagnosis_without_a_vcenter_says_that_alone(sim, unused_tcp_port):
    at = replace(sim, port=unused_tcp_port)
    async with clouds(at) as cloud:
        (finding,) = await cloud.diagnose()
        assert not finding.is_well
        assert "cannot be reached" in finding.detail


async def test_a_diagnosis_names_clusters_and_patterns_that_are_not_there(sim):
    wrong = properties(sim)
    wrong["datacenters"][0] |= {"clusters": ["DC0_C9"], "persistent_datastore_pattern": "nothing"}
    cloud = PlacedVsphere(wrong, director_uuid=DIRECTOR)
    findings = {finding.subject: finding for finding in await cloud.diagnose()}
    await cloud.close()
    assert not findings["cluster DC0_C9"].is_well
    assert "DC0_C0" in findings["cluster DC0_C9"].fix
    assert not findings["datastores for persistent disks"].is_well
    assert findings["privileges on datacenter DC0"].is_well
