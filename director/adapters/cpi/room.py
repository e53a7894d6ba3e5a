"""What the parts of this adapter share: program, memory, turns; and how a creating call is made and settled.

Note: lost replies. A creating call is written down before it begins. When the director is killed or stopped, the
program goes on, and the next one who asks for that name waits for it and reads its reply: nothing is lost. When the
program itself is killed, crashes, or prints nonsense, the protocol has no way to ask what it made: that is kept as
``LostFile`` with the request id and shown by ``diagnose``, for a person to look for it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from director.adapters.cpi.client import Ask, Cpi
from director.adapters.cpi.faults import CpiFault, Kind
from director.adapters.cpi.memory import Call, DiskFile, LostFile, Memory, StemcellFile, VmFile
from director.adapters.cpi.turns import Turns
from director.model.tree import Node
from director.ports.failure import Retry

_Made = TypeVar("_Made", VmFile, DiskFile, StemcellFile)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    cpi: Cpi
    memory: Memory
    turns: Turns = field(default_factory=Turns)

    @property
    def director(self) -> str:
        return self.cpi.options.director_name

    async def create(self, ask: Ask, file: _Made, cid_of: Callable[[Node], str], what: str) -> _Made:
        """Makes a creating call and writes down its cid. ``what``: for people, what it could leave. Raises CpiFault."""
        begun = file

        async def keep(call: Call) -> None:
            nonlocal begun
            begun = replace(file, call=call)
            await self.memory.keep(begun)

        try:
            said = await self.cpi.ask(replace(ask, keep=keep, outlives=True))
        except CpiFault as fault:
            raise await self._not_created(begun, fault, what) from fault
        return await self._created(begun, cid_of(said))

    async def settle(self, file: _Made, cid_of: Callable[[Node], str], what: str) -> _Made | None:
        """What a call has made whose end nobody saw; None when it made nothing that could be found."""
        assert file.call is not None, "there is nothing to settle"
        try:
            said = await self.cpi.outcome(file.call)
        except CpiFault as fault:
            await self._not_created(file, fault, what)
            return None
        return await self._created(file, cid_of(said))

    async def is_there(self, method: str, cid: str) -> bool:
        """By has_vm or has_disk; a CPI that cannot tell is believed to have it."""
        try:
            return await self.cpi.call(method, cid, is_of_vm=method == "has_vm") is True
        except CpiFault as fault:
            if fault.kind is Kind.NOT_IMPLEMENTED:
                return True
            raise

    async def unless(self, *kinds: Kind, method: str, arguments: tuple[Node, ...], is_of_vm: bool = False) -> Node:
        """A call for which some errors mean that there is nothing to do."""
        try:
            return await self.cpi.call(method, *arguments, is_of_vm=is_of_vm)
        except CpiFault as fault:
            if fault.is_a(*kinds):
                return None
            raise

    async def _created(self, file: _Made, cid: str) -> _Made:
        made = replace(file, cid=cid, call=None)
        if not cid:
            assert file.call is not None, "a call was made"
            text = f"CPI '{self.cpi.options.name}' answered {file.call.method} without an id"
            fault = CpiFault(
                f"{text} (CPI request ID: {file.call.request_id}).",
                kind=Kind.NO_REPLY,
                method=file.call.method,
                request_id=file.call.request_id,
                retry=Retry.NEVER,
            )
            raise await self._not_created(file, fault, f"{file.call.method} of {file.name}")
        await self.memory.keep(made)
        if file.call is not None:
            self.cpi.forget(file.call)
        return made

    async def _not_created(self, file: _Made, fault: CpiFault, what: str) -> CpiFault:
        """Tidies up; the fault to raise. One that may have left something behind is not to be repeated unseen."""
        if fault.is_reply_lost:
            lost = LostFile(name=fault.request_id, method=fault.method, what=what, at=time.time(), why=str(fault))
            await self.memory.keep(lost)
            fault = fault.with_words(f"It may have left {what}: look for it there.", retry=Retry.NEVER)
        await self.memory.drop(file)
        if file.call is not None:
            self.cpi.forget(file.call)
        return fault


def now_text() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def text_of(node: Node) -> str:
    """A cid; some CPIs answer with a number."""
    return str(node) if isinstance(node, str | int) and not isinstance(node, bool) else ""


def vm_cid_of(node: Node) -> str:
    """Version 1 answers with the cid, version 2 with the cid and the networks."""
    return text_of(node[0]) if isinstance(node, list) and node else text_of(node)
