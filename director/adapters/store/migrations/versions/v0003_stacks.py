"""Stacks of network objects, who uses them and what they hold. Rows written before take their defaults."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    place = (_name("cpi"), _name("owner"), _name("network", nullable=True), _name("state"))
    body = sa.Column("body", sa.Text, nullable=False)
    _table("stacks", _name("name"), *place, body, sa.PrimaryKeyConstraint("name"))
    _table("stack_users", _name("stack"), _name("deployment"), sa.PrimaryKeyConstraint("stack", "deployment"))
    op.create_index("ix_stack_users_deployment", "stack_users", ["deployment"])
    _table("stack_claims", _name("claim"), _name("stack"), sa.PrimaryKeyConstraint("claim"))
    op.create_index("ix_stack_claims_stack", "stack_claims", ["stack"])


def _table(name: str, *items: sa.schema.SchemaItem) -> None:
    op.create_table(name, *items, sqlite_autoincrement=True, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin")


def _name(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(255), nullable=nullable)
