"""A real agent process against a small gateway: enrolment, work, and what survives whose death."""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import signal
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent import process
from agent.wire import agent_pb2 as wire
from tests.e2e.fake_gateway import FakeGateway, World, digest_of

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
TOKEN = "one-time-token-of-the-test"
AGENT_RSS_MAX_KB = 40 * 1024
LONG = "processes: [{name: web, executable: /bin/sleep, args: ['600']}]"


class Machine:
    """One VM: its directory and, while it runs, its agent process."""

    def __init__(self, directory: Path, gateway: FakeGateway) -> None:
        self.base = directory / "vcap"
        self.bosh = self.base / "bosh"
        self.gateway, self.world = gateway, gateway.world
        self.log = directory / "agent.log"
        self.process: asyncio.subprocess.Process | None = None
        self.bosh.mkdir(parents=True)

    def give_ticket(self, token: str = TOKEN) -> None:
        ticket = {
            "agent_id": "agent-1",
            "token": token,
            "ca_certificate": self.world.authority.ca_pem.decode(),
            "enrol_targets": [f"unix:{self.base}/nobody.sock", self.gateway.enrol_target],
            "agent_targets": [f"unix:{self.base}/nobody.sock", self.gateway.agent_target],
        }
        (self.bosh / "enrolment.json").write_text(json.dumps(ticket))

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent", "--base", str(self.base), cwd=ROOT, stdout=log, stderr=log
            )

    async def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        async with asyncio.timeout(20):
            code = await self.process.wait()
        self.process = None
        return code

    async def connected(self) -> wire.Hello:
        """The hello of the agent that was started last."""
        count = len(self.world.hellos)
        await self.start()
        await self.world.until(lambda: len(self.world.hellos) > count)
        return self.world.hellos[-1]

    async def seen(self, is_so: Callable[[wire.Report], bool]) -> wire.Report:
        """A report yet to come, or the last one, that is so."""
        await self.world.until(lambda: bool(self.world.reports) and is_so(self.world.reports[-1]))
        return self.world.reports[-1]

    def job_pid(self) -> int:
        return int((self.base / "sys/run/web/web.pid").read_text())

    async def another_job_pid(self, former: int) -> int:
        """The file goes with the process that it names, and comes back with the next."""
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(FileNotFoundError):
                    if (found := self.job_pid()) != former:
                        return found
                await asyncio.sleep(0.05)

    def kill_jobs(self) -> None:
        file = self.bosh / "processes.json"
        entries = json.loads(file.read_bytes())["processes"] if file.exists() else []
        for entry in entries:
            try:
                os.killpg(entry["pid"], signal.SIGKILL)
            except ProcessLookupError:
                continue


@pytest.fixture
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeGateway]:
    world = World(tokens={"agent-1": TOKEN})
    gateway = FakeGateway(world, tmp_path_factory.mktemp("gw"))
    await gateway.start()
    yield gateway
    if gateway.is_running:
        await gateway.stop()


@pytest.fixture
async def machine(tmp_path: Path, gateway: FakeGateway) -> AsyncIterator[Machine]:
    machine = Machine(tmp_path, gateway)
    machine.give_ticket()
    yield machine
    if machine.process is not None:
        await machine.end(signal.SIGKILL)
    machine.kill_jobs()


def _spec(**files: str) -> wire.Spec:
    paths = {"bpm": "config/bpm.yml", "run": "bin/run", "drain": "bin/drain", "pre_start": "bin/pre-start"}
    job = wire.Job(
        name="web",
        digest=hashlib.sha256(repr(sorted(files.items())).encode()).hexdigest(),
        files=[wire.File(path=paths[name], content=text.encode()) for name, text in files.items()],
    )
    return wire.Spec(deployment="shop", group="web", id="i", configuration_hash="hash-1", jobs=[job])


def _request(key: str, **action: object) -> wire.Request:
    return wire.Request(key=key, **action)  # type: ignore[arg-type]  # the test's own action


async def _deploy(machine: Machine, spec: wire.Spec) -> None:
    assert (await machine.gateway.ask(_request("apply", apply=wire.Apply(spec=spec)))).error == ""
    assert (await machine.gateway.ask(_request("start", start=wire.Start()))).error == ""


def _is_up(report: wire.Report) -> bool:
    return report.job_state == wire.JOB_STATE_RUNNING and bool(report.processes) and report.processes[0].uptime_s >= 0


def _tgz(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


async def test_it_enrols_once_and_keeps_its_key_to_itself(machine: Machine) -> None:
    hello = await machine.connected()
    assert hello.boot == 1
    assert not (machine.bosh / "enrolment.json").exists()
    identity = machine.bosh / "identity"
    assert identity.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in identity.iterdir()} == {
        "key.pem": 0o600,
        "certificate.pem": 0o600,
        "ca.pem": 0o600,
        "agent.json": 0o600,
    }
    kept = b"".join(path.read_bytes() for path in identity.iterdir()) + machine.log.read_bytes()
    assert TOKEN.encode() not in kept
    assert await machine.end(signal.SIGTERM) == 0
    assert (await machine.connected()).boot == 2


