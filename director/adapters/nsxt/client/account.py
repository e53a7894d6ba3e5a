"""What all clients of one user at one cluster share in this process: the budget, and a password's refusal.

Note: lock-out. NSX locks an account for minutes after a few wrong passwords. One that was refused is not sent again
for a minute, by no client; another password is, at once.
"""

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from director.adapters.nsxt.client.budget import Budget
from director.adapters.nsxt.client.faults import NsxFault
from director.adapters.nsxt.client.login import NsxLogin

REFUSED_S: Final = 60.0


class Account:
    """``budget`` is the one for every request of this user."""

    def __init__(self) -> None:
        self.budget = Budget()
        self._refused: tuple[NsxLogin, NsxFault, float] | None = None

    def check(self, login: NsxLogin) -> None:
        """Raises the NsxFault that this very login met less than a minute ago, if any."""
        if self._refused is None:
            return
        refused, fault, until = self._refused
        if asyncio.get_running_loop().time() >= until:
            self._refused = None
        elif refused == login:
            raise fault.like()

    def refuse(self, login: NsxLogin, fault: NsxFault) -> None:
        self._refused = (login, fault, asyncio.get_running_loop().time() + REFUSED_S)


def account_of(login: NsxLogin) -> Account:
    """The one of that cluster and user in the running loop, made at the first call."""
    accounts = _ACCOUNTS.setdefault(asyncio.get_running_loop(), {})
    if login.account not in accounts:
        accounts[login.account] = Account()
    return accounts[login.account]


_ACCOUNTS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], Account]]] = WeakKeyDictionary()
