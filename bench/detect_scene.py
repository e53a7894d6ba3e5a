"""Instances and what befalls them: deaths, flaps, lost heartbeats, stalls of the director; and who found what, when."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from tests.simulate.virtual import VirtualLoop

SEED = 6
COUNT = 200
HOURS = 4.0
DEATH_EVERY_S = 4000.0
"""Of one instance, on average."""
DEAD_S = 300.0
"""After which it is back, whoever has noticed."""
FLAP_EVERY_S = 7200.0
FLAP_S = (1.0, 40.0)
BACK_S = 10.0
"""Connections come back this long after the network at most: an agent's longest pause between tries."""
LOSS = 0.01
STALL_EVERY_S = 3600.0
STALL_S = (5.0, 60.0)
WITNESS_S = (0.1, 2.0)
JITTER = 0.1
CALM_HOURS = 2.0
NEVER_S = 1e12
UNFELT_S = (0.0, 0.1)
"""Flaps that nobody notices."""

OURS, REPAIR, BOSH, KUBERNETES, NOMAD = "ours", "ours: repair", "BOSH", "Kubernetes", "Nomad"
NAMES = (OURS, REPAIR, BOSH, KUBERNETES, NOMAD)
"""``OURS`` is when a death is found and told; ``REPAIR`` when a repair would begin, for the others the same."""


class Kind(Enum):
    CRASH = "crash"
    """Its stream closes as it dies: a killed VM process, a panic of its kernel."""
    OFF = "power off"
    """Nothing comes any more; whoever asks its infrastructure is told that it is off."""
    PARTITION = "partition"
    """Nothing comes any more; its infrastructure shows it on."""


MIX: Mapping[Kind, float] = {Kind.CRASH: 0.5, Kind.OFF: 0.3, Kind.PARTITION: 0.2}


@dataclass(slots=True, kw_only=True, eq=False)
class Soul:
    """One instance. ``cut_until``: nothing of it gets through before; ``owed`` is what then does at once."""

    number: int
    dead_since: float | None = None
    kind: Kind | None = None
    cut_until: float = 0.0
    owed: dict[str, Callable[[], None]] = field(default_factory=dict)
    found_by: set[str] = field(default_factory=set)
    blamed_by: set[str] = field(default_factory=set)
    heard_at: float = 0.0
    is_connected: bool = True

    @property
    def name(self) -> str:
        return f"{self.number:05d}"


