"""How the outside fails. Each failure states whether trying again can help; only the loop reads that."""

from enum import Enum


class Retry(Enum):
    SOON = "soon"
    """The same call may work in a moment: a lost connection, a busy server."""
    BOUNDED = "bounded"
    """May work again, but each try costs something: at most a few."""
    NEVER = "never"
    """The same call will fail the same way."""


class Failure(Exception):
    """Something outside did not do what was asked. The message is one an operator can act on, without secrets."""

    retry: Retry = Retry.NEVER

    def __init__(self, message: str, *, retry: Retry | None = None) -> None:
        super().__init__(message)
        if retry is not None:
            self.retry = retry


class InfrastructureFailure(Failure):
    """The infrastructure refused or failed."""


class AgentSilent(Failure):
    """The agent did not answer or connect within its deadline; what was asked may still have happened."""

    retry = Retry.SOON


class AgentFailure(Failure):
    """The agent answered that it failed: a script's exit code, a bad package, a full disk."""


class BlobMissing(Failure):
    """No blob of that id, or its bytes do not match its digest."""


class StoreFailure(Failure):
    """The record could not be read or written."""


class Outdated(Failure):
    """What a plan was made from is no longer so: looking and planning again can help, the same call cannot."""


class RuledOut(Outdated):
    """What looked free is not, and now that is known: each plan made anew is nearer to the end."""


class Conflict(StoreFailure, Outdated):
    """Somebody else changed it first: a stale plan, a stale config id, an address already taken."""
