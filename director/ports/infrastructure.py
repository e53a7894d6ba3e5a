"""Where VMs and disks live: this machine, vSphere, an external CPI program.

Every call is repeatable: a creation finds what exists under its name and adopts it, a removal of what
is gone succeeds. Every call raises InfrastructureFailure, with words for the operator.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from director.model.deployment import VmResources
from director.model.names import AgentId, DeploymentName, DiskCid, DiskName, InstanceId, StemcellCid, VmCid, VmName
from director.model.placement import DiskWish, Placements, VmWish
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
    """``shape`` with every placeholder resolved. ``where`` is the plan's placement, as ``place`` gave it.

    ``tags`` go onto the VM where it can carry them; all of them are strings.
    """

    name: VmName
    instance: InstanceId
    deployment: DeploymentName
    shape: VmShape
    enrolment: Enrolment
    disks: tuple[DiskCid, ...] = ()
    tags: Tree = field(default_factory=dict)
    where: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRequest:
    """``is_again``: an earlier attempt may have made it, perhaps in another place than ``where`` now says."""

    name: DiskName
    deployment: DeploymentName
    size_mb: int
    cloud_properties: Tree = field(default_factory=dict)
    vm: VmCid | None = None
    where: Tree = field(default_factory=dict)
    is_again: bool = False


def _nobody_listens(percent: int) -> None:
    del percent


@dataclass(frozen=True, slots=True, kw_only=True)
class StemcellRequest:
    """``key`` names this upload: asked again with it, what a lost call had made is adopted or finished.

    ``progress`` is told percents, from any thread.
    """

    key: str
    image: Path
    properties: Tree = field(default_factory=dict)
    progress: Callable[[int], None] = _nobody_listens


@dataclass(frozen=True, slots=True, kw_only=True)
class InfrastructureInfo:
    """``stemcell_formats`` are the formats create_stemcell takes. ``not_enforced`` names limits let go here.

    ``leaves_enrolment``: what a new VM's agent reads could be read by others too, until ``clear_enrolment``.
    """

    name: str
    stemcell_formats: tuple[str, ...]
    not_enforced: tuple[str, ...] = ()
    can_grow_disks: bool = False
    leaves_enrolment: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing ``diagnose`` looked at. ``fix`` says what to do when it is not well."""

    subject: str
    is_well: bool
    detail: str
    fix: str = ""


class Infrastructure(Protocol):
    async def info(self) -> InfrastructureInfo:
        """Without asking the infrastructure anything where that can be helped."""
        ...

    async def diagnose(self) -> Sequence[Finding]:
        """Whether it can be reached, allows what is needed, and has what its settings name. Changes nothing."""
        ...

    async def cloud_properties_for(self, resources: VmResources) -> Tree:
        """VM properties that give at least these resources (BOSH's ``calculate_vm_cloud_properties``)."""
        ...

    async def place(self, vms: Sequence[VmWish], disks: Sequence[DiskWish]) -> Placements:
        """Where each would go, all of them together, and why; and everything that makes it impossible.

        Reads, never changes. Called once for a plan that creates anything.
        """
        ...

    async def create_stemcell(self, request: StemcellRequest) -> StemcellCid: ...

    async def delete_stemcell(self, cid: StemcellCid) -> None: ...

    async def create_vm(self, request: VmRequest) -> VmCid:
        """Creates and powers on, or adopts the VM of that name. Its agent dials in by itself."""
        ...

    async def clear_enrolment(self, cid: VmCid) -> None:
        """The VM's agent has enrolled: what was left for it to read is removed."""
        ...

    async def delete_vm(self, cid: VmCid) -> None:
        """Returns when no process of it runs and no address of it answers. Attached disks are detached, not deleted."""
        ...

    async def find_vm(self, name: VmName) -> SeenVm | None: ...

    async def find_vms(
        self,
        deployment: DeploymentName | None = None,
        *,
        doubted: Collection[VmName] | None = None,
        in_detail: bool = False,
    ) -> Mapping[VmName, SeenVm]:
        """All VMs of ours (of one deployment), in one bulk read; ``in_detail`` with addresses and tags, where they can
        be seen, which may take one more.

        An infrastructure that can only ask for VMs one by one asks for ``doubted`` (None: for all), and answers for
        the others with what it last knew.
        """
        ...

    async def reboot_vm(self, cid: VmCid) -> None: ...

    async def create_disk(self, request: DiskRequest) -> DiskCid: ...

    async def delete_disk(self, cid: DiskCid) -> None: ...

    async def grow_disk(self, cid: DiskCid, size_mb: int) -> None:
        """Of a detached disk, in place; one that has the size is well. Only where ``can_grow_disks``."""
        ...

    async def find_disk(self, name: DiskName) -> SeenDisk | None: ...

    async def find_disks(self, deployment: DeploymentName | None = None) -> Mapping[DiskName, SeenDisk]: ...

    async def attach_disk(self, vm: VmCid, disk: DiskCid) -> Tree:
        """Returns the hint by which the agent finds the disk in its VM (``{"path": …}``, ``{"id": …}``)."""
        ...

    async def detach_disk(self, vm: VmCid, disk: DiskCid) -> None: ...

    async def close(self) -> None: ...
