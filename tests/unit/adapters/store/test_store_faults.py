"""The record when the world is broken: full, locked, damaged, foreign, newer. It says what to do, and goes on after."""

import asyncio
import sqlite3
import stat

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from director.adapters.store import SqlStore
from director.ports.failure import Retry, StoreFailure
from director.ports.store import PutAgent, PutSetting
from tests.formats.samples import STORED


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "director.db"


@pytest.fixture
def connections():
    """Every connection made, so that a test can shrink the disk under it."""
    made = []

    def keep(connection, _record):
        made.append(connection)

    event.listen(Engine, "connect", keep)
    yield made
    event.remove(Engine, "connect", keep)


async def _make(path):
    store = await SqlStore.open(path)
    await store.commit(PutSetting(name="a", value={"n": 1}))
    await store.close()


async def _read_all(path):
    store = await SqlStore.open(path)
    try:
        for n in range(200):
            await store.setting(f"{n}")
    finally:
        await store.close()


async def test_nobody_else_may_read_the_record(path):
    path.parent.mkdir()
    path.touch(0o644)
    store = await SqlStore.open(path)
    await store.commit(PutSetting(name="a", value={}))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    await store.close()
    assert modes == {"director.db": 0o600, "director.db-wal": 0o600, "director.db-shm": 0o600}


async def test_the_record_outlives_its_director(path):
    await _make(path)
    store = await SqlStore.open(path)
    assert await store.setting("a") == {"n": 1}
    await store.close()


async def test_a_commit_is_synced_to_the_disk_before_it_is_acknowledged(path, connections):
    store = await SqlStore.open(path)
    (writing,) = connections
    assert writing.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writing.execute("PRAGMA synchronous").fetchone() == (2,)
    await store.close()


async def test_a_full_disk_fails_every_commit_soon_and_the_writer_goes_on_when_it_is_freed(path, connections):
    store = await SqlStore.open(path)
    (writing,) = connections
    writing.execute("PRAGMA max_page_count = 1")
    changes = [PutSetting(name=f"{n}", value={"text": "x" * 100_000}) for n in range(3)]
    ended = await asyncio.gather(*map(store.commit, changes), return_exceptions=True)
    assert [type(error) for error in ended] == [StoreFailure] * 3
    assert all(error.retry is Retry.SOON and "disk is full" in str(error) for error in ended)
    assert await store.setting("0") is None
    writing.execute("PRAGMA max_page_count = 100000")
    await store.commit(*changes)
    assert await store.setting("2") == changes[2].value
    await store.close()


async def test_a_record_locked_by_another_program_fails_soon_and_goes_on_after(path):
    store = await SqlStore.open(path, busy_s=0.02)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailure, match="locked") as caught:
        await store.commit(PutSetting(name="a", value={}))
    assert caught.value.retry is Retry.SOON
    assert await store.setting("a") is None, "reading goes on meanwhile"
    other.execute("ROLLBACK")
    other.close()
    await store.commit(PutSetting(name="a", value={"n": 2}))
    assert await store.setting("a") == {"n": 2}
    await store.close()


async def test_a_file_that_is_no_database_is_named_with_what_to_do(path):
    path.parent.mkdir()
    path.write_bytes(b"not a database at all " * 100)
    with pytest.raises(StoreFailure, match=r"director\.db.*not a database.*backup") as caught:
        await SqlStore.open(path)
    assert caught.value.retry is Retry.NEVER
    assert path.read_bytes().startswith(b"not a database")


async def test_damage_found_while_reading_is_named_with_what_to_do(path):
    store = await SqlStore.open(path)
    await store.commit(*(PutSetting(name=f"{n}", value={"text": "x" * 3000}) for n in range(200)))
    await store.close()
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))
    with pytest.raises(StoreFailure, match=r"director\.db.*damaged.*backup"):
        await _read_all(path)


async def test_a_record_of_a_newer_director_is_refused_and_left_alone(path):
    await _make(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreFailure, match="newer director"):
        await SqlStore.open(path)


async def test_tables_of_somebody_else_are_refused(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    connection.close()
    with pytest.raises(StoreFailure, match="photos"):
        await SqlStore.open(path)


async def test_a_place_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailure, match=r"file/director\.db"):
        await SqlStore.open(tmp_path / "file" / "director.db")


async def test_a_commit_of_what_cannot_be_stored_fails_alone_and_at_once(path):
    store = await SqlStore.open(path)
    lone_surrogate = PutSetting(name="\ud800", value={})
    with pytest.raises(TypeError, match="plain data"):
        await store.commit(PutSetting(name="a", value={"a": object()}))
    good, bad = await asyncio.gather(
        store.commit(PutSetting(name="b", value={})), store.commit(lone_surrogate), return_exceptions=True
    )
    assert good is None
    assert isinstance(bad, UnicodeEncodeError)
    assert await store.setting("b") == {}
    await store.close()


async def test_a_cancelled_commit_still_happens_and_disturbs_nobody(path):
    store = await SqlStore.open(path)
    cancelled = asyncio.ensure_future(store.commit(PutSetting(name="a", value={"n": 1})))
    await asyncio.sleep(0)
    cancelled.cancel()
    await store.commit(PutSetting(name="b", value={}))
    assert cancelled.cancelled()
    assert await store.setting("a") == {"n": 1}
    await store.close()


async def test_a_failure_shows_no_value_of_the_statement(path, connections):
    store = await SqlStore.open(path)
    connections[0].execute("PRAGMA max_page_count = 1")
    secret = STORED["agent"].__class__(id="a", instance="i", deployment="d", generation=1, key_hash="canary" * 20_000)
    with pytest.raises(StoreFailure) as caught:
        await store.commit(PutAgent(record=secret))
    shown = f"{caught.value} {caught.value.__cause__}"
    assert "canary" not in shown
    await store.close()
