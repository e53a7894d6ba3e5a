"""Brings the tables to the newest version at open; refuses a record that a newer director wrote.

Note: Alembic stays away. Importing it takes 0.3 s of CPU, so it is imported only when there is something to
migrate: a new record is made from ``tables.py`` (a test holds that the migrations lead to the same), and one
at the newest version needs nothing.
"""

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from director.adapters.store import migrations
from director.adapters.store.tables import metadata
from director.ports.failure import StoreFailure


def bring_up(engine: Engine, path: Path) -> None:
    """Raises StoreFailure for tables of somebody else or of a newer director; nothing is changed then."""
    with engine.begin() as connection:
        version = _version(connection)
        if version is None:
            _make(connection, path)
        elif version in migrations.EARLIER:
            upgrade(connection)
        elif version != migrations.HEAD:
            raise StoreFailure(
                f"{path} was written by a newer director (format {version}, this one knows {migrations.HEAD}). "
                "Install that director again, or restore a backup from before its upgrade."
            )


def upgrade(connection: Connection) -> None:
    """Runs every migration that the database has not seen, in the caller's transaction."""
    from alembic import command  # noqa: PLC0415  see the note above
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations.DIRECTORY).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def _make(connection: Connection, path: Path) -> None:
    if tables := inspect(connection).get_table_names():
        raise StoreFailure(
            f'{path} holds tables of something else ("{tables[0]}"). Move it away, or give the director another place.'
        )
    metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:version)"), {"version": migrations.HEAD})
