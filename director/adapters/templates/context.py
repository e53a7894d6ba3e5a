"""What one job's templates on one instance may ask about: one plain tree with every placeholder filled.

Equal trees have equal digests; the digest names the filled templates in the renderer's cache.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from director.adapters.templates.source import JobSource
from director.manifest.fill import fill
from director.model.problem import Problem, Refused
from director.model.release import Job
from director.model.tree import Node, Tree, digest_of
from director.model.wanted import WantedJob
from director.ports.renderer import RenderRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One job to be filled with one tree, for all the instances of ``labels`` at once."""

    key: str
    job: Job
    source: JobSource
    tree: Tree = field(repr=False)
    labels: tuple[str, ...]

    def text(self) -> str:
        """The tree as JSON, for a worker in another language."""
        return json.dumps(self.tree, separators=(",", ":"))


class Contexts:
    """Builds trees. What instances share (the properties and links of a group) is filled once, known by identity."""

    def __init__(self, values: Mapping[str, Node]) -> None:
        self._values = values
        self._done: dict[int, tuple[Tree, Tree, str]] = {}
        self._problems: dict[Problem, None] = {}

    def tree_of(self, request: RenderRequest, wanted: WantedJob) -> tuple[Tree, str]:
        """The tree and its digest. A variable without value becomes a problem, told by ``check``."""
        properties, properties_digest = self._filled(wanted.properties)
        links = {name: self._filled(link) for name, link in sorted(wanted.links.items())}
        spec = {**request.spec, "release": {"name": wanted.release, "version": wanted.release_version}}
        tree = {**spec, "properties": properties, "links": {name: link for name, (link, _) in links.items()}}
        digests = {name: digest for name, (_, digest) in links.items()}
        return tree, digest_of([spec, properties_digest, digests])

    def check(self) -> None:
        """Raises Refused with a problem for each variable that has no value, once."""
        if self._problems:
            raise Refused(sorted(self._problems, key=lambda problem: problem.detail))

    def _filled(self, tree: Tree) -> tuple[Tree, str]:
        if id(tree) not in self._done:
            filled = self._fill(tree)
            # The tree is kept, too, so that no later one can come to have its identity.
            self._done[id(tree)] = tree, filled, digest_of(filled)
        _, filled, digest = self._done[id(tree)]
        return filled, digest

    def _fill(self, tree: Tree) -> Tree:
        # Values are secrets: what looks like a placeholder inside one is part of it.
        try:
            filled = fill(tree, self._values, must_fill=True)
        except Refused as refused:
            self._problems.update(dict.fromkeys(refused.problems))
            return {}
        assert isinstance(filled, Mapping), "a mapping stays one when it is filled"
        return filled
