"""What the director asked for and is not answered yet: runs it, once per key, and keeps the answers.

Note: stopping the agent. Requests end with it without an answer: repeatable ones are asked again by the director,
the others are answered as interrupted by the next agent (see ledger.py).
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack

from agent.failure import Failed
from agent.ledger import Ledger
from agent.perform import CANCELLABLE, NOT_REPEATABLE, ONE_AT_A_TIME, Vm, perform
from agent.wire import agent_pb2 as wire

log = logging.getLogger("agent")
_FAULTS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError, ValueError)
"""A fault of ours in one request is answered; it must not take down the keeper of the jobs, nor come again with it."""


class Requests:
    def __init__(self, vm: Vm, ledger: Ledger, group: asyncio.TaskGroup, answered: Callable[[str], None]) -> None:
        """``answered`` is called with a key whenever its result is there (again) to be sent."""
        self._vm, self._ledger, self._group, self._answered = vm, ledger, group, answered
        self._running: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._cancelled: set[str] = set()
        self._lane = asyncio.Lock()

    def running(self) -> list[str]:
        return sorted(self._running)

    def accept(self, request: wire.Request) -> None:
        """Begins it, unless its key is known: then it goes on, or is answered with what there is."""
        if self._ledger.result(request.key) is not None:
            self._answered(request.key)
        elif request.key not in self._running:
            action = str(request.WhichOneof("action"))
            self._running[request.key] = action, self._group.create_task(self._carry_out(request, action))

    def cancel(self, key: str) -> None:
        """Ends it with what it has got to; only what may take long can be cancelled (1.9)."""
        action, task = self._running.get(key, ("", None))
        if task is not None and action in CANCELLABLE and key not in self._cancelled:
            self._cancelled.add(key)
            task.cancel()

    def acknowledge(self, key: str) -> None:
        self._ledger.forget(key)

    async def _carry_out(self, request: wire.Request, action: str) -> None:
        log.info("request begun action=%s key=%s", action, request.key)
        try:
            result = await self._outcome(request, action)
        finally:
            del self._running[request.key]
            self._cancelled.discard(request.key)
        log.info("request done action=%s key=%s failed=%s", action, request.key, bool(result.error))
        self._ledger.settle(result)
        self._answered(request.key)

    async def _outcome(self, request: wire.Request, action: str) -> wire.Result:
        """Its result, or one that says why there is none. A cancelled errand is answered with what it printed."""
        result = wire.Result(key=request.key)
        try:
            if action in NOT_REPEATABLE:
                self._ledger.begin(request.key, action)
            async with asyncio.timeout(request.timeout_s or None):
                await self._in_turn(request, action, result)
        except Failed as failure:
            result.error = str(failure)
        except TimeoutError:
            result.error = f"{action} was given up: not done within {request.timeout_s} s"
        except asyncio.CancelledError:
            if request.key not in self._cancelled:
                raise
            result.error = "" if result.HasField("errand") else f"{action} was cancelled by the director"
        except OSError as broken:
            result.error = f"{action}: {broken}"
        except _FAULTS as fault:
            log.exception("fault action=%s key=%s", action, request.key)
            result.error = f"{action}: a fault of the agent, see its log: {type(fault).__name__}"
        return result

    async def _in_turn(self, request: wire.Request, action: str, result: wire.Result) -> None:
        async with AsyncExitStack() as stack:
            if action in ONE_AT_A_TIME:
                await stack.enter_async_context(self._lane)
            await perform(request, self._vm, result)
