"""Fills job templates: ``*.erb`` as BOSH does (section 8.4), ``*.j2`` with Jinja2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from director.model.tree import Node, Tree
from director.model.wanted import Content, WantedJob


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """One instance. ``spec`` is BOSH's ``spec`` object without job properties and links; jobs in order.

    ``jobs`` still hold placeholders; ``values`` has what they stand for.
    """

    label: str
    spec: Tree
    jobs: tuple[WantedJob, ...]
    values: Mapping[str, Node]


class Renderer(Protocol):
    async def render(self, requests: Sequence[RenderRequest]) -> tuple[Content, ...]:
        """One Content per request, in order. Equal inputs are rendered once.

        Raises Refused with every failing template of every instance: job, file, line and what was missing.
        """
        ...

    async def close(self) -> None: ...
