"""How late the event loop is: a timer that says how much later than asked it came."""

import asyncio
from collections import deque
from typing import Final

from director.ports.meter import Reading

EVERY_S: Final = 0.5
KEPT_S: Final = 60.0


class LoopLag:
    """``start`` inside the running loop. ``worst_s`` is of the last minute."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=int(KEPT_S / EVERY_S))
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(loop.time() + EVERY_S, self._came, loop, loop.time() + EVERY_S)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def worst_s(self) -> float:
        return max(self._seen, default=0.0)

    def reading(self) -> Reading:
        return [({}, self.worst_s())]

    def _came(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._seen.append(max(0.0, loop.time() - due))
        self.start()
