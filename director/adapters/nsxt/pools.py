"""Members of server pools: ours come and go, everybody else's stay as they are. One writer for each pool.

Note: why a writer. A pool's members are one list, replaced as a whole on its revision. Sixty instances that start
together would refuse each other sixty times; so while one write is on its way, further changes gather for the next.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from director.adapters.nsxt.client import Kind, NsxClient, NsxFault
from director.model.fabric import Member
from director.model.tree import Node, Tree
from director.ports.fabric import FabricFailure
from director.ports.failure import Retry

TRIES_MAX: Final = 20
"""So often a stranger may write the same pool between our reading and writing."""

Members = tuple[Mapping[str, Node], ...]
Edit = Callable[[Members], Members]
"""Pure; raises FabricFailure when it cannot be done, and then only that one edit fails."""


def announced(member: Member) -> Edit:
    """The member is there once, with its address; strangers' are untouched."""

    def edit(members: Members) -> Members:
        wanted = _body(member)
        for each in members:
            if _is_same(each, wanted) and _label(each) != member.label:
                raise FabricFailure(
                    f'{member.label} cannot join the server pool "{member.pool.to}": {_label(each) or "a member"} of '
                    f"somebody else's has {member.ip} already. Remove that member in NSX."
                )
        if any(_is_same(each, wanted) and _label(each) == member.label for each in members):
            return members
        kept = tuple(each for each in members if _label(each) != member.label or _port(each) != member.port)
        return (*kept, wanted)

    return edit


def withdrawn(member: Member) -> Edit:
    """By label and address: a successor of the same address has another label, a stranger's member no label of ours."""

    def edit(members: Members) -> Members:
        return tuple(
            each for each in members if _label(each) != member.label or str(each.get("ip_address")) != member.ip
        )

    return edit


def _body(member: Member) -> Mapping[str, Node]:
    port: Mapping[str, Node] = {} if member.port is None else {"port": str(member.port)}
    return {"display_name": member.label, "ip_address": member.ip, **port}


def _is_same(there: Mapping[str, Node], wanted: Mapping[str, Node]) -> bool:
    return there.get("ip_address") == wanted["ip_address"] and _port(there) == _port(wanted)


def _label(member: Mapping[str, Node]) -> str:
    return str(member.get("display_name") or "")


def _port(member: Mapping[str, Node]) -> int | None:
    port = member.get("port")
    return int(str(port)) if port is not None and str(port).isdecimal() else None


@dataclass(slots=True, kw_only=True)
class _Entry:
    edit: Edit
    is_done: bool = False
    failure: FabricFailure | NsxFault | None = None


@dataclass(slots=True)
class _Writer:
    entries: list[_Entry] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class Pools:
    """``must_exist`` False: a pool that is gone has none of ours any more."""

    def __init__(self, client: NsxClient) -> None:
        self._client = client
        self._writers: dict[str, _Writer] = {}

    async def change(self, path: str, edits: Sequence[Edit], *, must_exist: bool) -> None:
        """Returns when all of them are in the pool. Raises FabricFailure, NsxFault."""
        writer = self._writers.setdefault(path, _Writer())
        entries = [_Entry(edit=edit) for edit in edits]
        writer.entries += entries
        writer.users += 1
        try:
            async with writer.lock:
                if not all(entry.is_done for entry in entries):
                    await self._lead(path, writer, must_exist=must_exist)
        finally:
            writer.entries = [entry for entry in writer.entries if entry not in entries]
            writer.users -= 1
            if not writer.users:
                self._writers.pop(path, None)
        for entry in entries:
            if entry.failure is not None:
                raise entry.failure

    async def _lead(self, path: str, writer: _Writer, *, must_exist: bool) -> None:
        """All that has gathered in one write. They stay in the list until it is done, in case this one is cancelled."""
        batch = list(writer.entries)
        try:
            await self._write(path, batch, must_exist=must_exist)
        except (FabricFailure, NsxFault) as failure:
            for entry in batch:
                entry.failure = failure
        for entry in batch:
            entry.is_done = True
        writer.entries = [entry for entry in writer.entries if not entry.is_done]

    async def _write(self, path: str, batch: Sequence[_Entry], *, must_exist: bool) -> None:
        for _ in range(TRIES_MAX):
            pool = await self._read(path, must_exist=must_exist)
            if pool is None:
                return
            members = before = _members(pool)
            for entry in batch:
                members = _edited(entry, members)
            if members == before:
                return
            try:
                await self._client.put(path, {**pool, "members": [*members]})
            except NsxFault as fault:
                if fault.kind is not Kind.STALE:
                    raise
                continue
            return
        raise FabricFailure(
            f"Somebody else keeps writing the server pool {path} at the same time. Find out who; try again.",
            retry=Retry.BOUNDED,
        )

    async def _read(self, path: str, *, must_exist: bool) -> Tree | None:
        try:
            pool = await self._client.get(path)
        except NsxFault as fault:
            if fault.kind is not Kind.NOT_FOUND or must_exist:
                raise
            return None
        if pool.get("member_group") and must_exist:
            raise FabricFailure(
                f'The server pool "{pool.get("display_name")}" takes its members from a group. Name that group under '
                "nsxt.ns_groups instead of the pool."
            )
        return pool


def _edited(entry: _Entry, members: Members) -> Members:
    entry.failure = None
    try:
        return entry.edit(members)
    except FabricFailure as failure:
        entry.failure = failure
        return members


def _members(pool: Tree) -> Members:
    listed = pool.get("members")
    return tuple(each for each in listed if isinstance(each, Mapping)) if isinstance(listed, list) else ()
