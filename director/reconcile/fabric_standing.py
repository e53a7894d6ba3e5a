"""How one recorded network object stands: by the record alone, or by what a look showed. A table, and words."""

from collections.abc import Mapping
from typing import Final

from director.model.fabric import (
    OUTLIVING,
    NetworkObject,
    ObjectState,
    SeenObject,
    StackRecord,
    StackState,
)
from director.model.names import ObjectId
from director.planning.fabric_words import about
from director.reconcile.fabric_report import ObjectView, Standing

BY_RECORD: Final[Mapping[StackState, Standing]] = {
    StackState.READY: Standing.RECORDED,
    StackState.CHANGING: Standing.CHANGING,
    StackState.REMOVING: Standing.REMOVING,
}
WHEN_ABSENT: Final[Mapping[StackState, Standing]] = {
    StackState.READY: Standing.MISSING,
    StackState.CHANGING: Standing.CHANGING,
    StackState.REMOVING: Standing.REMOVING,
}
WHEN_SEEN: Final[Mapping[ObjectState, Standing]] = {
    ObjectState.ABSENT: Standing.MISSING,
    ObjectState.REALISED: Standing.REALISED,
    ObjectState.IN_PROGRESS: Standing.IN_PROGRESS,
    ObjectState.FAILED: Standing.FAILED,
    ObjectState.LEAVING: Standing.LEAVING,
}


def standing_of(record: StackRecord, seen: SeenObject | None) -> tuple[Standing, str]:
    """Of an object that was looked for; and why, where it is not as it should be."""
    if seen is None or seen.state is ObjectState.ABSENT:
        return WHEN_ABSENT[record.state], ""
    if seen.is_foreign:
        return Standing.FOREIGN, "Somebody else's object has our id."
    if seen.state is ObjectState.REALISED and seen.differences and record.state is StackState.READY:
        return Standing.CHANGED, "; ".join(seen.differences)
    return WHEN_SEEN[seen.state], seen.error


def view_of(found: NetworkObject, record: StackRecord, seen: Mapping[ObjectId, SeenObject] | None) -> ObjectView:
    """``seen`` is None when nobody looked."""
    state, reason = BY_RECORD[record.state], ""
    if seen is not None:
        state, reason = standing_of(record, seen.get(found.id))
    return ObjectView(
        id=found.id,
        kind=found.kind,
        name=found.name,
        about=about(found),
        stack=record.stack.name,
        owner=record.stack.owner,
        users=record.users,
        outlives_deployments=record.stack.owner == OUTLIVING,
        state=state,
        reason=reason,
    )
