"""Tries whether an agents' address takes connections."""

import asyncio
from typing import Final

REACH_S: Final = 5.0


async def reach(target: str) -> str:
    """Connects to ``host:port`` and hangs up. "" when that worked, else why not."""
    host, _, port = target.rpartition(":")
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError:
        return f"no answer within {REACH_S:g} s"
    except OSError as error:
        return error.strerror or str(error)
    writer.close()
    return ""
