"""Every table, as the newest migration leaves it.

What is looked up by has a column of its own; ``body`` holds the whole record as JSON (``encode.py``), so a
column repeats what the body says and is never read for its own sake, except ids the database gives and the state of
a stack, which changes without its body.
"""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.schema import SchemaItem

NAME_LENGTH = 255
"""What MySQL can index of four such columns together."""

metadata = MetaData()


def _table(name: str, *items: SchemaItem) -> Table:
    """Names compare byte by byte on every database; MySQL would fold their case."""
    return Table(
        name, metadata, *items, sqlite_autoincrement=True, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin"
    )


def _key(name: str) -> Column[str]:
    return Column(name, String(NAME_LENGTH), primary_key=True)


def _name(name: str, *, index: bool = False, nullable: bool = False) -> Column[str]:
    return Column(name, String(NAME_LENGTH), nullable=nullable, index=index)


def _body() -> Column[str]:
    return Column("body", Text, nullable=False)


def _id() -> Column[int]:
    """Counted up by the database and never given twice."""
    return Column("id", Integer, primary_key=True, autoincrement=True)


deployments = _table("deployments", _key("name"), Column("serial", Integer, nullable=False), _body())

instances = _table("instances", _key("id"), _name("deployment", index=True), _body())

# The primary key is what makes an address belong to one instance of all deployments.
addresses = _table(
    "addresses", _key("ip"), _name("instance", index=True), _name("deployment", index=True), _name("network")
)

vms = _table("vms", _key("name"), _name("deployment", index=True), _name("instance"), _name("state"), _body())

disks = _table(
    "disks",
    _key("name"),
    _name("deployment", index=True),
    _name("instance", nullable=True),
    _name("state"),
    _body(),
)

stacks = _table(
    "stacks",
    _key("name"),
    _name("cpi"),
    _name("owner"),
    _name("network", nullable=True),
    _name("state"),
    _body(),
)

stack_users = _table(
    "stack_users", _key("stack"), Column("deployment", String(NAME_LENGTH), primary_key=True, index=True)
)

# The primary key is what makes an address or a range belong to one stack.
stack_claims = _table("stack_claims", _key("claim"), _name("stack", index=True))

intents = _table(
    "intents",
    Column("task", Integer, primary_key=True, autoincrement=False),
    Column("step", String(2 * NAME_LENGTH), primary_key=True),
    _name("deployment", index=True),
    Column("is_open", Integer, nullable=False, index=True),
    Column("closed_at", Float(53)),
    Column("result", Text, nullable=False),
    _body(),
)

plans = _table(
    "plans",
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("id", String(NAME_LENGTH), nullable=False, unique=True),
    _name("deployment", index=True),
    Column("task", Integer, nullable=False, index=True),
    _body(),
)

tasks = _table(
    "tasks",
    _id(),
    _name("type"),
    _name("state", index=True),
    _name("deployment", index=True, nullable=True),
    _name("context_id"),
    Column("changed_at", Float(53), nullable=False, index=True),
    _body(),
)

events = _table(
    "events",
    _id(),
    Column("at", Float(53), nullable=False, index=True),
    Column("task", Integer, index=True),
    _name("deployment", index=True, nullable=True),
    _name("instance", nullable=True),
    Column("user", Text, nullable=False),
    _name("action"),
    _name("object_type"),
    Column("object_name", Text, nullable=False),
    _body(),
)

configs = _table(
    "configs",
    _id(),
    _name("type"),
    _name("name"),
    Column("content", Text, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("is_hidden", Integer, nullable=False),
    Index("ix_configs_type_name", "type", "name"),
)

releases = _table("releases", _key("name"), _key("version"), _body())

stemcells = _table("stemcells", _key("name"), _key("version"), _key("cpi"), _body())

compiled = _table("compiled", _key("key"), _body())

agents = _table("agents", _key("id"), _name("deployment", index=True), _body())

variables = _table(
    "variables",
    _key("deployment"),
    _key("name"),
    _name("id"),
    _name("type"),
    _name("options_digest"),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Float(53), nullable=False),
)

settings = _table("settings", _key("name"), _body())
