"""Runs programs, one after the other, with what they say in a log; ends them when the build is ended."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from director.stemcell.failure import Impossible

END_S: Final = 15.0
LAST_LINES: Final = 15
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Runner:
    """``log`` takes everything the programs say. Steps are told on standard output, with the time each took."""

    def __init__(self, log: Path, steps: int) -> None:
        self._log = log
        self._steps = steps
        self._step = 0

    @contextmanager
    def step(self, words: str) -> Iterator[None]:
        self._step += 1
        sys.stdout.write(f"[{self._step}/{self._steps}] {words} … ")
        sys.stdout.flush()
        began = time.monotonic()
        try:
            yield
        except BaseException:
            sys.stdout.write("\n")
            raise
        sys.stdout.write(f"{time.monotonic() - began:.0f} s\n")

    def run(self, *argv: str, stdin: str = "", more: Mapping[str, str] | None = None) -> None:
        """Raises Impossible with its last words when it fails. A program that outlives an interrupt is ended first."""
        inherited = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
        env = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **inherited, **(more or {})}
        with self._log.open("ab") as log:
            log.write(f"\n$ {' '.join(argv)}\n".encode())
            log.flush()
            process = None
            try:
                with _uninterrupted() as interrupts:
                    process = subprocess.Popen(
                        argv, stdin=subprocess.PIPE, stdout=log, stderr=log, env=env, start_new_session=True
                    )
                for number in interrupts:
                    signal.raise_signal(number)
                process.communicate(stdin.encode())
            finally:
                if process is not None:
                    _end(process)
        if process.returncode:
            raise Impossible(
                f"{argv[0]} ended with exit code {process.returncode}. Its last words:\n{self._last_words()}"
            )

    def in_root(self, root: Path, *argv: str, stdin: str = "") -> None:
        self.run("chroot", str(root), *argv, stdin=stdin)

    def _last_words(self) -> str:
        with self._log.open(errors="replace") as log:
            return "".join(deque(log, maxlen=LAST_LINES)).rstrip()


@contextmanager
def _uninterrupted() -> Iterator[list[signal.Signals]]:
    """Interrupts meanwhile are only noted: a program that is started and not yet known would be ended by nobody."""
    noted: list[signal.Signals] = []
    before = {
        number: signal.signal(number, lambda got, _: noted.append(signal.Signals(got)))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """All that it started too, so that nothing goes on in a directory that is being removed."""
    assert process.stdin is not None
    with suppress(BrokenPipeError):
        process.stdin.close()
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    with suppress(ProcessLookupError):  # nobody is left of it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(END_S)