async def test_a_refused_token_is_tried_again_and_the_ticket_stays(machine: Machine) -> None:
    machine.give_ticket("another")
    machine.world.tokens["agent-1"] = TOKEN
    await machine.start()
    async with asyncio.timeout(30):
        while "why=no such token" not in machine.log.read_text():
            await asyncio.sleep(0.05)
    assert (machine.bosh / "enrolment.json").exists()
    machine.world.tokens["agent-1"] = "another"
    await machine.gateway.connected()


async def test_a_ticket_left_by_an_agent_killed_after_enrolling_is_removed(machine: Machine) -> None:
    await machine.connected()
    await machine.end(signal.SIGKILL)
    machine.give_ticket()
    await machine.connected()
    assert not (machine.bosh / "enrolment.json").exists()


async def test_a_deployed_job_runs_and_is_reported_before_its_start_is_answered(machine: Machine) -> None:
    await machine.connected()
    await _deploy(machine, _spec(bpm=LONG))
    assert machine.world.reports[-1].configuration_hash == "hash-1"
    report = await machine.seen(_is_up)
    assert (report.processes[0].name, report.processes[0].job) == ("web", "web")
    later = await machine.seen(lambda now: now.processes[0].uptime_s >= 1.5)  # comes with the heartbeat
    assert later.processes[0].mem_kb > 0
    assert (await machine.gateway.ask(_request("stop", stop=wire.Stop()))).error == ""
    assert machine.world.reports[-1].job_state == wire.JOB_STATE_STOPPED


async def test_a_crash_is_reported_at_once_not_at_the_next_heartbeat(tmp_path: Path, machine: Machine) -> None:
    machine.gateway.heartbeat_s = 600
    await machine.connected()
    await _deploy(machine, _spec(bpm=LONG))
    await machine.seen(_is_up)
    os.kill(machine.job_pid(), signal.SIGKILL)
    await machine.seen(lambda now: now.job_state == wire.JOB_STATE_FAILING)
    report = await machine.seen(lambda now: now.job_state == wire.JOB_STATE_RUNNING)
    assert report.processes[0].restarts == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_jobs_outlive_the_agent_and_the_next_one_takes_them_over(machine: Machine, number) -> None:
    await machine.connected()
    await _deploy(machine, _spec(bpm=LONG))
    pid = machine.job_pid()
    await machine.end(number)
    os.kill(pid, 0)
    hello = await machine.connected()
    assert hello.boot == 2
    assert hello.report.configuration_hash == "hash-1"
    await machine.seen(_is_up)
    assert machine.job_pid() == pid
    os.kill(pid, signal.SIGKILL)
    await machine.seen(lambda now: _is_up(now) and now.processes[0].restarts == 1)
    assert machine.job_pid() != pid


async def test_jobs_are_kept_running_while_the_director_is_away(machine: Machine) -> None:
    await machine.connected()
    await _deploy(machine, _spec(bpm=LONG))
    await machine.seen(_is_up)
    await machine.gateway.stop()
    first = machine.job_pid()
    os.kill(first, signal.SIGKILL)
    await machine.another_job_pid(first)
    count = len(machine.world.hellos)
    await machine.gateway.start()
    await machine.world.until(lambda: len(machine.world.hellos) > count)
    report = await machine.seen(_is_up)
    assert report.processes[0].restarts == 1


async def test_a_result_nobody_acknowledged_is_sent_again_after_a_restart_and_a_reconnect(machine: Machine) -> None:
    machine.world.acknowledges = False
    await machine.connected()
    await _deploy(machine, _spec(run="#!/bin/sh\necho done; exit 4\n"))
    first = await machine.gateway.ask(_request("e", run_errand=wire.RunErrand(job="web")))
    await machine.end(signal.SIGKILL)
    machine.world.results.clear()
    hello = await machine.connected()
    assert set(hello.held_results) == {"apply", "start", "e"}
    await machine.world.until(lambda: "e" in machine.world.results)
    assert machine.world.results["e"] == first
    assert (first.errand.exit_code, first.errand.stdout) == (4, b"done\n")
    machine.world.results.clear()
    machine.world.acknowledges = True
    await machine.gateway.stop()
    await machine.gateway.start()
    await machine.world.until(lambda: set(machine.world.results) == {"apply", "start", "e"})
    async with asyncio.timeout(20):
        while list((machine.bosh / "results").iterdir()):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_an_errand_interrupted_by_the_agents_end_is_answered_so(machine: Machine, number) -> None:
    await machine.connected()
    await _deploy(machine, _spec(run="#!/bin/sh\necho $$ > $TMPDIR/pid; exec sleep 600\n"))
    await machine.gateway.send(wire.ToAgent(request=_request("e", run_errand=wire.RunErrand(job="web"))))
    pid_file = machine.base / "data/tmp/pid"
    async with asyncio.timeout(20):
        while not pid_file.exists() or not pid_file.read_text().strip():
            await asyncio.sleep(0.05)
    await machine.end(number)
    await machine.connected()
    await machine.world.until(lambda: "e" in machine.world.results)
    assert "interrupted" in machine.world.results["e"].error
    # What it had begun is ended too, not left to run beside the next try.
    assert process.find(int(pid_file.read_text())) is None


