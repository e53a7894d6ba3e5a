"""How a CPI fails: the error classes of the protocol, and the texts BOSH's users know (agent-cpi-vsphere.md 2.2)."""

from enum import Enum
from typing import Final

from director.ports.failure import InfrastructureFailure, Retry


class Kind(Enum):
    """The protocol's error types by their names in it, and three ways of never getting a valid reply."""

    CPI_ERROR = "Bosh::Clouds::CpiError"
    NOT_SUPPORTED = "Bosh::Clouds::NotSupported"
    NOT_IMPLEMENTED = "Bosh::Clouds::NotImplemented"
    CLOUD_ERROR = "Bosh::Clouds::CloudError"
    VM_NOT_FOUND = "Bosh::Clouds::VMNotFound"
    NETWORK_NOT_FOUND = "Bosh::Clouds::NetworkNotFound"
    NO_DISK_SPACE = "Bosh::Clouds::NoDiskSpace"
    DISK_NOT_ATTACHED = "Bosh::Clouds::DiskNotAttached"
    DISK_NOT_FOUND = "Bosh::Clouds::DiskNotFound"
    VM_CREATION_FAILED = "Bosh::Clouds::VMCreationFailed"
    UNKNOWN = "Unknown"
    NOT_RUN = "not run"
    """The program could not be started: nothing happened."""
    NO_REPLY = "no reply"
    """It ended without a valid reply: what was asked may have happened."""
    OVERDUE = "overdue"
    """It was ended at its deadline: what was asked may have happened."""


OURS: Final = frozenset({Kind.UNKNOWN, Kind.NOT_RUN, Kind.NO_REPLY, Kind.OVERDUE})
LOST: Final = frozenset({Kind.NO_REPLY, Kind.OVERDUE})
CANNOT: Final = frozenset({Kind.NOT_IMPLEMENTED, Kind.NOT_SUPPORTED})
"""The CPI says that this is not for it, rather than that it failed."""

_BY_TYPE: Final = {kind.value: kind for kind in Kind if kind not in OURS}
_RETRIABLE: Final = frozenset(
    {Kind.NO_DISK_SPACE, Kind.DISK_NOT_ATTACHED, Kind.DISK_NOT_FOUND, Kind.VM_CREATION_FAILED}
)
"""The four that carry ``ok_to_retry``; on the others the flag means nothing."""


class CpiFault(InfrastructureFailure):
    """``ok_to_retry`` as the CPI said, for the classes that carry it."""

    def __init__(
        self, message: str, *, kind: Kind, method: str, request_id: str, ok_to_retry: bool = False, retry: Retry
    ) -> None:
        super().__init__(message, retry=retry)
        self.kind = kind
        self.method = method
        self.request_id = request_id
        self.ok_to_retry = ok_to_retry

    @property
    def is_reply_lost(self) -> bool:
        """What was asked may have happened all the same."""
        return self.kind in LOST

    def is_a(self, *kinds: Kind) -> bool:
        return self.kind in kinds

    def with_words(self, words: str, *, retry: Retry | None = None) -> "CpiFault":
        """The same fault with a sentence more, what to do about it."""
        return CpiFault(
            f"{self} {words}".strip(),
            kind=self.kind,
            method=self.method,
            request_id=self.request_id,
            ok_to_retry=self.ok_to_retry,
            retry=retry or self.retry,
        )


def kind_of(name: str, message: str, method: str) -> Kind:
    """CPIs say in three ways that they do not know a method; two of them are words (2.2)."""
    words = {
        ("InvalidCall", f"Method is not known, got {method}"),
        ("Bosh::Clouds::CloudError", f"Invalid Method: {method}"),
    }
    if (name, message) in words:
        return Kind.NOT_IMPLEMENTED
    return _BY_TYPE.get(name, Kind.UNKNOWN)


def fault_said(name: str, message: str, *, ok_to_retry: bool, method: str, request_id: str) -> CpiFault:
    """What the CPI answered as its error."""
    kind = kind_of(name, message, method)
    what = "Unknown CPI error" if kind is Kind.UNKNOWN else "CPI error"
    text = f"{what} '{name}' with message '{message}' in '{method}' CPI method (CPI request ID: {request_id})"
    is_retriable = ok_to_retry and kind in _RETRIABLE
    retry = Retry.BOUNDED if is_retriable else Retry.NEVER
    return CpiFault(text, kind=kind, method=method, request_id=request_id, ok_to_retry=is_retriable, retry=retry)
