"""An outside effect between its intent and its result: what a director that dies in between finds written down."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from director.execution.trail import event
from director.execution.world import Run, World
from director.model.names import StepKey
from director.model.record import Intent
from director.ports.failure import Failure
from director.ports.store import Change, CloseIntent, OpenIntent


class Effect:
    """The changes that become true with the effect, committed together with the closing of its intent."""

    def __init__(self) -> None:
        self.changes: list[Change] = []


@asynccontextmanager
async def intending(
    effect: str,
    target: str,
    key: StepKey,
    run: Run,
    world: World,
    *before: Change,
    instance: str | None = None,
) -> AsyncIterator[Effect]:
    """Intent and ``before`` in one transaction, then the body, then the result. A failure closes the intent too:
    what it may have left behind is in the rows written before it. ``instance`` is whom the event is also found by.
    """
    now = world.clock.now()
    intent = Intent(task=run.task, step=key, effect=effect, target=target, deployment=run.name, opened_at=now)
    await world.store.commit(*before, OpenIntent(intent=intent))
    done = Effect()
    try:
        yield done
    except Failure as failure:
        closing = CloseIntent(task=run.task, step=key, at=world.clock.now(), result=f"failed: {failure}")
        await world.store.commit(closing, event(run, world, effect, target, instance=instance, error=str(failure)))
        raise
    closing = CloseIntent(task=run.task, step=key, at=world.clock.now())
    await world.store.commit(*done.changes, closing, event(run, world, effect, target, instance=instance))
