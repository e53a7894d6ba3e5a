"""What the suite on infrastructures needs of real VMs: a guest that says what it sees, and requests for them."""

import asyncio
import json
import os
import shlex
import sys
from contextlib import suppress
from pathlib import Path

from director.model.names import AgentId, DeploymentName, DiskName, InstanceId, StemcellCid, VmName
from director.model.wanted import VmShape
from director.ports.infrastructure import DiskRequest, Enrolment, VmRequest

DEADLINE_S = 30.0
IS_ROOT = os.geteuid() == 0
SOCKET = "guests.sock"

# Runs inside the VM in place of an agent: dials out as an agent does, then runs what it is told.
GUEST = """
import json, os, socket, subprocess
line = socket.socket(socket.AF_UNIX)
line.connect("/run/director/guests.sock")
file = line.makefile("rw")
print(json.dumps(socket.gethostname()), file=file, flush=True)
for command in file:
    argv = ["sh", "-c", json.loads(command)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(json.dumps(done.stdout), file=file, flush=True)
"""
# The same, without end and without a master: what a daemonised job is.
STRAY = GUEST.replace("socket.gethostname()", '"stray"')
# Greets on port 7001, and says so.
GREETER = """
import socket
server = socket.create_server(("0.0.0.0", 7001))
print("listening", flush=True)
while True:
    peer, _ = server.accept()
    peer.sendall(b"hello")
    peer.close()
"""
AGENT_COMMAND = (sys.executable, "-c", GUEST)


class Guest:
    def __init__(self, name, reader, writer):
        self.name, self._reader, self._writer = name, reader, writer

    def send(self, command):
        self._writer.write(json.dumps(command).encode() + b"\n")

    async def run(self, command):
        """What a shell in the VM prints."""
        self.send(command)
        async with asyncio.timeout(DEADLINE_S):
            return json.loads(await self._reader.readline())

    async def python(self, code):
        return await self.run(f"{sys.executable} -c {shlex.quote(code)} 2>&1")

    async def daemon(self, code):
        """Starts a program that leaves its session and parent; returns with its first line."""
        program = f"setsid {sys.executable} -c {shlex.quote(code)}"
        return await self.run(f"mkfifo /tmp/up; ({program} >/tmp/up 2>&1 </dev/null &); head -1 /tmp/up")

    async def gone(self):
        """Returns when the process at the other end has ended."""
        async with asyncio.timeout(DEADLINE_S):
            with suppress(ConnectionResetError):
                assert await self._reader.read() == b""


class Guests:
    """Where the guests dial in."""

    def __init__(self):
        self._arrived = asyncio.Queue()
        self._writers = []
        self._server = None

    async def listen(self, directory: Path):
        directory.mkdir(exist_ok=True)
        # pytest's directories are deeper than a socket's address is long; this way to the same place is short.
        handle = os.open(directory, os.O_PATH)
        self._server = await asyncio.start_unix_server(self._meet, f"/proc/self/fd/{handle}/{SOCKET}")
        os.close(handle)

    async def _meet(self, reader, writer):
        self._writers.append(writer)
        name = await reader.readline()
        if name:
            self._arrived.put_nowait(Guest(json.loads(name), reader, writer))

    async def next(self):
        async with asyncio.timeout(DEADLINE_S):
            return await self._arrived.get()

    async def close(self):
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()


def network(number, subnet=1):
    """One address; as root in a range that no other run of this suite on this machine uses."""
    if not IS_ROOT:
        return {"type": "manual", "ip": f"127.{subnet}.0.{number}", "netmask": "255.0.0.0"}
    base = f"10.{100 + os.getpid() % 100}.{os.getpid() // 100 % 200 + subnet}"
    return {
        "type": "manual",
        "ip": f"{base}.{number}",
        "netmask": "255.255.255.0",
        "gateway": f"{base}.1",
        "default": ["dns", "gateway"],
    }


def vm_request(name="web-1", *, number=11, subnet=1, deployment="shop", cloud_properties=None, networks=None):
    return VmRequest(
        name=VmName(name),
        instance=InstanceId(f"instance-of-{name}"),
        deployment=DeploymentName(deployment),
        shape=VmShape(
            stemcell_name="host",
            stemcell_version="1",
            stemcell_cid=StemcellCid("host"),
            cloud_properties=cloud_properties or {},
            networks=networks or {"default": network(number, subnet)},
        ),
        enrolment=Enrolment(
            agent=AgentId(f"agent-of-{name}"),
            token="a-token",
            ca_certificate="a-certificate",
            enrol_targets=("unix:/somewhere/enrol.sock",),
            agent_targets=("unix:/somewhere/agents.sock", "10.0.0.1:25581"),
        ),
        tags={"job": "web"},
    )


def disk_request(name="disk-1", *, deployment="shop", size_mb=10):
    return DiskRequest(name=DiskName(name), deployment=DeploymentName(deployment), size_mb=size_mb)
