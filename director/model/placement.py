"""Where VMs and disks are to go: asked of the infrastructure for a whole plan, answered with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from director.model.names import AzName, DeploymentName, DiskCid, DiskName, VmName
from director.model.problem import Problem
from director.model.tree import Tree
from director.model.wanted import VmShape


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskWish:
    """A disk to create. ``vm`` is the VM it will be attached to, which exists or is wished for beside it."""

    name: DiskName
    size_mb: int
    vm: VmName
    cloud_properties: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VmWish:
    """A VM to create. ``disks`` exist already and will be attached; ``label`` is its instance's, ``group/index``."""

    name: VmName
    deployment: DeploymentName
    label: str
    shape: VmShape
    az: AzName | None
    disks: tuple[DiskCid, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """``where`` is for the infrastructure that gave it. ``why`` is for people: the place and what spoke for it."""

    where: Tree = field(default_factory=dict)
    why: str = ""


NOT_PLACED = Placement()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placements:
    """``problems`` are what no plan may go on with: nothing was changed yet when they are told. ``warnings`` are to be
    shown beside the plan.
    """

    vms: Mapping[VmName, Placement] = field(default_factory=dict)
    disks: Mapping[DiskName, Placement] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
