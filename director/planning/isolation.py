"""Decides whether the director hears nobody because of itself: a lost network, or a port that no agent knows.

Agents that fall silent together have one cause, and where their VMs are on it is not theirs. What is silent is then
held, however many there are (``brake``'s meltdown needs more of them), and what is proven off or gone is repaired. It
ends when agents are heard again; those that are not get as long as after a start, from then on.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from director.model.health import Condition, Verdict, Watched
from director.model.plan import Hold
from director.model.record import VmState
from director.model.wanted import Want
from director.planning.health import Moment, Senses, is_late, is_proven_away, quiet_s

SHARE: Final = 0.8
"""So large a part of all that were heard, silent within one window, is everybody: some talk a moment longer."""
LEAST: Final = 3
"""One or two agents may well die together."""
SILENT: Final = frozenset({Condition.UNRESPONSIVE, Condition.UNKNOWN})
"""Silence is all there is against it."""
DOUBTED: Final = frozenset({Condition.UNRESPONSIVE})
"""Held. What is unknown is held anyway, until a person knows better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """``silent`` of ``known`` agents; ``why`` in words."""

    silent: int
    known: int
    why: str

    @property
    def words(self) -> str:
        return (
            f"{self.why}, and nobody says that their VMs are off: it may be this director's own network or address. "
            "What is only silent is not repaired until agents are heard again; `director cloud-check` repairs at once"
        )


def isolation(fleet: Iterable[Watched], moment: Moment, senses: Senses) -> Isolation | None:
    """What speaks for the director being the one that is cut off; None when nothing does."""
    heard, never, last, is_due = 0, 0, [], False
    for one in fleet:
        if one.vm is None or one.vm.state is not VmState.CREATED:
            continue
        if one.agent is not None and one.agent.is_connected and not is_late(one.agent, moment, senses):
            heard += 1
        elif one.instance.want is Want.STARTED and not is_proven_away(one, moment):
            is_due = is_due or quiet_s(one.agent, moment) >= senses.silent_s
            if one.agent is None:
                never += 1
            else:
                last.append(moment.now - one.agent.silent_s)
    if not is_due:
        return None
    return _never_heard(heard, never, len(last)) or _fallen_silent(heard, sorted(last), senses.silent_s)


def doubted(verdicts: Sequence[Verdict], isolated: Isolation | None) -> tuple[Verdict, ...]:
    """The same verdicts; what is due and rests on silence alone has a hold while the director is ``isolated``."""
    if isolated is None:
        return tuple(verdicts)
    return tuple(_held(v, isolated) if v.is_due and v.finding.condition in DOUBTED else v for v in verdicts)


def _held(verdict: Verdict, isolated: Isolation) -> Verdict:
    hold = Hold(code="hold.doubt", subject=verdict.finding.label, reason=isolated.words)
    return replace(verdict, hold=hold)


def _never_heard(heard: int, never: int, fallen: int) -> Isolation | None:
    known = never + fallen
    if heard or never < LEAST or never < SHARE * known:
        return None
    return Isolation(
        silent=never, known=known, why=f"none of {never} agents has been heard of since this director came up"
    )


def _fallen_silent(heard: int, last: Sequence[float], window_s: float) -> Isolation | None:
    """``last`` are the times of last words, in order: whether most of those heard until then fell within a window."""
    for first, at in enumerate(last):
        fallen = bisect_right(last, at + window_s) - first
        known = len(last) - first + heard
        if fallen >= LEAST and fallen >= SHARE * known:
            return Isolation(
                silent=fallen, known=known, why=f"{fallen} of {known} agents fell silent at about the same time"
            )
    return None
