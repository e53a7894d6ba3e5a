"""Any CPI program behind the ``Infrastructure`` port (agent-cpi-vsphere.md section 2). Decides nothing; its parts do.

Note: the limits of the protocol. A VM, disk or stemcell is found by its name only through this adapter's own memory
below ``directory``: what that has lost, a CPI cannot be asked for. Whether a VM is powered on, where it runs, and how
big it is, a CPI does not tell.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from director.adapters.cpi.abilities import Learned
from director.adapters.cpi.arguments import resources_tree
from director.adapters.cpi.client import Cpi, CpiOptions
from director.adapters.cpi.diagnose import findings_of, unusable_program
from director.adapters.cpi.disks import Disks
from director.adapters.cpi.faults import CpiFault, Kind
from director.adapters.cpi.line import Say, to_debug_log
from director.adapters.cpi.memory import Memory
from director.adapters.cpi.room import Room
from director.adapters.cpi.stemcells import Stemcells
from director.adapters.cpi.vms import Vms
from director.model.deployment import VmResources
from director.model.names import DeploymentName, DiskCid, DiskName, StemcellCid, VmCid, VmName
from director.model.placement import DiskWish, Placement, Placements, VmWish
from director.model.problem import Problem
from director.model.sighting import SeenDisk, SeenVm
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import DiskRequest, Finding, InfrastructureInfo, StemcellRequest, VmRequest


class CpiInfrastructure:
    """``directory`` holds what is remembered of all CPIs, each below its name. ``say`` gets the CPI's log by lines.

    Nothing is read or run before the first call.
    """

    def __init__(self, options: CpiOptions, directory: Path, *, say: Say = to_debug_log) -> None:
        self._options = options
        self._directory = directory.absolute()
        memory = Memory(self._directory / quote(options.name, safe=""))
        self._room = Room(cpi=Cpi(options, memory.calls, say), memory=memory)
        self._learned = Learned(self._room)
        self._vms = Vms(self._room)
        self._disks = Disks(self._room, self._vms, self._learned)
        self._stemcells = Stemcells(self._room)
        self._opening = asyncio.Lock()
        self._is_open = False

    async def info(self) -> InfrastructureInfo:
        """Runs the program the first time: it alone knows its formats. Afterwards from memory."""
        await self._open()
        abilities = await self._room.cpi.abilities()
        return InfrastructureInfo(
            name=self._options.name,
            stemcell_formats=abilities.stemcell_formats,
            can_grow_disks=await self._learned.can_resize(),
        )

    async def diagnose(self) -> Sequence[Finding]:
        await self._open()
        return await findings_of(self._room)

    async def cloud_properties_for(self, resources: VmResources) -> Tree:
        await self._open()
        try:
            said = await self._room.cpi.call("calculate_vm_cloud_properties", resources_tree(resources))
        except CpiFault as fault:
            if fault.kind is Kind.NOT_IMPLEMENTED:
                raise fault.with_words("Use a vm_type instead of vm_resources with this CPI.") from fault
            raise
        if not isinstance(said, Mapping):
            raise InfrastructureFailure(f"CPI '{self._options.name}' calculated no map of cloud properties.")
        return said

    async def place(self, vms: Sequence[VmWish], disks: Sequence[DiskWish]) -> Placements:
        """The CPI places by itself, when it creates. All that can be known before is whether it can be run."""
        await self._open()
        why = f"where CPI '{self._options.name}' puts it"
        unusable = unusable_program(self._room)
        return Placements(
            vms={vm.name: Placement(why=why) for vm in vms},
            disks={disk.name: Placement(why=why) for disk in disks},
            problems=(_problem(unusable),) if unusable else (),
        )

    async def create_stemcell(self, request: StemcellRequest) -> StemcellCid:
        await self._open()
        return await self._stemcells.create(request)

    async def delete_stemcell(self, cid: StemcellCid) -> None:
        await self._open()
        await self._stemcells.delete(cid)

    async def create_vm(self, request: VmRequest) -> VmCid:
        await self._open()
        return await self._vms.create(request)

    async def clear_enrolment(self, cid: VmCid) -> None:
        """Nothing to do: a CPI cannot take back what it gave to a VM, and the token has worked its one time."""

    async def delete_vm(self, cid: VmCid) -> None:
        await self._open()
        await self._vms.delete(cid)

    async def find_vm(self, name: VmName) -> SeenVm | None:
        await self._open()
        return await self._vms.find(name)

    async def find_vms(
        self,
        deployment: DeploymentName | None = None,
        *,
        doubted: Collection[VmName] | None = None,
        in_detail: bool = False,
    ) -> Mapping[VmName, SeenVm]:
        del in_detail  # A CPI can be given addresses and tags, but not be asked for them.
        await self._open()
        return await self._vms.find_all(deployment, doubted)

    async def reboot_vm(self, cid: VmCid) -> None:
        await self._open()
        await self._vms.reboot(cid)

    async def create_disk(self, request: DiskRequest) -> DiskCid:
        await self._open()
        return await self._disks.create(request)

    async def delete_disk(self, cid: DiskCid) -> None:
        await self._open()
        await self._disks.delete(cid)

    async def grow_disk(self, cid: DiskCid, size_mb: int) -> None:
        await self._open()
        await self._disks.grow(cid, size_mb)

    async def find_disk(self, name: DiskName) -> SeenDisk | None:
        await self._open()
        return await self._disks.find(name)

    async def find_disks(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, SeenDisk]:
        await self._open()
        return self._disks.find_all(deployment)

    async def attach_disk(self, vm: VmCid, disk: DiskCid) -> Tree:
        await self._open()
        return await self._disks.attach(vm, disk)

    async def detach_disk(self, vm: VmCid, disk: DiskCid) -> None:
        await self._open()
        await self._disks.detach(vm, disk)

    async def close(self) -> None:
        """Programs that create something go on; who asks next for what they make waits for them."""
        self._room.cpi.close()
        self._room.memory.close()

    async def _open(self) -> None:
        async with self._opening:
            if not self._is_open:
                self._take_over_former()
                await self._room.memory.load()
                self._is_open = True

    def _take_over_former(self) -> None:
        """A CPI that was renamed in its config keeps what it made under its former name."""
        mine = self._directory / quote(self._options.name, safe="")
        former = [self._directory / quote(name, safe="") for name in self._options.former_names if name]
        found = next((path for path in former if path.is_dir()), None)
        if found is not None and not mine.exists():
            found.rename(mine)


def _problem(detail: str) -> Problem:
    return Problem(
        code="cpi.not-runnable",
        summary="CPI that cannot be run",
        detail=detail,
        fix="install the CPI's release on the director's machine, or correct exec_path in the CPI config.",
    )
