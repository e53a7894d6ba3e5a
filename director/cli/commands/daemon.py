"""Starts and stops the background director of this machine. Knows processes and files, nothing of HTTP."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from director.cli.errors import CommandFailed
from director.cli.target import state_dir

START_S = 60.0
STOP_S = 60.0


def facts() -> dict[str, Any] | None:
    """What the daemon wrote about itself when it was last ready; None when it never was."""
    try:
        found: dict[str, Any] = json.loads((state_dir() / "director.json").read_text())
    except FileNotFoundError:
        return None
    return found


def is_running() -> bool:
    """The daemon holds a lock for as long as it lives, however it ends."""
    try:
        with (state_dir() / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def start() -> dict[str, Any]:
    """Starts the daemon unless it runs, and returns once it is ready. Raises CommandFailed with its last words."""
    known = facts()
    if known and is_running():
        return known
    directory = state_dir()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    log = directory / "director.log"
    ready, tell = os.pipe()
    with log.open("ab") as output:
        began = output.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "director.main"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(tell,),
            cwd="/",
            env={**os.environ, "DIRECTOR_STATE_DIR": str(directory), "DIRECTOR_READY_FD": str(tell)},
        )
    os.close(tell)
    said = _read(ready, START_S)
    known = facts()
    if not said or known is None:
        process.kill()
        raise CommandFailed(f"The local director did not start:\n{_tail(log, began)}\nIts log is {log}.")
    return known


def stop() -> bool:
    """Ends the daemon and waits for its end; its VMs go on. False when it was not running."""
    known = facts()
    if known is None or not is_running():
        return False
    pidfd = os.pidfd_open(known["pid"])
    try:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(pidfd, sign)
            if select.select([pidfd], [], [], STOP_S)[0]:
                return True
    finally:
        os.close(pidfd)
    raise CommandFailed(f"The local director (pid {known['pid']}) does not end.")


def destroy() -> None:
    """Everything of this machine's director: processes, networks, files."""
    stop()
    if not state_dir().exists():
        return
    done = subprocess.run(
        [sys.executable, "-m", "director.main", "destroy"],
        env={**os.environ, "DIRECTOR_STATE_DIR": str(state_dir())},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        cwd="/",
    )
    if done.returncode:
        raise CommandFailed(f"Not everything could be removed:\n{done.stderr.strip()}")


def _read(pipe: int, timeout_s: float) -> bytes:
    """What the daemon says when it is ready; empty when it ended or the time is over."""
    with os.fdopen(pipe, "rb") as stream:
        return stream.read() if select.select([stream], [], [], timeout_s)[0] else b""


def _tail(log: Path, offset: int) -> str:
    with log.open("rb") as file:
        file.seek(offset)
        return "\n".join(file.read().decode(errors="replace").strip().splitlines()[-15:])
