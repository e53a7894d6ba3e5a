"""Runs a program of the VM to its end and gives what it said. Decides nothing."""

from collections.abc import Sequence

from agent import process
from agent.failure import Failed
from agent.layout import Layout
from agent.scratch import scratch

_SAID_MAX = 16_384


async def output_of(layout: Layout, argv: Sequence[str]) -> tuple[int, str]:
    """Exit code and the first 16 KiB of output and errors together; 127 for a program the VM does not have."""
    with scratch(layout) as output:
        try:
            code = await process.run(
                argv, env=layout.environment(), cwd=layout.base, stdout=output, stderr=output, notes=layout.notes
            )
        except FileNotFoundError:
            return 127, f"{argv[0]}: no such program on this VM"
        output.seek(0)
        return code, output.read(_SAID_MAX).decode("utf-8", "replace").strip()


async def run(layout: Layout, argv: Sequence[str], what: str) -> str:
    """What it said. Raises Failed, with ``what`` for people, when its exit code is not 0."""
    code, said = await output_of(layout, argv)
    if code:
        raise Failed(f"{what} ended with exit code {code}: {said}")
    return said
