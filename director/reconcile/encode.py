"""How a plan becomes plain data for its row, and a plan again; the store's adapter knows how, main hands it in."""

from collections.abc import Callable
from typing import TypeAlias

from director.model.plan import Plan
from director.model.tree import Tree

Encode: TypeAlias = Callable[[Plan], Tree]

Decode: TypeAlias = Callable[[Tree], Plan]
"""Raises KeyError, TypeError or ValueError for a tree of no plan."""
