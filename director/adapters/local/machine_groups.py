"""The control groups of a machine: a group of its own in every hierarchy, which it sees as all there is.

A machine is a VM that makes groups itself, for containers. So it is put into a group of each hierarchy of this
machine, limits or not, and mounts them in a cgroup namespace, where its group is the top (cgroup_namespaces(7)).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from director.adapters.local.limits import Groups, cgroup_mounts, enable, remove_group
from director.ports.failure import InfrastructureFailure

_CONTROLLERS: Final = (
    *("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "misc", "net_cls", "net_prio"),
    *("perf_event", "pids", "rdma"),
)
"""What selects a hierarchy of version 1 when it is mounted; its other options do not."""
_INHERITED: Final = ("cpuset.cpus", "cpuset.mems")
"""Empty in a new group of version 1, which then takes no process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """``root`` holds a group per machine. ``options`` mount it, ``place`` is where, below /sys/fs/cgroup."""

    kind: str
    options: str
    place: str
    root: Path

    def create(self, vm: str) -> Path:
        """Returns the file into which a process writes 0 to join. Raises OSError."""
        group = self.root / vm
        group.mkdir(parents=True, exist_ok=True)
        if self.kind == "cgroup2":
            for above in (self.root.parent, self.root):
                _hand_down(above)
        elif (group / _INHERITED[0]).exists():
            for below in (self.root, group):
                _inherit(below)
        return group / "cgroup.procs"


def find_hierarchies(groups: Groups, owner: str, mountinfo: str) -> tuple[Hierarchy, ...]:
    """Each once. With version 2 alone that is the one in which limits are; beside version 1 it has no controllers."""
    if groups.version == 2:
        (root,) = set(groups.roots.values())
        return (Hierarchy(kind="cgroup2", options="", place="", root=root),)
    found: dict[str, Hierarchy] = {}
    for kind, options, point in cgroup_mounts(mountinfo):
        chosen = ",".join(option for option in options if option in _CONTROLLERS or option.startswith("name="))
        place = chosen.removeprefix("name=") if kind == "cgroup" else "unified"
        if place:
            mount = f"none,{chosen}" if chosen.startswith("name=") else chosen
            root = point / f"director-{owner}"
            found.setdefault(place, Hierarchy(kind=kind, options=mount, place=place, root=root))
    return tuple(found[place] for place in sorted(found))


def create_groups(hierarchies: Sequence[Hierarchy], vm: str) -> tuple[Path, ...]:
    """Raises InfrastructureFailure where one may not be written: a container's engine then sees half a machine."""
    if not any(hierarchy.kind == "cgroup" or not hierarchy.place for hierarchy in hierarchies):
        raise InfrastructureFailure(
            f"{vm} needs control groups with controllers, and this director may hand none down: run it where it may, "
            "as root outside of a container, or in one with a cgroup namespace of its own and nothing else in its top."
        )
    try:
        return tuple(hierarchy.create(vm) for hierarchy in hierarchies)
    except OSError as error:
        raise InfrastructureFailure(
            f"{vm} needs a control group of its own in every hierarchy of this machine: {error}."
        ) from error


async def remove_groups(hierarchies: Sequence[Hierarchy], vm: str) -> None:
    """With all that containers made below. Nothing there is well."""
    for hierarchy in hierarchies:
        await remove_group(hierarchy.root / vm)
        with suppress(OSError):  # another machine is in it: the last one takes it along
            hierarchy.root.rmdir()


def mounts(hierarchies: Sequence[Hierarchy]) -> Iterable[tuple[str, str, str]]:
    """(place below /sys/fs/cgroup, kind, options) of each."""
    for hierarchy in hierarchies:
        options = [hierarchy.options] if hierarchy.options else []
        yield hierarchy.place, hierarchy.kind, ",".join(["nosuid", "nodev", "noexec", *options])


def _inherit(group: Path) -> None:
    for name in _INHERITED:
        if not (group / name).read_text().strip():
            (group / name).write_text((group.parent / name).read_text())


def _hand_down(group: Path) -> None:
    """One by one: a controller that cannot be had keeps none of the others away."""
    offered = group / "cgroup.controllers"
    for controller in sorted(offered.read_text().split()) if offered.exists() else ():
        enable(group, {controller})
