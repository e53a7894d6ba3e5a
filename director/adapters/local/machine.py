"""A VM with a root of its own, as a kubelet wants one: the stemcell's tree below, what the VM changed above.

Decides what is mounted where; ``init.sh`` and ``machine.sh`` do it. Only root can have one.

    vms/<vm>/lower           → the stemcell's tree, which all its VMs share and none can change
    vms/<vm>/disk/upper      what this VM changed in it, kept over a reboot; in memory where the disk cannot hold it
    vms/<vm>/proc            what its /proc shows (machine_proc.py)
    vms/<vm>/vcap, disks     its /var/vcap, and persistent disks, on this machine's own file system

Note: nesting. The file system of a container often is an overlay, which cannot hold another one's changes. Then they
lie in the VM's memory and end with a reboot. Container engines mount overlays too: they find room below /var/vcap.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from director.adapters.local.files import Limits
from director.adapters.local.limits import MACHINE_PIDS_MAX, Groups
from director.adapters.local.machine_groups import Hierarchy, create_groups, find_hierarchies, mounts, remove_groups
from director.adapters.local.machine_proc import write_proc
from director.adapters.local.network import hash_of
from director.adapters.local.request import Nic
from director.adapters.local.root import line, tmpfs, write_etc

_MARK: Final = "machine"
"""Where init.sh finds it, the VM is one."""


class Machines:
    """``home`` is the state directory, ``sockets`` the director's, shown to all."""

    def __init__(self, home: Path, sockets: Path) -> None:
        self._owner = hash_of(str(home))
        self._sockets = sockets
        self._found: tuple[Hierarchy, ...] | None = None

    def _hierarchies(self, groups: Groups) -> tuple[Hierarchy, ...]:
        if self._found is None:
            self._found = find_hierarchies(groups, self._owner, Path("/proc/self/mountinfo").read_text())
        return self._found

    async def create_groups(self, vm: str, limits: Limits, groups: Groups) -> tuple[Path, ...]:
        """Returns the files into which a process writes 0 to join them. Raises InfrastructureFailure."""
        hierarchies = self._hierarchies(groups)
        # What containers of a boot before left would be taken for containers that run.
        await remove_groups(hierarchies, vm)
        joins = create_groups(hierarchies, vm)
        groups.create(vm, limits, MACHINE_PIDS_MAX)
        return joins

    async def remove_groups(self, vm: str, groups: Groups) -> None:
        await remove_groups(self._hierarchies(groups), vm)

    def prepare(
        self, vm: Path, lower: Path, root: Path, nics: Sequence[Nic], limits: Limits, groups: Groups, hostname: str
    ) -> str:
        """Writes all that a boot reads but for groups and network; returns the mounts as fstab(5). Repeatable.

        ``lower`` is the stemcell's tree, ``root`` where the VM puts its own together.
        """
        write_etc(vm, hostname, nics)
        (vm / "resolv.conf").touch(mode=0o644)  # without one a resolver asks the VM itself
        _write(vm / "machine-id", hashlib.sha256(vm.name.encode()).hexdigest()[:32] + "\n")
        for directory in ("disk", "disk/upper", "disk/work", "memory"):
            (vm / directory).mkdir(mode=0o755, exist_ok=True)
            (vm / directory).chmod(0o755)  # whatever the director's umask: "upper" is the VM's /
        (vm / "lower").unlink(missing_ok=True)
        (vm / "lower").symlink_to(lower)
        _write(vm / _MARK, "")
        lines = [*_mounts(vm, root, self._sockets), *_group_mounts(self._hierarchies(groups), root / "sys/fs/cgroup")]
        shown = write_proc(vm / "proc", limits)
        lines += [line(file, root / "proc" / place, "none", "bind", make=False) for file, place in shown]
        return "".join(lines)


def _mounts(vm: Path, root: Path, sockets: Path) -> list[str]:
    return [
        line("proc", root / "proc", "proc", "nosuid,nodev,noexec"),
        line("sysfs", root / "sys", "sysfs", "nosuid,nodev,noexec,ro"),
        tmpfs(root / "dev", "nosuid,mode=755"),
        line("devpts", root / "dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        tmpfs(root / "dev/shm", "nosuid,nodev,mode=1777"),
        line("mqueue", root / "dev/mqueue", "mqueue", "nosuid,nodev,noexec"),
        tmpfs(root / "run", "nosuid,nodev,mode=755"),
        tmpfs(root / "run/lock", "nosuid,nodev,noexec,mode=1777"),
        tmpfs(root / "tmp", "nosuid,nodev,mode=1777"),
        line(sockets, root / "run/director", "none", "bind,ro"),
        line(vm / "disks", root / "run/disks", "none", "bind"),
        line(vm / "vcap", root / "var/vcap", "none", "bind"),
    ]


def _group_mounts(hierarchies: Sequence[Hierarchy], top: Path) -> list[str]:
    """Version 2 alone is mounted at the top itself, others in a directory each."""
    if hierarchies and not hierarchies[0].place:
        return [line("cgroup", top, kind, options) for _, kind, options in mounts(hierarchies)]
    each = [line("cgroup", top / place, kind, options) for place, kind, options in mounts(hierarchies)]
    return [tmpfs(top, "nosuid,nodev,noexec,mode=755"), *each]


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)


def warning(home: Path) -> str:
    """What a VM of a stemcell loses where the state directory is; nothing in most places."""
    if not is_in_overlay(home, Path("/proc/self/mountinfo").read_text()):
        return ""
    return (
        f" But {home} lies in an overlay: what VMs of a stemcell change outside of /var/vcap is in memory and ends "
        "with a reboot, and containers in them need another snapshotter than overlayfs."
    )


def is_in_overlay(directory: Path, mountinfo: str) -> bool:
    """Whether it lies in an overlay. ``mountinfo``: /proc/self/mountinfo, where a later mount hides an earlier one."""
    kinds = {}
    for text in mountinfo.splitlines():
        left, _, right = text.partition(" - ")
        # proc_pid_mountinfo(5): blanks and backslashes of a path are written in octal.
        place = left.split()[4].encode().decode("unicode_escape")
        kinds[Path(place)] = right.split()[0]
    return next((kinds[above] == "overlay" for above in (directory, *directory.parents) if above in kinds), False)
