"""Ends what an agent that was killed left running, so that it does not run beside its next try."""

import asyncio
import logging
import signal

from agent import process
from agent.layout import Layout

log = logging.getLogger("agent")
_END_MAX_S = 10.0
"""Killed processes go at once, but for those the kernel itself holds."""


async def end_leftovers(layout: Layout) -> None:
    """Everything noted by an earlier agent (see ``process.noted``) that is still the process it was."""
    for note in sorted(layout.notes.iterdir()):
        live = process.of_note(note)
        if live is not None:
            log.warning("ending a script of the agent before pid=%d", live.pid)
            process.signal_group(live.pid, signal.SIGKILL)
            async with asyncio.timeout(_END_MAX_S):
                await process.gone(live)
        note.unlink()
