"""What a machine's /proc shows in place of this machine's: its size, its boot; and settings that are not its own.

Each is a file of the VM's own, written anew at each boot and mounted over the kernel's. The size is what it had when
it booted: which part of its memory is in use is told by its control group, not here.
"""

import re
from collections.abc import Iterable, Mapping
from math import ceil
from pathlib import Path
from typing import Final
from uuid import uuid4

from director.adapters.local.files import Limits

_PROC: Final = Path("/proc")
_SHIELDED: Final = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)
"""A kubelet sets these. They are the whole machine's: it gets files to write into (kubernetes.md 3)."""
_ALL: Final = ("MemAvailable", "MemFree", "MemTotal")
_SWAPS: Final = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def write_proc(directory: Path, limits: Limits) -> tuple[tuple[Path, str], ...]:
    """(file, place below /proc) of each; ``directory`` is made. What this kernel does not have is left out."""
    directory.mkdir(exist_ok=True)
    shown = []
    for place, text in sorted(_texts(limits).items()):
        file = directory / place.replace("/", ".")
        file.write_text(text)
        file.chmod(0o644)  # whatever the director's umask
        shown.append((file, place))
    return tuple(shown)


def _texts(limits: Limits) -> Mapping[str, str]:
    settings = ((f"sys/{name}", _PROC / "sys" / name) for name in _SHIELDED)
    texts = {place: path.read_text() for place, path in settings if path.exists()}
    texts["sys/kernel/random/boot_id"] = f"{uuid4()}\n"
    texts["swaps"] = _SWAPS  # A kubelet refuses a machine with swap, and none of it is the machine's.
    if limits.ram_mb:
        texts["meminfo"] = meminfo((_PROC / "meminfo").read_text(), limits.ram_mb * 1024)
    if limits.cpu:
        texts["cpuinfo"] = cpuinfo((_PROC / "cpuinfo").read_text(), ceil(limits.cpu))
    return texts


def meminfo(text: str, total_kb: int) -> str:
    """proc_meminfo(5) of a machine with this memory and no swap, none of it used."""
    return "".join(_of_memory(line, total_kb) for line in text.splitlines(keepends=True))


def _of_memory(line: str, total_kb: int) -> str:
    name, _, rest = line.partition(":")
    if not rest.strip().endswith("kB") or name.startswith("Vmalloc"):
        return line
    kb = min(int(rest.split()[0]), total_kb)
    if name in _ALL:
        kb = total_kb
    elif name.startswith("Swap"):
        kb = 0
    return f"{name}:{kb:>15} kB\n"


def cpuinfo(text: str, count: int) -> str:
    """The first ``count`` processors; all there are when there are fewer."""
    return "".join(_first(re.split(r"(?<=\n)\n", text), count))


def _first(blocks: Iterable[str], count: int) -> Iterable[str]:
    for block in (block for block in blocks if block.strip()):
        if block.startswith("processor"):
            count -= 1
        if count >= 0:
            yield f"{block}\n"
