"""One sink's queue and the task that empties it: bounded, patient, and nobody waits for it.

Note: what is lost. The queue drops its oldest alert when it is full, and a batch is given up after ``GIVE_UP_S``. Both
are counted, logged, and told by the next delivery that works.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

import structlog

from director.adapters.alerts.sink import Sink, SinkFailure
from director.model.alert import Alert, Severity
from director.ports.clock import Clock
from director.ports.failure import Retry
from director.ports.meter import Meter

QUEUE_MAX: Final = 1000
BATCH_MAX: Final = 100
PAUSES_S: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Between tries of one batch; the last is repeated."""
GIVE_UP_S: Final = 3600.0
"""A batch older than this is news no more; what queues behind it may be."""
TRIES: Final = {Retry.NEVER: 1, Retry.BOUNDED: 3}
FAREWELL_S: Final = 3.0
"""How long a stopping director waits for what is still to be delivered."""

log = structlog.get_logger()


class Lane:
    """``put`` on the loop only."""

    def __init__(self, sink: Sink, *, clock: Clock, meter: Meter, queue_max: int = QUEUE_MAX) -> None:
        self.sink = sink
        self._clock = clock
        self._meter = meter
        self._queue_max = queue_max
        self._waiting: deque[Alert] = deque()
        self._lost = 0
        self._taken = 0
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"alerts to {self.sink.name}")
        self._task.add_done_callback(self._ended)

    def put(self, alert: Alert) -> None:
        if len(self._waiting) >= self._queue_max:
            self._waiting.popleft()
            self._lose(1, "the queue is full")
        self._waiting.append(alert)
        self._emptied.clear()
        self._filled.set()

    async def close(self) -> None:
        """Gives what waits a few seconds, then ends."""
        self._closing.set()
        task, self._task = self._task, None
        if task is not None:
            emptied = asyncio.create_task(self._emptied.wait(), name="alerts delivered")
            await asyncio.wait({emptied, task}, timeout=FAREWELL_S, return_when=asyncio.FIRST_COMPLETED)
            emptied.cancel()
            task.cancel()
            await asyncio.wait({emptied, task})
        if left := self._taken + len(self._waiting):
            log.warning("alerts were not delivered", sink=self.sink.name, count=left)
        await self.sink.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A sink with a bug loses the batch it broke on, and nothing else."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("delivering alerts broke", sink=self.sink.name, exc_info=error)
        self._count("broken")
        self._lose(self._taken, "the director itself failed")
        if self._task is task:
            self.start()

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._emptied.set()
                self._filled.clear()
                await self._filled.wait()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), BATCH_MAX))]
            self._taken = len(batch)
            await self._deliver(batch)
            self._taken = 0
            if not self._waiting:
                self._emptied.set()
            await self._rest()

    async def _rest(self) -> None:
        """Until the next delivery may begin; a stopping director has no time for it."""
        try:
            async with asyncio.timeout(self.sink.pace_s):
                await self._closing.wait()
        except TimeoutError:
            return

    async def _deliver(self, batch: Sequence[Alert]) -> None:
        began, tries, lost = self._clock.monotonic(), 0, self._lost
        said = [*([self._losses(lost)] if lost else []), *batch]
        while True:
            try:
                await self.sink.deliver(said)
            except SinkFailure as failure:
                tries += 1
                self._count("failed")
                log.warning("alerts cannot be delivered", sink=self.sink.name, why=str(failure), count=len(batch))
                is_old = self._clock.monotonic() - began >= GIVE_UP_S
                if is_old or tries >= TRIES.get(failure.retry, tries + 1):
                    return self._lose(len(batch), "they could not be delivered")
                await self._clock.sleep(PAUSES_S[min(tries, len(PAUSES_S)) - 1])
            else:
                self._lost -= lost
                return self._count("delivered")

    def _lose(self, count: int, why: str) -> None:
        self._lost += count
        self._meter.count("alerts_dropped", float(count), sink=self.sink.name)
        log.warning("alerts dropped", sink=self.sink.name, count=count, why=why)

    def _losses(self, count: int) -> Alert:
        words = f"{count} alerts were dropped before this one: too many at once, or nobody took them."
        subject = f"alerts to {self.sink.name}"
        return Alert(
            at=self._clock.now(), severity=Severity.WARNING, code="alerts.dropped", subject=subject, words=words
        )

    def _count(self, outcome: str) -> None:
        self._meter.count("alert_deliveries", sink=self.sink.name, outcome=outcome)
