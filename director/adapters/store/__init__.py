"""The record on disk: SQLAlchemy Core and Alembic on SQLite in WAL mode. Rows never leave this room."""

from director.adapters.store.encode import plan_from_tree, plan_to_tree
from director.adapters.store.store import SqlStore

__all__ = ["SqlStore", "plan_from_tree", "plan_to_tree"]
