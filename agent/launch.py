"""Gets one job process going, or finds that it already is. Decides no restarts: see keep.py."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from agent import owner, process
from agent.failure import Failed
from agent.layout import Layout, make_directory, try_to_write
from agent.process import Live
from agent.program import Owned, Program, Watched

_PIDFILE_POLL_MAX_S = 0.5
_CLOCK_SLACK_S = 2.0
"""A pid file is written after its process began; file times are coarser than process times."""


async def launch(program: Program, layout: Layout) -> tuple[Live, "subprocess.Popen[bytes]"]:
    """The process, and the child that was started to get it: for an owned program the same.

    Raises Failed when it does not come up.
    """
    program.pidfile.parent.mkdir(parents=True, exist_ok=True)
    program.pidfile.unlink(missing_ok=True)
    if isinstance(program, Owned):
        return await _start_owned(program, layout)
    return await _start_watched(program, layout)


def adopt(program: Program, recorded: Live | None) -> Live | None:
    """The process of an earlier agent: the recorded one, or for a watched program the one its pid file names."""
    if recorded is not None and process.is_alive(recorded):
        return recorded
    if isinstance(program, Watched):
        return _of_pidfile(program.pidfile, is_fresh=False)
    return None


def log_paths(program: Program, layout: Layout) -> tuple[Path, Path]:
    """Where its output goes: stdout, stderr."""
    directory = layout.log(program.job)
    return directory / f"{program.name}.stdout.log", directory / f"{program.name}.stderr.log"


async def _start_owned(program: Owned, layout: Layout) -> tuple[Live, "subprocess.Popen[bytes]"]:
    user = None if program.is_privileged else owner.vcap()
    for directory in program.directories:
        make_directory(directory, 0o770, user)
    with _logs(program, layout) as (stdout, stderr):
        if program.pre_start:
            await _pre_start(program, stdout, stderr, user)
        try:
            child = process.spawn(
                program.argv,
                env=program.env,
                cwd=program.cwd,
                stdout=stdout,
                stderr=stderr,
                user=user,
                open_files=program.open_files,
            )
        except OSError as error:
            raise Failed(f"{program.argv[0]} cannot be run: {error.strerror}") from error
    live = process.find(child.pid)
    if live is None:
        process.signal_group(child.pid, signal.SIGKILL)
        raise Failed(f"ended with exit code {process.exit_code(child)}")
    try_to_write(program.pidfile, f"{live.pid}\n".encode(), 0o644)
    return live, child


async def _pre_start(program: Owned, stdout: IO[bytes], stderr: IO[bytes], user: tuple[int, int] | None) -> None:
    try:
        code = await process.run(
            (program.pre_start,), env=program.env, cwd=program.cwd, stdout=stdout, stderr=stderr, user=user
        )
    except OSError as error:
        raise Failed(f"{program.pre_start} cannot be run: {error.strerror}") from error
    if code:
        raise Failed(f"{program.pre_start} ended with exit code {code}")


async def _start_watched(program: Watched, layout: Layout) -> tuple[Live, "subprocess.Popen[bytes]"]:
    user = owner.user_ids(program.user) if program.user else None
    with _logs(program, layout) as (stdout, stderr):
        try:
            starter = process.spawn(
                program.start, env=program.env, cwd=layout.base, stdout=stdout, stderr=stderr, user=user
            )
        except OSError as error:
            raise Failed(f"{program.start[0]} cannot be run: {error.strerror}") from error
    live: Live | None = None
    try:
        async with asyncio.timeout(program.start_timeout_s):
            live = await _announced(program, starter)
    except TimeoutError as error:
        raise Failed(f"no process in {program.pidfile} within {program.start_timeout_s:.0f} s") from error
    finally:
        if live is None:
            await process.end_group(starter)
    starter.poll()
    return live, starter


async def _announced(program: Watched, starter: "subprocess.Popen[bytes]") -> Live:
    """The process of the pid file, once it is there. The start program may end before, or be that very process."""
    pause_s = 0.02
    while (live := _of_pidfile(program.pidfile, is_fresh=True)) is None:
        if starter.poll():
            raise Failed(f"{program.start[0]} ended with exit code {process.exit_code(starter)}")
        await asyncio.sleep(pause_s)  # nothing announces a pid file; only while starting
        pause_s = min(pause_s * 1.5, _PIDFILE_POLL_MAX_S)
    return live


def _of_pidfile(path: Path, *, is_fresh: bool) -> Live | None:
    """The live process a pid file names; an old file's pid may meanwhile be that of a younger process."""
    try:
        text, written_at = path.read_text("ascii", "replace").strip(), path.stat().st_mtime
    except FileNotFoundError:
        return None
    live = process.find(int(text)) if text.isdecimal() else None
    if live is None or is_fresh or live.started_at <= written_at + _CLOCK_SLACK_S:
        return live
    return None


async def run_stop_program(program: Watched, layout: Layout) -> int:
    """Its exit code; 0 when the monit file has none. Raises Failed when it cannot be run."""
    if not program.stop:
        return 0
    with _logs(program, layout) as (stdout, stderr):
        try:
            return await process.run(program.stop, env=program.env, cwd=layout.base, stdout=stdout, stderr=stderr)
        except OSError as error:
            raise Failed(f"{program.stop[0]} cannot be run: {error.strerror}") from error


@contextmanager
def _logs(program: Program, layout: Layout) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    make_directory(layout.log(program.job), 0o770, owner.root_and_vcap_group())
    out, err = log_paths(program, layout)
    with open_log(out) as stdout, open_log(err) as stderr:
        yield stdout, stderr


def open_log(path: Path) -> IO[bytes]:
    """For appending; made readable by its group only, since jobs may print secrets."""
    path.touch(0o640, exist_ok=True)
    ids = owner.vcap()
    if ids is not None:
        os.chown(path, *ids)
    return path.open("ab", buffering=0)
