"""Where everything is on a VM (agent-cpi-vsphere.md 1.6). Decides paths and file modes only.

``base`` is /var/vcap on a real VM and anything else in tests; rendered files that name /var/vcap are read as
if they named ``base``.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger("agent")
_USUAL = "/var/vcap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    base: Path

    @property
    def bosh(self) -> Path:
        return self.base / "bosh"

    @property
    def data(self) -> Path:
        return self.base / "data"

    @property
    def store(self) -> Path:
        return self.base / "store"

    @property
    def migration_target(self) -> Path:
        return self.base / "store_migration_target"

    @property
    def tmp(self) -> Path:
        return self.data / "tmp"

    @property
    def stopped_marker(self) -> Path:
        return self.base / "monit" / "stopped"

    @property
    def instance(self) -> Path:
        return self.base / "instance"

    @property
    def notes(self) -> Path:
        """Where scripts are noted while they run (see leftover.py)."""
        return self.bosh / "running"

    def job(self, name: str) -> Path:
        """The link to the bundle of the job that is enabled."""
        return self.base / "jobs" / name

    def package(self, name: str) -> Path:
        return self.base / "packages" / name

    def log(self, job: str = "") -> Path:
        return self.data / "sys" / "log" / job

    def run(self, job: str = "") -> Path:
        return self.data / "sys" / "run" / job

    def resolve(self, path: str) -> str:
        """``path`` with a leading /var/vcap replaced by this layout's base."""
        if path == _USUAL or path.startswith(_USUAL + "/"):
            return str(self.base) + path[len(_USUAL) :]
        return path

    def environment(self) -> dict[str, str]:
        """What every script and job gets, and nothing of the agent's own environment."""
        home = "/root" if os.geteuid() == 0 else str(self.data)
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": home,
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.tmp),
        }


def make_directories(layout: Layout) -> None:
    """Everything that must exist before the first request. Repeatable."""
    for path, mode in (
        (layout.bosh, 0o755),
        (layout.bosh / "log", 0o755),
        (layout.bosh / "results", 0o700),
        (layout.bosh / "begun", 0o700),
        (layout.notes, 0o700),
        (layout.base / "jobs", 0o755),
        (layout.base / "packages", 0o755),
        (layout.base / "monit", 0o755),
        (layout.instance, 0o755),
        (layout.data, 0o755),
        (layout.data / "jobs", 0o755),
        (layout.data / "packages", 0o755),
        (layout.data / "compile", 0o755),
        (layout.log(), 0o755),
        (layout.run(), 0o755),
    ):
        make_directory(path, mode)
    make_directory(layout.tmp, 0o1777)
    sys_link = layout.base / "sys"
    if not sys_link.exists() and not sys_link.is_symlink():
        sys_link.symlink_to("data/sys")


def make_directory(path: Path, mode: int, owner: tuple[int, int] | None = None) -> None:
    """A directory with exactly this mode, whatever the umask."""
    path.mkdir(parents=True, exist_ok=True)
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)
    if owner is not None:
        os.chown(path, *owner)


def write_atomically(path: Path, content: bytes, mode: int, *, durable: bool = False) -> None:
    """Readers see the old file or the new one, never a part; ``durable`` survives a power cut too."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, mode)
        file.write(content)
        if durable:
            file.flush()
            os.fsync(fd)
    fresh.replace(path)
    if durable:
        sync_directory(path.parent)


def try_to_write(path: Path, content: bytes, mode: int) -> None:
    """As above, but a full disk is only logged: for what the agent can go on without."""
    try:
        write_atomically(path, content, mode)
    except OSError as error:
        log.error("not written path=%s why=%s", path, error.strerror)  # noqa: TRY400 - the reason says it all


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def link_atomically(link: Path, target: Path) -> None:
    """Points ``link`` at ``target`` (relative, so that the tree can be looked at from outside the VM too)."""
    relative = os.path.relpath(target, link.parent)
    if link.is_symlink() and str(link.readlink()) == relative:
        return
    fresh = link.with_name(link.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(relative)
    fresh.replace(link)
