"""What a CPI turned out to be able to do. The protocol does not say whether it resizes disks: that is tried once."""

import asyncio
from pathlib import Path
from typing import Final

from director.adapters.cpi.client import Ask
from director.adapters.cpi.faults import CANNOT, OURS, CpiFault, Kind
from director.adapters.cpi.memory import AbilityFile
from director.adapters.cpi.room import Room

RESIZE: Final = "resize_disk"
_NO_DISK: Final = "disk-00000000-0000-0000-0000-000000000000"
_PROBE_S: Final = 60.0
"""Less than any real call gets: whoever asks for ``info`` waits for it."""


class Learned:
    def __init__(self, room: Room) -> None:
        self._room = room
        self._asking = asyncio.Lock()
        self._is_unanswered = False

    async def can_resize(self) -> bool:
        """Asked once of each version of the program, by resizing a disk that does not exist.

        A CPI that can says that there is no such disk. One that gives no answer cannot, until the director restarts.
        """
        async with self._asking:
            known = self._room.memory.get(AbilityFile, RESIZE)
            if known is not None and known.stamp == self._stamp():
                return known.can
            return False if self._is_unanswered else await self._ask()

    async def _ask(self) -> bool:
        can = True
        try:
            await self._room.cpi.ask(Ask(method=RESIZE, arguments=(_NO_DISK, 1), deadline_s=_PROBE_S))
        except CpiFault as fault:
            self._is_unanswered = fault.kind in OURS - {Kind.UNKNOWN}
            can = not self._is_unanswered and fault.kind not in CANNOT
        if not self._is_unanswered:
            await self._remember(can=can)
        return can

    async def cannot_resize(self) -> None:
        await self._remember(can=False)

    async def _remember(self, *, can: bool) -> None:
        await self._room.memory.keep(AbilityFile(name=RESIZE, stamp=self._stamp(), can=can))

    def _stamp(self) -> str:
        return stamp_of(self._room.cpi.options.program)


def stamp_of(program: Path) -> str:
    """Another one for a replaced program, even behind a link that stays."""
    try:
        stat = program.stat()
    except OSError:
        return ""
    return f"{program.resolve()} {stat.st_mtime_ns} {stat.st_size}"
