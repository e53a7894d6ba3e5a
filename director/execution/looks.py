"""What the infrastructures show of one deployment's VMs, for everybody who waits for one of them: looked at together.

It may not judge what it sees. Whoever begins to doubt a VM joins the next look, so that a host that takes fifty VMs
with it costs as many calls as one VM does.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from director.execution.infrastructures import Infrastructures
from director.model.names import VmName
from director.model.record import VmRecord
from director.model.sighting import SeenVm
from director.ports.clock import Clock
from director.ports.failure import Failure

GATHER_S: Final = 0.5
"""Before a look: those that are lost together are not missed at the same moment."""
ANSWER_S: Final = 20.0
"""How long an infrastructure may take; then it has told nothing."""

Shown = Mapping[VmName, SeenVm] | None
"""VMs by their names; None when nothing was told."""


class Looks:
    """Those of one deployment. At most one at a time at each infrastructure."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._doubted: defaultdict[str, set[VmName]] = defaultdict(set)
        self._last: dict[str, tuple[float, Shown]] = {}

    @contextmanager
    def doubting(self, vm: VmRecord) -> Iterator[None]:
        """Every look meanwhile asks for this VM."""
        self._doubted[vm.shape.cpi].add(vm.name)
        try:
            yield
        finally:
            self._doubted[vm.shape.cpi].discard(vm.name)

    async def shown(self, vm: VmRecord, since: float, infrastructures: Infrastructures, clock: Clock) -> Shown:
        """What ``vm``'s infrastructure shows of its deployment, by a look begun at ``since`` (monotonic) or later."""
        cpi = vm.shape.cpi
        async with self._turns[cpi]:
            if cpi not in self._last or self._last[cpi][0] < since:
                await clock.sleep(GATHER_S)
                self._last[cpi] = clock.monotonic(), await self._look(vm, infrastructures)
            return self._last[cpi][1]

    async def _look(self, vm: VmRecord, infrastructures: Infrastructures) -> Shown:
        doubted = frozenset(self._doubted[vm.shape.cpi])
        try:
            async with asyncio.timeout(ANSWER_S):
                return await infrastructures.of(vm.shape.cpi).find_vms(vm.deployment, doubted=doubted)
        except (TimeoutError, Failure):
            return None
