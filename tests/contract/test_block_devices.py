"""The agent's disks on real block devices: loop devices over files, which need root and a kernel that has them."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import filesystem, partition
from agent.disks import Disks
from agent.failure import Failed
from agent.layout import Layout, make_directories

MB = 1024 * 1024
PROGRAMS = ("losetup", "sfdisk", "partx", "blkid", "mkfs.ext4", "mkfs.xfs", "resize2fs", "dumpe2fs", "xfs_growfs")


def _why_not() -> str:
    if os.geteuid() != 0:
        return "loop devices need root"
    missing = [program for program in PROGRAMS if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if subprocess.run(["losetup", "--find"], capture_output=True, check=False).returncode:
        return "this kernel gives no loop devices"
    return ""


pytestmark = [pytest.mark.root, pytest.mark.skipif(bool(_why_not()), reason=_why_not())]


class Loop:
    """A disk that is a file, attached as a block device."""

    def __init__(self, file: Path, size_mb: int) -> None:
        self.file = file
        self.resize(size_mb)
        self.device = Path(_run("losetup", "--find", "--show", str(file)))

    def resize(self, size_mb: int) -> None:
        with self.file.open("ab") as file:
            file.truncate(size_mb * MB)

    def grow(self, size_mb: int) -> None:
        self.resize(size_mb)
        _run("losetup", "--set-capacity", str(self.device))

    def end(self) -> None:
        """Where a kernel does not read tables by itself, it does not forget partitions by itself either."""
        subprocess.run(["partx", "--delete", str(self.device)], capture_output=True, check=False)
        _run("losetup", "--detach", str(self.device))


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str, int], Loop]]:
    made: list[Loop] = []

    def one(name: str, size_mb: int) -> Loop:
        made.append(Loop(tmp_path / name, size_mb))
        return made[-1]

    yield one
    for loop in made:
        loop.end()


@pytest.fixture
def layout(tmp_path: Path, make) -> Iterator[Layout]:
    """Ends, with its mounts, before the loops do."""
    layout = Layout(base=tmp_path / "vcap")
    make_directories(layout)
    yield layout
    for place in (layout.store, layout.migration_target):
        if os.path.ismount(place):
            _run("umount", str(place))


def _wish(layout: Layout, kind: str) -> None:
    (layout.bosh / "machine.json").write_text(f'{{"env": {{"persistent_disk_fs": "{kind}"}}}}')


def _size_mb(place: Path) -> int:
    stat = os.statvfs(place)
    return stat.f_blocks * stat.f_frsize // MB


async def test_a_blank_disk_is_partitioned_formatted_and_mounted_and_keeps_its_files(layout: Layout, make) -> None:
    disk = make("disk", 64)
    disks = Disks(layout)
    await disks.mount("d", str(disk.device))
    (layout.store / "entry").write_text("kept")
    assert disks.mounted() == ["d"]
    assert filesystem.is_mounted(partition.of(disk.device)[0], layout.store)
    await disks.mount("d", str(disk.device))
    await disks.unmount("d")
    assert disks.mounted() == []
    assert not (layout.store / "entry").exists()
    await disks.mount("d", str(disk.device))
    assert (layout.store / "entry").read_text() == "kept"


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
async def test_a_disk_that_grew_gets_a_larger_file_system(layout: Layout, make, kind: str) -> None:
    _wish(layout, kind)
    disk = make("disk", 320)
    disks = Disks(layout)
    await disks.mount("d", str(disk.device))
    (layout.store / "entry").write_text("kept")
    before = _size_mb(layout.store)
    await disks.unmount("d")
    disk.grow(640)
    await disks.mount("d", str(disk.device))
    assert (layout.store / "entry").read_text() == "kept"
    assert _size_mb(layout.store) > before + 290
    assert partition.size_of(partition.of(disk.device)[0]) > 638 * MB


async def test_a_file_system_left_small_in_a_grown_partition_is_grown_later(layout: Layout, make) -> None:
    disk = make("disk", 128)
    disks = Disks(layout)
    await disks.mount("d", str(disk.device))
    (layout.store / "entry").write_text("kept")
    await disks.unmount("d")
    disk.grow(512)
    await partition.ready(layout, disk.device)  # as if the agent had ended right here
    await disks.mount("d", str(disk.device))
    assert (layout.store / "entry").read_text() == "kept"
    assert _size_mb(layout.store) > 440


async def test_a_file_system_without_a_partition_table_is_used_as_it_is(layout: Layout, make) -> None:
    disk = make("disk", 64)
    _run("mkfs.ext4", "-q", str(disk.device))
    disks = Disks(layout)
    await disks.mount("d", str(disk.device))
    assert filesystem.is_mounted(disk.device, layout.store)
    assert disks.mounted() == ["d"]


async def test_what_is_neither_blank_nor_ours_is_left_alone(layout: Layout, make) -> None:
    disk = make("disk", 64)
    _run("mkswap", str(disk.device))
    content = disk.file.read_bytes()
    with pytest.raises(Failed, match="holds swap, neither ext4 nor xfs"):
        await Disks(layout).mount("d", str(disk.device))
    assert disk.file.read_bytes() == content


async def test_a_disk_of_several_partitions_is_left_alone(layout: Layout, make) -> None:
    disk = make("disk", 64)
    _run("sh", "-c", f"printf 'label: dos\\n,20M\\n,20M\\n' | sfdisk -q {disk.device}; partx -u {disk.device}")
    content = disk.file.read_bytes()
    with pytest.raises(Failed, match="2 partitions where one is expected"):
        await Disks(layout).mount("d", str(disk.device))
    assert disk.file.read_bytes() == content


async def test_content_moves_from_one_device_to_the_next(layout: Layout, make) -> None:
    old, new = make("old", 64), make("new", 96)
    disks = Disks(layout)
    await disks.mount("old", str(old.device))
    (layout.store / "entry").write_text("kept")
    (layout.store / "entry").chmod(0o640)
    os.setxattr(layout.store / "entry", "user.mark", b"yes")
    os.link(layout.store / "entry", layout.store / "twin")
    await disks.mount("new", str(new.device))
    await disks.migrate("old", "new", str(new.device))
    await disks.migrate("old", "new", str(new.device))
    assert disks.mounted() == ["new"]
    assert filesystem.is_mounted(partition.of(new.device)[0], layout.store)
    entry = layout.store / "entry"
    assert (entry.read_text(), entry.stat().st_mode & 0o777, entry.stat().st_nlink) == ("kept", 0o640, 2)
    assert os.getxattr(entry, "user.mark") == b"yes"


async def test_a_disk_too_small_for_its_content_leaves_the_old_one_in_use(layout: Layout, make) -> None:
    old, new = make("old", 96), make("new", 32)
    disks = Disks(layout)
    await disks.mount("old", str(old.device))
    (layout.store / "large").write_bytes(os.urandom(48 * MB))
    with pytest.raises(Failed, match="copying the disk"):
        await disks.migrate("old", "new", str(new.device))
    (layout.store / "entry").write_text("still writable")
    assert filesystem.is_mounted(partition.of(old.device)[0], layout.store)


async def test_an_agent_that_starts_again_knows_what_is_mounted(layout: Layout, make) -> None:
    disk = make("disk", 64)
    await Disks(layout).mount("d", str(disk.device))
    later = Disks(layout)
    await later.remount()
    assert later.mounted() == ["d"]
    await later.unmount("d")
    assert not os.path.ismount(layout.store)
