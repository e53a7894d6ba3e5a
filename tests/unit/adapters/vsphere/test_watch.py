"""The watch: what it is told becomes ends of tasks and VMs, and it asks for no more than somebody waits for."""

import asyncio

import pytest
from pyVmomi import vim

from director.adapters.vsphere.collector import Change
from director.adapters.vsphere.connections import Unreadable
from director.adapters.vsphere.faults import Fault, unreadable
from director.adapters.vsphere.watch import TRIES, Watch
from director.ports.failure import Retry

TASK = vim.Task("task-1")
FOLDER = vim.Folder("group-1")
RUNNING, DONE = {"info.state": "running", "info.progress": 40}, {"info.state": "success", "info.result": "it"}


class FakeCollector:
    """Answers each wait with the next of what was prepared; then a long wait lasts until it is cancelled."""

    def __init__(self, line, *, is_careful):
        self.line, self.is_careful = line, is_careful
        self.is_told = False
        self.folders = set()

    def add_folder(self, folder):
        self.folders.add(folder._GetMoId())

    def add_networks(self, folder):
        self.add_folder(folder)
        self.line.asked.append("networks")

    def watch_unlisted(self, tasks):
        self.line.asked.append(("unlisted", [task._GetMoId() for task in tasks]))

    def wait(self, most_s):
        self.is_told = True
        return most_s > 0

    def end_of(self, task):
        return {"info.result": f"read of {task._GetMoId()}"}

    def cancel(self):
        self.line.asked.append("cancel")
        self.line.cancelled.set()


