"""Waits until what was deleted is really gone: not only hidden, but its id free again. Asks for many with one list."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from director.adapters.nsxt.client import Kind, NsxClient, NsxFault
from director.adapters.nsxt.pace import Pace
from director.adapters.nsxt.paths import collection
from director.adapters.nsxt.there import together
from director.model.tree import Tree

_JOINING_S: Final = 0.1
"""Removals of one moment are asked about together."""


@dataclass(slots=True, kw_only=True)
class _Round:
    """One reading of a collection that several callers wait for."""

    task: asyncio.Task[list[Tree]]


@dataclass(slots=True)
class Leaving:
    client: NsxClient
    pace: Pace = field(default_factory=Pace)
    _rounds: dict[str, _Round] = field(default_factory=dict)

    async def gone(self, paths: Collection[str], within_s: float) -> tuple[str, ...]:
        """Returns when none of them is left, else after ``within_s`` with those that are."""
        left = set(paths)
        loop = asyncio.get_running_loop()
        began, paused_s, asked = loop.time(), 0.0, 0
        while left:
            pause_s = self.pace.pause_s(asked)
            await asyncio.sleep(pause_s)
            asked, paused_s = asked + 1, paused_s + pause_s
            wheres = sorted({collection(path) for path in left})
            there = {path for paths in await together(self._present(where) for where in wheres) for path in paths}
            left &= there
            if loop.time() - began > within_s:
                return tuple(sorted(left))
        if asked:
            self.pace.learn(asked, paused_s)
        return ()

    async def _present(self, where: str) -> set[str]:
        """All paths of a collection, those on their way out included; read after this was asked."""
        known = self._rounds.get(where)
        if known is None:
            known = _Round(task=asyncio.create_task(self._read(where)))
            self._rounds[where] = known
        bodies = await asyncio.shield(known.task)
        return {str(body.get("path")) for body in bodies}

    async def _read(self, where: str) -> list[Tree]:
        """Whoever comes before the reading begins shares it."""
        await asyncio.sleep(_JOINING_S)
        del self._rounds[where]
        try:
            return await self.client.list(where, include_mark_for_delete_objects=True)
        except NsxFault as fault:
            if fault.kind is Kind.NOT_FOUND:
                return []
            raise
