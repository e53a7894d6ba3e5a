"""The first format."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _deployments()
    _infrastructure()
    _work()
    _history()
    _software()
    _rest()


def _table(name: str, *items: sa.schema.SchemaItem) -> None:
    op.create_table(name, *items, sqlite_autoincrement=True, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


def _name(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(255), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=nullable)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _time(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(53), nullable=nullable)


def _counted(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=True)


def _index(table: str, *columns: str) -> None:
    for column in columns:
        op.create_index(f"ix_{table}_{column}", table, [column])


def _deployments() -> None:
    _table("deployments", _name("name"), _number("serial"), _text("body"), sa.PrimaryKeyConstraint("name"))
    _table("instances", _name("id"), _name("deployment"), _text("body"), sa.PrimaryKeyConstraint("id"))
    _index("instances", "deployment")
    owner = (_name("instance"), _name("deployment"), _name("network"))
    _table("addresses", _name("ip"), *owner, sa.PrimaryKeyConstraint("ip"))
    _index("addresses", "instance", "deployment")


def _infrastructure() -> None:
    place = (_name("name"), _name("deployment"))
    _table("vms", *place, _name("instance"), _name("state"), _text("body"), sa.PrimaryKeyConstraint("name"))
    _index("vms", "deployment")
    owner = (_name("deployment"), _name("instance", nullable=True))
    _table("disks", _name("name"), *owner, _name("state"), _text("body"), sa.PrimaryKeyConstraint("name"))
    _index("disks", "deployment")


def _work() -> None:
    _table(
        "intents",
        sa.Column("task", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("step", sa.String(510), nullable=False),
        _name("deployment"),
        _number("is_open"),
        _time("closed_at", nullable=True),
        _text("result"),
        _text("body"),
        sa.PrimaryKeyConstraint("task", "step"),
    )
    _index("intents", "deployment", "is_open")
    owner = (_name("deployment"), _number("task"))
    _table("plans", _counted("seq"), _name("id"), *owner, _text("body"), sa.UniqueConstraint("id"))
    _index("plans", "deployment", "task")


def _history() -> None:
    kind = (_name("type"), _name("state"), _name("deployment", nullable=True), _name("context_id"))
    _table("tasks", _counted("id"), *kind, _time("changed_at"), _text("body"))
    _index("tasks", "state", "deployment", "changed_at")
    _table(
        "events",
        _counted("id"),
        _time("at"),
        _number("task", nullable=True),
        _name("deployment", nullable=True),
        _name("instance", nullable=True),
        _text("user"),
        _name("action"),
        _name("object_type"),
        _text("object_name"),
        _text("body"),
    )
    _index("events", "at", "task", "deployment")


def _software() -> None:
    version = (_name("name"), _name("version"))
    _table("releases", *version, _text("body"), sa.PrimaryKeyConstraint("name", "version"))
    build = (_name("name"), _name("version"), _name("cpi"))
    _table("stemcells", *build, _text("body"), sa.PrimaryKeyConstraint("name", "version", "cpi"))
    _table("compiled", _name("key"), _text("body"), sa.PrimaryKeyConstraint("key"))


def _rest() -> None:
    text = (_text("content"), _time("created_at"), _number("is_hidden"))
    _table("configs", _counted("id"), _name("type"), _name("name"), *text)
    op.create_index("ix_configs_type_name", "configs", ["type", "name"])
    _table("agents", _name("id"), _name("deployment"), _text("body"), sa.PrimaryKeyConstraint("id"))
    _index("agents", "deployment")
    _table(
        "variables",
        _name("deployment"),
        _name("name"),
        _name("id"),
        _name("type"),
        _name("options_digest"),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        _time("created_at"),
        sa.PrimaryKeyConstraint("deployment", "name"),
    )
    _table("settings", _name("name"), _text("body"), sa.PrimaryKeyConstraint("name"))
