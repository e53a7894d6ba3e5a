"""Where networks live: routers, segments, NAT, load balancers and groups of a network fabric such as NSX-T.

Every call is repeatable: what is there as wished stays, a removal of what is gone succeeds. Every call raises
FabricFailure, with words for the operator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from director.model.fabric import (
    Carving,
    FabricSighting,
    Member,
    NetworkObject,
    PoolAddress,
    Ports,
    Ref,
    Room,
    SeenObject,
    Stack,
)
from director.model.names import ObjectId, VmCid, VmName
from director.model.problem import Problem
from director.ports.failure import Failure, Outdated, RuledOut
from director.ports.infrastructure import Finding


class FabricFailure(Failure):
    """The fabric refused or failed."""


class Stale(FabricFailure, Outdated):
    """Somebody else changed the object after it was looked at, in what we wish for: look and plan again."""


class Taken(Stale, RuledOut):
    """What was chosen out of a block or pool is somebody's, or not free again yet. The fabric has let go of it and
    offers it no more: choose another.
    """

    def __init__(self, message: str, thing: Carving | PoolAddress) -> None:
        self.thing = thing
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricWish:
    """``stacks`` wished for; ``recorded`` are objects that may be there and are to be looked at as well; ``pools``
    those whose members are asked for; ``groups`` names that instances are to join.
    """

    stacks: tuple[Stack, ...] = ()
    recorded: tuple[NetworkObject, ...] = ()
    pools: tuple[Ref, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChange:
    """From what is there to ``stack``. ``gone`` are objects of it that are no longer wished for.

    ``revisions`` are those of the look the plan was made from, by id; an absent object has none.
    """

    stack: Stack
    gone: tuple[NetworkObject, ...] = ()
    revisions: Mapping[ObjectId, str] = field(default_factory=dict)


class Fabric(Protocol):
    async def diagnose(self) -> Sequence[Finding]:
        """Whether its managers can be reached, the login works and what settings name is there. Changes nothing."""
        ...

    async def rooms(self, names: Sequence[str]) -> tuple[Mapping[str, Room], Sequence[Problem]]:
        """What is free in the IP blocks and pools of these names (``block:name``, ``pool:name``)."""
        ...

    async def look(self, wish: FabricWish) -> FabricSighting:
        """All that a plan needs to know, in few requests whatever the number. Reads only."""
        ...

    async def ensure(self, change: StackChange) -> None:
        """Creates and changes the whole stack in one transaction and returns when all of it is realised.

        Raises Stale when an object is neither as it was looked at nor as it is wished for, Taken when what is to come
        out of a block or pool is not given.
        """
        ...

    async def remove(self, objects: Sequence[NetworkObject]) -> None:
        """Returns when all of them are really gone. What others made below or beside them stays, and is an error
        where it keeps one from going.
        """
        ...

    async def find_all(self) -> Sequence[SeenObject]:
        """Everything this director has tagged as its own, in bulk."""
        ...

    async def attach(self, ports: Ports) -> None:
        """Waits until the VM's ports are there; tags them, and joins the groups."""
        ...

    async def detach(self, vm: VmName, cid: VmCid | None, groups: Sequence[str]) -> None:
        """The VM is gone: it leaves the groups, and returns when no port of it is left."""
        ...

    async def announce(self, members: Sequence[Member]) -> None:
        """Makes them members of their pools; concurrent calls for one pool become one write."""
        ...

    async def withdraw(self, members: Sequence[Member]) -> None:
        """Takes exactly these out of their pools: by label and address, never another's that has the address now."""
        ...

    async def close(self) -> None: ...
