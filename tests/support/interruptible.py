"""Runs a program that clears up after itself when it is interrupted, and lets it: ``subprocess.run`` kills outright."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

CLEARED_UP_S: Final = 60


def run(
    words: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    is_shown: bool = False,
) -> "subprocess.CompletedProcess[str]":
    """What it printed, or, ``is_shown``, nothing: it was shown as it came.

    Whatever is raised meanwhile interrupts the program and all it started, as Ctrl-C does, and waits for their end.
    """
    pipe = None if is_shown else subprocess.PIPE
    # A group of its own: what a terminal interrupts is told to it once, from here.
    with subprocess.Popen(words, cwd=cwd, env=env, text=True, stdout=pipe, stderr=pipe, process_group=0) as process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except BaseException:
            _interrupt(process)
            raise
    return subprocess.CompletedProcess(words, process.returncode, out or "", err or "")


def _interrupt(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(CLEARED_UP_S)
    except subprocess.TimeoutExpired:
        process.kill()
