"""Plays the guests of simulated VMs: each VM of ours that is powered on in vCenter becomes a real local VM.

``python -m tests.support.hypervisor run …`` watches the simulator (it is told of changes, and never polls) and mirrors
what it sees by ``LocalInfrastructure``: enrolment and networks come from the VM's guestinfo, as a real guest would read
them; persistent disks are directories named by the disk's uuid, where the agent looks for disks by their ids. It tells
the simulator what VMware's tools would tell: running, the address, the host name.

Guests run this machine's programs, or with ``root`` those of a stemcell for ``local``, as machines (for root only).

Local VMs outlive it, as guests outlive whoever watches them; ``… remove`` ends them all.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from director.adapters.archives.stemcell import open_stemcell
from director.adapters.archives.stream import Limits
from director.adapters.local import LocalInfrastructure
from director.adapters.local.infrastructure import destroy
from director.adapters.vsphere.enrol import read_enrolment
from director.model.names import AgentId, DeploymentName, DiskCid, DiskName, InstanceId, StemcellCid, VmCid, VmName
from director.model.sighting import Power
from director.model.wanted import VmShape
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import DiskRequest, Enrolment, StemcellRequest, VmRequest
from tests.support.guests import Guest, Guests
from tests.support.vcsim import Vcsim

PASSWORD: Final = "HYPERVISOR_PASSWORD"
DISKS_IN_VM: Final = "/run/disks"
_WITH_DISKS: Final = ("/usr/bin/env", f"DIRECTOR_AGENT_DISKS={DISKS_IN_VM}")
_VMS_AT_ONCE: Final = 8
_READY_S: Final = 30
_END_S: Final = 60


class Machines(LocalInfrastructure):
    """Local VMs that can also be switched off without being removed, as a hypervisor's can."""

    async def power_off(self, cid: VmCid) -> None:
        async with self._turn(cid):
            vm = self._reader.vm(self._file(cid))
            if vm is not None and self._is_on(vm):
                await self._end(vm)

    def address(self, name: str) -> str:
        """The first network's, which is what VMware's tools would tell."""
        vm = self._reader.vm(self._file(name))
        networks = sorted(vm.networks.items()) if vm else []
        return next((str(network["ip"]) for _, network in networks if "ip" in network), "")


@dataclass(slots=True)
class Mirror:
    """Makes this machine like ``guests`` says. ``booted`` is when each VM was last booted, as far as we followed."""

    sim: Vcsim
    machines: Machines
    booted: dict[str, Any]
    stemcell: StemcellCid

    async def follow(self, guests: Mapping[str, Guest], changed: set[str]) -> None:
        """Detaching comes first and attaching last, for a disk goes from one VM to another."""
        known = await self.machines.find_vms()
        names = {guest.name for guest in guests.values()}
        await self._each(self._remove(name) for name in known if name not in names)
        every = [guests[moid] for moid in sorted(changed & guests.keys())]
        ours = [guest for guest in every if guest.name in known or read_enrolment(guest.guestinfo)]
        await self._each(self._detach(guest) for guest in ours if guest.name in known)
        await self._each(self._power(guest) for guest in ours)
        known = await self.machines.find_vms()
        await self._each(self._attach(guest) for guest in ours if guest.name in known)

    async def _each(self, works: Iterator[Any]) -> None:
        async def one(work: Any) -> None:
            try:
                await work
            except InfrastructureFailure as failure:
                print(f"hypervisor: {failure}", file=sys.stderr, flush=True)

        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(one(work))

    async def _remove(self, name: str) -> None:
        await self.machines.delete_vm(VmCid(name))

    async def _power(self, guest: Guest) -> None:
        here = await self.machines.find_vm(VmName(guest.name))
        boot, self.booted[guest.moid] = self.booted.get(guest.moid), guest.boot_time
        if not guest.is_on:
            if here is not None and here.power is Power.ON:
                await self.machines.power_off(VmCid(guest.name))
                await asyncio.to_thread(self.sim.guest, guest.moid, is_running=False)
            return
        if here is None:
            if not await self._create(guest):
                return
        elif here.power is Power.OFF or (boot is not None and boot != guest.boot_time):
            await self.machines.reboot_vm(VmCid(guest.name))
        else:
            return
        address = self.machines.address(guest.name)
        await asyncio.to_thread(self.sim.guest, guest.moid, is_running=True, address=address, hostname=guest.name)

    async def _create(self, guest: Guest) -> bool:
        told = read_enrolment(guest.guestinfo)
        if told is None:
            return False  # nobody's agent is in it
        enrolment = Enrolment(
            agent=AgentId(str(told["agent_id"])),
            token=str(told["token"]),
            ca_certificate=str(told["ca_certificate"]),
            enrol_targets=tuple(told["enrol_targets"]),
            agent_targets=tuple(told["agent_targets"]),
        )
        shape = VmShape(
            stemcell_name="simulated",
            stemcell_version="1",
            stemcell_cid=self.stemcell,
            cloud_properties={"cpu": guest.cpu, "ram": guest.ram_mb},
            networks=told["networks"],
        )
        await self.machines.create_vm(
            VmRequest(
                name=VmName(guest.name),
                instance=InstanceId(guest.guestinfo.get("director.instance", "")),
                deployment=DeploymentName(guest.guestinfo.get("director.deployment", "")),
                shape=shape,
                enrolment=enrolment,
            )
        )
        return True

    async def _detach(self, guest: Guest) -> None:
        here = await self.machines.find_vm(VmName(guest.name))
        for disk in here.disks if here else ():
            if disk not in guest.disks:
                await self.machines.detach_disk(VmCid(guest.name), disk)

    async def _attach(self, guest: Guest) -> None:
        for uuid, size_mb in sorted(guest.disks.items()):
            await self.machines.create_disk(
                DiskRequest(name=DiskName(uuid), deployment=DeploymentName(""), size_mb=size_mb)
            )
            await self.machines.attach_disk(VmCid(guest.name), DiskCid(uuid))