class FakeLine:
    """vCenter, whose answers are prepared: lists of changes, or a Fault."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked, self.pauses = [], []
        self.cancelled = asyncio.Event()

    async def collector(self, *, is_careful):
        self.asked.append("careful collector" if is_careful else "collector")
        return FakeCollector(self, is_careful=is_careful)

    async def ask(self, what, do, *, timeout_s):
        return do()

    async def wait(self, what, do, *, timeout_s):
        is_long = do()
        self.asked.append("wait" if is_long else "look")
        await asyncio.sleep(0)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Fault):
                raise answer
            return answer
        if is_long:
            self.cancelled.clear()
            await self.cancelled.wait()
        return []

    async def pause(self, seconds):
        self.pauses.append(seconds)


def task(values, moid="task-1"):
    return Change(moid=moid, is_task=True, values=values)


def vm(moid="vm-1", **values):
    return Change(moid=moid, is_task=False, values=values)


def segment(moid="dvportgroup-1", *, is_gone=False, **values):
    return Change(moid=moid, is_task=False, is_network=True, is_gone=is_gone, values=values)


GONE = Change(moid="vm-1", is_task=False, is_gone=True)


async def test_a_task_ends_when_vcenter_tells_so_with_its_result():
    watch, percents = Watch(FakeLine([task(RUNNING)], [task(DONE)])), []
    assert await watch.end_of("clone", TASK, 5, percents.append) == "it"
    assert percents == [40]


async def test_an_end_that_was_told_before_anybody_asked_is_known():
    line = FakeLine([task(DONE)])
    watch = Watch(line)
    await watch.settled()
    before = list(line.asked)
    assert await watch.end_of("clone", TASK, 5) == "it"
    assert line.asked == before


async def test_a_task_that_fails_raises_in_vcenters_words():
    error = vim.fault.DuplicateName(name="web-1", msg="The name is taken.")
    watch = Watch(FakeLine([task({"info.state": "error", "info.error": error})]))
    with pytest.raises(Fault, match="clone: The name is taken") as told:
        await watch.end_of("clone", TASK, 5)
    assert told.value.is_a(vim.fault.DuplicateName)


async def test_a_task_nobody_tells_of_is_given_up_at_its_deadline():
    watch = Watch(FakeLine())
    with pytest.raises(Fault, match="did not say that it was done") as told:
        await watch.end_of("clone", TASK, 0.1)
    assert told.value.is_reply_lost
    await watch.close()


async def test_a_task_that_is_not_listed_gets_a_filter_after_one_whole_wait():
    line = FakeLine([], [task(RUNNING, "task-9")], [task(DONE)])
    assert await Watch(line).end_of("clone", TASK, 5) == "it"
    assert ("unlisted", ["task-1"]) in line.asked


async def test_vms_come_change_and_go():
    line = FakeLine(
        [vm(**{"name": "web-1", "runtime.powerState": "poweredOn", "config.hardware.numCPU": 2})],
        [vm(**{"config.hardware.numCPU": 4, "runtime.host": vim.HostSystem("host-1")})],
        [GONE],
    )
    watch = Watch(line)
    watch.add_folder(FOLDER)
    await watch.settled()
    assert watch.vms["vm-1"].cpu == 2
    await watch.settled()
    seen = watch.vms["vm-1"]
    assert (seen.name, seen.power, seen.cpu, seen.host) == ("web-1", "poweredOn", 4, "host-1")
    await watch.settled()
    assert watch.vms == {}


async def test_waiting_for_a_vm_ends_when_it_is_so_or_gone():
    line = FakeLine([vm(name="web-1")], [vm(**{"runtime.powerState": "poweredOn"})], [GONE])
    watch = Watch(line)
    assert (await watch.await_vm("vm-1", lambda seen: seen.power == "poweredOn", 5)).name == "web-1"
    with pytest.raises(Fault, match="web-1 is gone"):
        await watch.await_vm("vm-1", lambda seen: seen.power == "suspended", 5)


LOGICAL = {"name": "web", "config.logicalSwitchUuid": "ls-1"}
NETWORKS = vim.Folder("group-n1")


def first(there):
    return there[0] if there else None


async def test_a_segment_is_there_the_moment_that_vcenter_tells_of_it():
    line = FakeLine([segment(name="PG")], [segment("dvportgroup-2", **LOGICAL, host=[vim.HostSystem("host-1")])])
    watch = Watch(line)
    watch.add_networks(NETWORKS)
    assert watch.has_folder(NETWORKS)
    found = await watch.await_network(first, 5)
    assert (found.moid, found.name, found.key, found.hosts) == ("dvportgroup-2", "web", "ls-1", {"host-1"})
    assert line.asked == ["collector", "networks", "look", "wait"]
    assert await watch.await_network(first, 5) == found
    assert line.asked[4:] == [], "what is known is not asked for"


async def test_a_port_group_becomes_a_segment_when_its_switch_is_known_and_goes_with_it():
    summary = vim.OpaqueNetwork.Summary(opaqueNetworkId="ls-2", opaqueNetworkType="nsx.LogicalSwitch")
    opaque = segment("network-o2", name="db", summary=summary)
    line = FakeLine([segment(name="web"), opaque], [segment(**LOGICAL)], [segment(is_gone=True)])
    watch = Watch(line)
    watch.add_networks(NETWORKS)
    seen = []
    for _ in range(3):
        await watch.settled()
        seen.append({network.name: network.key for network in watch.networks})
    assert seen == [{"db": "ls-2"}, {"db": "ls-2", "web": "ls-1"}, {"db": "ls-2"}]


async def test_a_segment_that_does_not_come_is_not_waited_for_beyond_its_time():
    watch = Watch(FakeLine([segment("dvportgroup-9", **LOGICAL)]))
    watch.add_networks(NETWORKS)
    with pytest.raises(TimeoutError):
        await watch.await_network(lambda there: None, 0.05)
    await watch.close()


async def test_who_waits_for_a_segment_is_told_when_vcenter_stays_away():
    line = FakeLine(Fault("no rights", retry=Retry.NEVER))
    with pytest.raises(Fault, match="no rights"):
        await Watch(line).await_network(first, 5)


async def test_after_a_lost_connection_networks_are_told_anew():
    lost = Fault("lost", is_reply_lost=True, retry=Retry.SOON)
    line = FakeLine([segment(**LOGICAL), segment("dvportgroup-2", **LOGICAL)], lost, [segment(**LOGICAL)])
    watch = Watch(line)
    watch.add_networks(NETWORKS)
    await watch.settled()
    assert len(watch.networks) == 2
    await watch.settled()
    assert [network.moid for network in watch.networks] == ["dvportgroup-1"]
    assert line.asked.count("networks") == 2


async def test_nothing_is_asked_while_nobody_waits():
    line = FakeLine()
    watch = Watch(line)
    await watch.settled()
    await asyncio.sleep(0.12)
    assert line.asked == ["collector", "look"]


async def test_a_look_cuts_a_long_wait_short():
    line = FakeLine([task(RUNNING)], [task(RUNNING)])
    watch = Watch(line)
    ending = asyncio.ensure_future(watch.end_of("clone", TASK, 5))
    await asyncio.sleep(0.15)
    assert line.asked == ["collector", "look", "wait", "wait"]
    await watch.settled(timeout_s=2)
    assert line.asked[4:6] == ["cancel", "look"]
    line.answers.append([task(DONE)])
    line.cancelled.set()
    assert await ending == "it"


async def test_after_a_lost_connection_all_is_told_anew_and_what_went_meanwhile_is_gone():
    lost = Fault("lost", is_reply_lost=True, retry=Retry.SOON)
    line = FakeLine([vm(name="web-1"), vm("vm-2", name="web-2")], lost, [vm("vm-2", name="web-2")])
    watch = Watch(line)
    await watch.settled()
    await watch.settled()
    assert list(watch.vms) == ["vm-2"]
    assert line.asked.count("collector") == 2


async def test_a_vcenter_that_stays_away_is_given_up_after_a_minute():
    lost = Fault("cannot be reached", retry=Retry.SOON)
    line = FakeLine(*[lost] * (TRIES + 1))
    with pytest.raises(Fault, match=r"clone: what becomes of it is not known.*cannot be reached") as told:
        await Watch(line).end_of("clone", TASK, 5)
    assert told.value.is_reply_lost
    assert 60 <= sum(line.pauses) <= 70


async def test_a_fault_that_trying_cannot_mend_is_told_at_once():
    line = FakeLine(Fault("no rights", retry=Retry.NEVER))
    with pytest.raises(Fault, match="no rights"):
        await Watch(line).settled()
    assert line.pauses == []


async def test_after_an_unreadable_answer_only_states_are_watched_and_ends_of_our_tasks_read():
    odd = unreadable("waiting", "vc", KeyError("odd"))
    odd.__cause__ = Unreadable("odd")
    line = FakeLine(odd, [task({"info.state": "success"}), task({"info.state": "error"}, "task-9")])
    assert await Watch(line).end_of("clone", TASK, 5) == "read of task-1"
    assert "careful collector" in line.asked


async def test_closing_ends_all_who_wait():
    watch = Watch(FakeLine())
    ending = asyncio.ensure_future(watch.end_of("clone", TASK, 5))
    await asyncio.sleep(0.02)
    await watch.close()
    with pytest.raises(Fault, match="is ending"):
        await ending


async def test_who_waits_in_vain_for_a_vcenter_that_is_away_is_told_that_it_is_away():
    class Away(FakeLine):
        async def pause(self, seconds):
            await asyncio.Event().wait()

    away = Fault("waiting for vCenter: vCenter vc cannot be reached (refused).", retry=Retry.SOON)
    watch = Watch(Away(away))
    with pytest.raises(Fault, match=r"looking at the VMs: .* within 0 s\. .* vCenter vc cannot be reached") as told:
        await watch.settled(timeout_s=0.05)
    assert told.value.retry is Retry.SOON
    assert "See its tasks" not in str(told.value)
    await watch.close()
