"""What the agent is started with: one option, so no parser library is loaded for it."""

from collections.abc import Sequence
from pathlib import Path

_USAGE = "usage: director-agent [--base DIR]"


def base_from(arguments: Sequence[str]) -> Path:
    """The directory everything is below, /var/vcap unless given. Raises SystemExit for anything else."""
    words = [part for word in arguments for part in word.split("=", 1)]
    if not words:
        return Path("/var/vcap")
    if len(words) != 2 or words[0] != "--base" or not words[1]:
        raise SystemExit(_USAGE)
    return Path(words[1]).absolute()
