"""``SecretKeeper``: the Secrets port over the store. Values are sealed before they leave this room.

A relative name belongs to one deployment; an absolute one (``/a/b``) to the director, shared by all deployments,
and is kept under the deployment named "". What the store holds is read each time, so nothing here goes stale;
only opened values stay in memory, by the id of what they were opened from.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from director.adapters.secrets.decide import Making, decide
from director.adapters.secrets.generate import generate
from director.adapters.secrets.options import ca_of
from director.adapters.secrets.seal import Seal
from director.model.deployment import Variable
from director.model.names import DeploymentName, VariableName
from director.model.record import SealedVariable
from director.model.tree import Node
from director.ports.clock import Clock
from director.ports.store import DropVariables, PutVariable, Store

SHARED = DeploymentName("")


class SecretKeeper:
    """Makes the key file (0600) when there is none; raises StoreFailure when it cannot be used."""

    def __init__(self, store: Store, key_path: Path, clock: Clock) -> None:
        self._store = store
        self._seal = Seal(key_path)
        self._clock = clock
        self._opened: dict[DeploymentName, dict[str, Node]] = {}
        # Two deployments may want one shared variable, or one deployment be asked for twice: the second finds it made.
        self._making = asyncio.Lock()

    async def values(self, deployment: DeploymentName) -> Mapping[VariableName, Node]:
        return self._open_all(await self._kept(deployment))

    async def ensure(self, deployment: DeploymentName, variables: Sequence[Variable]) -> Mapping[VariableName, Node]:
        async with self._making:
            kept = await self._kept(deployment)
            making = decide(variables, kept, self._open)
            if not making:
                return self._open_all(kept)
            made = await self._make(making, kept)
            sealed = [self._sealed(deployment, each, made[each.variable.name]) for each in making]
            await self._store.commit(*(PutVariable(record=record) for record in sealed))
        return {**self._open_all(kept), **made}

    async def invent(self, deployment: DeploymentName, variables: Sequence[Variable]) -> Mapping[VariableName, Node]:
        kept = await self._kept(deployment)
        made = await self._make(decide(variables, kept, self._open), kept)
        return {**self._open_all(kept), **made}

    async def names(self, deployment: DeploymentName) -> tuple[tuple[str, VariableName], ...]:
        kept = await self._kept(deployment)
        return tuple((kept[name].id, VariableName(name)) for name in sorted(kept))

    async def forget(self, deployment: DeploymentName, name: VariableName | None = None) -> None:
        """Shared values are forgotten by their name only."""
        scope = deployment if name is None else _scope(deployment, name)
        await self._store.commit(DropVariables(deployment=scope, name=name))

    async def _kept(self, deployment: DeploymentName) -> dict[str, SealedVariable]:
        found: dict[str, SealedVariable] = {}
        for scope in dict.fromkeys((SHARED, deployment)):
            records = await self._store.variables(scope)
            found |= {record.name: record for record in records}
            opened = self._opened.pop(scope, {})
            if still := {record.id: opened[record.id] for record in records if record.id in opened}:
                self._opened[scope] = still
        return found

    def _open(self, record: SealedVariable) -> Node:
        opened = self._opened.setdefault(record.deployment, {})
        if record.id not in opened:
            opened[record.id] = self._seal.open(record.sealed, record.name)
        return opened[record.id]

    def _open_all(self, kept: Mapping[str, SealedVariable]) -> dict[VariableName, Node]:
        return {VariableName(name): self._open(kept[name]) for name in sorted(kept)}

    async def _make(self, making: Sequence[Making], kept: Mapping[str, SealedVariable]) -> dict[VariableName, Node]:
        made: dict[VariableName, Node] = {}
        for each in making:
            ca = ca_of(each.wish)
            value = None if ca is None else made[VariableName(ca)] if ca in made else self._open(kept[ca])
            signer = value if isinstance(value, Mapping) else None
            made[each.variable.name] = await asyncio.to_thread(generate, each.wish, signer, self._clock.now())
        return made

    def _sealed(self, deployment: DeploymentName, making: Making, value: Node) -> SealedVariable:
        return SealedVariable(
            id=making.id,
            deployment=_scope(deployment, making.variable.name),
            name=making.variable.name,
            type=making.variable.type,
            options_digest=making.digest,
            sealed=self._seal.close(value),
            created_at=self._clock.now(),
        )


def _scope(deployment: DeploymentName, name: VariableName) -> DeploymentName:
    return SHARED if name.startswith("/") else deployment