@dataclass(slots=True, kw_only=True)
class Tally:
    """Of one detector. ``false`` are instances found dead that lived, once for each time."""

    times: dict[Kind, list[float]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    missed: int = 0
    false: int = 0

    def of(self, *kinds: Kind) -> list[float]:
        return sorted(time for kind in kinds or tuple(Kind) for time in self.times[kind])


class Scene:
    """The instances and what befalls them; detectors listen to their heartbeats and tell whom they take for dead."""

    def __init__(
        self, seed: int, count: int, mix: Mapping[Kind, float], flap_s: tuple[float, float] = FLAP_S, loss: float = LOSS
    ) -> None:
        self.loop = _virtual()
        self.dice = random.Random(f"{seed} what befalls them")
        self.noise = {name: random.Random(f"{seed} {name}") for name in NAMES}
        self.mix, self.flap_s, self.loss = mix, flap_s, loss
        self.witness_s, self.stall_every_s = WITNESS_S, STALL_EVERY_S
        self.souls = [Soul(number=number) for number in range(count)]
        self.tallies = {name: Tally() for name in NAMES}
        self.deaths = self.flaps = self.stalls = 0
        self.told = asyncio.Event()

    # What befalls them

    def begin(self) -> None:
        for soul in self.souls:
            self._later(DEATH_EVERY_S, self._die, soul)
            self._later(FLAP_EVERY_S, self._flap, soul)
        self._later(self.stall_every_s, self._stall)

    def _later(self, mean_s: float, what: Callable[..., None], *args: object) -> None:
        self.loop.call_later(self.dice.expovariate(1 / mean_s), what, *args)

    def _die(self, soul: Soul) -> None:
        now = self.loop.time()
        kind = self.dice.choices(list(self.mix), list(self.mix.values()))[0]
        if soul.cut_until > now:  # One trouble at a time.
            self._later(DEATH_EVERY_S, self._die, soul)
            return
        self.deaths += 1
        soul.dead_since, soul.kind = now, kind
        soul.found_by.clear()
        soul.blamed_by.clear()
        if kind is Kind.CRASH:
            self.close(soul)
        self.loop.call_later(DEAD_S, self._revive, soul)

    def _revive(self, soul: Soul) -> None:
        for name, tally in self.tallies.items():
            tally.missed += 0 if name in soul.found_by else 1
        soul.dead_since = soul.kind = None
        soul.blamed_by |= soul.found_by  # What is still thought of it is no second mistake.
        for name, deliver in self.beats.items():
            deliver(soul)
            del name
        self._later(DEATH_EVERY_S, self._die, soul)

    def _flap(self, soul: Soul) -> None:
        length, is_closed, back = self.dice.uniform(*self.flap_s), self.dice.random() < 0.5, self.dice.random()
        if soul.dead_since is None:
            self.flaps += 1
            until = length + back * min(BACK_S, length)
            soul.cut_until = self.loop.time() + until
            if is_closed:
                self.close(soul)
            self.loop.call_later(until, self._mend, soul)
        self._later(FLAP_EVERY_S, self._flap, soul)

    def _mend(self, soul: Soul) -> None:
        owed, soul.owed = soul.owed, {}
        if soul.dead_since is None:
            for deliver in owed.values():
                deliver()
            if not soul.is_connected:
                self.beats[OURS](soul)

    def _stall(self) -> None:
        self.stalls += 1
        self.loop.stall(self.dice.uniform(*STALL_S))
        self._later(self.stall_every_s, self._stall)

    def close(self, soul: Soul) -> None:
        """Of the others nobody listens for that."""
        soul.is_connected = False
        self.told.set()

    # Heartbeats

    beats: dict[str, Callable[[Soul], None]]

    def beat(self, name: str, period_of: Callable[[Soul], float], again_s: tuple[float, float] | None = None) -> None:
        """Every instance beats for ``name``. A lost one comes again after ``again_s``, where the rule has it so."""
        for soul in self.souls:
            first = self.loop.time() + self.noise[name].uniform(0.0, period_of(soul))
            self.loop.call_at(first, self._beat, name, soul, period_of, again_s, first)

    def _beat(
        self, name: str, soul: Soul, period_of: Callable[[Soul], float], again_s: tuple[float, float] | None, due: float
    ) -> None:
        """At ``due`` by the instance's own clock, which no stall of the director holds up."""
        wait_s = period_of(soul)
        if soul.dead_since is not None:
            pass
        elif soul.cut_until > self.loop.time():
            soul.owed[name] = lambda: self.beats[name](soul)
        elif self.noise[name].random() >= self.loss:
            self.beats[name](soul)
        elif again_s is not None:
            wait_s = self.noise[name].uniform(*again_s)
        self.loop.call_at(due + wait_s, self._beat, name, soul, period_of, again_s, due + wait_s)

    # Verdicts

    def dead(self, name: str, soul: Soul) -> None:
        """``name`` takes it for dead, now."""
        tally, now = self.tallies[name], self.loop.time()
        if soul.dead_since is None:
            tally.false += 0 if name in soul.blamed_by else 1
            soul.blamed_by.add(name)
        elif name not in soul.found_by:
            soul.found_by.add(name)
            assert soul.kind is not None
            tally.times[soul.kind].append(now - soul.dead_since)

    def alive(self, name: str, soul: Soul) -> None:
        soul.blamed_by.discard(name)


def _virtual() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop
