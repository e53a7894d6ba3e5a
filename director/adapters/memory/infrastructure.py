"""An infrastructure in dicts, with faults on demand. What it promises is what ``LocalInfrastructure`` promises.

The world (VMs, disks) outlives the director, so it is a value of its own: two infrastructures may share one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final, TypeVar

from director.model.deployment import VmResources
from director.model.names import AgentId, DeploymentName, DiskCid, DiskName, StemcellCid, VmCid, VmName
from director.model.placement import DiskWish, Placement, Placements, VmWish
from director.model.problem import Problem
from director.model.sighting import Power, SeenDisk, SeenVm
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure, Retry
from director.ports.infrastructure import (
    DiskRequest,
    Enrolment,
    Finding,
    InfrastructureInfo,
    StemcellRequest,
    VmRequest,
)

HOST: Final = StemcellCid("host")


class FaultKind(Enum):
    FAIL = "fail"
    """Nothing is done, and the caller is told."""
    LOSE_REPLY = "lose reply"
    """It is done, but the caller is told of a lost connection."""
    FORGET = "forget"
    """Nothing is done, and the caller is told that it was."""
    DELAY = "delay"
    """It is done after ``delay_s``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Strikes the ``nth`` call (from 1) of one method (``create_vm``); None strikes every one."""

    call: str
    kind: FaultKind
    nth: int | None = 1
    delay_s: float = 0.0
    retry: Retry = Retry.SOON


@dataclass(slots=True, kw_only=True)
class MemoryVm:
    request: VmRequest
    power: Power = Power.ON
    has_enrolment: bool = True
    is_whole: bool = True
    owner: str = ""
    """Whose tag it has: a director sees its own only."""


@dataclass(slots=True, kw_only=True)
class MemoryDisk:
    request: DiskRequest
    vm: VmName | None = None
    owner: str = ""


_Name = TypeVar("_Name", VmName, DiskName)
_Thing = TypeVar("_Thing", MemoryVm, MemoryDisk)


@dataclass(slots=True, kw_only=True)
class MemoryWorld:
    """``calls`` are (method, name) in the order they were begun."""

    vms: dict[VmName, MemoryVm] = field(default_factory=dict)
    disks: dict[DiskName, MemoryDisk] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)


def _nothing(_: object) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """How the agents of a simulated world learn that their VM came, restarted or went."""

    on_boot: Callable[[Enrolment], object] = _nothing
    on_reboot: Callable[[AgentId], object] = _nothing
    on_end: Callable[[AgentId], object] = _nothing


class MemoryInfrastructure:
    def __init__(
        self,
        world: MemoryWorld | None = None,
        *,
        faults: Iterable[Fault] = (),
        hooks: Hooks | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        ram_max_mb: int = 1 << 20,
        can_grow_disks: bool = True,
        owner: str = "",
    ) -> None:
        self.world = world or MemoryWorld()
        self.ram_max_mb = ram_max_mb
        self.can_grow_disks = can_grow_disks
        self.owner = owner
        self.faults = list(faults)
        self._hooks = hooks or Hooks()
        self._sleep = sleep
        self._counts: Counter[str] = Counter()

    async def info(self) -> InfrastructureInfo:
        return InfrastructureInfo(
            name="memory", stemcell_formats=("local",), can_grow_disks=self.can_grow_disks, leaves_enrolment=True
        )

    async def diagnose(self) -> Sequence[Finding]:
        return (Finding(subject="memory", is_well=True, detail="It is always there."),)

    async def cloud_properties_for(self, resources: VmResources) -> Tree:
        return {"cpu": resources.cpu, "ram": resources.ram_mb, "disk": resources.ephemeral_disk_mb}

    async def place(self, vms: Sequence[VmWish], disks: Sequence[DiskWish]) -> Placements:
        """In the zone it is wished in. A VM type without space (``ram`` above ``ram_max_mb``) is a problem."""
        async with self._call("place", ",".join(vm.name for vm in vms)):
            return Placements(
                vms={vm.name: Placement(where={"zone": vm.az or ""}, why=f"zone {vm.az or 'any'}") for vm in vms},
                disks={disk.name: Placement(where={"vm": disk.vm}) for disk in disks},
                problems=tuple(_too_big(vm) for vm in vms if self._ram_of(vm) > self.ram_max_mb),
            )

    def _ram_of(self, vm: VmWish) -> int:
        ram = vm.shape.cloud_properties.get("ram", 0)
        return ram if isinstance(ram, int) else 0

    async def create_stemcell(self, request: StemcellRequest) -> StemcellCid:
        form = request.properties.get("format", "local")
        if form != "local":
            raise InfrastructureFailure(f'The stemcell {request.key} is of format "{form}", not "local".')
        async with self._call("create_stemcell", request.key):
            return HOST

    async def delete_stemcell(self, cid: StemcellCid) -> None:
        async with self._call("delete_stemcell", cid):
            pass

    async def create_vm(self, request: VmRequest) -> VmCid:
        async with self._call("create_vm", request.name) as is_real:
            if is_real:
                self._create_vm(request)
        return VmCid(request.name)

    def _create_vm(self, request: VmRequest) -> None:
        known = self.world.vms.get(request.name)
        if known is None or known.power is Power.OFF or not known.is_whole:
            self.lose_vm(request.name)
            self.world.vms[request.name] = MemoryVm(request=request, owner=self.owner)
            self._hooks.on_boot(request.enrolment)

    async def clear_enrolment(self, cid: VmCid) -> None:
        async with self._call("clear_enrolment", cid) as is_real:
            if is_real and VmName(cid) in self.world.vms:
                self.world.vms[VmName(cid)].has_enrolment = False

    async def delete_vm(self, cid: VmCid) -> None:
        async with self._call("delete_vm", cid) as is_real:
            if is_real:
                self.lose_vm(VmName(cid))

    def lose_vm(self, name: VmName) -> None:
        """The VM is gone, as when somebody deletes it behind the director's back. Its disks stay."""
        for disk in self.world.disks.values():
            if disk.vm == name:
                disk.vm = None
        known = self.world.vms.pop(name, None)
        if known is not None:
            self._hooks.on_end(known.request.enrolment.agent)

    def power_off(self, name: VmName) -> None:
        self.world.vms[name].power = Power.OFF
        self._hooks.on_end(self.world.vms[name].request.enrolment.agent)

    async def find_vm(self, name: VmName) -> SeenVm | None:
        async with self._call("find_vm", name) as is_real:
            return self._seen(name) if is_real and name in self._own(self.world.vms) else None

    async def find_vms(
        self,
        deployment: DeploymentName | None = None,
        *,
        doubted: Collection[VmName] | None = None,
        in_detail: bool = False,
    ) -> Mapping[VmName, SeenVm]:
        del doubted, in_detail  # All are looked at, and nothing is hidden.
        async with self._call("find_vms", deployment or "") as is_real:
            vms = sorted(self._own(self.world.vms).items()) if is_real else []
            return {name: self._seen(name) for name, vm in vms if deployment in {None, vm.request.deployment}}

    def _own(self, found: Mapping[_Name, _Thing]) -> Mapping[_Name, _Thing]:
        return {name: thing for name, thing in found.items() if thing.owner == self.owner}

    def _seen(self, name: VmName) -> SeenVm:
        vm = self.world.vms[name]
        disks = sorted(DiskCid(disk) for disk, known in self.world.disks.items() if known.vm == name)
        return SeenVm(
            name=name,
            cid=VmCid(name),
            power=vm.power,
            instance=vm.request.instance,
            disks=tuple(disks),
            is_whole=vm.is_whole,
            addresses=_addresses(vm.request.shape.networks),
            tags={key: str(value) for key, value in sorted(vm.request.tags.items())},
        )

    async def reboot_vm(self, cid: VmCid) -> None:
        async with self._call("reboot_vm", cid) as is_real:
            vm = self._vm(cid)
            if is_real:
                vm.power = Power.ON
                self._hooks.on_reboot(vm.request.enrolment.agent)

    async def create_disk(self, request: DiskRequest) -> DiskCid:
        async with self._call("create_disk", request.name) as is_real:
            if is_real:
                self.world.disks.setdefault(request.name, MemoryDisk(request=request, owner=self.owner))
        return DiskCid(request.name)

    async def delete_disk(self, cid: DiskCid) -> None:
        async with self._call("delete_disk", cid) as is_real:
            known = self.world.disks.get(DiskName(cid))
            if known is not None and known.vm is not None:
                raise InfrastructureFailure(f'Disk "{cid}" is attached to "{known.vm}": detach it before deleting it.')
            if is_real:
                self.world.disks.pop(DiskName(cid), None)

    async def grow_disk(self, cid: DiskCid, size_mb: int) -> None:
        async with self._call("grow_disk", cid) as is_real:
            known = self.world.disks.get(DiskName(cid))
            if known is None:
                raise InfrastructureFailure(f'Disk "{cid}" does not exist, so it cannot grow.')
            if known.vm is not None:
                raise InfrastructureFailure(f'Disk "{cid}" is attached to "{known.vm}": detach it before it grows.')
            if size_mb < known.request.size_mb:
                raise InfrastructureFailure(f'Disk "{cid}" has {known.request.size_mb} MB; a disk cannot shrink.')
            if is_real:
                known.request = replace(known.request, size_mb=size_mb)

    async def find_disk(self, name: DiskName) -> SeenDisk | None:
        async with self._call("find_disk", name) as is_real:
            return _seen_disk(self.world.disks[name]) if is_real and name in self._own(self.world.disks) else None

    async def find_disks(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, SeenDisk]:
        async with self._call("find_disks", deployment or "") as is_real:
            disks = sorted(self._own(self.world.disks).items()) if is_real else []
            return {name: _seen_disk(disk) for name, disk in disks if deployment in {None, disk.request.deployment}}

    async def attach_disk(self, vm: VmCid, disk: DiskCid) -> Tree:
        async with self._call("attach_disk", disk) as is_real:
            self._vm(vm)
            known = self.world.disks.get(DiskName(disk))
            if known is None:
                raise InfrastructureFailure(f'Disk "{disk}" does not exist, so it cannot be attached to "{vm}".')
            if known.vm is not None and known.vm != VmName(vm):
                raise InfrastructureFailure(f'Disk "{disk}" is attached to "{known.vm}": detach it there first.')
            if is_real:
                known.vm = VmName(vm)
        return {"path": f"/run/disks/{disk}"}

    async def detach_disk(self, vm: VmCid, disk: DiskCid) -> None:
        async with self._call("detach_disk", disk) as is_real:
            known = self.world.disks.get(DiskName(disk))
            if is_real and known is not None and known.vm == VmName(vm):
                known.vm = None

    async def close(self) -> None:
        """The world stays."""

    def _vm(self, cid: VmCid) -> MemoryVm:
        known = self.world.vms.get(VmName(cid))
        if known is None:
            raise InfrastructureFailure(f'VM "{cid}" does not exist.')
        return known

    @asynccontextmanager
    async def _call(self, call: str, name: str) -> AsyncIterator[bool]:
        """Counts and records the call and strikes it with its fault. Gives whether it is to be done at all."""
        self._counts[call] += 1
        self.world.calls.append((call, name))
        fault = next((f for f in self.faults if f.call == call and f.nth in {None, self._counts[call]}), None)
        kind = fault.kind if fault else None
        if fault and kind is FaultKind.DELAY:
            await self._sleep(fault.delay_s)
        if fault and kind is FaultKind.FAIL:
            raise InfrastructureFailure(f"{call} of {name} failed, as was asked for.", retry=fault.retry)
        yield kind is not FaultKind.FORGET
        if fault and kind is FaultKind.LOSE_REPLY:
            raise InfrastructureFailure(f"The connection was lost during {call} of {name}.", retry=fault.retry)


def _addresses(networks: Mapping[str, Tree]) -> tuple[tuple[str, ...], ...]:
    """Of each card, as it was asked for."""
    cards = (network for _, network in sorted(networks.items()) if network.get("type") != "vip")
    return tuple((str(network["ip"]),) if network.get("ip") else () for network in cards)


def _too_big(vm: VmWish) -> Problem:
    return Problem(
        code="placement.no-memory",
        summary="No place for a VM",
        detail=f"{vm.label} wants more memory than there is.",
        fix="choose a smaller VM type.",
    )


def _seen_disk(disk: MemoryDisk) -> SeenDisk:
    name = disk.request.name
    return SeenDisk(name=name, cid=DiskCid(name), size_mb=disk.request.size_mb, vm=VmCid(disk.vm) if disk.vm else None)
