"""Whether a call goes out again after a fault, and when: one call's tries, pauses and deadline. Sends nothing.

Note: what is repeated. What NSX refused before doing anything (429, 503, an ended session, an aborted transaction) and
what never left this machine goes out again, whatever it is. When an answer was lost, only what may be done twice does:
GET, PATCH and DELETE are the same done twice; a PUT done twice meets its own first write, and says STALE with
``may_have_happened``; a POST goes out again only when the caller says that it may.
"""

from collections.abc import Callable
from typing import Final

from director.adapters.nsxt.client.faults import NsxFault
from director.adapters.nsxt.client.kinds import MANAGER_AWAY, MANNERS, Kind
from director.ports.failure import Retry

PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries, at most; the last stays. Each is cut by up to half by chance, so that many do not come back as one."""
LINGER_S: Final = 2.0
"""At most between looks whether something is gone."""
TRY_MIN_S: Final = 0.1
_PATIENT_MAX: Final = 1000


class Course:
    """One call: ``left_s`` of its deadline, ``tries`` so far. Waiting in the own line costs it nothing."""

    def __init__(
        self, *, timeout_s: float, is_repeatable: bool, also: frozenset[Kind], chance: Callable[[], float]
    ) -> None:
        self.left_s = timeout_s
        self._half_s = timeout_s / 2
        self.tries = 0
        self._counted = 0
        self._is_repeatable = is_repeatable
        self._also = also
        self._chance = chance
        self._may_have_happened = False

    @property
    def try_s(self) -> float:
        """How long the next try may take: no more than half of the whole, so that another manager gets its chance."""
        return max(TRY_MIN_S, min(self._half_s, self.left_s))

    def begin_anew(self) -> None:
        """The next page: the deadline goes on, the tries start again."""
        self.tries = self._counted = 0

    def spend(self, seconds: float) -> None:
        self.left_s -= seconds

    def pause_after(self, fault: NsxFault, *, has_another: bool) -> float:
        """Seconds until the next try. Raises ``fault``, with what is known of earlier tries, if there is none."""
        manner, is_lost = MANNERS[fault.kind], fault.may_have_happened
        self.tries += 1
        patient = fault.kind in self._also or manner.tries == 0
        self._counted += not patient
        self._may_have_happened |= is_lost
        fault = fault.like(may_have_happened=self._may_have_happened)
        is_final = manner.tries == 1 or (fault.kind is Kind.CERTIFICATE and not has_another)
        if (is_final and not patient) or (is_lost and not self._is_repeatable):
            raise fault
        pause_s = self._pause_s(fault, has_another=has_another)
        is_over = self.tries >= _PATIENT_MAX if patient else self._counted >= manner.tries
        if is_over or pause_s >= self.left_s:
            raise _given_up(fault)
        self.spend(pause_s)
        return pause_s

    def _pause_s(self, fault: NsxFault, *, has_another: bool) -> float:
        if fault.kind is Kind.SESSION or (fault.kind in MANAGER_AWAY and has_another):
            return 0.0
        longest = PAUSES_S[min(self.tries, len(PAUSES_S)) - 1]
        if fault.kind in self._also:
            longest = min(longest, LINGER_S)
        return max(longest * (0.5 + self._chance() / 2), fault.after_s or 0.0)


def _given_up(fault: NsxFault) -> NsxFault:
    """After as many tries as there are, whoever asked need not try again, unless to find out what happened."""
    return fault if fault.may_have_happened else fault.like(retry=Retry.NEVER)
