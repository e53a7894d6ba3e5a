"""The audit trail of what a task changed: one event per VM, disk and instance, in the transaction that records it."""

from director.execution.world import Run, World
from director.model.record import Event
from director.model.tree import Tree
from director.ports.store import AddEvent


def event(
    run: Run,
    world: World,
    effect: str,
    target: str,
    *,
    instance: str | None = None,
    error: str | None = None,
    context: Tree | None = None,
) -> AddEvent:
    """``effect`` is an action and a kind of object: "create vm", "update instance"."""
    action, _, kind = effect.partition(" ")
    return AddEvent(
        event=Event(
            at=world.clock.now(),
            user=run.user,
            action=action,
            object_type=kind,
            object_name=target,
            error=error,
            task=run.task,
            deployment=run.name,
            instance=instance,
            context=context or {},
        )
    )
