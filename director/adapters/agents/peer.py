"""One agent as this director knows it: what it last reported, what was asked of it and is not yet answered.

Everything here happens at once, on the loop, without waiting: a message or a question changes the state and wakes
who waits for it. Moving bytes is ``stream``'s; who may speak is ``admission``'s.

Note: when an agent may forget. A result is acknowledged when its question was cancelled, or when whoever asked says
that it is recorded (``forget``): until then a director that starts anew would ask for it again. One that nobody asked
for since this director started may be asked for by a plan that is being resumed, so it stays with the agent,
unacknowledged, for ``_CLAIM_S``.
"""

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import grpc

from agent.wire import agent_pb2 as pb
from director.adapters.agents.link import Link
from director.adapters.agents.translate import Heard, blobs_of, heard_of, request_of
from director.model.names import AgentId, BlobId
from director.model.sighting import SeenAgent, SeenProcess
from director.ports.agents import AgentRequest, Apply, Compile, FetchLogs, Prepare
from director.ports.clock import Clock
from director.ports.failure import AgentFailure, AgentSilent, Retry

_PENDING_MAX: Final = 64
_SETTLED_MAX: Final = 256
_UNCLAIMED_MAX: Final = 64
_UNRECORDED_MAX: Final = 128
"""Answers not yet recorded: a task has a dozen requests for one agent. With the unclaimed ones, fewer than it keeps."""
_CLAIM_S: Final = 600.0
_TRANSFERS_MAX: Final = 4
_KEY_CHARACTERS_MAX: Final = 1024
_TIMEOUT_S_MAX: Final = 2**32 - 1


@dataclass(slots=True, kw_only=True, eq=False)
class Pending:
    """A question under way. ``deadline`` is on the monotonic clock; ``answer`` gets the agent's result."""

    message: pb.Request
    deadline: float
    blobs: frozenset[BlobId]
    has_upload: bool
    answer: asyncio.Future[pb.Result]
    is_sent: bool = False


