"""The kinds of NSX's errors: by which status and code each is known, and what it means for a call. Pure tables.

From agent-cpi-vsphere.md 5.4. A code alone says little: 404 with 500090 is a stale revision, 400 with it is not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from director.ports.failure import Retry


class Kind(Enum):
    STALE = "stale"
    """Somebody else wrote it since it was read: read again, plan again."""
    PENDING_DELETE = "pending-delete"
    """Something of that path is on its way out."""
    HAS_CHILDREN = "has-children"
    """Something below it or pointing to it is still there."""
    HAS_PORTS = "has-ports"
    """A segment with ports: VMs, or what is left of them for a while."""
    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    """This user may not; or the object is another principal's and overwriting was not allowed."""
    CREDENTIALS = "credentials"
    """Wrong name, password or certificate, or a locked account."""
    CERTIFICATE = "certificate"
    """One end does not trust the other's certificate."""
    LICENCE = "licence"
    OVERLAP = "overlap"
    """An address or VLAN is taken."""
    INVALID = "invalid"
    """NSX does not take what was asked."""
    THROTTLED = "throttled"
    """More requests than NSX takes from this user."""
    OVERLOADED = "overloaded"
    """The manager is starting, or has too much to do; or the user has too many requests in flight."""
    BACKEND = "backend"
    """The manager cannot reach a part of itself."""
    SEARCH_BUSY = "search-busy"
    SESSION = "session"
    """The session has ended."""
    ABORTED = "aborted"
    """The transaction lost against one at the same time; nothing was changed."""
    UNREACHABLE = "unreachable"
    """No connection, or none that lasted until the answer."""
    UNREADABLE = "unreadable"
    """What came is no answer of NSX's."""
    BROKEN = "broken"
    """NSX failed inside."""


LINGERING: Final = frozenset({Kind.PENDING_DELETE, Kind.HAS_CHILDREN, Kind.HAS_PORTS})
"""What passes when NSX has carried out deletes it took before; a teardown waits for it."""

MANAGER_AWAY: Final = frozenset({Kind.OVERLOADED, Kind.BACKEND, Kind.UNREACHABLE, Kind.UNREADABLE, Kind.CERTIFICATE})
"""The manager's fault more than the call's: it is left alone for a while, and another one may do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """``tries`` is how often a call goes out at most when it meets this; 0: as long as its deadline lasts.

    ``is_done_possible``: with this answer what was asked may have happened, so only what may be repeated is.
    """

    do: str
    tries: int = 1
    is_done_possible: bool = False
    retry: Retry = Retry.NEVER


_AGAIN: Final = "Nothing was changed; the same again may work in a moment"
_LINGERS: Final = "NSX removes what was deleted only after a while; try again in a minute"
_TRIES: Final = 8

MANNERS: Final[Mapping[Kind, Manner]] = {
    Kind.STALE: Manner(do="Somebody else changed it since it was read; deploy again to plan with what is there now",
                       retry=Retry.SOON),
    Kind.PENDING_DELETE: Manner(do=_LINGERS, retry=Retry.SOON),
    Kind.HAS_CHILDREN: Manner(do="Remove what NSX names, or wait for it to go; then try again", retry=Retry.BOUNDED),
    Kind.HAS_PORTS: Manner(
        do="Move or delete the VMs on it; ports of VMs just deleted go by themselves within a minute",
        retry=Retry.BOUNDED,
    ),
    Kind.NOT_FOUND: Manner(do="Somebody removed it; deploy again to have what is ours made anew"),
    Kind.FORBIDDEN: Manner(
        do="Give the director's NSX user the role Enterprise Admin or Network Admin; for another principal's object, "
        "set allow_overwrite"
    ),
    Kind.CREDENTIALS: Manner(
        do="Correct user and password or certificate in the NSX-T properties; an account locked after too many wrong "
        "ones opens again by itself in some minutes"
    ),
    Kind.CERTIFICATE: Manner(
        do="Give the authority of the manager's certificate as ca_cert, and register the client certificate, if one "
        "is used, as a principal identity",
        tries=_TRIES,
    ),
    Kind.LICENCE: Manner(do="Assign an NSX licence that allows it"),
    Kind.OVERLAP: Manner(do="Choose a range or VLAN that is free, or remove what uses it"),
    Kind.INVALID: Manner(do="Correct the network's properties that lead to it"),
    Kind.THROTTLED: Manner(
        do="Others use the same NSX user; give the director one of its own, or raise NSX's client API rate limit",
        tries=0,
        retry=Retry.SOON,
    ),
    Kind.OVERLOADED: Manner(do=_AGAIN, tries=_TRIES, retry=Retry.SOON),
    Kind.BACKEND: Manner(do="See `get cluster status` on that manager", tries=_TRIES, retry=Retry.SOON),
    Kind.SEARCH_BUSY: Manner(
        do="Try again in a minute; if it stays, `start search resync all` on a manager", tries=_TRIES, retry=Retry.SOON
    ),
    Kind.SESSION: Manner(do="The director logs in again by itself; try again", tries=3, retry=Retry.SOON),
    Kind.ABORTED: Manner(do=_AGAIN, tries=_TRIES, retry=Retry.SOON),
    Kind.UNREACHABLE: Manner(
        do="Check its address, the network and its service; the same again goes on where this stopped",
        tries=_TRIES,
        is_done_possible=True,
        retry=Retry.SOON,
    ),
    Kind.UNREADABLE: Manner(
        do="Check that the address is an NSX manager's, and what proxy stands before it",
        tries=3,
        is_done_possible=True,
        retry=Retry.BOUNDED,
    ),
    Kind.BROKEN: Manner(
        do="Try again; if it stays, see /var/log/policy/policy.log on that manager",
        tries=3,
        is_done_possible=True,
        retry=Retry.BOUNDED,
    ),
}  # fmt: skip

_CODES: Final[Mapping[int, Mapping[int, Kind]]] = {
    400: {
        500030: Kind.HAS_CHILDREN,
        500045: Kind.PENDING_DELETE,
        503040: Kind.HAS_PORTS,
        500105: Kind.OVERLAP,
        8327: Kind.OVERLAP,
        640873: Kind.OVERLAP,
        60508: Kind.SEARCH_BUSY,
        60514: Kind.SEARCH_BUSY,
        60515: Kind.SEARCH_BUSY,
        500087: Kind.STALE,
        500232: Kind.STALE,
        100148: Kind.STALE,
    },
    403: {98: Kind.SESSION, 403: Kind.CREDENTIALS, 505: Kind.LICENCE},
    404: {500090: Kind.STALE},
    500: {98: Kind.BACKEND, 99: Kind.CERTIFICATE, 607: Kind.ABORTED},
}
_STATUSES: Final[Mapping[int, Kind]] = {
    401: Kind.SESSION,
    403: Kind.FORBIDDEN,
    404: Kind.NOT_FOUND,
    409: Kind.STALE,
    412: Kind.STALE,
    429: Kind.THROTTLED,
    502: Kind.UNREADABLE,
    503: Kind.OVERLOADED,
    504: Kind.UNREADABLE,
}


def known_kind(status: int, code: int | None) -> Kind | None:
    """By status and code together; None when the code says nothing under that status."""
    return None if code is None else _CODES.get(status, {}).get(code)


def kind_of_status(status: int) -> Kind:
    """What is left when no code says more."""
    return _STATUSES.get(status, Kind.BROKEN if status >= 500 else Kind.INVALID)
