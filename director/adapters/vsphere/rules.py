"""DRS rules, VM groups and per-VM DRS settings of clusters, kept in step with the VMs that come and go (3.10).

A cluster's configuration is read, changed and written whole, one change at a time; those who wait meanwhile go into
the next one together. The lock is this director's own: the CPI's lock in a custom field (which a crashed holder left
behind for people to remove) guarded names that many processes shared, and here only this director has its prefix.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pyVmomi import vim

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.rule_changes import (
    PATHS,
    ClusterRules,
    Membership,
    read_rules,
    specs_between,
    wanted_rules,
)
from director.adapters.vsphere.session import Session
from director.ports.failure import InfrastructureFailure

RECONFIGURE_S: Final = 900.0
TRIES: Final = 2
"""After a lost reply the configuration is read again; what was done already is not done twice."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Ask:
    joins: Sequence[Membership] = ()
    leaves: Collection[str] = ()
    error: InfrastructureFailure | None = None
    is_done: bool = False


@dataclass(slots=True, kw_only=True)
class _Line:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: list[_Ask] = field(default_factory=list)
    known: ClusterRules | None = None


class Rules:
    """Clusters and VMs by moid. ``prefix`` begins every name made here, and no other director's."""

    def __init__(self, session: Session, *, prefix: str) -> None:
        self._session = session
        self._prefix = prefix
        self._lines: dict[str, _Line] = {}

    async def join(self, cluster: str, membership: Membership) -> None:
        """Repeatable. Raises InfrastructureFailure, for a host group that the cluster does not have, say."""
        if not membership.is_empty:
            await self._ask(cluster, _Ask(joins=(membership,)))

    async def leave(self, cluster: str, vms: Collection[str]) -> None:
        """Rules and groups of ours that have nobody left go too. Asks nothing for VMs known to be in none."""
        line = self._line(cluster)
        if line.known is None or any(map(line.known.knows, vms)):
            await self._ask(cluster, _Ask(leaves=tuple(vms)))

    async def _ask(self, cluster: str, ask: _Ask) -> None:
        line = self._line(cluster)
        line.waiting.append(ask)
        try:
            async with line.lock:
                if not ask.is_done:
                    await self._carry_out(cluster, line)
        finally:
            if ask in line.waiting:
                line.waiting.remove(ask)
        if ask.error is not None:
            raise ask.error

    async def _carry_out(self, cluster: str, line: _Line) -> None:
        """All that wait, in one change. They stay in line until it is done, should this one be cancelled."""
        batch = tuple(line.waiting)
        try:
            await self._change(cluster, line, batch)
        except InfrastructureFailure as failure:
            if len(batch) == 1:
                batch[0].error = failure
            else:
                await self._one_by_one(cluster, line, batch)
        for ask in batch:
            ask.is_done = True
            if ask in line.waiting:
                line.waiting.remove(ask)

    async def _one_by_one(self, cluster: str, line: _Line, batch: Sequence[_Ask]) -> None:
        """One of them cannot be done; it should not be everybody's failure."""
        for ask in batch:
            try:
                await self._change(cluster, line, (ask,))
            except InfrastructureFailure as failure:
                ask.error = failure

    async def _change(self, cluster: str, line: _Line, batch: Sequence[_Ask]) -> None:
        for tries_left in reversed(range(TRIES)):
            try:
                await self._change_once(cluster, line, batch)
            except Fault as fault:
                if not (fault.is_reply_lost and tries_left):
                    raise
            else:
                return

    async def _change_once(self, cluster: str, line: _Line, batch: Sequence[_Ask]) -> None:
        line.known = None
        entity = self._session.of(vim.ClusterComputeResource, cluster)
        seen = await self._session.read("read a cluster's rules", vim.ClusterComputeResource, PATHS, [entity])
        if cluster not in seen:
            raise InfrastructureFailure(f'Cluster "{cluster}" is gone from vCenter: deploy again to place VMs anew.')
        now = read_rules(seen[cluster])
        joins = [member for ask in batch for member in ask.joins]
        leaves = frozenset(vm for ask in batch for vm in ask.leaves)
        wanted = wanted_rules(now, self._prefix, joins, leaves)
        for spec in specs_between(now, wanted):
            what = f'change the rules of cluster "{now.name}"'
            start = partial(entity.ReconfigureEx, spec, True)
            await self._session.task(what, start, timeout_s=RECONFIGURE_S)
        line.known = wanted

    def _line(self, cluster: str) -> _Line:
        return self._lines.setdefault(cluster, _Line())