async def test_an_errand_is_cancelled_by_the_director(machine: Machine) -> None:
    await machine.connected()
    await _deploy(machine, _spec(run="#!/bin/sh\necho begun; touch $TMPDIR/up; exec sleep 600\n"))
    await machine.gateway.send(wire.ToAgent(request=_request("e", run_errand=wire.RunErrand(job="web"))))
    await machine.seen(lambda now: list(now.running) == ["e"])
    async with asyncio.timeout(20):
        while not (machine.base / "data/tmp/up").exists():
            await asyncio.sleep(0.05)
    await machine.gateway.send(wire.ToAgent(cancel=wire.Cancel(key="e")))
    await machine.world.until(lambda: "e" in machine.world.results)
    result = machine.world.results["e"]
    assert (result.error, result.errand.exit_code, result.errand.stdout) == ("", 143, b"begun\n")


async def test_a_blob_that_is_not_what_was_promised_is_refused(machine: Machine) -> None:
    await machine.connected()
    machine.world.blobs["b"] = _tgz(x=b"other")
    spec = _spec(bpm=LONG)
    spec.packages.add(name="ruby", key="k", blob="b", digest=digest_of(b"promised"))
    result = await machine.gateway.ask(_request("apply", apply=wire.Apply(spec=spec)))
    assert result.error.startswith('package "ruby": its sha256 is ')
    spec.packages[0].blob = "nowhere"
    result = await machine.gateway.ask(_request("again", apply=wire.Apply(spec=spec)))
    assert result.error == 'package "ruby": the director gave NOT_FOUND: no such blob'


async def test_packages_are_compiled_and_installed(machine: Machine) -> None:
    await machine.connected()
    packaging = b"set -e\ncp data $BOSH_INSTALL_TARGET/result\n"
    source = _tgz(packaging=packaging, data=os.urandom(1_000_000))
    machine.world.blobs["src"] = source
    compile_it = wire.CompilePackage(name="app", fingerprint="f", source="src", digest=digest_of(source))
    blob = (await machine.gateway.ask(_request("c", compile_package=compile_it))).blob
    spec = _spec(bpm=LONG)
    spec.packages.add(name="app", key="k", blob=blob.id, digest=blob.digest)
    assert (await machine.gateway.ask(_request("a", apply=wire.Apply(spec=spec)))).error == ""
    assert (machine.base / "packages/app/result").stat().st_size == 1_000_000


async def test_logs_are_bundled_as_the_filters_say(machine: Machine) -> None:
    await machine.connected()
    await _deploy(machine, _spec(pre_start="#!/bin/sh\necho hello\n"))
    script = wire.RunScript(name="pre-start")
    assert (await machine.gateway.ask(_request("s", run_script=script))).error == ""
    fetch = wire.FetchLogs(kinds=["job"], filters=["**/*.stdout.log"])
    blob = (await machine.gateway.ask(_request("l", fetch_logs=fetch))).blob
    with tarfile.open(fileobj=io.BytesIO(machine.world.blobs[blob.id])) as tar:
        assert tar.getnames() == ["./web/pre-start.stdout.log"]


async def test_a_failed_pre_start_brings_its_last_lines_to_the_director(machine: Machine) -> None:
    await machine.connected()
    await _deploy(machine, _spec(pre_start="#!/bin/sh\necho no database >&2\nexit 3\n"))
    result = await machine.gateway.ask(_request("s", run_script=wire.RunScript(name="pre-start")))
    assert result.error.endswith("web: exit code 3; the end of its stderr:\nno database")


async def test_an_idle_agent_with_one_job_stays_within_40_mib(machine: Machine) -> None:
    await machine.connected()
    machine.world.blobs["b"] = package = _tgz(x=os.urandom(3_000_000))
    spec = _spec(bpm=LONG)
    spec.packages.add(name="ruby", key="k", blob="b", digest=digest_of(package))
    await _deploy(machine, spec)
    await machine.seen(lambda now: _is_up(now) and now.processes[0].uptime_s > 1)
    assert machine.process is not None
    status = Path(f"/proc/{machine.process.pid}/status").read_text()
    rss_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert rss_kb <= AGENT_RSS_MAX_KB
