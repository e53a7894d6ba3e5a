"""One look at one fabric for people: what it has of recorded stacks, and all that bears this director's tag."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from director.model.fabric import FabricSighting, Ref, SeenObject, StackRecord, StackState
from director.ports.fabric import Fabric, FabricFailure, FabricWish

LOOK_S: Final = 45.0
"""For one fabric's two bulk reads: less than the minute that clients wait for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFabric:
    """``found`` is all that bears our tag, recorded or not."""

    sighting: FabricSighting
    found: tuple[SeenObject, ...] = ()


async def look_at(fabric: Fabric, stacks: Sequence[StackRecord], pools: Sequence[Ref] = ()) -> SeenFabric | str:
    """What a fabric has of these stacks, and all that has our tag; or why that cannot be told.

    What a task is just changing is looked for, but not compared.
    """
    wish = FabricWish(
        stacks=tuple(record.stack for record in stacks if record.state is StackState.READY),
        recorded=tuple(o for record in stacks if record.state is not StackState.READY for o in record.stack.objects),
        pools=tuple(pools),
    )
    try:
        async with asyncio.timeout(LOOK_S):
            sighting, found = await asyncio.gather(fabric.look(wish), fabric.find_all())
    except FabricFailure as failure:
        return str(failure)
    except TimeoutError:
        return f"It did not show its objects within {LOOK_S:g} s."
    return SeenFabric(sighting=sighting, found=tuple(found))
