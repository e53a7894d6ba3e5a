"""Stacks of network objects: who uses which, and what of others' blocks and pools they hold. Each change of one row,
its users and its claims.

Note: claims. A claim belongs to one stack: the primary key says so for good, the check before it says so in words.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, select, update

from director.adapters.store import tables
from director.adapters.store.encode import from_text, to_text
from director.model.fabric import Stack, StackRecord, StackState
from director.model.names import DeploymentName
from director.ports.failure import Conflict
from director.ports.store import Change, DropStack, JoinStack, LeaveStack, PutStack, RetireStack


def write(connection: Connection, change: Change) -> None:
    """Raises Conflict; what was written before it is for the caller to take back."""
    WRITES[type(change)](connection, change)


def records(connection: Connection, user: str | None = None) -> tuple[StackRecord, ...]:
    """All by name, or those that ``user`` is among the users of."""
    given = {"of_user": user} if user is not None else None
    rows = connection.execute(_STACKS if user is None else _STACKS_OF, given).all()
    users: dict[str, list[DeploymentName]] = {row.name: [] for row in rows}
    for row in connection.execute(_USERS if user is None else _USERS_BESIDE, given) if rows else ():
        users[row.stack].append(DeploymentName(row.deployment))
    return tuple(
        StackRecord(stack=from_text(row.body, Stack), state=StackState(row.state), users=tuple(users[row.name]))
        for row in rows
    )


def record_of(connection: Connection, name: str) -> StackRecord | None:
    row = connection.execute(_STACK, {"of_name": name}).one_or_none()
    if row is None:
        return None
    users = tuple(DeploymentName(one.deployment) for one in connection.execute(_USERS_OF, {"of_name": name}))
    return StackRecord(stack=from_text(row.body, Stack), state=StackState(row.state), users=users)


def claimed(claim: str, holder: str) -> Conflict:
    """The conflict, in words that name what and the holder."""
    where, _, what = claim.rpartition("|")
    return Conflict(
        f'{what} of {where or "the fabric"} is held by the network objects "{holder}" already. '
        "Run the same command again: it chooses another, or says which one to change where it was given."
    )


def leaving(name: str) -> Conflict:
    return Conflict(
        f'The network objects "{name}" are being removed. Run the same command again once that task has ended; '
        'if it has failed, repeat it first, or run "clean-up".'
    )


def unknown(name: str) -> Conflict:
    return Conflict(f'The network objects "{name}" are not in the record any more. Run the same command again.')


def used(name: str, users: Iterable[str]) -> Conflict:
    return Conflict(f'The network objects "{name}" stay: they are used by {", ".join(users)}.')


def _join(connection: Connection, change: JoinStack) -> None:
    stack = change.stack
    state = connection.execute(_STATE, {"of_name": stack.name}).scalar()
    if state == StackState.REMOVING.value:
        raise leaving(stack.name)
    _check_claims(connection, stack)
    if state is None:
        connection.execute(_ADD, _row(replace(stack, objects=()), StackState.CHANGING))
        _claim(connection, stack)
    if connection.execute(_USER, {"of_name": stack.name, "of_user": change.user}).first() is None:
        connection.execute(_ADD_USER, {"stack": stack.name, "deployment": change.user})


def _put(connection: Connection, change: PutStack) -> None:
    stack = change.record.stack
    if connection.execute(_STATE, {"of_name": stack.name}).scalar() is None:
        raise unknown(stack.name)
    _check_claims(connection, stack)
    connection.execute(_FREE, {"of_name": stack.name})
    _claim(connection, stack)
    row = _row(stack, change.record.state)
    connection.execute(_CHANGE, {"of_name": stack.name, **{key: row[key] for key in row if key != "name"}})


def _leave(connection: Connection, change: LeaveStack) -> None:
    connection.execute(_DROP_USER, {"of_name": change.name, "of_user": change.user})


def _retire(connection: Connection, change: RetireStack) -> None:
    others = connection.scalars(_OTHER_USERS, {"of_name": change.name, "of_user": change.user}).all()
    if others:
        raise used(change.name, others)
    connection.execute(_SET_STATE, {"of_name": change.name, "state": StackState.REMOVING.value})


def _drop(connection: Connection, change: DropStack) -> None:
    for statement in (_FREE, _DROP_USERS, _DROP):
        connection.execute(statement, {"of_name": change.name})


def _check_claims(connection: Connection, stack: Stack) -> None:
    for claim in sorted(stack.claims):
        holder = connection.execute(_HOLDER, {"of_claim": claim}).scalar()
        if holder is not None and holder != stack.name:
            raise claimed(claim, holder)


def _claim(connection: Connection, stack: Stack) -> None:
    rows = [{"claim": claim, "stack": stack.name} for claim in sorted(set(stack.claims))]
    if rows:
        connection.execute(_TAKE, rows)


def _row(stack: Stack, state: StackState) -> dict[str, object]:
    row: dict[str, object] = {"name": stack.name, "cpi": stack.cpi, "owner": stack.owner, "network": stack.network}
    return row | {"state": state.value, "body": to_text(stack)}


_stacks, _users, _claims = tables.stacks.c, tables.stack_users.c, tables.stack_claims.c
_of_name: BindParameter[str] = bindparam("of_name")
_of_user: BindParameter[str] = bindparam("of_user")

WRITES: Final[Mapping[type, Callable[[Connection, Any], None]]] = {
    JoinStack: _join,
    PutStack: _put,
    LeaveStack: _leave,
    RetireStack: _retire,
    DropStack: _drop,
}

_STACKS = select(_stacks.name, _stacks.state, _stacks.body).order_by(_stacks.name)
_USED = select(_users.stack).where(_users.deployment == _of_user)
_STACKS_OF = _STACKS.where(_stacks.name.in_(_USED))
_USERS = select(_users.stack, _users.deployment).order_by(_users.stack, _users.deployment)
_USERS_BESIDE = _USERS.where(_users.stack.in_(_USED))
_STACK = select(_stacks.name, _stacks.state, _stacks.body).where(_stacks.name == _of_name)
_USERS_OF = _USERS.where(_users.stack == _of_name)
_STATE = select(_stacks.state).where(_stacks.name == _of_name)
_USER = select(_users.stack).where(_users.stack == _of_name, _users.deployment == _of_user)
_OTHER_USERS = (
    select(_users.deployment).where(_users.stack == _of_name, _users.deployment != _of_user).order_by(_users.deployment)
)
_HOLDER = select(_claims.stack).where(_claims.claim == bindparam("of_claim"))
_ADD = insert(tables.stacks)
_CHANGE = update(tables.stacks).where(_stacks.name == _of_name)
_SET_STATE = _CHANGE.values(state=bindparam("state"))
_ADD_USER = insert(tables.stack_users)
_TAKE = insert(tables.stack_claims)
_FREE = delete(tables.stack_claims).where(_claims.stack == _of_name)
_DROP_USERS = delete(tables.stack_users).where(_users.stack == _of_name)
_DROP_USER = _DROP_USERS.where(_users.deployment == _of_user)
_DROP = delete(tables.stacks).where(_stacks.name == _of_name)
