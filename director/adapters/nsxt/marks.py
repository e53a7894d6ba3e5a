"""The tags that say whose an object is, and how ours live beside strangers' on one object. Pure.

Every piece of ours carries ``director/id`` (the director's uuid), ``director/deployment`` (its owner),
``director/stack`` and ``director/kind`` (our word for it, on the piece that stands for the object). Ports carry
``director/vm``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.model.names import DeploymentName, StackName
from director.model.tree import Node, Tree

ID: Final = "director/id"
DEPLOYMENT: Final = "director/deployment"
STACK: Final = "director/stack"
KIND: Final = "director/kind"
VM: Final = "director/vm"
TAGS_MAX: Final = 30
"""On one object; NSX refuses more (agent-cpi-vsphere.md 5.3)."""

Tags = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose tags an object carries. Empty ``director``: none of any director."""

    director: str = ""
    deployment: DeploymentName | None = None
    stack: StackName | None = None
    kind: str = ""


def tags_for(owner: Owner) -> Tags:
    found = [(ID, owner.director), (DEPLOYMENT, owner.deployment or ""), (STACK, owner.stack or "")]
    return tuple((*found, (KIND, owner.kind)) if owner.kind else found)


def tags_of(body: Tree) -> Tags:
    """As they are there, in their order."""
    listed = body.get("tags")
    return tuple(
        (str(tag.get("scope") or ""), str(tag.get("tag") or ""))
        for tag in (listed if isinstance(listed, list) else ())
        if isinstance(tag, Mapping)
    )


def owner_of(body: Tree) -> Owner:
    tags = dict(tags_of(body))
    deployment, stack = tags.get(DEPLOYMENT), tags.get(STACK)
    return Owner(
        director=tags.get(ID, ""),
        deployment=DeploymentName(deployment) if deployment else None,
        stack=StackName(stack) if stack else None,
        kind=tags.get(KIND, ""),
    )


def merged(there: Tags, ours: Tags) -> Tags:
    """Strangers' tags stay in their places; of our scopes only ours are left."""
    scopes = {scope for scope, _ in ours}
    kept = [tag for tag in there if tag not in ours and not (tag[0].startswith("director/") and tag[0] in scopes)]
    return (*kept, *ours)


def as_node(tags: Iterable[tuple[str, str]]) -> list[Node]:
    return [{"scope": scope, "tag": tag} for scope, tag in tags]


def missing(there: Tags, ours: Tags) -> Sequence[str]:
    return sorted({scope for scope, tag in ours if (scope, tag) not in there})
