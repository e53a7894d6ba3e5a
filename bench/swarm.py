"""Agents for simulated VMs, all in one process: ``python -m bench.swarm HOST PORT USER PASSWORD TALLY``.

Each VM that is powered on with an enrolment in its guestinfo gets an agent that enrols and speaks the real protocol,
and does nothing: what it is asked for is done at once. So the director's work is measured, not that of two hundred
agents on two cores. TALLY is a file that tells how many requests it has sent to vCenter itself. Ends on SIGTERM.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Mapping
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

HEARTBEAT_S = 10.0
Sign = Callable[[Mapping[str, Any]], None]


@dataclass(slots=True)
class Agent:
    """One VM's agent: what it has applied, and whether its jobs run."""

    ticket: Mapping[str, Any] = field(repr=False)
    hash: str = ""
    state: "wire.JobState.ValueType" = wire.JOB_STATE_STOPPED

    async def run(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        reply = await self._enrol(key)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        credentials = grpc.ssl_channel_credentials(reply.ca_pem, pem, reply.certificate_pem)
        target = tcp(self.ticket["agent_targets"])
        async with grpc.aio.secure_channel(target, credentials, OPTIONS) as channel:
            await self._serve(GatewayStub(channel).Connect())

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

    def _report(self) -> Any:
        return wire.Report(job_state=self.state, configuration_hash=self.hash)


def tcp(targets: list[str]) -> str:
    return next(target for target in targets if not target.startswith("unix:"))


def watch(host: str, port: int, user: str, password: str, tally: Path, sign: Sign) -> None:
    """Calls ``sign`` with each new VM's enrolment. Never returns."""
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
    met: set[str] = set()
    version, requests = "", 6
    while True:
        requests += 1
        tally.write_text(str(requests))
        updates = collector.WaitForUpdatesEx(version, query.WaitOptions(maxWaitSeconds=60))
        if updates is None:
            continue
        version = updates.version
        for update in (update for one in updates.filterSet for update in one.objectSet):
            vm = known.setdefault(moid_of(update.obj), {})
            vm |= {change.name: change.val for change in update.changeSet}
            ticket = enrolment_in(vm)
            if ticket is not None and ticket["agent_id"] not in met:
                met.add(ticket["agent_id"])
                sign(ticket)


def moid_of(managed: Any) -> str:
    return str(managed._moId)  # noqa: SLF001  (pyVmomi has no public name for it)


def enrolment_in(vm: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if vm.get("runtime.powerState") != "poweredOn":
        return None
    return read_enrolment({option.key: str(option.value) for option in vm.get("config.extraConfig") or ()})


async def main() -> None:
    host, port, user, password, tally = sys.argv[1:]
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    agents: set[asyncio.Task[None]] = set()

    def sign(ticket: Mapping[str, Any]) -> None:
        loop.call_soon_threadsafe(lambda: agents.add(asyncio.create_task(Agent(ticket).run())))

    threading.Thread(target=watch, args=(host, int(port), user, password, Path(tally), sign), daemon=True).start()
    await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