async def stemcell_of(machines: Machines, archive: Path | None, scratch: Path) -> StemcellCid:
    """What guests lie over: the root file system in ``archive``, or this host."""
    if archive is None:
        return StemcellCid("host")
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    read = await asyncio.to_thread(open_stemcell, archive, scratch, Limits())
    agent = read.cloud_properties["agent"]
    assert isinstance(agent, Mapping)
    command = agent["command"]
    assert isinstance(command, list | tuple)
    properties = {**read.cloud_properties, "agent": {**agent, "command": [*_WITH_DISKS, *command]}}
    return await machines.create_stemcell(StemcellRequest(key="guests", image=read.image, properties=properties))


async def run(sim: Vcsim, state_dir: Path, sockets_dir: Path, root: Path | None) -> None:
    """Until SIGTERM. Says ``ready`` on standard output once it follows what happens."""
    agent = (*_WITH_DISKS, sys.executable, "-m", "agent")
    machines = Machines(state_dir, agent_command=agent, sockets_dir=sockets_dir, calls_in_flight=_VMS_AT_ONCE)
    mirror = Mirror(sim, machines, {}, await stemcell_of(machines, root, state_dir / "scratch"))
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    something: asyncio.Queue[set[str]] = asyncio.Queue()
    guests = await asyncio.to_thread(Guests, sim)
    tell = lambda moids: loop.call_soon_threadsafe(something.put_nowait, moids)  # noqa: E731 - one line, for a thread

    def watch() -> None:
        try:
            guests.watch(tell)
        finally:  # without a vCenter there is nothing to follow
            loop.call_soon_threadsafe(ended.set)

    thread = threading.Thread(target=watch, name="watch")
    thread.start()
    print("ready", flush=True)
    over = asyncio.create_task(ended.wait())
    following = asyncio.create_task(_follow(mirror, guests, something))
    try:
        await asyncio.wait({over, following}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await asyncio.to_thread(guests.close)
        await asyncio.to_thread(thread.join)
        for task in (over, following):
            task.cancel()
    if following.done() and not following.cancelled():
        following.result()


async def _follow(mirror: Mirror, guests: Guests, something: "asyncio.Queue[set[str]]") -> None:
    while True:
        changed = await something.get()
        while not something.empty():
            changed |= something.get_nowait()
        await mirror.follow(guests.now(), changed)


@contextlib.contextmanager
def hypervisor(
    sim: Vcsim, state_dir: Path, sockets_dir: Path, *, log: Path | None = None, root: Path | None = None
) -> Iterator[int]:
    """A hypervisor as a process of its own; gives its pid. Its local VMs are gone when the block is over.

    ``root`` is a stemcell for ``local`` that guests are made of, instead of this host.
    """
    where = [f"--host={sim.host}", f"--port={sim.port}", f"--user={sim.user}", f"--sockets-dir={sockets_dir}"]
    where += [] if root is None else [f"--root={root}"]
    command = [sys.executable, "-m", "tests.support.hypervisor"]
    with contextlib.ExitStack() as stack:
        errors = None if log is None else stack.enter_context(log.open("ab"))
        process = stack.enter_context(
            subprocess.Popen(
                [*command, "run", f"--state-dir={state_dir}", *where],
                env={**os.environ, PASSWORD: sim.password},
                cwd=Path(__file__).resolve().parents[2],
                stdout=subprocess.PIPE,
                stderr=errors,
                process_group=0,  # Ctrl-C is for whoever started it, who ends it in good order
            )
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n", f"the hypervisor ended with {process.wait(_READY_S)}"
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
            asyncio.run(destroy(state_dir))


def main() -> None:
    parser = argparse.ArgumentParser(description="Plays the guests of simulated VMs.")
    parser.add_argument("what", choices=["run", "remove"])
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--sockets-dir", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--user")
    chosen = parser.parse_args()
    if chosen.what == "remove":
        asyncio.run(destroy(chosen.state_dir))
        return
    password = os.environ.pop(PASSWORD)
    sim = Vcsim(host=chosen.host, port=chosen.port, user=chosen.user, password=password, ca=None, pid=0)
    asyncio.run(run(sim, chosen.state_dir, chosen.sockets_dir, chosen.root))


if __name__ == "__main__":
    main()
