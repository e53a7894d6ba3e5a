"""VMs, networks and disks on this machine, behind the ``Infrastructure`` port.

Decides in which order the parts of a VM come and go; each part knows its own module. Everything lies below the state
directory: ``vms/<name>/`` (vm.json, vcap, disks, log, and what init.sh reads), ``disks/``, and ``host/``,
which all VMs share. A VM's name is its cid.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from director.adapters.local import boot, machine, root, stemcells
from director.adapters.local.addresses import addresses_of
from director.adapters.local.disks import PLACE_IN_VM, Disks
from director.adapters.local.enrolment import make_vcap, renew_enrolment
from director.adapters.local.files import DiskFile, Reader, VmFile, safe, write_file
from director.adapters.local.limits import Groups, find_groups
from director.adapters.local.network import Networks, hash_of, vm_commands
from director.adapters.local.process import Process, boot_id, is_alive, kill
from director.adapters.local.remove import remove_tree
from director.adapters.local.request import HOST, Nic, check_shape, read_nics, wrong_in
from director.model.deployment import VmResources
from director.model.names import DeploymentName, DiskCid, DiskName, InstanceId, StemcellCid, VmCid, VmName
from director.model.placement import DiskWish, Placements, VmWish
from director.model.problem import Problem
from director.model.sighting import Power, SeenDisk, SeenVm
from director.model.tree import Tree
from director.model.wanted import VmShape
from director.ports.failure import InfrastructureFailure, Retry
from director.ports.infrastructure import (
    DiskRequest,
    Enrolment,
    Finding,
    InfrastructureInfo,
    StemcellRequest,
    VmRequest,
)

_DESTROY_AT_ONCE: Final = 8


class LocalInfrastructure:
    """``sockets_dir`` holds the director's sockets and is shown to VMs, so a restarted director's are seen too."""

    def __init__(
        self, state_dir: Path, *, agent_command: Sequence[str], sockets_dir: Path, calls_in_flight: int
    ) -> None:
        self._home = state_dir.resolve()
        self._vms = self._home / "vms"
        self._sockets = sockets_dir.resolve()
        self._agent_command = tuple(agent_command)
        self._has_networks = os.geteuid() == 0
        self._reader = Reader()
        self._disks = Disks(self._home, self._reader)
        self._stemcells = stemcells.Stemcells(self._home)
        self._machines = machine.Machines(self._home, self._sockets)
        self._networks = Networks(str(self._home))
        self._slots = asyncio.Semaphore(calls_in_flight)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._checking = asyncio.Lock()
        self._host: root.Host | None = None
        self._boot = boot_id()
        self._found: Groups | None = None

    @property
    def _groups(self) -> Groups:
        if self._found is None:
            mounts, own = Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
            self._found = find_groups(hash_of(str(self._home)), mounts, own)
        return self._found

    async def info(self) -> InfrastructureInfo:
        return InfrastructureInfo(
            name="local",
            stemcell_formats=("local", stemcells.FORMAT),
            not_enforced=self._groups.not_enforced,
            can_grow_disks=True,
        )

    async def diagnose(self) -> Sequence[Finding]:
        try:
            await self._checked_host()
        except InfrastructureFailure as failure:
            return (Finding(subject="this machine", is_well=False, detail=str(failure)),)
        return (Finding(subject="this machine", is_well=True, detail=f"It can run VMs.{machine.warning(self._home)}"),)

    async def cloud_properties_for(self, resources: VmResources) -> Tree:
        return {"cpu": resources.cpu, "ram": resources.ram_mb, "disk": resources.ephemeral_disk_mb}

    async def place(self, vms: Sequence[VmWish], disks: Sequence[DiskWish]) -> Placements:
        """There is one place; what cannot be made in it is told before anything is changed."""
        del disks  # A directory fits anywhere.
        checked = ((vm.label, self._wrong_in(vm.shape)) for vm in vms)
        return Placements(problems=tuple(_impossible(label, wrong) for label, wrong in checked if wrong))

    def _wrong_in(self, shape: VmShape) -> Sequence[str]:
        return wrong_in(shape, own_network=self._has_networks, is_known=self._is_known(shape.stemcell_cid))

    def _is_known(self, cid: StemcellCid) -> bool:
        return self._stemcells.root(cid) is not None

    async def create_stemcell(self, request: StemcellRequest) -> StemcellCid:
        """A root file system is unpacked; one of format "local" is this host, whatever its image holds."""
        form = request.properties.get("format", "local")
        if form == stemcells.FORMAT:
            return await self._stemcells.create(request)
        if form != "local":
            raise InfrastructureFailure(
                f'The stemcell {request.key} is of format "{form}", but local VMs are of "{stemcells.FORMAT}" or of '
                'this host, "local": build one with `director build-stemcell --for local`.'
            )
        return HOST

    async def delete_stemcell(self, cid: StemcellCid) -> None:
        """The host stays where it is."""
        if cid != HOST:
            await self._stemcells.delete(cid)

    async def create_vm(self, request: VmRequest) -> VmCid:
        cid = request.shape.stemcell_cid
        nics, limits = check_shape(request.shape, own_network=self._has_networks, is_known=self._is_known(cid))
        async with self._turn(safe(request.name)):
            known = self._reader.vm(self._file(request.name))
            if known is not None and self._is_on(known):
                renew_enrolment(self._vms / request.name / "vcap", request.enrolment)
            else:
                if (self._vms / request.name).exists():
                    await self._remove_vm(request.name)
                vm = VmFile(
                    name=request.name,
                    instance=request.instance,
                    deployment=request.deployment,
                    networks=request.shape.networks,
                    limits=limits,
                    tags=request.tags,
                    stemcell=cid,
                )
                await self._make_vm(vm, nics, request.enrolment)
        return VmCid(request.name)

    async def _make_vm(self, vm: VmFile, nics: Sequence[Nic], enrolment: Enrolment) -> None:
        host = await self._checked_host()
        directory = self._vms / vm.name
        directory.mkdir(mode=0o700, parents=True)
        write_file(self._file(vm.name), vm)
        make_vcap(directory / "vcap", enrolment)
        (directory / "disks").mkdir()
        await self._boot_vm(vm, nics, host)

    async def _boot_vm(self, vm: VmFile, nics: Sequence[Nic], host: root.Host) -> None:
        directory, hostname, is_machine = self._vms / vm.name, boot.hostname_of(vm.name), vm.stemcell != HOST
        if is_machine:
            joins = await self._machines.create_groups(vm.name, vm.limits, self._groups)
            lower, command = self._lower(vm), self._stemcells.agent_command(StemcellCid(vm.stemcell))
            fstab = self._machines.prepare(directory, lower, host.root, nics, vm.limits, self._groups, hostname)
        else:
            joins, command = self._groups.create(vm.name, vm.limits), self._agent_command
            root.write_etc(directory, hostname, nics)
            fstab = root.fstab(directory, host)
        (directory / "groups").write_text("".join(f"{path}\n" for path in joins))
        (directory / "fstab").write_text(fstab)
        commands = vm_commands(nics, needs_default_route=is_machine) if self._has_networks else ""
        (directory / "net").write_text(commands)

        async def connect(process: Process) -> None:
            write_file(self._file(vm.name), replace(vm, process=process))
            if self._has_networks:
                await self._networks.connect(vm.name, process.pid, nics)

        launch = boot.Launch(
            vm=directory,
            root=host.root,
            hostname=hostname,
            agent_command=command,
            own_network=self._has_networks,
            is_machine=is_machine,
        )
        await boot.start(launch, connect, self._boot)

    def _lower(self, vm: VmFile) -> Path:
        lower = self._stemcells.root(StemcellCid(vm.stemcell))
        if lower is None:
            raise InfrastructureFailure(f'Stemcell "{vm.stemcell}" of VM "{vm.name}" is not on this machine any more.')
        return lower

    async def clear_enrolment(self, cid: VmCid) -> None:
        """Nobody but the VM and this user can read it, and the agent removes it."""

    async def delete_vm(self, cid: VmCid) -> None:
        async with self._turn(safe(cid)):
            await self._remove_vm(cid)

    async def _remove_vm(self, name: str) -> None:
        """Also of what a crash left half-made. ``vm.json`` goes last: until then it is found and removed again."""
        directory = self._vms / name
        known = self._reader.vm(self._file(name))
        if known is not None:
            await self._end(known)
        if directory.is_dir():
            self._disks.detach_all(name)
            await remove_tree(directory, last="vm.json")
        self._reader.forget(self._file(name))

    async def _end(self, vm: VmFile) -> None:
        """No process of it runs, no address of it answers, and it holds no control group."""
        if vm.process is not None:
            await kill(vm.process, boot.KILL_TIMEOUT_S)
        if self._has_networks:
            await self._networks.disconnect(vm.name, [nic.network for nic in read_nics(vm.networks, [])])
        if vm.stemcell == HOST:
            await self._groups.remove(vm.name)
        else:
            await self._machines.remove_groups(vm.name, self._groups)

    async def reboot_vm(self, cid: VmCid) -> None:
        async with self._turn(safe(cid)):
            vm = self._reader.vm(self._file(cid))
            if vm is None:
                raise InfrastructureFailure(f'VM "{cid}" does not exist, so it cannot be rebooted.')
            await self._end(vm)
            await self._boot_vm(vm, read_nics(vm.networks, []), await self._checked_host())

    async def find_vm(self, name: VmName) -> SeenVm | None:
        vm = self._reader.vm(self._file(safe(name)))
        if vm is not None:
            return self._seen(vm)
        # On a full disk a directory may come to be, but no vm.json in it: it is ours to remove under its name.
        is_half_made = (self._vms / name).is_dir()
        return SeenVm(name=name, cid=VmCid(name), power=Power.OFF) if is_half_made else None

    async def find_vms(
        self,
        deployment: DeploymentName | None = None,
        *,
        doubted: Collection[VmName] | None = None,
        in_detail: bool = False,
    ) -> Mapping[VmName, SeenVm]:
        del doubted  # All are looked at.
        see = self._seen_in_detail if in_detail else self._seen
        vms = (self._reader.vm(self._file(name)) for name in self._names())
        return {VmName(vm.name): see(vm) for vm in vms if vm and deployment in {None, vm.deployment}}

    def _seen_in_detail(self, vm: VmFile) -> SeenVm:
        """Without root a VM has this machine's network, in which nobody's addresses can be told apart."""
        seen = self._seen(vm)
        cards = len(read_nics(vm.networks, []))
        is_told = self._has_networks and seen.power is Power.ON and vm.process is not None
        found = addresses_of(vm.process.pid) if is_told and vm.process else None
        return replace(
            seen,
            addresses=None if found is None else (found,) * cards,
            tags={key: str(value) for key, value in sorted(vm.tags.items())},
        )

    def _seen(self, vm: VmFile) -> SeenVm:
        return SeenVm(
            name=VmName(vm.name),
            cid=VmCid(vm.name),
            power=Power.ON if self._is_on(vm) else Power.OFF,
            instance=InstanceId(vm.instance),
            disks=tuple(DiskCid(name) for name in self._disks.attached(vm.name)),
        )

    async def create_disk(self, request: DiskRequest) -> DiskCid:
        wanted = DiskFile(name=safe(request.name), deployment=request.deployment, size_mb=request.size_mb)
        async with self._alone(f"disk {request.name}"):
            self._disks.create(wanted)
        return DiskCid(request.name)

    async def delete_disk(self, cid: DiskCid) -> None:
        async with self._alone(f"disk {cid}"):
            directory = self._disks.forget(cid)
            if directory is not None:
                await remove_tree(directory)
                self._disks.forgotten(cid)

    async def grow_disk(self, cid: DiskCid, size_mb: int) -> None:
        async with self._alone(f"disk {cid}"):
            self._disks.grow(cid, size_mb)

    async def find_disk(self, name: DiskName) -> SeenDisk | None:
        disk = self._disks.file(name)
        return None if disk is None else self._disks.seen(disk)

    async def find_disks(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, SeenDisk]:
        return self._disks.find(deployment)

    async def attach_disk(self, vm: VmCid, disk: DiskCid) -> Tree:
        async with self._alone(safe(vm), f"disk {disk}"):
            if self._reader.vm(self._file(vm)) is None:
                raise InfrastructureFailure(f'VM "{vm}" does not exist, so disk "{disk}" cannot be attached to it.')
            self._disks.attach(vm, disk)
        return {"path": f"{PLACE_IN_VM}/{disk}"}

    async def detach_disk(self, vm: VmCid, disk: DiskCid) -> None:
        async with self._alone(safe(vm), f"disk {disk}"):
            self._disks.detach(vm, disk)

    async def close(self) -> None:
        """VMs outlive the director; nothing is held open for them."""

    async def end_all(self) -> None:
        """Removes every VM, disk, stemcell, bridge and control group of this state directory."""
        async with asyncio.TaskGroup() as group:
            for name in self._names():
                group.create_task(self.delete_vm(VmCid(name)))
        if self._has_networks:
            await self._networks.remove_all()
        for name in ("vms", "disks", "host", "stemcells"):
            await remove_tree(self._home / name)

    def _names(self) -> list[str]:
        return sorted(entry.name for entry in self._vms.iterdir()) if self._vms.is_dir() else []

    def _file(self, name: str) -> Path:
        return self._vms / name / "vm.json"

    def _is_on(self, vm: VmFile) -> bool:
        return vm.process is not None and is_alive(vm.process, self._boot)

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        """One change of one VM at a time, and no more changes at once than the machine was set to take."""
        async with self._alone(name), self._slots:
            yield

    @asynccontextmanager
    async def _alone(self, *names: str) -> AsyncIterator[None]:
        """Nothing else is done to these meanwhile; locks are taken in the order given: a VM's before a disk's."""
        async with AsyncExitStack() as held:
            for name in names:
                await held.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
            try:
                yield
            except OSError as error:
                raise InfrastructureFailure(f"{' and '.join(names)}: {error}.", retry=Retry.BOUNDED) from error

    async def _checked_host(self) -> root.Host:
        async with self._checking:
            if self._host is None:
                await boot.check_machine(own_network=self._has_networks)
                self._sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._host = root.look_at_host(
                    self._home, self._sockets, self._agent_command, own_network=self._has_networks
                )
            return self._host


def _impossible(label: str, wrong: Sequence[str]) -> Problem:
    return Problem(
        code="placement.not-on-this-machine",
        summary="A VM that this machine cannot run",
        detail=f"{label}: {' '.join(wrong)}",
        fix="change the cloud config or the manifest; nothing was changed yet.",
    )


async def destroy(state_dir: Path) -> None:
    """Ends every VM of a state directory, director or not, and removes their disks, bridges and control groups."""
    empty = LocalInfrastructure(state_dir, agent_command=(), sockets_dir=state_dir, calls_in_flight=_DESTROY_AT_ONCE)
    await empty.end_all()
