"""What the memory store does with stacks of network objects: their rows by name, and whose each claim is."""

from dataclasses import replace
from typing import TypeAlias, assert_never

from director.model.fabric import Stack, StackRecord, StackState
from director.model.names import StackName
from director.ports.failure import Conflict
from director.ports.store import DropStack, JoinStack, LeaveStack, PutStack, RetireStack

Rows: TypeAlias = dict[StackName, StackRecord]
Claims: TypeAlias = dict[str, StackName]
StackChange: TypeAlias = JoinStack | PutStack | LeaveStack | RetireStack | DropStack


def write_stack(rows: Rows, claims: Claims, change: StackChange) -> None:
    """Raises Conflict for what must not happen; both are then to be thrown away."""
    match change:
        case JoinStack():
            _join(rows, claims, change)
        case PutStack():
            _put(rows, claims, change)
        case LeaveStack():
            _leave(rows, change)
        case RetireStack():
            _retire(rows, change)
        case DropStack():
            rows.pop(change.name, None)
            _free(claims, change.name)
        case _:
            assert_never(change)


def _join(rows: Rows, claims: Claims, change: JoinStack) -> None:
    stack = change.stack
    found = rows.get(stack.name)
    if found is not None and found.state is StackState.REMOVING:
        raise Conflict(f'The network objects "{stack.name}" are being removed.')
    _check(claims, stack)
    if found is None:
        found = StackRecord(stack=replace(stack, objects=()), state=StackState.CHANGING)
        claims.update(dict.fromkeys(stack.claims, stack.name))
    rows[stack.name] = replace(found, users=tuple(sorted({*found.users, change.user})))


def _put(rows: Rows, claims: Claims, change: PutStack) -> None:
    stack = change.record.stack
    found = rows.get(stack.name)
    if found is None:
        raise Conflict(f'The network objects "{stack.name}" are not in the record any more.')
    _check(claims, stack)
    _free(claims, stack.name)
    claims.update(dict.fromkeys(stack.claims, stack.name))
    rows[stack.name] = replace(change.record, users=found.users)


def _leave(rows: Rows, change: LeaveStack) -> None:
    found = rows.get(change.name)
    if found is not None:
        rows[change.name] = replace(found, users=tuple(user for user in found.users if user != change.user))


def _retire(rows: Rows, change: RetireStack) -> None:
    found = rows.get(change.name)
    if found is None:
        return
    if others := [user for user in found.users if user != change.user]:
        raise Conflict(f'The network objects "{change.name}" stay: they are used by {", ".join(others)}.')
    rows[change.name] = replace(found, state=StackState.REMOVING)


def _check(claims: Claims, stack: Stack) -> None:
    for claim in sorted(stack.claims):
        holder = claims.get(claim, stack.name)
        if holder != stack.name:
            raise Conflict(f'{claim} is held by the network objects "{holder}" already.')


def _free(claims: Claims, name: StackName) -> None:
    for claim in [claim for claim, holder in claims.items() if holder == name]:
        del claims[claim]
