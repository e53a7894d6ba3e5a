"""SQLite as the store wants it: one writing engine, one reading, a file nobody else reads, errors in words."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from director.ports.failure import Conflict, Retry, StoreFailure

READERS = 4
"""Threads that read at once: more than cores only compete for them."""

WORDS: tuple[tuple[str, Retry, str], ...] = (
    ("SQLITE_FULL", Retry.SOON, "the disk is full. Free some space, then ask again."),
    ("SQLITE_BUSY", Retry.SOON, "another program holds it locked. End that program; the director goes on by itself."),
    ("SQLITE_LOCKED", Retry.SOON, "another program holds it locked. End that program; the director goes on by itself."),
    ("SQLITE_IOERR", Retry.SOON, "the disk failed. Look for its errors in the system log and for space on it."),
    (
        "SQLITE_CORRUPT",
        Retry.NEVER,
        "the file is damaged. Stop the director, keep a copy of the file, and restore it from a backup.",
    ),
    (
        "SQLITE_NOTADB",
        Retry.NEVER,
        "it is not a database of the director. Move it away, or restore it from a backup.",
    ),
    ("SQLITE_READONLY", Retry.NEVER, "it may not be written. Give the director's user the file and its directory."),
    ("SQLITE_CANTOPEN", Retry.NEVER, "it cannot be opened. Give the director's user the file and its directory."),
    ("SQLITE_PERM", Retry.NEVER, "it may not be opened. Give the director's user the file and its directory."),
)
"""By how SQLite's error name begins."""


def make_file(path: Path) -> None:
    """Readable by nobody else from its first byte; SQLite gives its side files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)


def writing_engine(path: Path, busy_s: float) -> Engine:
    """Each transaction takes the write lock at its beginning, so that none fails in the middle for want of it."""
    pragmas = ("journal_mode=WAL", "synchronous=FULL")
    return _engine(path, busy_s, begin="BEGIN IMMEDIATE", pragmas=pragmas, connections=1)


def reading_engine(path: Path, busy_s: float) -> Engine:
    """Each transaction sees one state of the whole record, whatever is written meanwhile."""
    return _engine(path, busy_s, begin="BEGIN", pragmas=("query_only=ON",), connections=READERS + 1)


def explain(path: Path, error: SQLAlchemyError) -> StoreFailure:
    """What an operator can do about it; never the values of a statement."""
    if isinstance(error, IntegrityError):
        return Conflict("Somebody else changed the record first. Run the same command again.")
    cause = error.orig if isinstance(error, DBAPIError) else None
    name = getattr(cause, "sqlite_errorname", "") if isinstance(cause, sqlite3.Error) else ""
    for begins, retry, words in WORDS:
        if name.startswith(begins):
            return StoreFailure(f"The record in {path} cannot be used: {words}", retry=retry)
    return StoreFailure(f"The record in {path} cannot be used: {cause or type(error).__name__}.", retry=Retry.NEVER)


def _engine(path: Path, busy_s: float, *, begin: str, pragmas: tuple[str, ...], connections: int) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # The driver's own idea of when to begin would leave savepoints and reads outside of transactions.
        connect_args={"isolation_level": None, "timeout": busy_s},
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
    )

    def connected(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine
