"""Remembers requests over restarts of the agent: results until they are acknowledged, and what had begun.

A result is on disk before it is sent. What must not be done twice (scripts, errands, drains) leaves a mark when it
begins; a mark without a result, after a restart, becomes a result that says it was interrupted.
"""

import hashlib
import logging
from pathlib import Path

from agent.layout import Layout, write_atomically
from agent.wire import agent_pb2 as wire

log = logging.getLogger("agent")
_HELD_MAX = 256
"""A director that never acknowledges must not fill the disk; the oldest results go first."""


class Ledger:
    def __init__(self, layout: Layout) -> None:
        self._results, self._begun = layout.bosh / "results", layout.bosh / "begun"
        self._loose: dict[str, wire.Result] = {}
        """Those a full disk did not take: sent all the same, and lost if the agent ends first."""
        self._held = {result.key: path for path in _by_age(self._results) if (result := _read(path)) is not None}
        for mark in _by_age(self._begun):
            self._settle_interrupted(mark)

    def held(self) -> tuple[str, ...]:
        """Keys of results not yet acknowledged, the oldest first."""
        return tuple(self._held)

    def result(self, key: str) -> wire.Result | None:
        if key in self._loose:
            return self._loose[key]
        path = self._held.get(key)
        return None if path is None else _read(path)

    def begin(self, key: str, what: str) -> None:
        """Leaves the mark. Only for what must not be done again."""
        write_atomically(self._begun / _name(key), f"{what}\n{key}".encode(), 0o600)

    def settle(self, result: wire.Result) -> None:
        """Keeps ``result``, durably, and takes the mark away."""
        path = self._results / _name(result.key)
        self._held[result.key] = path
        try:
            write_atomically(path, result.SerializeToString(), 0o600, durable=True)
        except OSError as error:
            log.error("result not on disk key=%s why=%s", result.key, error.strerror)  # noqa: TRY400 - says it all
            self._loose[result.key] = result
        (self._begun / _name(result.key)).unlink(missing_ok=True)
        while len(self._held) > _HELD_MAX:
            self.forget(next(iter(self._held)))

    def forget(self, key: str) -> None:
        """The director has recorded it."""
        self._loose.pop(key, None)
        path = self._held.pop(key, None)
        if path is not None:
            path.unlink(missing_ok=True)

    def _settle_interrupted(self, mark: Path) -> None:
        what, _, key = mark.read_text("utf-8").partition("\n")
        if key and key not in self._held:
            self.settle(wire.Result(key=key, error=f"{what} was interrupted: the agent was restarted while it ran"))
        mark.unlink(missing_ok=True)


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _by_age(directory: Path) -> list[Path]:
    """Complete files only; one being written when the power went has another name."""
    paths = [path for path in directory.iterdir() if path.suffix != ".new"]
    return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _read(path: Path) -> wire.Result | None:
    try:
        return wire.Result.FromString(path.read_bytes())
    except FileNotFoundError:
        return None
