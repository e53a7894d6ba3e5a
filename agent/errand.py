"""Runs an errand: ``bin/run`` of one job, its output kept for the director (1.15)."""

import asyncio
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from agent import process
from agent.failure import Failed
from agent.layout import Layout
from agent.scratch import scratch
from agent.scripts import script_of
from agent.tail import last_bytes
from agent.wire import agent_pb2 as wire

_OUTPUT_MAX = 1024 * 1024


async def run_errand(
    job: str, jobs: Sequence[str], env: Mapping[str, str], layout: Layout, result: wire.ErrandResult
) -> None:
    """Fills in ``result``, also when it is cancelled and ends the errand early. ``job`` empty means the first one.

    Raises Failed when there is no such errand. A non-zero exit code is a result, not a failure.
    """
    wanted = next((name for name in jobs if job in ("", name) and script_of(name, "run", layout).exists()), None)
    if wanted is None:
        raise Failed(f'there is no errand "{job}": no job of that name with bin/run among {", ".join(jobs) or "none"}')
    with scratch(layout) as stdout, scratch(layout) as stderr, ExitStack() as held:

        def start(mark: int) -> "subprocess.Popen[bytes]":
            return process.spawn(
                (str(script_of(wanted, "run", layout)),),
                env=layout.environment() | dict(env),
                cwd=layout.job(wanted),
                stdout=stdout,
                stderr=stderr,
                mark=mark,
            )

        try:
            child = held.enter_context(process.noted(start, layout.notes))
        except OSError as error:
            raise Failed(f'errand "{wanted}": bin/run cannot be run: {error.strerror}') from error
        try:
            await process.ended(child)
        except asyncio.CancelledError:
            await process.end_group(child)
            raise
        finally:
            result.exit_code = process.exit_code(child)
            result.stdout, result.stderr = last_bytes(stdout, _OUTPUT_MAX), last_bytes(stderr, _OUTPUT_MAX)
