"""What operators said about resurrection: the switch for all, and the rules of the current resurrection configs.

Reads it; what follows from it for an instance is ``planning/resurrection``'s to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from director.execution.world import World
from director.manifest.load import load_resurrection
from director.model.problem import Refused
from director.model.record import Config
from director.model.resurrection import ResurrectionRule

SETTING: Final = "resurrection"
"""The switch's name in the store; its value is ``{"paused": true|false}``."""
CONFIG_TYPE: Final = "resurrection"
VERSIONS_MAX: Final = 20
"""So far back a version that can be read is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resurrection:
    """``rules`` are those of all configs, by their names. ``warnings`` tell of configs that could not be used."""

    paused: bool = False
    rules: tuple[ResurrectionRule, ...] = ()
    warnings: tuple[str, ...] = ()


async def resurrection_of(world: World) -> Resurrection:
    """As it stands now. Of a config that cannot be used (they are checked when they come) the newest version that can
    be counts; where there is none it counts as absent.
    """
    switch = await world.store.setting(SETTING)
    rules: list[ResurrectionRule] = []
    warnings: list[str] = []
    for config in sorted(await world.store.configs(CONFIG_TYPE), key=lambda c: c.name):
        found = _rules_in(config.name, config.content)
        if isinstance(found, str):
            before = await world.store.configs(CONFIG_TYPE, config.name, limit=VERSIONS_MAX)
            found, warning = _last_good(config, found, before)
            warnings.append(warning)
        rules += found
    paused = bool((switch or {}).get("paused", False))
    return Resurrection(paused=paused, rules=tuple(rules), warnings=tuple(warnings))


def _last_good(config: Config, why: str, versions: Sequence[Config]) -> tuple[tuple[ResurrectionRule, ...], str]:
    """Rules, and what is to be told of it. ``versions`` are newest first."""
    lost = f"The resurrection config {config.name} cannot be used"
    for former in versions:
        found = _rules_in(former.name, former.content)
        if not isinstance(found, str):
            return found, f"{lost}, so its version {former.id} counts instead: {why}"
    return (), f"{lost}, so it counts as absent: {why}"


@lru_cache(maxsize=256)
def _rules_in(name: str, content: str) -> tuple[ResurrectionRule, ...] | str:
    """The same text is asked about at every look. Text instead of rules says why there are none."""
    try:
        return load_resurrection(content, f"resurrection-config/{name}")
    except Refused as refused:
        return str(refused)
