"""Insert or replace a row by its key: the one statement that each database spells in its own way."""

from sqlalchemy import Column, Insert, Table

from director.adapters.store import tables


def upsert(table: Table, dialect: str) -> Insert:
    """A statement whose parameters are a whole row. ``dialect`` is sqlite, postgresql, mysql or mariadb."""
    key = _key_of(table)
    values = [column.name for column in table.columns if column.name not in key and not _is_counted(column)]
    if dialect in {"mysql", "mariadb"}:
        from sqlalchemy.dialects import mysql  # noqa: PLC0415  only where it is used: importing it takes 20 ms

        into = mysql.insert(table)
        return into.on_duplicate_key_update({name: into.inserted[name] for name in values})
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  as above

        row = postgresql.insert(table)
        return row.on_conflict_do_update(index_elements=key, set_={name: row.excluded[name] for name in values})
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415  as above

    ours = sqlite.insert(table)
    return ours.on_conflict_do_update(index_elements=key, set_={name: ours.excluded[name] for name in values})


def _key_of(table: Table) -> list[str]:
    """A plan keeps its place in the order of plans when it is written again, so its id is the key."""
    if table is tables.plans:
        return ["id"]
    return [column.name for column in table.primary_key]


def _is_counted(column: Column[object]) -> bool:
    return column.table is tables.plans and column.name == "seq"
