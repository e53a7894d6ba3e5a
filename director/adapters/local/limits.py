"""Limits of a VM as control groups, version 1 or 2, wherever this director may write them.

Decides which limits hold on this machine; what cannot be enforced is named, never silently let go.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from director.adapters.local.files import Limits
from director.ports.failure import InfrastructureFailure, Retry

CONTROLLERS: Final = ("cpu", "memory", "pids")
_LIMIT_OF: Final = {"cpu": "cpu", "memory": "ram"}
# A runaway VM must not use up the machine's pids. A node of Kubernetes has up to 110 pods, some of hundreds of threads.
PIDS_MAX: Final = 16_384
MACHINE_PIDS_MAX: Final = 65_536
_PERIOD_US: Final = 100_000
# A killed process leaves its group a moment after its end was seen; version 1 tells nobody when.
_REMOVE_PAUSES_S: Final = (0.001, 0.004, 0.016, 0.064, 0.25, 1.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """``roots`` maps each controller to the directory that holds one group per VM; version 2 has one for all."""

    version: int
    roots: Mapping[str, Path]

    @property
    def not_enforced(self) -> tuple[str, ...]:
        """Names of limits, as cloud properties name them. Size of disks is not enforced by directories."""
        return tuple(sorted({"disk", *(name for key, name in _LIMIT_OF.items() if key not in self.roots)}))

    def create(self, vm: str, limits: Limits, pids_max: int = PIDS_MAX) -> tuple[Path, ...]:
        """Makes the VM's groups; returns the files into which a process writes 0 to join them."""
        try:
            for controller, root in self.roots.items():
                group = root / vm
                group.mkdir(parents=True, exist_ok=True)
                if self.version == 2 and not enable(root, set(self.roots)):
                    raise InfrastructureFailure(f"{root} does not hand its controllers down to its groups.")
                for name, value in _settings(self.version, controller, limits, pids_max):
                    (group / name).write_text(value)
        except OSError as error:
            raise InfrastructureFailure(f"The control group of {vm} cannot be made: {error}.") from error
        return tuple(group / "cgroup.procs" for group in self._groups(vm))

    async def remove(self, vm: str) -> None:
        """Removes the VM's groups with all it made below them; raises InfrastructureFailure when they stay busy."""
        for group in self._groups(vm):
            await remove_group(group)
            with suppress(OSError):  # another VM is in it: the last one takes it along
                group.parent.rmdir()

    def _groups(self, vm: str) -> list[Path]:
        return sorted({root / vm for root in self.roots.values()})


def _settings(version: int, controller: str, limits: Limits, pids_max: int) -> Iterable[tuple[str, str]]:
    quota = int(limits.cpu * _PERIOD_US) if limits.cpu else None
    ram = str(limits.ram_mb * 1024 * 1024) if limits.ram_mb else None
    if controller == "pids":
        yield "pids.max", str(pids_max)
    elif controller == "memory" and ram:
        yield ("memory.max" if version == 2 else "memory.limit_in_bytes"), ram
    elif controller == "cpu" and quota and version == 2:
        yield "cpu.max", f"{quota} {_PERIOD_US}"
    elif controller == "cpu" and quota:
        yield "cpu.cfs_quota_us", str(quota)


async def remove_group(group: Path) -> None:
    """With all below it, the deepest first; raises InfrastructureFailure when it stays busy."""
    for pause in _REMOVE_PAUSES_S:
        if _try_remove(group):
            return
        await asyncio.sleep(pause)
    raise InfrastructureFailure(f"The control group {group} is still in use.", retry=Retry.SOON)


def _try_remove(group: Path) -> bool:
    try:
        group.rmdir()  # its files go with it
    except FileNotFoundError:
        return True
    except OSError:
        return _try_remove_below(group)
    return True


def _try_remove_below(group: Path) -> bool:
    try:
        for directory, _, _ in os.walk(group, topdown=False):
            Path(directory).rmdir()
    except OSError:
        return not group.exists()
    return True


def find_groups(owner: str, mountinfo: str, membership: str) -> Groups:
    """What this process may use. ``mountinfo`` and ``membership`` are /proc/self/mountinfo and /proc/self/cgroup.

    Version 1: each controller's hierarchy. Version 2: as root its top, otherwise the topmost group above our own
    that was delegated to us, because a process may only be moved below a group its mover may write.
    """
    name = f"director-{owner}"
    first: dict[str, Path] = {}
    for kind, options, point in cgroup_mounts(mountinfo):
        if kind == "cgroup":
            first |= {key: point / name for key in CONTROLLERS if key in options and os.access(point, os.W_OK)}
        else:
            second = _delegated(point, membership)
            found = set(CONTROLLERS) & _words(second / "cgroup.controllers") if second else set()
            if second and found and enable(second, found):
                return Groups(version=2, roots={key: second / name for key in CONTROLLERS if key in found})
    return Groups(version=1, roots=first)


def cgroup_mounts(mountinfo: str) -> Iterable[tuple[str, list[str], Path]]:
    """(kind, options of the hierarchy, where) of each."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in {"cgroup", "cgroup2"}:
            yield kind, options.split(","), Path(left.split()[4])


def _delegated(point: Path, membership: str) -> Path | None:
    own = next((line[3:] for line in membership.splitlines() if line.startswith("0::")), "/")
    chain = [point / own.lstrip("/")]
    while chain[-1] != point:
        chain.append(chain[-1].parent)
    writable = [group for group in chain if os.access(group / "cgroup.procs", os.W_OK) and os.access(group, os.W_OK)]
    return writable[-1] if writable else None


def _words(path: Path) -> set[str]:
    return set(path.read_text().split()) if path.exists() else set()


def enable(group: Path, controllers: set[str]) -> bool:
    """Hands the controllers down. Refused where processes live in the group itself: then its groups have no limits."""
    control = group / "cgroup.subtree_control"
    missing = controllers - _words(control)
    try:
        if missing:
            control.write_text(" ".join(f"+{key}" for key in sorted(missing)))
    except OSError:
        return False
    return True
