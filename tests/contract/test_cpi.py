"""The CPI protocol against a real program: envelope, log, errors, retries, deadlines, lost replies."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from director.adapters.agents.authority import Authority
from director.adapters.agents.gateway import Gateway, GatewayOptions
from director.adapters.agents.listen import Listen
from director.adapters.clock import SystemClock
from director.adapters.cpi import CpiFault, CpiInfrastructure, CpiOptions, Kind, process, program
from director.adapters.cpi.memory import Call, VmFile
from director.model.deployment import VmResources
from director.model.placement import DiskWish, VmWish
from director.ports.failure import InfrastructureFailure, Retry
from director.ports.infrastructure import StemcellRequest
from tests.contract.cpi_world import PROGRAM, CpiWorld
from tests.contract.local_vm import disk_request, vm_request
from tests.unit.adapters.agents.scripted_agent import DictBlobs, DictStore

SECRET = "hunter2-hunter2"
FAILED = "Bosh::Clouds::VMCreationFailed"


@pytest.fixture
def world(tmp_path):
    made = CpiWorld(tmp_path)
    yield made
    made.end()


@pytest.fixture
async def cloud(world):
    opened = world.open()
    yield opened
    await opened.close()


def error(name, message="it broke", **more):
    return {"do": "error", "type": name, "message": message, **more}


def secret_request(name="web-1"):
    made = vm_request(name, cloud_properties={"type": "m1", "admin_password": SECRET + "1"})
    networks = {"default": {**made.shape.networks["default"], "cloud_properties": {"api_key": SECRET + "2"}}}
    env = {"bosh": {"password": SECRET + "3", "mbus": {"cert": {"private_key": f"-----\n{SECRET}4\n{SECRET}5\n"}}}}
    return replace(
        made,
        shape=replace(made.shape, networks=networks, env=env),
        enrolment=replace(made.enrolment, token=SECRET + "6"),
        tags={"instance_group": "web", "team": "ops"},
    )


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def gone(pid):
    """Returns when it has ended: a signal is on its way for a moment."""
    handle = None
    try:
        handle = os.pidfd_open(pid)
        async with asyncio.timeout(10):
            await process._readable(handle)
    except ProcessLookupError:
        return
    finally:
        if handle is not None:
            os.close(handle)


class Heard(list):
    """Lines of the log, for which one can wait."""

    def __init__(self):
        super().__init__()
        self._news = asyncio.Event()

    def append(self, line):
        super().append(line)
        self._news.set()

    async def until(self, text):
        async with asyncio.timeout(20):
            while not any(text in line.text for line in self):
                await self.more()
        return next(line for line in self if text in line.text)

    async def more(self):
        self._news.clear()
        await self._news.wait()


@pytest.fixture
def heard(world, cloud):
    world.lines = Heard()
    cloud._room.cpi._say = world.lines.append
    return world.lines


# The envelope


async def test_create_vm_is_asked_as_bosh_asks(world, cloud):
    request = replace(secret_request(), disks=("disk-9",))
    await cloud.create_vm(request)
    info, create, metadata = world.calls()
    assert (info["method"], info["arguments"], "api_version" in info) == ("info", [], False)
    agent, stemcell, properties, networks, disks, env = create["arguments"]
    assert (create["method"], create["api_version"]) == ("create_vm", 2)
    assert (agent, stemcell, disks) == ("agent-of-web-1", "host", ["disk-9"])
    assert (properties, networks) == (request.shape.cloud_properties, request.shape.networks)
    assert env["bosh"]["password"] == SECRET + "3", "the request itself is not redacted"
    assert env["bosh"]["director_enrolment"]["token"] == SECRET + "6"
    assert metadata["method"] == "set_vm_metadata"
    assert metadata["arguments"][1] | {"created_at": ""} == {
        "instance_group": "web", "team": "ops", "director": "Dir_1", "job": "web", "created_at": ""
    }  # fmt: skip


async def test_the_context_says_who_asks_about_what_and_carries_the_config(world):
    cloud = world.open(properties={"region": "r1", "deep": {"er": [1]}, "director_uuid": "forged"})
    await cloud.create_vm(vm_request())
    await cloud.close()
    contexts = [call["context"] for call in world.calls()]
    assert {context["director_uuid"] for context in contexts} == {"uuid-of-director"}
    assert all((context["region"], context["deep"]) == ("r1", {"er": [1]}) for context in contexts)
    assert len({context["request_id"] for context in contexts}) == len(contexts)
    assert [context.get("vm") for context in contexts] == [None, *[{"stemcell": {"api_version": 3}}] * 2]


async def test_the_program_gets_three_variables_and_a_group_of_its_own(world, cloud, monkeypatch):
    monkeypatch.setenv("DIRECTOR_PASSWORD", SECRET)
    await cloud.info()
    environment = world.calls()[0]["environment"]
    assert environment.keys() - {"PWD", "LC_CTYPE", "SHLVL", "_", "OLDPWD"} == {"PATH", "HOME", "TMPDIR"}
    assert environment["PATH"] == "/usr/sbin:/usr/bin:/sbin:/bin"


async def test_version_1_answers_with_a_cid_and_has_no_disks(tmp_path):
    world = CpiWorld(tmp_path, api=1)
    cloud = world.open()
    try:
        cid = await cloud.create_vm(vm_request())
        assert list(world.vms()) == [cid]
        assert {call.get("api_version") for call in world.calls()} == {None, 1}
        disk = await cloud.create_disk(disk_request())
        with pytest.raises(InfrastructureFailure, match="speaks version 1"):
            await cloud.attach_disk(cid, disk)
        (finding,) = [finding for finding in await cloud.diagnose() if not finding.is_well]
        assert "version 2" in finding.fix
    finally:
        await cloud.close()
        world.end()


async def test_a_cpi_without_info_speaks_version_1(world, cloud):
    world.tell("info", error("InvalidCall", "Method is not known, got info"))
    await cloud.create_disk(disk_request())
    assert world.calls("create_disk")[0]["api_version"] == 1


async def test_a_cpi_of_version_3_gets_tags_with_a_stemcell(tmp_path):
    for api, count in ((2, 2), (3, 3), (9, 3)):
        world = CpiWorld(tmp_path / str(api), api=api) if (tmp_path / str(api)).mkdir() is None else None
        cloud = world.open()
        await cloud.create_stemcell(StemcellRequest(key="k", image=tmp_path / "image", properties={"infra": "x"}))
        await cloud.close()
        (call,) = world.calls("create_stemcell")
        assert len(call["arguments"]) == count
        assert call["api_version"] == min(api, 3)


# The log


async def test_what_it_prints_to_stderr_is_heard_while_it_runs(world, cloud, heard):
    gate = world.fifo()
    world.tell("create_vm", {"do": "hold", "fifo": str(gate)})
    creating = asyncio.create_task(cloud.create_vm(vm_request()))
    line = await heard.until("holding")
    assert not creating.done()
    assert (line.cpi, line.method, line.kind) == ("test", "create_vm", "debug")
    gate.write_text("go")
    await creating
    assert line.request_id == world.calls("create_vm")[0]["context"]["request_id"]


async def test_a_call_is_logged_with_its_request_log_and_reply(world, cloud):
    await cloud.create_disk(disk_request())
    said = [(line.kind, line.text) for line in world.lines if line.method == "create_disk"]
    assert [kind for kind, _ in said] == ["request", "debug", "log", "reply"]
    assert said[2][1] == "create_disk was done"
    assert json.loads(said[3][1]) == {"result": "disk-1", "error": None}


async def test_no_secret_is_ever_logged_or_told(world):
    cloud = world.open(properties={"vcenter_password": SECRET + "7", "user": "bob"})
    leak = " ".join(f"{SECRET}{number}" for number in range(1, 8))
    world.tell(
        "create_vm",
        {"do": "whisper", "text": leak + "\n" + json.dumps(leak) + "\n"},
        error("Bosh::Clouds::CloudError", leak, log=leak + "\n" + leak),
        {"do": "print", "text": leak},
    )
    await cloud.create_vm(secret_request("web-1"))
    told = []
    for name in ("web-2", "web-3"):
        with pytest.raises(CpiFault) as failed:
            await cloud.create_vm(secret_request(name))
        told.append(str(failed.value))
    told += [finding.detail + finding.fix for finding in await cloud.diagnose()]
    assert len(world.lines) > 10
    assert SECRET not in world.log() + "".join(told)
    assert "<redacted> <redacted>" in world.log()
    assert "bob" not in world.log(), "values of the CPI config are BOSH's to hide, too"
    kept = [path.read_text() for path in world.memory.rglob("*") if path.is_file()]
    assert SECRET not in "".join(kept)
    assert SECRET not in repr(cloud._room.cpi.options)
    await cloud.close()


async def test_nothing_of_a_call_is_left_lying_about(world, cloud):
    await cloud.create_vm(vm_request())
    world.tell("create_disk", error("Bosh::Clouds::NoDiskSpace"))
    with pytest.raises(CpiFault):
        await cloud.create_disk(disk_request())
    assert list((world.memory / "test/calls").iterdir()) == []


# Errors


@pytest.mark.parametrize("kind", [Kind.CPI_ERROR, Kind.CLOUD_ERROR, Kind.NO_DISK_SPACE, Kind.NOT_SUPPORTED])
async def test_an_error_has_the_text_users_know_with_the_request_id(world, cloud, kind):
    world.tell("create_disk", error(kind.value, "no room", ok_to_retry=True))
    with pytest.raises(CpiFault) as failed:
        await cloud.create_disk(disk_request())
    request_id = world.calls("create_disk")[0]["context"]["request_id"]
    assert str(failed.value) == (
        f"CPI error '{kind.value}' with message 'no room' in 'create_disk' CPI method (CPI request ID: {request_id})"
    )
    assert failed.value.retry is (Retry.BOUNDED if kind is Kind.NO_DISK_SPACE else Retry.NEVER)
    assert await cloud.find_disk("disk-1") is None
    assert await cloud.create_disk(disk_request()), "nothing is left in the way"


@pytest.mark.parametrize(
    "command, words",
    [
        ({"do": "print", "text": "garbage"}, "what it printed is no JSON"),
        ({"do": "print", "text": '{"result": 1}'}, "its reply has no error and no log"),
        ({"do": "crash", "status": 3}, "it ended with status 3, and it printed nothing"),
        ({"do": "flood"}, "it was ended by SIGKILL, and it printed far more than a reply"),
    ],
)
async def test_no_valid_reply_is_told_with_what_it_last_said(world, cloud, command, words, monkeypatch):
    monkeypatch.setattr(program, "REPLY_MAX", 1 << 20)
    world.tell("has_disk", command)
    await cloud.create_disk(disk_request())
    with pytest.raises(CpiFault) as failed:
        await cloud.find_disk("disk-1")
    assert failed.value.kind is Kind.NO_REPLY
    assert str(failed.value).startswith("CPI 'test' gave no valid reply to has_disk: ")
    assert words in str(failed.value)
    assert "Last it said: has_disk begins" in str(failed.value)
    assert failed.value.request_id in str(failed.value)


async def test_exit_codes_mean_nothing_when_there_is_a_reply(world, cloud):
    world.program.write_text(world.program.read_text().replace("exec ", "") + "exit 9\n")
    assert await cloud.create_disk(disk_request()) == "disk-1"


@pytest.mark.parametrize("make", ["missing", "not executable", "no program"])
async def test_a_program_that_cannot_be_run_is_named(world, cloud, make):
    if make == "missing":
        world.program.unlink()
    else:
        world.program.write_text("#!/no/such/interpreter\n" if make == "no program" else "")
        world.program.chmod(0o755 if make == "no program" else 0o644)
    with pytest.raises(CpiFault, match=r"cannot be run: .*/cpi: .*correct exec_path") as failed:
        await cloud.create_vm(vm_request())
    assert failed.value.kind is Kind.NOT_RUN
    assert await cloud.find_vms() == {}
    wrong = [finding for finding in await cloud.diagnose() if not finding.is_well]
    assert len(wrong) == 1, "nothing was lost, so only the program is wrong"
    assert "exec_path" in wrong[0].fix or make == "no program"


# The retry rule of create_vm


async def test_create_vm_is_tried_again_only_when_the_cpi_says_so(world, cloud):
    world.tell("create_vm", *[error(FAILED, ok_to_retry=True)] * 4)
    await cloud.create_vm(vm_request())
    assert world.methods().count("create_vm") == 5
    assert len(world.vms()) == 1
    assert len({call["context"]["request_id"] for call in world.calls("create_vm")}) == 5


async def test_the_fifth_failure_is_the_last(world, cloud):
    world.tell("create_vm", *[error(FAILED, ok_to_retry=True)] * 9)
    with pytest.raises(CpiFault, match="It was tried 5 times") as failed:
        await cloud.create_vm(vm_request())
    assert world.methods().count("create_vm") == 5
    assert failed.value.retry is Retry.NEVER, "the budget is spent, nobody multiplies it"


@pytest.mark.parametrize("command", [error(FAILED), error("Bosh::Clouds::NoDiskSpace", ok_to_retry=True)])
async def test_other_failures_of_create_vm_are_not_repeated(world, cloud, command):
    world.tell("create_vm", command)
    with pytest.raises(CpiFault):
        await cloud.create_vm(vm_request())
    assert world.methods().count("create_vm") == 1


# Deadlines, cancelling, bounds


@pytest.mark.parametrize("is_stubborn", [False, True])
async def test_a_hanging_program_is_ended_with_its_group_at_the_deadline(world, heard, is_stubborn, monkeypatch):
    monkeypatch.setattr("director.adapters.cpi.process.GRACE_S", 0.2)
    cloud = world.open(deadlines_s={"has_disk": 0.5})
    await cloud.create_disk(disk_request())
    world.tell("has_disk", {"do": "hang", "is_stubborn": is_stubborn})
    with pytest.raises(CpiFault, match=r"did not answer has_disk within 0.5 s and was ended \(CPI request ID: cpi-"):
        await cloud.find_disk("disk-1")
    line = await heard.until("hanging with child")
    await gone(int(line.text.split()[-1]))
    assert not running(world.calls("has_disk")[0]["pid"])
    await cloud.close()


async def test_a_cancelled_question_ends_the_program_with_its_group(world, cloud, heard):
    await cloud.create_disk(disk_request())
    world.tell("has_disk", {"do": "hang"})
    asking = asyncio.create_task(cloud.find_disk("disk-1"))
    line = await heard.until("hanging with child")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await gone(int(line.text.split()[-1]))
    assert not running(world.calls("has_disk")[0]["pid"])


async def test_calls_in_flight_are_bounded(world, heard):
    cloud = world.open(calls_in_flight=2)
    gate = world.fifo()
    world.tell("create_vm", *[{"do": "hold", "fifo": str(gate)}] * 2)
    await cloud.info()
    async with asyncio.TaskGroup() as group:
        for n in (11, 12, 13):
            group.create_task(cloud.create_vm(vm_request(f"web-{n}", number=n)))
        async with asyncio.timeout(20):
            while sum("holding" in line.text for line in heard) < 2:
                await heard.more()
        assert world.methods().count("create_vm") == 2
        gate.write_text("go")
    assert world.methods().count("create_vm") == 3
    await cloud.close()


async def test_calls_on_one_vm_come_one_after_the_other(world, cloud, heard):
    vm = await cloud.create_vm(vm_request())
    disks = [await cloud.create_disk(disk_request(name)) for name in ("a", "b")]
    gate = world.fifo()
    world.tell("attach_disk", {"do": "hold", "fifo": str(gate)})
    first = asyncio.create_task(cloud.attach_disk(vm, disks[0]))
    await heard.until("holding")
    others = [asyncio.create_task(cloud.attach_disk(vm, disks[1])), asyncio.create_task(cloud.reboot_vm(vm))]
    await cloud.find_disk("b")  # a whole call of another kind has gone by
    assert (world.methods().count("attach_disk"), world.methods().count("reboot_vm")) == (1, 0)
    gate.write_text("go")
    await asyncio.gather(first, *others)
    assert world.vms()[vm]["disks"] == disks


# Lost replies


async def killed(world, cloud, heard, ask, method):
    """As when the director dies in a call: nobody waits, and another director opens the same memory."""
    gate = world.fifo(f"gate-{method}")
    world.tell(method, {"do": "hold", "fifo": str(gate)})
    asking = asyncio.create_task(ask(cloud))
    await heard.until("holding")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await cloud.close()
    return gate, world.open()


async def test_a_vm_whose_director_died_is_adopted_by_the_next(world, cloud, heard):
    gate, next_cloud = await killed(world, cloud, heard, lambda c: c.create_vm(vm_request()), "create_vm")
    assert running(world.calls("create_vm")[0]["pid"]), "the program does not die with its director"
    assert await next_cloud.find_vms() == {}, "it is not there yet"
    finding = asyncio.create_task(next_cloud.find_vm("web-1"))
    await asyncio.sleep(0)
    gate.write_text("go")
    seen = await finding
    assert [seen.cid] == list(world.vms())
    assert world.vms()[seen.cid]["metadata"]["job"] == "", "what was left to do was done"
    assert await next_cloud.create_vm(vm_request()) == seen.cid
    assert world.methods().count("create_vm") == 1
    await next_cloud.close()


async def test_a_vm_of_a_director_that_was_killed_is_adopted(world, tmp_path):
    """With a real process and SIGKILL."""
    gate = world.fifo()
    world.tell("create_vm", {"do": "hold", "fifo": str(gate)})
    code = (
        "import asyncio, pathlib\n"
        "from tests.contract.cpi_world import CpiWorld\n"
        "from tests.contract.local_vm import vm_request\n"
        f"asyncio.run(CpiWorld(pathlib.Path({str(tmp_path)!r})).open().create_vm(vm_request()))\n"
    )
    director = subprocess.Popen([sys.executable, "-c", code], cwd=PROGRAM.parents[2])
    try:
        async with asyncio.timeout(30):
            handle = await asyncio.to_thread(os.open, gate, os.O_WRONLY)  # until the program waits at its gate
    finally:
        director.kill()
        director.wait()
    os.write(handle, b"go")
    os.close(handle)
    cloud = world.open()
    assert [(await cloud.find_vm("web-1")).cid] == list(world.vms())
    assert world.methods().count("create_vm") == 1
    await cloud.close()


async def test_a_vm_whose_director_died_is_removed_when_it_is_not_wanted(world, cloud, heard):
    gate, next_cloud = await killed(world, cloud, heard, lambda c: c.create_vm(vm_request()), "create_vm")
    gate.write_text("go")
    await next_cloud.delete_vm((await next_cloud.find_vm("web-1")).cid)
    assert world.vms() == {}
    assert await next_cloud.find_vm("web-1") is None
    await next_cloud.close()


async def test_a_disk_whose_director_died_is_adopted(world, cloud, heard):
    gate, next_cloud = await killed(world, cloud, heard, lambda c: c.create_disk(disk_request()), "create_disk")
    gate.write_text("go")
    assert [await next_cloud.create_disk(disk_request())] == list(world.disks())
    await next_cloud.close()


async def test_a_stemcell_whose_director_died_is_adopted(world, cloud, heard, tmp_path):
    request = StemcellRequest(key="k", image=tmp_path / "image")
    gate, next_cloud = await killed(world, cloud, heard, lambda c: c.create_stemcell(request), "create_stemcell")
    gate.write_text("go")
    assert await next_cloud.create_stemcell(request) == "host"
    assert world.methods().count("create_stemcell") == 1
    await next_cloud.close()


async def test_an_error_that_nobody_heard_leaves_nothing_behind(world, cloud, heard):
    gate = world.fifo()
    world.tell("create_vm", {"do": "hold", "fifo": str(gate), "then": error("Bosh::Clouds::CloudError", SECRET)})
    creating = asyncio.create_task(cloud.create_vm(secret_request()))
    await heard.until("holding")
    creating.cancel()
    gate.write_text("go")
    assert await cloud.find_vm("web-1") is None
    assert all(finding.is_well for finding in await cloud.diagnose())
    assert SECRET not in world.log()


async def test_a_hanging_creation_is_still_ended_at_its_deadline_by_the_next_director(world, cloud, heard):
    cloud = world.open(deadlines_s={"create_vm": 1.0})
    world.tell("create_vm", {"do": "hang"})
    creating = asyncio.create_task(cloud.create_vm(vm_request()))
    line = await heard.until("hanging with child")
    creating.cancel()
    await asyncio.wait([creating])
    await cloud.close()
    next_cloud = world.open()
    assert await next_cloud.find_vm("web-1") is None
    await gone(int(line.text.split()[-1]))
    (lost,) = [finding for finding in await next_cloud.diagnose() if not finding.is_well]
    assert 'agent "agent-of-web-1"' in lost.fix
    await next_cloud.close()


@pytest.mark.parametrize("command", [{"do": "crash", "after": True}, {"do": "print", "text": "oops", "after": True}])
async def test_what_a_crash_may_have_left_is_reported_with_the_request_id_until_a_person_looked(world, cloud, command):
    world.tell("create_vm", command)
    with pytest.raises(CpiFault, match=r'It may have left a VM for "web-1" with the agent "agent-of-web-1"') as failed:
        await cloud.create_vm(vm_request())
    assert failed.value.retry is Retry.NEVER, "a second one would be a duplicate"
    request_id = world.calls("create_vm")[0]["context"]["request_id"]
    assert request_id in str(failed.value)
    assert await cloud.find_vm("web-1") is None
    (lost,) = [finding for finding in await cloud.diagnose() if not finding.is_well]
    assert lost.subject == f"lost create_vm {request_id}"
    Path(lost.fix.split("remove ")[1].rstrip(".")).unlink()
    next_cloud = world.open()
    assert all(finding.is_well for finding in await next_cloud.diagnose())
    await next_cloud.close()


async def test_a_creation_that_was_written_down_but_never_begun_is_forgotten(world, cloud):
    await cloud.info()
    memory = cloud._room.memory
    call = Call(method="create_vm", request_id="cpi-77", at=0.0, deadline_s=1e12)
    await memory.keep(VmFile(name="web-1", deployment="shop", instance="i", agent="a", call=call))
    assert await cloud.find_vm("web-1") is None
    assert all(finding.is_well for finding in await cloud.diagnose())


async def test_an_attaching_of_unknown_end_is_done_anew(world, cloud):
    vm, disk = await cloud.create_vm(vm_request()), await cloud.create_disk(disk_request())
    world.tell("attach_disk", {"do": "crash", "after": True})
    with pytest.raises(CpiFault):
        await cloud.attach_disk(vm, disk)
    assert (await cloud.find_disk("disk-1")).vm == vm, "it may be attached, so it counts as attached"
    assert await cloud.attach_disk(vm, disk) == {"path": f"/run/disks/{disk}"}
    assert world.vms()[vm]["disks"] == [disk]


# What CPIs cannot do, and what is gone


async def test_vms_gone_behind_our_back_are_seen_when_they_are_doubted(world, cloud):
    for number in (11, 12):
        await cloud.create_vm(vm_request(f"web-{number}", number=number))
    await cloud._room.cpi.call("delete_vm", (await cloud.find_vm("web-11")).cid)
    asked = world.methods().count("has_vm")
    assert list(await cloud.find_vms(doubted=[])) == ["web-11", "web-12"]
    assert list(await cloud.find_vms(doubted=["web-12"])) == ["web-11", "web-12"]
    assert world.methods().count("has_vm") == asked + 1
    assert list(await cloud.find_vms()) == list(await cloud.find_vms(doubted=["web-11"])) == ["web-12"]
    assert await cloud.find_vm("web-11") is None


async def test_a_gone_vm_is_made_anew_under_its_name(world, cloud):
    old = await cloud.create_vm(vm_request())
    disk = await cloud.create_disk(disk_request())
    await cloud.attach_disk(old, disk)
    await cloud._room.cpi.call("delete_vm", old)
    new = await cloud.create_vm(vm_request())
    assert list(world.vms()) == [new]
    await cloud.attach_disk(new, disk)
    assert (await cloud.find_vm("web-1")).disks == (disk,)


async def test_a_cpi_that_cannot_tell_is_believed(world, cloud):
    cid = await cloud.create_vm(vm_request())
    unknown = error("Bosh::Clouds::NotImplemented")
    world.tell("has_vm", unknown, unknown)
    world.vms()
    assert (await cloud.find_vm("web-1")).cid == cid
    assert list(await cloud.find_vms()) == ["web-1"]


async def test_an_error_of_one_question_fails_the_look_in_its_own_words(world, cloud):
    for number in (11, 12):
        await cloud.create_vm(vm_request(f"web-{number}", number=number))
    world.tell("has_vm", error("Bosh::Clouds::CloudError", "no login"))
    with pytest.raises(CpiFault, match="no login"):
        await cloud.find_vms()


async def test_metadata_is_left_out_where_a_cpi_has_none(world, cloud):
    world.tell("set_vm_metadata", error("InvalidCall", "Method is not known, got set_vm_metadata"))
    world.tell("set_disk_metadata", error("Bosh::Clouds::NotImplemented"))
    vm, disk = await cloud.create_vm(vm_request()), await cloud.create_disk(disk_request())
    await cloud.attach_disk(vm, disk)
    assert (await cloud.find_vm("web-1")).disks == (disk,)


async def test_metadata_that_failed_is_set_when_the_vm_is_next_looked_at(world, cloud):
    world.tell("set_vm_metadata", error("Bosh::Clouds::CloudError", "busy"))
    with pytest.raises(CpiFault, match="busy"):
        await cloud.create_vm(secret_request())
    seen = await cloud.find_vm("web-1")
    assert world.vms()[seen.cid]["metadata"]["team"] == "ops"


async def test_a_disk_grows_where_the_cpi_can_and_only_detached(world, cloud):
    assert (await cloud.info()).can_grow_disks
    disk = await cloud.create_disk(disk_request(size_mb=10))
    await cloud.grow_disk(disk, 20)
    await cloud.grow_disk(disk, 20)
    assert world.disks()[disk]["size"] == (await cloud.find_disk("disk-1")).size_mb == 20
    assert [call["arguments"] for call in world.calls("resize_disk")][1:] == [[disk, 20]]
    with pytest.raises(InfrastructureFailure, match="cannot shrink"):
        await cloud.grow_disk(disk, 5)


@pytest.mark.parametrize("kind", [Kind.NOT_IMPLEMENTED, Kind.NOT_SUPPORTED])
async def test_that_a_cpi_cannot_grow_disks_is_found_out_once(world, cloud, kind):
    world.tell("resize_disk", error(kind.value))
    assert not (await cloud.info()).can_grow_disks
    await cloud.close()
    next_cloud = world.open()
    assert not (await next_cloud.info()).can_grow_disks
    assert world.methods().count("resize_disk") == 1
    os.utime(world.program, ns=(1, 1))
    assert (await next_cloud.info()).can_grow_disks, "another version of the program is asked anew"
    await next_cloud.close()


async def test_a_cpi_that_gives_no_answer_is_asked_again_only_by_the_next_director(world, cloud):
    world.tell("resize_disk", {"do": "crash"})
    assert not (await cloud.info()).can_grow_disks
    assert not (await cloud.info()).can_grow_disks
    assert world.methods().count("resize_disk") == 1
    await cloud.close()
    next_cloud = world.open()
    assert (await next_cloud.info()).can_grow_disks
    await next_cloud.close()


async def test_a_disk_that_could_not_grow_says_what_to_do_and_is_not_tried_again(world, cloud):
    disk = await cloud.create_disk(disk_request(size_mb=10))
    assert (await cloud.info()).can_grow_disks
    world.tell("resize_disk", error("Bosh::Clouds::NotSupported"))
    with pytest.raises(CpiFault, match="Deploy again: the data will be copied"):
        await cloud.grow_disk(disk, 20)
    assert not (await cloud.info()).can_grow_disks


async def test_a_cpi_that_cannot_reboot_says_what_to_do(world, cloud):
    cid = await cloud.create_vm(vm_request())
    world.tell("reboot_vm", error("Bosh::Clouds::NotImplemented"))
    with pytest.raises(CpiFault, match="recreate the VM instead"):
        await cloud.reboot_vm(cid)


async def test_resources_become_cloud_properties(world, cloud):
    resources = VmResources(cpu=2, ram_mb=1024, ephemeral_disk_mb=4096)
    assert await cloud.cloud_properties_for(resources) == {"cpu": 2, "ram": 1024, "disk": 4096}
    world.tell("calculate_vm_cloud_properties", error("Bosh::Clouds::NotImplemented"))
    with pytest.raises(CpiFault, match="Use a vm_type"):
        await cloud.cloud_properties_for(resources)


async def test_a_stemcell_is_made_once_per_upload(world, tmp_path, cloud):
    one = StemcellRequest(key="one", image=tmp_path / "image")
    assert await cloud.create_stemcell(one) == await cloud.create_stemcell(one)
    await cloud.create_stemcell(replace(one, key="two"))
    assert [call["arguments"] for call in world.calls("create_stemcell")] == [[str(tmp_path / "image"), {}]] * 2
    await cloud.delete_stemcell("host")
    await cloud.create_stemcell(one)
    assert world.methods().count("create_stemcell") == 3


# With our agent in the VM


async def test_our_agent_enrols_with_what_the_env_carries_and_ends_with_its_vm(tmp_path):
    world = CpiWorld(tmp_path, has_agent=True)
    with tempfile.TemporaryDirectory() as short:
        agents = Gateway(
            store=DictStore(),
            blobs=DictBlobs(),
            clock=SystemClock(),
            authority=Authority(tmp_path, SystemClock()),
            options=GatewayOptions(agents=Listen(socket=Path(short) / "a"), enrol=Listen(socket=Path(short) / "e")),
            warn=lambda *_: None,
        )
        await agents.start()
        cloud = world.open()
        try:
            enrolment = await agents.enrolment_for("agent-1", "i", "shop", 1)
            cid = await cloud.create_vm(replace(vm_request(), enrolment=enrolment))
            await agents.await_connected("agent-1", 30)
            before = world.vms()[cid]["pid"]
            await cloud.reboot_vm(cid)
            assert world.vms()[cid]["pid"] != before
            await agents.await_connected("agent-1", 30)
            await cloud.delete_vm(cid)
            await agents.await_seen("agent-1", lambda seen: not seen.is_connected, 30)
        finally:
            await cloud.close()
            await agents.stop()
            world.end()


# The rest of the port


async def test_placing_says_who_places_and_refuses_a_program_that_is_not_there(world, cloud):
    shape = vm_request().shape
    wishes = [VmWish(name="web-1", deployment="shop", label="web/0", shape=shape, az=None)]
    disks = [DiskWish(name="disk-1", size_mb=10, vm="web-1")]
    placed = await cloud.place(wishes, disks)
    assert (placed.problems, placed.vms["web-1"].where) == ((), {})
    assert "CPI 'test'" in placed.vms["web-1"].why
    assert world.calls() == []
    world.program.chmod(0o644)
    (problem,) = (await cloud.place(wishes, disks)).problems
    assert problem.code == "cpi.not-runnable" or os.geteuid() == 0


async def test_a_well_cpi_is_diagnosed_so(world, cloud):
    findings = await cloud.diagnose()
    assert [(finding.subject, finding.is_well) for finding in findings] == [("program", True), ("info", True)]
    assert "version 2" in findings[1].detail


async def test_a_renamed_cpi_keeps_what_it_made(world, cloud):
    cid = await cloud.create_vm(vm_request())
    await cloud.close()
    renamed = world.open(name="new/name", former_names=("", "test"))
    assert (await renamed.find_vm("web-1")).cid == cid
    await renamed.close()


async def test_two_cpis_know_nothing_of_each_other(world, cloud):
    other = CpiInfrastructure(CpiOptions(name="other", program=world.program, director_uuid="u"), world.memory)
    await cloud.create_vm(vm_request())
    assert await other.find_vms() == {}
    await other.close()
