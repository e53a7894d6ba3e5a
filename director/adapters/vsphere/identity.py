"""What a VM of ours carries so that it is known again: its name, its instance uuid, and who it is for. Pure.

The instance uuid follows from director and name, so a clone whose answer was lost is found by it and adopted. The rest
is written for programs into ``director.*`` of the extra configuration, and for people into the annotation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

from director.adapters.vsphere.macs import macs_of
from director.model.tree import Tree
from director.ports.infrastructure import VmRequest

DEPLOYMENT: Final = "director.deployment"
INSTANCE: Final = "director.instance"
LABEL: Final = "director.label"
CLUSTER: Final = "director.cluster"
"""The cluster that has rules or groups with this VM in them; written only when it has."""
MACS: Final = "director.macs"
MOVES: Final = "director.moves"
"""What the plan knew and a later step needs: ``disk=datastore`` each."""
AWAITS: Final = "director.awaits-agent"
"""Written with the VM when its agent is to be brought afterwards, and gone when it was: a VM that is on says nothing
about that.
"""

NOTHING_MOVES: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Empty is what a VM does not carry. ``label`` is its instance's ``group/index``, ``cluster`` a moid.

    ``moves`` has the disks that the plan moves for this VM, by name, with the moid of the datastore each goes to.
    """

    deployment: str = ""
    instance: str = ""
    label: str = ""
    cluster: str = ""
    macs: tuple[str, ...] = ()
    moves: Mapping[str, str] = field(default_factory=dict)
    awaits_agent: bool = False


def instance_uuid(director_uuid: str, name: str) -> str:
    return str(uuid5(UUID(director_uuid), f"vm:{name}"))


def identity_of(request: VmRequest, *, cluster: str, moves: Mapping[str, str] = NOTHING_MOVES) -> Identity:
    return Identity(
        deployment=request.deployment,
        instance=request.instance,
        label=str(request.tags.get("name", "")),
        cluster=cluster,
        macs=tuple(macs_of(request.name, request.shape.networks, request.where).values()),
        moves=moves,
    )


def to_extra_config(identity: Identity) -> Mapping[str, str]:
    every = {
        DEPLOYMENT: identity.deployment,
        INSTANCE: identity.instance,
        LABEL: identity.label,
        CLUSTER: identity.cluster,
        MACS: " ".join(identity.macs),
        MOVES: " ".join(f"{disk}={store}" for disk, store in sorted(identity.moves.items())),
        AWAITS: "yes" if identity.awaits_agent else "",
    }
    return {key: value for key, value in every.items() if value}


def read_identity(options: Iterable[Any]) -> Identity:
    """``options`` are a VM's extraConfig as vCenter gives it."""
    found = {str(option.key): str(option.value) for option in options}
    return Identity(
        deployment=found.get(DEPLOYMENT, ""),
        instance=found.get(INSTANCE, ""),
        label=found.get(LABEL, ""),
        cluster=found.get(CLUSTER, ""),
        macs=tuple(found.get(MACS, "").split()),
        moves={disk: store for disk, _, store in (one.partition("=") for one in found.get(MOVES, "").split())},
        awaits_agent=bool(found.get(AWAITS)),
    )


def annotation_of(request: VmRequest) -> str:
    """One line for each thing people look for, tags included."""
    lines: Tree = {"deployment": request.deployment, "instance": request.instance, **request.tags}
    first = "Made by a director; it makes it anew from its own record when this VM is changed by hand."
    return "\n".join([first, *(f"{key}: {_one_line(value)}" for key, value in sorted(lines.items()))])


def read_annotation(text: str) -> Mapping[str, str]:
    """What ``annotation_of`` wrote, and whatever else of the same form somebody added."""
    parts = (line.strip().partition(": ") for line in text.splitlines())
    return {key: value.strip() for key, separator, value in parts if separator}


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
