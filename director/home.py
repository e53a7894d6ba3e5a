"""The director's own directory: which file is what, and who may read it."""

import fcntl
import json
import logging
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from director.adapters.agents.authority import Authority
from director.ports.clock import Clock
from director.ports.failure import Failure


class Home:
    """Layout of ``state_dir``. Everything below it is the director's alone (0700)."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.database = state_dir / "director.db"
        self.blobs = state_dir / "blobs"
        self.tasks = state_dir / "tasks"
        self.uploads = state_dir / "uploads"
        self.scratch = state_dir / "scratch"
        self.sources = state_dir / "sources"
        self.secrets_key = state_dir / "secrets.key"
        self.client_secret_file = state_dir / "client_secret"
        self.ca_file = state_dir / "ca.pem"
        self._authority: Authority | None = None

    def make(self, sockets_dir: Path) -> None:
        for directory in (self.state_dir, self.tasks, self.uploads, self.scratch, sockets_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sockets_dir.stat().st_uid != os.geteuid():
            raise Failure(f"{sockets_dir} belongs to another user: name another directory with DIRECTOR_RUN_DIR.")
        os.chmod(sockets_dir, 0o700)  # noqa: PTH101

    def authority(self, clock: Clock) -> Authority:
        """The director's CA; its certificate is also written where HTTP clients find it."""
        if self._authority is None:
            self._authority = Authority(self.state_dir / "authority", clock)
            self.ca_file.write_bytes(self._authority.certificate_pem)
        return self._authority

    def server_pem(self, host: str) -> Path:
        """Key and certificate of the HTTP API. ``authority`` must have been asked for before."""
        assert self._authority is not None, "the authority is opened first"
        self._authority.server_certificate([host])
        return self._authority.server_path

    def client_secret(self) -> str:
        """Made once; the owner may change the file and restart."""
        if not self.client_secret_file.exists():
            self.client_secret_file.touch(mode=0o600, exist_ok=False)
            self.client_secret_file.write_text(secrets.token_urlsafe(24))
        return self.client_secret_file.read_text().strip()

    def announce(self, facts: dict[str, object]) -> None:
        """Where this director is to be found, whole or not at all."""
        new = self.state_dir / "director.json.new"
        new.write_text(json.dumps(facts, indent=2) + "\n")
        new.rename(self.state_dir / "director.json")


@contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Holds the directory's lock. Raises Failure when another director has it."""
    with (state_dir / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"Another director runs on {state_dir}.") from None
        yield


def log_to_stdout() -> None:
    """JSON lines, or columns on a terminal. Tracebacks come without local variables: those may hold secrets."""
    logging.basicConfig(stream=sys.stdout, level=logging.WARNING, format="%(message)s")
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last = plain if sys.stdout.isatty() else structlog.processors.JSONRenderer()
    without_locals = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *([] if last is plain else [structlog.processors.ExceptionRenderer(without_locals)]),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
