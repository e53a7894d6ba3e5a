"""Keeps the infrastructures in step with the CPI configs: called before each task, it does nothing while they stay."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from director.execution.world import World
from director.manifest.load import load_cpis
from director.model.cpi import CpiEntry
from director.model.problem import Problem, Refused
from director.ports.fabric import Fabric
from director.ports.infrastructure import Infrastructure

MakeInfrastructure = Callable[[CpiEntry], Infrastructure]
"""Connects to nothing yet. Raises Refused when the entry's properties are wrong."""

MakeFabric = Callable[[CpiEntry], Fabric | None]
"""None when the entry names none. As MakeInfrastructure otherwise."""

CONFIG_TYPE: Final = "cpi"


def no_fabric(entry: CpiEntry) -> Fabric | None:
    del entry
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    entry: CpiEntry
    infrastructure: Infrastructure
    fabric: Fabric | None

    async def close(self) -> None:
        await self.infrastructure.close()
        if self.fabric is not None:
            await self.fabric.close()


class Cpis:
    """``refresh`` puts new and changed CPIs in place. One that was replaced is closed when the director ends."""

    def __init__(self, world: World, make: MakeInfrastructure, make_fabric: MakeFabric = no_fabric) -> None:
        self._world = world
        self._make = make
        self._make_fabric = make_fabric
        self._made: dict[str, _Made] = {}
        self._config_ids: tuple[int, ...] = ()
        self._retired: list[_Made] = []

    async def refresh(self) -> None:
        """Raises Refused when a stored CPI config is not usable (it was checked when it came)."""
        configs = await self._world.store.configs(CONFIG_TYPE)
        ids = tuple(sorted(config.id for config in configs))
        if ids == self._config_ids:
            return
        wanted = {entry.name: entry for entry in load_cpis([(config.name, config.content) for config in configs])}
        made = {name: self._made_for(entry) for name, entry in wanted.items()}
        for name in self._made.keys() - made.keys():
            self._retired.append(self._made[name])
        self._publish(made)
        self._config_ids = ids

    def check(self, text: str, file: str) -> Sequence[Problem]:
        """Everything wrong with the properties of a well-formed CPI config, as each infrastructure sees them."""
        problems: list[Problem] = []
        for entry in load_cpis([(file, text)]):
            try:
                self._make_one(entry)
            except Refused as refused:
                problems += refused.problems
        return problems

    def _made_for(self, entry: CpiEntry) -> _Made:
        """The one that is there while its entry stays as it is. A replaced one may still be in use by a task."""
        known = self._made.get(entry.name)
        if known is not None and known.entry == entry:
            return known
        made = self._make_one(entry)
        if known is not None:
            self._retired.append(known)
        return made

    def _make_one(self, entry: CpiEntry) -> _Made:
        """With several CPIs it must be said whose properties are wrong."""
        try:
            return _Made(entry=entry, infrastructure=self._make(entry), fabric=self._make_fabric(entry))
        except Refused as refused:
            raise Refused(
                replace(problem, detail=f'CPI "{entry.name}": {problem.detail}') for problem in refused.problems
            ) from refused

    def _publish(self, made: dict[str, _Made]) -> None:
        former = {old: one for one in made.values() for old in one.entry.migrated_from}
        self._world.infrastructures.name(
            {name: one.infrastructure for name, one in made.items()},
            {name: one.infrastructure for name, one in former.items()},
        )
        self._world.fabrics.name(
            {name: one.fabric for name, one in made.items() if one.fabric},
            {name: one.fabric for name, one in former.items() if one.fabric},
        )
        self._made = made

    async def close(self) -> None:
        for one in (*self._retired, *self._made.values()):
            await one.close()
