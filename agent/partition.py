"""The one partition on a disk of ours: found, made on a blank disk, grown with its disk. Never removes one.

Always GPT: a disk that grows past 2 TiB could not keep an older label (1.16), and the kernel reads both.
Source: sfdisk(8); partx(8) tells the kernel, also where it does not read the table by itself.
"""

from pathlib import Path

from agent import tool
from agent.failure import Failed
from agent.layout import Layout

_SECTOR = 512
_SLACK_MB = 100
"""A partition that much smaller than its disk is grown (1.16)."""
_LABEL = 'printf "label: gpt\\nstart=1MiB\\n" | sfdisk --quiet "$0" && partx --update "$0"'
_GROW = 'echo ", +" | sfdisk --quiet -N 1 "$0" && partx --update "$0"'


def of(device: Path) -> list[Path]:
    """The partitions the kernel knows on it, in order."""
    known = Path("/sys/class/block") / device.name
    children = (child for child in known.resolve().iterdir() if (child / "partition").exists())
    return [device.with_name(child.name) for child in sorted(children, key=_number)]


def known(device: Path) -> Path:
    """Where its file system would be, if it has been made."""
    partitions = of(device)
    return partitions[0] if len(partitions) == 1 else device


def is_directory(source: Path) -> bool:
    """Whether the infrastructure gave a directory where others give a device."""
    return source.is_dir()


async def signature(layout: Layout, device: Path) -> dict[str, str]:
    """What blkid knows about its content: TYPE of a file system, PTTYPE of a table; empty when it is blank."""
    code, said = await tool.output_of(layout, ("blkid", "-p", "-o", "export", str(device)))
    if code == 2:
        return {}
    if code:
        raise Failed(f"what is on {device} cannot be told (blkid: exit code {code}), so it is left alone: {said}")
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


async def ready(layout: Layout, device: Path) -> Path:
    """Where its file system is or goes. Raises Failed when there is more on the disk than one partition of ours."""
    if not of(device):
        found = await signature(layout, device)
        if "TYPE" in found:
            return device  # made without a table: that is how it stays
        if "PTTYPE" in found:
            await tool.run(layout, ("partx", "--update", str(device)), f"reading the partitions of {device}")
        else:
            await tool.run(layout, ("/bin/sh", "-c", _LABEL, str(device)), f"partitioning {device}")
    partitions = of(device)
    if len(partitions) != 1:
        raise Failed(f"{device} has {len(partitions)} partitions where one is expected, so it is left alone")
    await _grow(layout, device, partitions[0])
    return partitions[0]


async def _grow(layout: Layout, device: Path, partition: Path) -> None:
    unused = size_of(device) - _start_of(partition) - size_of(partition)
    if unused > _SLACK_MB * 1024 * 1024:
        await tool.run(layout, ("/bin/sh", "-c", _GROW, str(device)), f"growing the partition on {device}")


def size_of(device: Path) -> int:
    """Bytes, as the kernel sees it now."""
    return _sectors(device, "size")


def _start_of(partition: Path) -> int:
    return _sectors(partition, "start")


def _sectors(device: Path, what: str) -> int:
    return int((Path("/sys/class/block") / device.name / what).read_text("ascii")) * _SECTOR


def _number(child: Path) -> int:
    return int((child / "partition").read_text("ascii"))
