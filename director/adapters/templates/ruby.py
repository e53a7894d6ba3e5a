"""One long-lived Ruby process that fills ERB templates. Starts it, talks to it, replaces it when it is lost.

A template that kills or hangs the worker is named and not tried again in that batch; the others are filled by
the next worker. The worker ends by itself when its stdin closes, also when the director was killed.
"""

import asyncio
import base64
import contextlib
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from director.adapters.templates.fault import Fault, engine_error, missing_link, missing_property
from director.adapters.templates.source import FILE_MAX, TemplateFile
from director.ports.failure import Failure

PROGRAM: Final = Path(__file__).with_name("worker.rb")
FRAME_MAX: Final = 2 * FILE_MAX
BATCH_MAX: Final = 256
LOSSES_MAX: Final = 5
"""Workers lost in one batch before the rest is given up: each costs up to a reply's deadline."""
START_TIMEOUT_S: Final = 30.0
END_TIMEOUT_S: Final = 10.0
READ_SIZE: Final = 1024 * 1024
KEPT_ENV: Final = ("PATH", "HOME", "GEM_HOME", "GEM_PATH", "RBENV_ROOT", "RBENV_VERSION", "RUBYLIB")
"""Nothing else of the director's environment is a template's business."""


class RubyUnusable(Failure):
    """Ruby is not there, or does not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One template to fill. ``spec`` is the JSON text of everything it may ask about."""

    template: TemplateFile
    job: str
    spec: str = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.job}/{self.template.name}"


class RubyWorker:
    """``scratch`` is its working directory. ``reply_timeout_s`` bounds each single template."""

    def __init__(self, ruby: str, scratch: Path, *, reply_timeout_s: float = 15.0) -> None:
        self._ruby = ruby
        self._scratch = scratch
        self._reply_timeout_s = reply_timeout_s
        self._process: Process | None = None
        self._lock = asyncio.Lock()

    async def fill(self, orders: Sequence[Order]) -> list[bytes | Fault]:
        """One result per order, in order. Raises RubyUnusable when no worker starts."""
        results: list[bytes | Fault] = []
        async with self._lock:
            for start in range(0, len(orders), BATCH_MAX):
                results += await self._fill_batch(orders[start : start + BATCH_MAX])
        return results

    async def close(self) -> None:
        """Ends the worker; the next ``fill`` would start another."""
        async with self._lock:
            await self._end()

    async def _fill_batch(self, orders: Sequence[Order]) -> list[bytes | Fault]:
        results: dict[int, bytes | Fault] = {}
        todo = list(range(len(orders)))
        for _ in range(LOSSES_MAX):
            lost = await self._fill_some(orders, todo, results)
            todo = [at for at in todo if at not in results]
            if not todo:
                break
            guilty = orders[todo[0]].template.key
            results.update({at: engine_error(lost, None) for at in todo if orders[at].template.key == guilty})
            todo = [at for at in todo if at not in results]
        given_up = engine_error(f"not tried, because {LOSSES_MAX} other templates ended the Ruby worker", None)
        return [results.get(at, given_up) for at in range(len(orders))]

    async def _fill_some(self, orders: Sequence[Order], todo: list[int], results: dict[int, bytes | Fault]) -> str:
        """Adds results until all are there or the worker is lost, and says how. Cancelled halfway, it ends it."""
        if not todo:
            return ""
        process = await self._running()
        is_in_step = False
        try:
            await _send(process, _batch([orders[at] for at in todo]), self._reply_timeout_s)
            for at in todo:
                results[at] = _result(orders[at], await _receive(process, self._reply_timeout_s))
            is_in_step = True
        except TimeoutError:
            return f"it was not done after {self._reply_timeout_s:g} s"
        except (EOFError, ConnectionError):
            return "it ended the Ruby process that filled it"
        except ValueError:
            return f"it grew beyond {FILE_MAX} bytes"
        finally:
            if not is_in_step:
                await self._end()
        return ""

    async def _running(self) -> Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._end()
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = await self._start()
        return self._process

    async def _start(self) -> Process:
        words = self._scratch / "start.log"
        with words.open("wb") as stderr:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(self._ruby, "--disable=did_you_mean", "--disable=error_highlight", str(PROGRAM)),
                    stdin=PIPE,
                    stdout=PIPE,
                    stderr=stderr,
                    cwd=self._scratch,
                    env=_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                raise RubyUnusable(f"{self._ruby} cannot be run: {error}.") from error
        self._process = process
        try:
            await _receive(process, START_TIMEOUT_S)
        except (TimeoutError, EOFError, ConnectionError, ValueError) as error:
            await self._end()
            tail = words.read_text(errors="replace")[-400:].strip()
            raise RubyUnusable(f"{self._ruby} does not start as a template worker: {tail or error}.") from error
        return process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # Its whole session: a template may have started programs of its own. Not once its id may be another's.
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        assert process.stdin is not None, "the worker was started with a pipe"
        assert process.stdout is not None, "the worker was started with a pipe"
        process.stdin.close()
        async with asyncio.timeout(END_TIMEOUT_S):
            # asyncio calls a process ended only when its pipes are, and a full one does not end unread.
            while await process.stdout.read(READ_SIZE):
                pass
            await process.wait()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_ENV if name in os.environ}
    return {**kept, "LANG": "C.UTF-8"}


def _batch(orders: Sequence[Order]) -> bytes:
    places = {spec: at for at, spec in enumerate(dict.fromkeys(order.spec for order in orders))}
    templates = {
        order.template.key: {"name": order.name, "source": base64.b64encode(order.template.content).decode()}
        for order in orders
    }
    renders = [[order.template.key, places[order.spec]] for order in orders]
    return json.dumps({"templates": templates, "specs": list(places), "renders": renders}).encode()


async def _send(process: Process, frame: bytes, timeout_s: float) -> None:
    assert process.stdin is not None, "the worker was started with a pipe"
    async with asyncio.timeout(timeout_s):
        process.stdin.write(len(frame).to_bytes(4, "big") + frame)
        await process.stdin.drain()


async def _receive(process: Process, timeout_s: float) -> Mapping[str, Any]:
    """Raises TimeoutError, EOFError when the worker ended, ValueError when the frame is too large or no JSON."""
    assert process.stdout is not None, "the worker was started with a pipe"
    async with asyncio.timeout(timeout_s):
        size = int.from_bytes(await process.stdout.readexactly(4), "big")
        if size > FRAME_MAX:
            raise ValueError(f"a frame of {size} bytes")
        reply: Mapping[str, Any] = json.loads(await process.stdout.readexactly(size))
        return reply


def _result(order: Order, reply: Mapping[str, Any]) -> bytes | Fault:
    if "ok" in reply:
        return base64.b64decode(reply["ok"])
    error = reply["error"]
    names, line = [str(name) for name in error["names"]], error["line"]
    match error["missing"]:
        case "property":
            return missing_property(names, order.job, line)
        case "link":
            return missing_link(names[0], order.job, line)
        case _:
            return engine_error(f"{error['class']}: {error['message']}", line)
