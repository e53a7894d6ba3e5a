"""Who may speak as which agent: one-time tokens, the key each agent is bound to, revocation. All of it in the store.

Note: tokens. The store has only a hash. A fresh token is kept as ``fresh:sha256(token)`` and takes any key, once: with
the first enrolment it becomes ``bound:sha256(token:key hash)``, so that the same agent may repeat an enrolment whose
reply was lost, and nobody else can use the token any more. The first stream of the enrolled key removes it.
A new token for an agent that is enrolled leaves its key valid, for the VM may live and be adopted.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from director.adapters.agents.authority import Authority
from director.adapters.agents.identity import Identity, key_hash_of
from director.model.names import AgentId, DeploymentName, InstanceId
from director.model.record import AgentRecord
from director.ports.clock import Clock
from director.ports.store import PutAgent, Store

Warn = Callable[[AgentId, str], None]
"""Told of what an operator may want to look at: a used token shown again, two streams of one agent."""

_TOKEN_BYTES: Final = 32
_FRESH: Final = "fresh:"
_BOUND: Final = "bound:"
_LOCKS: Final = 64
_FAILURES_MAX: Final = 10
_FAILURES_WINDOW_S: Final = 60.0
_SOURCES_MAX: Final = 4096


class TooManyFailures(Exception):
    """A caller that has failed too often is not looked at again this minute."""


class Admission:
    """Reads and writes AgentRecords; one change of an agent at a time."""

    def __init__(self, store: Store, authority: Authority, clock: Clock, warn: Warn) -> None:
        self._store = store
        self._authority = authority
        self._warn = warn
        self._failures = _Failures(clock)
        # As many as there are agents would let strangers fill the memory with names.
        self._locks = tuple(asyncio.Lock() for _ in range(_LOCKS))

    async def invite(self, agent: AgentId, instance: InstanceId, deployment: DeploymentName, generation: int) -> str:
        """A fresh token, recorded. A revoked agent's old key stays useless."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        async with self._lock(agent):
            known = await self._store.agent(agent)
            record = AgentRecord(
                id=agent,
                instance=instance,
                deployment=deployment,
                generation=generation,
                token_hash=_fresh(token),
                key_hash=None if known is None or known.is_revoked else known.key_hash,
            )
            await self._store.commit(PutAgent(record=record))
        return token

    async def enrol(self, agent: AgentId, token: str, key: ec.EllipticCurvePublicKey, source: str) -> bytes | None:
        """The certificate for ``key``, or None when the token is not good for it. Raises TooManyFailures.

        ``source`` tells one caller from another, as far as the network does.
        """
        self._failures.check((source, agent))
        key_hash = key_hash_of(key)
        async with self._lock(agent):
            record = await self._store.agent(agent)
            if not await self._bind(record, token, key_hash):
                self._failures.add((source, agent))
                return None
        return self._authority.issue(agent, key)

    @asynccontextmanager
    async def speaker(self, identity: Identity) -> AsyncIterator[bool]:
        """Whether the holder of this certificate may speak; a revocation waits until the body is left.

        The first stream of a key uses up the token it enrolled with.
        """
        async with self._lock(identity.agent):
            record = await self._store.agent(identity.agent)
            if record is None or record.is_revoked or record.key_hash != identity.key_hash:
                yield False
                return
            if record.token_hash is not None and record.token_hash.startswith(_BOUND):
                await self._store.commit(PutAgent(record=replace(record, token_hash=None)))
            yield True

    async def revoke(self, agent: AgentId) -> None:
        async with self._lock(agent):
            record = await self._store.agent(agent)
            if record is not None and not record.is_revoked:
                await self._store.commit(PutAgent(record=replace(record, is_revoked=True, token_hash=None)))

    async def _bind(self, record: AgentRecord | None, token: str, key_hash: str) -> bool:
        """Whether the token is good for this key; a fresh one is bound to it."""
        stored = (record.token_hash if record is not None else None) or ""
        is_fresh = hmac.compare_digest(stored.encode(), _fresh(token).encode())
        is_bound = hmac.compare_digest(stored.encode(), _bound(token, key_hash).encode())
        if record is None or record.is_revoked or not (is_fresh or is_bound):
            if record is not None:
                self._warn(record.id, "somebody tried to enrol as this agent with a wrong or used token")
            return False
        if is_fresh:
            bound = replace(record, token_hash=_bound(token, key_hash), key_hash=key_hash)
            await self._store.commit(PutAgent(record=bound))
        return True

    def _lock(self, agent: AgentId) -> asyncio.Lock:
        return self._locks[hash(agent) % _LOCKS]


class _Failures:
    """How often each caller failed lately. A token cannot be guessed; this keeps strangers from costing much."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, AgentId], tuple[float, int]] = OrderedDict()

    def check(self, caller: tuple[str, AgentId]) -> None:
        since, count = self._counts.get(caller, (0.0, 0))
        if count >= _FAILURES_MAX and self._clock.monotonic() - since < _FAILURES_WINDOW_S:
            raise TooManyFailures

    def add(self, caller: tuple[str, AgentId]) -> None:
        now = self._clock.monotonic()
        since, count = self._counts.pop(caller, (now, 0))
        self._counts[caller] = (since, count + 1) if now - since < _FAILURES_WINDOW_S else (now, 1)
        if len(self._counts) > _SOURCES_MAX:
            self._counts.popitem(last=False)


def _fresh(token: str) -> str:
    return f"{_FRESH}{hashlib.sha256(token.encode()).hexdigest()}"


def _bound(token: str, key_hash: str) -> str:
    return f"{_BOUND}{hashlib.sha256(f'{token}:{key_hash}'.encode()).hexdigest()}"
