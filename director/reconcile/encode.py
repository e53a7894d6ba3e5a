"""How a plan becomes plain data for its row; the store's adapter knows how, main hands it in."""

from collections.abc import Callable
from typing import TypeAlias

from director.model.plan import Plan
from director.model.tree import Tree

Encode: TypeAlias = Callable[[Plan], Tree]