class Peer:
    """Holds one link at most: the newest. To be made inside a running loop. ``tell`` is called when it comes, leaves or
    reports other states than before.
    """

    def __init__(self, agent: AgentId, clock: Clock, *, tell: Callable[[], None] = lambda: None) -> None:
        self._tell_all = tell
        self.id = agent
        self.link: Link | None = None
        self.key_hash: str | None = None  # of the certificate last let in
        self.transfers = asyncio.Semaphore(_TRANSFERS_MAX)
        self._clock = clock
        self._heard = Heard()
        self._heard_at: float | None = None
        self._reported_at = 0.0
        self._left_at = 0.0
        self._is_gone = False
        self._pending: dict[str, Pending] = {}
        self._spec_blobs: frozenset[BlobId] = frozenset()
        self._settled: OrderedDict[str, bool] = OrderedDict()  # key to whether it was cancelled
        self._unrecorded: OrderedDict[str, None] = OrderedDict()
        self._unclaimed: OrderedDict[str, float] = OrderedDict()
        self._changed = asyncio.Event()

    # What it reports

    def attach(self, link: Link, hello: pb.Hello, heartbeat_s: int) -> Link | None:
        """The agent dialled in: welcomes it, asks again what it does not know of. Returns the link it replaces."""
        older, self.link = self.link, link
        self.key_hash = link.key_hash
        if older is not None:
            older.close(grpc.StatusCode.ABORTED, "replaced by a newer stream of the same agent")
        link.send(pb.ToAgent(welcome=pb.Welcome(heartbeat_s=heartbeat_s)))
        self.report(hello.report)
        self._tell_all()
        self._ask_again(link, self._heard.running | set(hello.held_results))
        return older

    def detach(self, link: Link) -> None:
        """The stream ended; nothing happens when a newer one has replaced it."""
        if self.link is link:
            self.link = None
            self._left_at = self._clock.monotonic()
            self._wake()
            self._tell_all()

    def touch(self) -> None:
        """It said something: it is alive."""
        self._heard_at = self._clock.monotonic()

    def report(self, report: pb.Report) -> None:
        self.touch()
        former, self._heard = self._heard, heard_of(report)
        if (former.job_state, former.disks) != (self._heard.job_state, self._heard.disks):
            self._tell_all()
        self._reported_at = self._clock.monotonic()
        self._drop_unclaimed()
        self._wake()

    @property
    def has_spoken(self) -> bool:
        return self._heard_at is not None

    def seen(self) -> SeenAgent | None:
        """As of now, uptimes included; None before its first word."""
        if self._heard_at is None:
            return None
        now = self._clock.monotonic()
        since_report_s = (now if self.link else self._left_at) - self._reported_at
        return SeenAgent(
            id=self.id,
            is_connected=self.link is not None,
            silent_s=now - self._heard_at,
            job_state=self._heard.job_state,
            processes=tuple(_aged(process, since_report_s) for process in self._heard.processes),
            configuration_hash=self._heard.configuration_hash,
            disks=self._heard.disks,
            vitals=self._heard.vitals,
        )

    async def await_change(self, within_s: float | None = None) -> None:
        """Returns at the next change, or after ``within_s``. Raises AgentSilent once its VM was given up."""
        if self._is_gone:
            raise _given_up(self.id)
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            return

    # What is asked of it

    def open(self, key: str, request: AgentRequest, timeout_s: float) -> Pending:
        """Sends the request, now or when it dials in. Raises AgentFailure when too much is under way."""
        assert len(key) <= _KEY_CHARACTERS_MAX, f"{key} is too long for a key"
        assert key not in self._pending, f"{key} is asked of agent {self.id} twice at once"
        if len(self._pending) >= _PENDING_MAX:
            raise AgentFailure(f"Agent {self.id} has {_PENDING_MAX} requests under way already.", retry=Retry.SOON)
        pending = Pending(
            message=request_of(request, key),
            deadline=self._clock.monotonic() + timeout_s,
            blobs=blobs_of(request),
            has_upload=isinstance(request, Compile | FetchLogs),
            answer=asyncio.get_running_loop().create_future(),
        )
        self._pending[key] = pending
        for known in (self._settled, self._unclaimed, self._unrecorded):
            known.pop(key, None)
        if isinstance(request, Prepare | Apply):
            self._spec_blobs = pending.blobs
        if self.link is not None:
            self._send(self.link, pending)
        return pending

    def close(self, key: str, *, is_cancelled: bool = False) -> None:
        """Nobody waits for it any more; one cancelled under way is cancelled on the agent."""
        pending = self._pending.pop(key, None)
        if pending is not None and pending.is_sent and is_cancelled:
            self._settle(key, is_cancelled=True)
            self._tell(pb.ToAgent(cancel=pb.Cancel(key=key)))

    def answer(self, result: pb.Result) -> None:
        """Resolves the question it answers; the agent keeps it unless nobody will ask for it again."""
        self.touch()
        if len(result.key) > _KEY_CHARACTERS_MAX:
            return  # never asked by us; keeping or repeating it would let the agent fill our memory
        pending = self._pending.pop(result.key, None)
        if pending is not None:
            self._unrecorded[result.key] = None
            if not pending.answer.done():
                pending.answer.set_result(result)
        if result.key in self._settled:
            self._acknowledge(result.key)
        elif result.key not in self._unrecorded:
            self._unclaimed.setdefault(result.key, self._clock.monotonic())
        self._bound_what_it_keeps()

    def forget(self, key: str) -> None:
        """What came of it is recorded. A result that is still to come is acknowledged when it does."""
        if key in self._pending:
            return
        self._unrecorded.pop(key, None)
        self._unclaimed.pop(key, None)
        self._settle(key, is_cancelled=False)
        self._acknowledge(key)

    def give_up(self) -> None:
        """Its VM is gone: ends its stream and everything that waits for it."""
        self._is_gone = True
        self.key_hash = None
        if self.link is not None:
            self.link.close(grpc.StatusCode.PERMISSION_DENIED, "this agent's VM was given up")
            self.detach(self.link)
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(_given_up(self.id))
        self._wake()

    # What it may fetch and store

    def may_fetch(self, blob: BlobId) -> bool:
        return blob in self._spec_blobs or any(blob in pending.blobs for pending in self._pending.values())

    def may_store(self) -> bool:
        return any(pending.has_upload for pending in self._pending.values())

    def has_unclaimed_work(self) -> bool:
        """It carries out a request of before this director's start, which may yet be asked again."""
        return any(key not in self._pending for key in self._heard.running)

    def _ask_again(self, link: Link, known: frozenset[str]) -> None:
        for key, pending in self._pending.items():
            if key not in known:
                self._send(link, pending)
            pending.is_sent = True
        for key in sorted(known):
            if self._settled.get(key, False):
                link.send(pb.ToAgent(cancel=pb.Cancel(key=key)))

    def _send(self, link: Link, pending: Pending) -> None:
        pending.message.timeout_s = _seconds(pending.deadline - self._clock.monotonic())
        pending.is_sent = True
        link.send(pb.ToAgent(request=pending.message))

    def _tell(self, message: pb.ToAgent) -> None:
        if self.link is not None:
            self.link.send(message)

    def _settle(self, key: str, *, is_cancelled: bool) -> None:
        self._settled[key] = is_cancelled
        if len(self._settled) > _SETTLED_MAX:
            self._settled.popitem(last=False)

    def _acknowledge(self, key: str) -> None:
        self._tell(pb.ToAgent(acknowledge=pb.Acknowledge(key=key)))

    def _bound_what_it_keeps(self) -> None:
        """An agent must not fill its disk for a director that forgot to say what is recorded."""
        for keys, most in ((self._unclaimed, _UNCLAIMED_MAX), (self._unrecorded, _UNRECORDED_MAX)):
            if len(keys) > most:
                key, _ = keys.popitem(last=False)
                self._settle(key, is_cancelled=False)
                self._acknowledge(key)

    def _drop_unclaimed(self) -> None:
        before = self._clock.monotonic() - _CLAIM_S
        for key in [key for key, at in self._unclaimed.items() if at < before]:
            del self._unclaimed[key]
            self._acknowledge(key)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _aged(process: SeenProcess, since_report_s: float) -> SeenProcess:
    if process.state != "running":
        return process
    return replace(process, uptime_s=process.uptime_s + since_report_s)


def _seconds(left_s: float) -> int:
    """A second less than we wait, so that the agent's own words on what took so long come in time; 0 is for ever."""
    if math.isinf(left_s):
        return 0
    return min(max(1, math.ceil(left_s) - 1), _TIMEOUT_S_MAX)


def _given_up(agent: AgentId) -> AgentSilent:
    return AgentSilent(f"Agent {agent} may not connect any more: its VM was given up.", retry=Retry.NEVER)
