"""Packs and unpacks archives in a process of its own, so that neither the loop waits nor the agent grows."""

import sys
from collections.abc import Sequence
from pathlib import Path

from agent import process
from agent.failure import Failed
from agent.layout import Layout
from agent.scratch import scratch

_PROGRAM = Path(__file__).with_name("archive.py")


async def unpack(archive: Path, into: Path, what: str, layout: Layout) -> None:
    """``into`` appears whole or not at all. Raises Failed, naming ``what``, for an archive that is bad."""
    await _run(("unpack", str(archive), str(into)), f"{what}: its archive cannot be unpacked", layout)


async def pack(root: Path, archive: Path, filters: Sequence[str], what: str, layout: Layout) -> None:
    """A tgz of what ``filters`` match below ``root``, of everything without filters. Raises Failed, naming ``what``."""
    await _run(("pack", str(root), str(archive), *filters), f"{what} cannot be packed", layout)


async def _run(words: Sequence[str], failed: str, layout: Layout) -> None:
    with scratch(layout) as output:
        # -I -S: nothing but the standard library, which halves the start-up time.
        argv = (sys.executable, "-I", "-S", str(_PROGRAM), *words)
        code = await process.run(
            argv, env=layout.environment(), cwd=layout.base, stdout=output, stderr=output, notes=layout.notes
        )
        output.seek(0)
        said = output.read(4096).decode("utf-8", "replace").strip()
    if code:
        raise Failed(f"{failed}: {said or f'exit code {code}'}")
