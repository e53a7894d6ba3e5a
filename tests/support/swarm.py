"""Agents for simulated VMs, all in one process: ``python -m tests.support.swarm HOST PORT USER PASSWORD TALLY``.

Each VM that is powered on with an enrolment in its guestinfo gets an agent that enrols and speaks the real protocol,
and does nothing: what it is asked for is done at once. So the director's work is measured, not that of two hundred
agents on two cores. They dial again when the director is gone, and go when their VM does. TALLY is a file that tells
how many requests were sent to vCenter from here. Ends on SIGTERM.
"""

import asyncio
import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from agent.dial import OPTIONS
from agent.wire import agent_pb2 as wire
from agent.wire.agent_pb2_grpc import EnrolmentStub, GatewayStub
from director.adapters.vsphere.enrol import read_enrolment
from tests.support.vcsim import Vcsim

HEARTBEAT_S = 10.0
AGAIN_S = 0.2
ROOT = Path(__file__).resolve().parents[2]
Ticket = Mapping[str, Any]
Told = Callable[[str, bool, Ticket | None], None]
"""A VM's moid, whether it is on, and the enrolment in its guestinfo, if there is one."""


@dataclass(slots=True)
class Agent:
    """One VM's agent: what it has applied, which disks it has mounted, and whether its jobs run."""

    ticket: Ticket = field(repr=False)
    hash: str = ""
    state: "wire.JobState.ValueType" = wire.JOB_STATE_STOPPED
    disks: set[str] = field(default_factory=set)
    credentials: grpc.ChannelCredentials | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False)
    """Kept, so that an enrolment whose reply was lost may be asked for again."""

    async def run(self) -> None:
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):  # the director is gone, or will not have it yet
                await self._session()
            await asyncio.sleep(AGAIN_S)

    async def _session(self) -> None:
        if self.credentials is None:
            self.credentials = await self._enrolled()
        async with grpc.aio.secure_channel(tcp(self.ticket["agent_targets"]), self.credentials, OPTIONS) as channel:
            await self._serve(GatewayStub(channel).Connect())

    async def _enrolled(self) -> grpc.ChannelCredentials:
        key = self.key
        reply = await self._enrol(key)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return grpc.ssl_channel_credentials(reply.ca_pem, pem, reply.certificate_pem)

    async def _enrol(self, key: ec.EllipticCurvePrivateKey) -> Any:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.ticket["agent_id"])])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        credentials = grpc.ssl_channel_credentials(self.ticket["ca_certificate"].encode())
        async with grpc.aio.secure_channel(tcp(self.ticket["enrol_targets"]), credentials, OPTIONS) as channel:
            return await EnrolmentStub(channel).Enrol(
                wire.EnrolRequest(
                    agent_id=self.ticket["agent_id"],
                    token=self.ticket["token"],
                    csr_pem=request.public_bytes(serialization.Encoding.PEM),
                ),
                timeout=30,
            )

    async def _serve(self, stream: Any) -> None:
        await stream.write(wire.FromAgent(hello=wire.Hello(version="1", boot=1, report=self._report())))
        while True:
            try:
                message = await asyncio.wait_for(
                    asyncio.shield(read := asyncio.ensure_future(stream.read())), HEARTBEAT_S
                )
            except TimeoutError:
                await stream.write(wire.FromAgent(report=self._report()))
                message = await read
            if not isinstance(message, wire.ToAgent):
                return
            if message.WhichOneof("body") == "request":
                self._do(message.request)
                await stream.write(wire.FromAgent(report=self._report()))
                await stream.write(wire.FromAgent(result=wire.Result(key=message.request.key)))

    def _do(self, request: Any) -> None:
        match request.WhichOneof("action"):
            case "apply":
                self.hash = request.apply.spec.configuration_hash
            case "start":
                self.state = wire.JOB_STATE_RUNNING
            case "stop":
                self.state = wire.JOB_STATE_STOPPED
            case "mount_disk":
                self.disks.add(request.mount_disk.disk)
            case "unmount_disk":
                self.disks.discard(request.unmount_disk.disk)

    def _report(self) -> Any:
        return wire.Report(job_state=self.state, configuration_hash=self.hash, disks=sorted(self.disks))


def tcp(targets: list[str]) -> str:
    return next(target for target in targets if not target.startswith("unix:"))


@dataclass(slots=True)
class Swarm:
    """Every VM's agent, by moid; it runs while the VM is on."""

    agents: dict[str, Agent] = field(default_factory=dict)
    running: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def told(self, moid: str, is_on: bool, ticket: Ticket | None) -> None:
        agent = self.agents.get(moid)
        is_new = ticket is not None and (agent is None or (agent.credentials is None and agent.ticket != ticket))
        if (not is_on or is_new) and moid in self.running:
            self.running.pop(moid).cancel()
        if is_new:
            assert ticket is not None
            self.agents[moid] = Agent(ticket)
        if is_on and moid in self.agents and moid not in self.running:
            self.running[moid] = asyncio.create_task(self.agents[moid].run())


def watch(host: str, port: int, user: str, password: str, tally: Path, told: Told) -> None:
    """Calls ``told`` for each VM that changed. Never returns."""
    service = SmartConnect(host=host, port=port, user=user, pwd=password, disableSslCertValidation=True)
    content = service.RetrieveContent()
    collector = content.propertyCollector.CreatePropertyCollector()
    view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
    query = vmodl.query.PropertyCollector
    through = query.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
    collector.CreateFilter(
        query.FilterSpec(
            objectSet=[query.ObjectSpec(obj=view, skip=True, selectSet=[through])],
            propSet=[query.PropertySpec(type=vim.VirtualMachine, pathSet=["runtime.powerState", "config.extraConfig"])],
        ),
        partialUpdates=False,
    )
    known: dict[str, dict[str, Any]] = {}
    version, requests = "", 6
    while True:
        requests += 1
        tally.write_text(str(requests))
        updates = collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=60))
        if updates is None:
            continue
        version = updates.version
        for update in (update for one in updates.filterSet for update in one.objectSet):
            moid = moid_of(update.obj)
            if update.kind == "leave":
                known.pop(moid, None)
                told(moid, False, None)
                continue
            vm = known.setdefault(moid, {})
            vm |= {change.name: change.val for change in update.changeSet}
            told(moid, vm.get("runtime.powerState") == "poweredOn", enrolment_in(vm))


def moid_of(managed: Any) -> str:
    return str(managed._moId)


def enrolment_in(vm: Mapping[str, Any]) -> Ticket | None:
    if vm.get("runtime.powerState") != "poweredOn":
        return None
    ticket = read_enrolment({option.key: str(option.value) for option in vm.get("config.extraConfig") or ()})
    return ticket if ticket and ticket["enrol_targets"] else None


@contextlib.contextmanager
def swarm(sim: Vcsim, tally: Path) -> Iterator[int]:
    """A swarm as a process of its own; gives its pid. ``tally`` holds how many requests it has sent itself."""
    command = [sys.executable, "-m", "tests.support.swarm", sim.host, str(sim.port), sim.user, sim.password, str(tally)]
    tally.write_text("0")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, process_group=0) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", "the swarm has ended"
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


async def main() -> None:
    host, port, user, password, tally = sys.argv[1:]
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    swarm = Swarm()

    def told(moid: str, is_on: bool, ticket: Ticket | None) -> None:
        loop.call_soon_threadsafe(swarm.told, moid, is_on, ticket)

    threading.Thread(target=watch, args=(host, int(port), user, password, Path(tally), told), daemon=True).start()
    print("ready", flush=True)
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
