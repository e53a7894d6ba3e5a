"""What a VM sees: a root of its own, and the mounts that fill it.

Shown of the host, read-only: its programs (``SYSTEM``) and whatever the agent's own command needs. Not shown: homes,
``/var``, ``/run``, other users' files, and the director's state but for the VM's own pieces. ``/`` is a small memory
file system, made anew at each boot; what must live over a reboot is below ``/var/vcap``.
A VM of another stemcell than this host has a root of its own instead: machine.py.

Note: cost. Making a directory on disk costs ten times a mount, so places are made in the VM's memory by mount itself,
and what is equal for every VM (the place where the root is put together, the empty devices) is made once.
"""

import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from director.adapters.local.request import Nic

SYSTEM: Final = ("bin", "etc", "gnu", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "usr")
DEVICES: Final = ("full", "null", "random", "tty", "urandom", "zero")
_DEVICE_LINKS: Final = (
    ("fd", "/proc/self/fd"),
    ("ptmx", "pts/ptmx"),
    ("stderr", "/proc/self/fd/2"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
)
OWN_FILES: Final = ("hostname", "hosts", "resolv.conf")
"""Files of each VM that lie over the host's in /etc."""

# A mount shown to a user namespace keeps these: taking one away while making it read-only is refused.
_LOCKED: Final = {
    os.ST_NOSUID: "nosuid",
    os.ST_NODEV: "nodev",
    os.ST_NOEXEC: "noexec",
    os.ST_NOATIME: "noatime",
    os.ST_NODIRATIME: "nodiratime",
    os.ST_RELATIME: "relatime",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine as every VM shows it; looked at once. ``root`` is where each VM, unseen by others, mounts its own.

    ``mounts`` is the text of fstab(5) that all VMs have in common.
    """

    root: Path
    mounts: str


def look_at_host(state_dir: Path, sockets_dir: Path, agent_command: Sequence[str], *, own_network: bool) -> Host:
    """Makes the directories that all VMs share."""
    root, devices = state_dir / "host/root", state_dir / "host/dev"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _make_devices(devices)
    shown = shown_paths(agent_command)
    lines = [tmpfs(root, "mode=755"), tmpfs(root / "tmp", "nosuid,nodev,mode=1777")]
    lines += [tmpfs(root / "run", "nosuid,nodev,mode=755"), tmpfs(root / "run/lock", "nosuid,nodev,mode=1777")]
    lines += [_shown(source, root, place) for source, place in shown]  # some may lie in /tmp
    lines += _kernel_mounts(root, own_network=own_network)
    lines += _device_mounts(root, devices)
    lines.append(line(sockets_dir, root / "run/director", "none", _read_only(sockets_dir, "bind")))
    lines.append(line(root / "run", root / "var/run", "none", "rbind"))
    lines += [line(root / name, root / "var" / Path(name).name, "none", "bind") for name in ("run/lock", "tmp")]
    if any(state_dir.is_relative_to(place) for _, place in shown):
        lines.append(tmpfs(root / state_dir.relative_to("/"), "ro,size=4k,mode=0"))
    return Host(root=root, mounts="".join(lines))


def fstab(vm: Path, host: Host) -> str:
    """Every mount of a VM in order, for one ``mount --all`` in its namespaces before the change of root."""
    own = [name for name in OWN_FILES if (vm / name).exists() and _is_plain(Path("/etc", name))]
    lines = [line(vm / name, host.root / "etc" / name, "none", "bind", make=False) for name in own]
    lines += [line(vm / "vcap", host.root / "var/vcap", "none", "bind")]
    lines += [line(vm / "disks", host.root / place, "none", "bind") for place in ("run/disks", "var/run/disks")]
    return host.mounts + "".join(lines)


def _is_plain(path: Path) -> bool:
    """A link in the host's /etc leads elsewhere, and nothing can be laid over a file that is not there."""
    return path.is_file() and not path.is_symlink()


def shown_paths(agent_command: Sequence[str]) -> tuple[tuple[Path, Path], ...]:
    """(source, place in the VM) of everything shown, none inside another's place."""
    tops = (Path("/") / name for name in SYSTEM)
    shown = [(top.resolve(), top) for top in tops if top.is_dir()]
    for path in needed_paths(agent_command):
        for place in (path, path.resolve()):
            if not any(place.is_relative_to(known) for _, known in shown):
                shown.append((path.resolve(), place))
    return tuple(shown)


def needed_paths(agent_command: Sequence[str]) -> tuple[Path, ...]:
    """Directories without which the agent could not start: this Python, its modules, the agent's code, its arguments.

    Not ``sys.path``: its first entry may be an operator's home. Shorter paths first, so that none is shown twice.
    """
    found = {Path(sys.prefix), Path(sys.base_prefix), *_hops(Path(sys.executable))}
    found |= {Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(":") if entry}
    agent = importlib.util.find_spec("agent")
    found |= {Path(place) for place in (agent.submodule_search_locations or ())} if agent else set()
    for argument in (Path(text) for text in agent_command if text.startswith("/")):
        found |= {argument if argument.is_dir() else argument.parent, *_hops(argument)}
    # A checkout holds more than its packages, and the one that is needed is shown by itself.
    usable = [path for path in found if path.is_absolute() and path.is_dir() and not _is_checkout(path)]
    return tuple(sorted(usable, key=lambda path: (len(path.parts), str(path))))


def _is_checkout(path: Path) -> bool:
    return path == Path("/") or (path / "pyproject.toml").exists()


def _hops(program: Path) -> Iterable[Path]:
    """The prefixes along a chain of links: a venv's python is a link to a link into an installation elsewhere."""
    while program.is_symlink() and program.parent.parent != Path("/"):
        yield program.parent.parent
        program = program.parent / program.readlink()


def write_etc(vm: Path, hostname: str, nics: Sequence[Nic]) -> None:
    """The VM's own name files; ``hosts`` may be changed from inside (in place: a mount cannot be renamed over)."""
    own = [f"{nic.address.ip} {hostname}" for nic in nics]
    texts = {"hostname": hostname, "hosts": "\n".join(["127.0.0.1 localhost", "::1 localhost", *own])}
    servers = [server for nic in nics for server in nic.dns]
    if servers:
        texts["resolv.conf"] = "\n".join(f"nameserver {server}" for server in servers)
    for name, text in texts.items():
        (vm / name).write_text(text + "\n")
        (vm / name).chmod(0o644)  # whatever the director's umask


def _make_devices(devices: Path) -> None:
    for directory in (devices, devices / "pts", devices / "shm"):
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
    for name in DEVICES:
        (devices / name).touch()
    for name, target in _DEVICE_LINKS:
        if not (devices / name).is_symlink():
            (devices / name).symlink_to(target)


def _device_mounts(root: Path, devices: Path) -> list[str]:
    lines = [line(devices, root / "dev", "none", _read_only(devices, "bind"))]
    lines += [line(f"/dev/{name}", root / "dev" / name, "none", "bind", make=False) for name in DEVICES]
    lines.append(line("devpts", root / "dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620"))
    return [*lines, tmpfs(root / "dev/shm", "nosuid,nodev,mode=1777")]


def _kernel_mounts(root: Path, *, own_network: bool) -> list[str]:
    """The kernel's sysfs belongs to a network namespace: only who owns one may mount it anew."""
    fresh = line("sysfs", root / "sys", "sysfs", "nosuid,nodev,noexec,ro")
    shared = line("/sys", root / "sys", "none", "rbind")
    return [line("proc", root / "proc", "proc", "nosuid,nodev,noexec"), fresh if own_network else shared]


def _shown(source: Path, root: Path, place: Path) -> str:
    # With all that is mounted below: a user namespace may not take a mount apart.
    return line(source, root / place.relative_to("/"), "none", _read_only(source, "rbind"))


def _read_only(source: Path, how: str) -> str:
    flags = os.statvfs(source).f_flag
    return ",".join([how, "ro", *(name for bit, name in _LOCKED.items() if flags & bit)])


def tmpfs(target: Path, options: str) -> str:
    return line("tmpfs", target, "tmpfs", options)


def line(source: Path | str, target: Path, kind: str, options: str, *, make: bool = True) -> str:
    made = ",X-mount.mkdir" if make else ""
    return f"{_escaped(source)} {_escaped(target)} {kind} {options}{made} 0 0\n"


def _escaped(path: Path | str) -> str:
    """fstab(5): blanks and backslashes of a path are written in octal."""
    return "".join(f"\\{ord(char):03o}" if char in " \t\n\\" else char for char in str(path))
