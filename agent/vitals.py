"""How the VM does: processor, memory, load, disks (1.17). Reads /proc itself: a library would cost 1 MiB of memory."""

import os
import time
from pathlib import Path

from agent.layout import Layout
from agent.wire import agent_pb2 as wire

_GROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
"""By version 2 and 1 of control groups: the limit, what is in use, and of that what would be given back if needed."""


class Gauge:
    """Remembers the processor's counters, so that shares are of the time since the last reading."""

    def __init__(self, layout: Layout, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._layout, self._proc, self._groups = layout, proc, groups
        self._ticks = self._read_ticks()
        self.memory_kb = self._read_memory()["MemTotal"]
        """All the VM has."""

    def read(self) -> wire.Vitals:
        """Processor, memory and swap in percent and KiB."""
        memory = self._read_memory()
        used_kb, swap_kb = self._used_kb(memory), memory["SwapTotal"] - memory["SwapFree"]
        user, system, wait = self._shares()
        return wire.Vitals(
            cpu_user=user,
            cpu_sys=system,
            cpu_wait=wait,
            load=os.getloadavg(),
            mem_kb=used_kb,
            mem_percent=_percent(used_kb, memory["MemTotal"]),
            swap_kb=swap_kb,
            swap_percent=_percent(swap_kb, memory["SwapTotal"]),
            disks=self._disks(),
            uptime_s=time.clock_gettime(time.CLOCK_BOOTTIME),
        )

    def _shares(self) -> tuple[float, float, float]:
        before, self._ticks = self._ticks, self._read_ticks()
        spent = [now - then for now, then in zip(self._ticks, before, strict=True)]
        user, nice, system, _, wait, *_ = spent
        return _percent(user + nice, sum(spent)), _percent(system, sum(spent)), _percent(wait, sum(spent))

    def _read_ticks(self) -> tuple[int, ...]:
        """user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user already."""
        first = (self._proc / "stat").read_text("ascii").partition("\n")[0]
        return tuple(int(field) for field in first.split()[1:9])

    def _read_memory(self) -> dict[str, int]:
        lines = (self._proc / "meminfo").read_text("ascii").splitlines()
        return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}

    def _used_kb(self, memory: dict[str, int]) -> int:
        """Of a VM that is a control group of its machine, the group's count: /proc counts for the whole machine."""
        for limit, usage, stat, cache in _GROUPS:
            try:
                most = (self._groups / limit).read_text("ascii").strip()
                used = int((self._groups / usage).read_text("ascii"))
                counts = dict(line.split() for line in (self._groups / stat).read_text("ascii").splitlines())
            except FileNotFoundError:
                continue
            # "max", or more than there is: the group at the top of all, which is not limited.
            if most.isdigit() and int(most) <= memory["MemTotal"] * 1024:
                return max(0, used - int(counts[cache])) // 1024
        return memory["MemTotal"] - memory["MemAvailable"]

    def _disks(self) -> list[wire.DiskUse]:
        places = {"system": Path("/"), "ephemeral": self._layout.data, "persistent": self._layout.store}
        return [_use(name, path) for name, path in places.items() if path.exists()]


def _use(name: str, path: Path) -> wire.DiskUse:
    stat = os.statvfs(path)
    used = stat.f_blocks - stat.f_bfree
    return wire.DiskUse(
        name=name,
        percent=_percent(used, used + stat.f_bavail),
        inode_percent=_percent(stat.f_files - stat.f_ffree, stat.f_files),
    )


def _percent(part: float, whole: float) -> float:
    return 100.0 * part / whole if whole > 0 else 0.0
