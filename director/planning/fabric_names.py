"""Decides what network objects are called: ids that stay the same as long as our names do, names people can read.

Only names and the director's uuid are in an id: not a topology, a range or a deployment that happens to use a network.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Final

from director.model.names import DeploymentName, NetworkName, ObjectId, StackName

GROUP_SCOPE: Final = "director/group"
"""Scope of the port tag by which our own groups find their members."""
_SLUG_MAX: Final = 48
_SPACE: Final = uuid.UUID("6f1f6f0e-3a1b-5c86-9d3f-7f6d4a2c9b10")


@dataclass(frozen=True, slots=True, kw_only=True)
class Namer:
    """Names for one director. ``director`` is its uuid."""

    director: str

    def id(self, kind: str, *names: str) -> ObjectId:
        """``web-0-snat-3f2a…``: readable, unique for the director, kind and names; valid in paths, at most 80 chars."""
        digest = uuid.uuid5(_SPACE, "\n".join((self.director, kind, *names))).hex[:12]
        slug = re.sub(r"[^A-Za-z0-9_-]+", "-", "-".join(name for name in names if name))
        return ObjectId(f"{slug[:_SLUG_MAX].strip('-') or kind.replace(' ', '-')}-{digest}")

    def title(self, *names: str) -> str:
        """A display name: the names and the beginning of the director's uuid, so that two directors can share."""
        return "-".join((*names, self.director[:8]))


def network_stack(network: NetworkName, subnet: int) -> StackName:
    return StackName(f"network/{network}/{subnet}")


def groups_stack(deployment: DeploymentName, cpi: str) -> StackName:
    """One for each fabric that a deployment has instances in: its groups and policies speak of each other."""
    return StackName(f"groups/{deployment}/{cpi}" if cpi else f"groups/{deployment}")


def config_stack(cpi: str) -> StackName:
    """All network configs of one fabric."""
    return StackName(f"config/{cpi or 'default'}")
