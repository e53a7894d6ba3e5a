"""Migrations lead to the very tables that a new record is made with."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from director.adapters.store import SqlStore, engine, migrate, migrations
from director.model.fabric import NOT_ATTACHED
from director.ports.store import JoinStack
from tests.formats.samples import ATTACHMENT, MEMBERS, STACK

GOLDEN = Path(__file__).parents[3] / "formats" / "stored"


def _schema(connection):
    rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"))
    return {(row.type, row.name): _normal(row.sql) for row in rows if row.name != "alembic_version"}


def _normal(sql):
    """Constraints and columns in any order, blanks in any number."""
    head, _, inner = sql.partition("(")
    return " ".join(head.split()), sorted(" ".join(part.split()) for part in inner.split(", \n"))


@pytest.fixture
def fresh(tmp_path):
    path = tmp_path / "fresh.db"
    made = engine.writing_engine(path, 1.0)
    migrate.bring_up(made, path)
    yield made
    made.dispose()


def test_migrating_up_from_nothing_gives_the_tables_of_a_new_record(fresh):
    empty = create_engine("sqlite://")
    with empty.begin() as connection, fresh.begin() as made:
        migrate.upgrade(connection)
        assert _schema(connection) == _schema(made)
        assert migrate._version(connection) == migrate._version(made) == migrations.HEAD
    empty.dispose()


def test_every_migration_is_known_to_the_director():
    config = Config()
    config.set_main_option("script_location", str(migrations.DIRECTORY))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == migrations.HEAD
    assert {script.revision for script in scripts.walk_revisions()} == migrations.EARLIER | {migrations.HEAD}


def test_an_older_record_is_migrated_when_it_is_opened(tmp_path, monkeypatch):
    path = tmp_path / "older.db"
    made = engine.writing_engine(path, 1.0)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('0000')"))
    seen = []
    monkeypatch.setattr(migrations, "EARLIER", frozenset({"0000"}))
    monkeypatch.setattr(migrate, "upgrade", seen.append)
    migrate.bring_up(made, path)
    assert len(seen) == 1
    made.dispose()


@pytest.mark.parametrize("version", sorted(migrations.EARLIER))
async def test_a_record_of_every_earlier_version_is_opened_with_what_was_in_it(tmp_path, version):
    path = tmp_path / "director.db"
    _write_earlier(path, version)
    store = await SqlStore.open(path)
    record = await store.record("shop")
    assert record.deployment.manifest == "name: shop\n"
    places = ((), NOT_ATTACHED) if version < "0003" else (MEMBERS, ATTACHMENT)
    assert [(i.label, i.members, i.attachment) for i in record.instances] == [("web/3", *places)]
    assert (record.stacks, await store.stacks()) == ((), ())
    await store.commit(JoinStack(stack=STACK, user="shop"))
    assert len((await store.record("shop")).stacks) == 1
    await store.close()


def _write_earlier(path, version):
    """A record as a director of that version left it."""
    config = Config()
    config.set_main_option("script_location", str(migrations.DIRECTORY))
    kept = GOLDEN / version
    bodies = {name: (kept / f"{name}.json").read_text() for name in ("deployment", "instance")}
    made = engine.writing_engine(path, 1.0)
    with made.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        insert = "INSERT INTO deployments (name, serial, body) VALUES ('shop', 4, :body)"
        connection.execute(text(insert), {"body": bodies["deployment"]})
        insert = "INSERT INTO instances (id, deployment, body) VALUES ('i-1', 'shop', :body)"
        connection.execute(text(insert), {"body": bodies["instance"]})
    made.dispose()


def test_opening_a_record_that_needs_no_migration_does_not_load_alembic(tmp_path):
    program = (
        "import asyncio, pathlib, sys\n"
        "from director.adapters.store import SqlStore\n"
        "async def once():\n"
        "    store = await SqlStore.open(pathlib.Path(sys.argv[1]))\n"
        "    await store.close()\n"
        "asyncio.run(once()); asyncio.run(once())\n"
        "print('alembic' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "director.db")]
    assert subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout == "False\n"
