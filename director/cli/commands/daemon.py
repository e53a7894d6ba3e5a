"""Starts and stops the background director of this machine. Knows processes and files, nothing of HTTP."""

import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from director.cli.errors import CommandFailed, Exit
from director.cli.target import local_facts, state_dir

COMMAND: tuple[str, ...] = (sys.executable, "-m", "director.main")
START_S: Final = 60.0
STOP_S: Final = 60.0
DESTROY_S: Final = 600.0
LOG_LINES: Final = 15


def running() -> dict[str, Any] | None:
    """What the daemon wrote about itself, when that very process is alive; else None."""
    known = local_facts()
    return known if known and _holds_lock(known["pid"]) else None


def start() -> dict[str, Any]:
    """Starts the daemon unless it runs, and returns once it is ready. Raises CommandFailed with its last words."""
    directory = state_dir()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _one_at_a_time(directory):
        if known := running():
            return known
        if _is_locked(directory):
            message = f"Another process is just starting a director on {directory}: try again in a moment."
            raise CommandFailed(message, Exit.NO_DIRECTOR)
        return _launch(directory)


def stop() -> bool:
    """Ends the daemon and waits for its end; its VMs go on. False when it was not running."""
    known = running()
    if known is None:
        return False
    try:
        pidfd = os.pidfd_open(known["pid"])
    except ProcessLookupError:
        return True
    try:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if _ends_after(sign, pidfd):
                return True
    finally:
        os.close(pidfd)
    raise CommandFailed(f"The local director (pid {known['pid']}) does not end.")


def destroy(*, forgets_elsewhere: bool = False) -> None:
    """Everything of this machine's director: processes, networks, files. Raises CommandFailed with what it said."""
    stop()
    directory = state_dir()
    if not directory.exists():
        return
    try:
        done = subprocess.run(
            [*COMMAND, "destroy", *(["--forget-elsewhere"] if forgets_elsewhere else [])],
            env={**os.environ, "DIRECTOR_STATE_DIR": str(directory)},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=DESTROY_S,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"Removing what is in {directory} took longer than {DESTROY_S:g} s.") from None
    if done.returncode:
        words = "\n".join((done.stdout + done.stderr).strip().splitlines()[-LOG_LINES:])
        raise CommandFailed(f"Not everything could be removed:\n{words}")


def _launch(directory: Path) -> dict[str, Any]:
    log = directory / "director.log"
    ready, tell = os.pipe()
    with os.fdopen(ready, "rb", buffering=0) as pipe, log.open("ab") as output:
        began = output.tell()
        try:
            process = subprocess.Popen(
                COMMAND,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(tell,),
                cwd="/",
                env={**os.environ, "DIRECTOR_STATE_DIR": str(directory), "DIRECTOR_READY_FD": str(tell)},
            )
        finally:
            os.close(tell)
        # It writes when it is ready; the pipe also ends when the process does.
        said = pipe.read(64) if _is_readable(pipe.fileno(), START_S) else b""
    known = local_facts() if said else None
    if known is None:
        process.kill()
        process.wait()
        words = _tail(log, began) or f"It said nothing. Free space: {shutil.disk_usage(directory).free >> 10} KiB."
        raise CommandFailed(f"The local director did not start:\n{words}\nIts log is {log}.")
    return known


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    """Two commands that start the director at once: the second waits, and finds it running."""
    with (directory / "start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_locked(directory: Path) -> bool:
    """Whether any director has this directory: it holds the lock for as long as it lives, however it ends."""
    try:
        with (directory / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _holds_lock(pid: int) -> bool:
    """Whether ``pid`` is a director on our directory, and not another process that got its number since.

    Looking at what it has open takes no lock, so that a director just starting is not in anybody's way.
    """
    try:
        lock = (state_dir() / "lock").stat()
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except (FileNotFoundError, PermissionError):  # gone, or killed and not collected yet, or somebody else's by now
        return False
    return any(_is_file(handle, lock) for handle in handles)


def _is_file(handle: Path, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(handle.stat(), file)
    except (FileNotFoundError, PermissionError):
        return False


def _ends_after(sign: signal.Signals, pidfd: int) -> bool:
    try:
        signal.pidfd_send_signal(pidfd, sign)
    except ProcessLookupError:
        return True
    return _is_readable(pidfd, STOP_S)


def _is_readable(descriptor: int, wait_s: float) -> bool:
    """Unlike ``select()`` for a descriptor of any number: who starts us may have many open."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))


def _tail(log: Path, offset: int) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        return "\n".join(file.read().decode(errors="replace").strip().splitlines()[-LOG_LINES:])
