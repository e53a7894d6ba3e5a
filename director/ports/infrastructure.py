"""Where VMs and disks live: this machine, vSphere, an external CPI program.

Every call is repeatable: a creation finds what exists under its name and adopts it, a removal of what
is gone succeeds. Every call raises InfrastructureFailure, with words for the operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from director.model.names import AgentId, DeploymentName, DiskCid, DiskName, InstanceId, StemcellCid, VmCid, VmName
from director.model.sighting import SeenDisk, SeenVm
from director.model.tree import Tree
from director.model.wanted import VmShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a new VM's agent needs to reach the director, once. ``token`` works for one enrolment only.

    ``enrol_targets`` and ``agent_targets`` are gRPC targets (``unix:/path``, ``host:port``), best first.
    """

    agent: AgentId
    token: str = field(repr=False)
    ca_certificate: str
    enrol_targets: tuple[str, ...]
    agent_targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VmRequest:
    """``shape`` with every placeholder resolved. ``tags`` go onto the VM where it can carry them."""

    name: VmName
    instance: InstanceId
    deployment: DeploymentName
    shape: VmShape
    enrolment: Enrolment
    disks: tuple[DiskCid, ...] = ()
    tags: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRequest:
    name: DiskName
    deployment: DeploymentName
    size_mb: int
    cloud_properties: Tree = field(default_factory=dict)
    vm: VmCid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InfrastructureInfo:
    """``stemcell_formats`` are the formats create_stemcell takes. ``not_enforced`` names limits let go here."""

    name: str
    stemcell_formats: tuple[str, ...]
    not_enforced: tuple[str, ...] = ()


class Infrastructure(Protocol):
    async def info(self) -> InfrastructureInfo: ...

    async def create_stemcell(self, image: Path, properties: Tree) -> StemcellCid: ...

    async def delete_stemcell(self, cid: StemcellCid) -> None: ...

    async def create_vm(self, request: VmRequest) -> VmCid:
        """Creates and powers on, or adopts the VM of that name. Its agent dials in by itself."""
        ...

    async def delete_vm(self, cid: VmCid) -> None:
        """Returns when no process of it runs and no address of it answers. Attached disks are detached, not deleted."""
        ...

    async def find_vm(self, name: VmName) -> SeenVm | None: ...

    async def find_vms(self, deployment: DeploymentName | None = None) -> Mapping[VmName, SeenVm]:
        """All VMs of ours (of one deployment), in one bulk read."""
        ...

    async def reboot_vm(self, cid: VmCid) -> None: ...

    async def create_disk(self, request: DiskRequest) -> DiskCid: ...

    async def delete_disk(self, cid: DiskCid) -> None: ...

    async def find_disk(self, name: DiskName) -> SeenDisk | None: ...

    async def find_disks(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, SeenDisk]: ...

    async def attach_disk(self, vm: VmCid, disk: DiskCid) -> Tree:
        """Returns the hint by which the agent finds the disk in its VM (``{"path": …}``)."""
        ...

    async def detach_disk(self, vm: VmCid, disk: DiskCid) -> None: ...

    async def close(self) -> None: ...
