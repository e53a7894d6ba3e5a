"""What is to be kept running: one value per job process. Values only."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

START_TIMEOUT_S = 30.0
"""How long monit waits for a process it started, unless the monit file says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """Started by the agent itself and kept in the foreground, as bpm describes it."""

    job: str
    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(repr=False)
    cwd: Path
    pidfile: Path
    pre_start: str = ""
    open_files: int | None = None
    is_privileged: bool = False
    directories: tuple[Path, ...] = ()
    """Made before each start, for the job's user alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Started and stopped by programs of the job; the agent watches the process of the pid file, as monit does."""

    job: str
    name: str
    start: tuple[str, ...]
    stop: tuple[str, ...]
    pidfile: Path
    env: dict[str, str] = field(repr=False)
    start_timeout_s: float = START_TIMEOUT_S
    user: str = ""


Program: TypeAlias = Owned | Watched
