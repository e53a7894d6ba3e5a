"""Speaks the CPI protocol with one program: versions, context, log, errors (agent-cpi-vsphere.md 2.1 to 2.3).

Decides how a call is made; which call, and what its failure means for a VM, is for others.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from director.adapters.cpi.faults import CpiFault, Kind, fault_said
from director.adapters.cpi.line import CpiLine, Say, to_debug_log
from director.adapters.cpi.memory import Call
from director.adapters.cpi.process import Process
from director.adapters.cpi.program import Ended, Job, NotStarted, Program, how_it_ended
from director.adapters.cpi.redact import REDACTED, Mask, secrets_in, secrets_of_env, shown_request, shown_result
from director.adapters.cpi.reply import Reply, read_reply
from director.model.tree import Node, Tree
from director.ports.failure import Retry

VERSION_MAX: Final = 3
"""From 2 on create_vm answers with networks and attach_disk with a hint; from 3 on create_stemcell takes an env."""

DEADLINES_S: Final[Mapping[str, float]] = MappingProxyType(
    {"info": 60.0, "has_vm": 300.0, "has_disk": 300.0, "create_stemcell": 6 * 3600.0}
)
DEADLINE_S: Final = 3600.0
"""BOSH knows none; the slowest infrastructures need minutes, so after an hour nothing is to be hoped for."""
_LAST_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CpiOptions:
    """``properties`` are the CPI config's. ``deadlines_s`` by method overrides ``DEADLINES_S``.

    ``former_names``: names it had in the CPI config before. ``stemcell_api_version`` is what CPIs are told of every
    stemcell: 3, agents that understand disk hints.
    """

    name: str
    program: Path
    director_uuid: str
    director_name: str = "director"
    properties: Tree = field(default_factory=dict, repr=False)
    former_names: tuple[str, ...] = ()
    stemcell_api_version: int = 3
    calls_in_flight: int = 32
    create_vm_tries: int = 5
    deadlines_s: Mapping[str, float] = field(default_factory=dict)


async def _nobody_keeps(_: Call) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call to make. ``keep`` is told of it before it begins and again when its process is known.

    ``outlives``: see ``Job``. ``deadline_s`` None: as the options say. ``is_of_vm``: it concerns a VM with a stemcell.
    ``secrets`` are never shown.
    """

    method: str
    arguments: Sequence[Node] = field(repr=False)
    is_of_vm: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)
    outlives: bool = False
    deadline_s: float | None = None
    keep: Callable[[Call], Awaitable[None]] = _nobody_keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What ``info`` says. A CPI that knows no ``info`` speaks version 1."""

    api_version: int
    stemcell_formats: tuple[str, ...]


class Cpi:
    """``say`` gets every line of the CPI's log."""

    def __init__(self, options: CpiOptions, calls: Path, say: Say = to_debug_log) -> None:
        self.options = options
        self._program = Program(options.program, calls)
        self._say = say
        self._slots = asyncio.Semaphore(options.calls_in_flight)
        self._abilities: Abilities | None = None
        self._asking = asyncio.Lock()
        self._secrets = tuple(secrets_in(options.properties))

    async def abilities(self) -> Abilities:
        """Asked once."""
        async with self._asking:
            if self._abilities is None:
                self._abilities = await self._asked()
            return self._abilities

    async def call(self, method: str, *arguments: Node, is_of_vm: bool = False) -> Node:
        return await self.ask(Ask(method=method, arguments=arguments, is_of_vm=is_of_vm))

    async def ask(self, ask: Ask) -> Node:
        """The result of a call. Raises CpiFault."""
        version = None if ask.method == "info" else min((await self.abilities()).api_version, VERSION_MAX)
        request_id = f"cpi-{secrets.token_hex(5)}"
        context = self._context(request_id, is_of_vm=ask.is_of_vm)
        call = Call(
            method=ask.method,
            request_id=request_id,
            at=time.time(),
            deadline_s=ask.deadline_s or self._deadline_s(ask.method),
        )
        async with self._slots:
            await ask.keep(call)
            self._tell(call, "request", self._mask(ask.secrets).of(_shown(ask, context, version)))
            ended = await self._run(ask, call, _request(ask, context, version))
        return self._result(call, ended, self._mask(ask.secrets))

    async def outcome(self, call: Call) -> Node:
        """How a call ended that another director began, or that was let go: waits for it. Raises CpiFault.

        Nothing of its log is shown: what must be hidden in it was known only to the one who asked.
        """
        left_s = max(0.0, min(call.deadline_s, call.at + call.deadline_s - time.time()))
        job = Job(
            request_id=call.request_id, deadline_s=left_s, mask=Mask(), say=_nobody_listens, started=_nothing_to_do
        )
        try:
            ended = await self._program.rejoin(job, call.process)
        except NotStarted as error:
            raise self._cannot_run(call, error) from error
        self._tell(call, "debug", "taken up again; its log is not shown")
        return self._result(call, replace(ended, last=()), None)

    def forget(self, call: Call) -> None:
        """Its end was dealt with and written down."""
        self._program.forget(call.request_id)

    def close(self) -> None:
        self._program.close()

    async def _asked(self) -> Abilities:
        try:
            said = await self.call("info")
        except CpiFault as fault:
            if fault.kind is Kind.NOT_IMPLEMENTED:
                return Abilities(api_version=1, stemcell_formats=())
            raise
        tree = said if isinstance(said, Mapping) else {}
        version, formats = tree.get("api_version", 1), tree.get("stemcell_formats", [])
        return Abilities(
            api_version=version if isinstance(version, int) and version > 0 else 1,
            stemcell_formats=tuple(str(form) for form in formats) if isinstance(formats, list) else (),
        )

    async def _run(self, ask: Ask, call: Call, request: bytes) -> Ended:
        async def started(process: Process) -> None:
            await ask.keep(replace(call, process=process))

        job = Job(
            request_id=call.request_id,
            request=request,
            deadline_s=call.deadline_s,
            mask=self._mask(ask.secrets),
            say=lambda text: self._tell(call, "debug", text),
            started=started,
            outlives=ask.outlives,
        )
        is_kept = False
        try:
            ended = await self._program.run(job)
            is_kept = ask.outlives
        except NotStarted as error:
            raise self._cannot_run(call, error) from error
        except asyncio.CancelledError:
            is_kept = ask.outlives
            raise
        finally:
            if not is_kept:
                self._program.forget(call.request_id)
        return ended

    def _result(self, call: Call, ended: Ended, mask: Mask | None) -> Node:
        """``mask`` None: of what the CPI said only the kind may be shown."""
        try:
            if ended.reply is None:
                raise ValueError("it printed far more than a reply")  # noqa: TRY301  one place for all bad replies
            reply = read_reply(ended.reply)
        except ValueError as error:
            raise self._no_reply(call, ended, str(error)) from None
        self._tell_reply(call, reply, mask)
        if reply.error is not None:
            said = reply.error
            raise fault_said(
                said.type,
                mask.of(said.message) if mask else REDACTED,
                ok_to_retry=said.ok_to_retry,
                method=call.method,
                request_id=call.request_id,
            )
        return reply.result

    def _tell_reply(self, call: Call, reply: Reply, mask: Mask | None) -> None:
        if mask is None:
            self._tell(call, "reply", reply.error.type if reply.error else "done")
            return
        for line in reply.log.splitlines():
            self._tell(call, "log", mask.of(line))
        error = None if reply.error is None else {"type": reply.error.type, "message": reply.error.message}
        self._tell(call, "reply", mask.of(json.dumps({"result": shown_result(reply.result), "error": error})))

    def _tell(self, call: Call, kind: str, text: str) -> None:
        name = self.options.name
        self._say(CpiLine(cpi=name, request_id=call.request_id, method=call.method, kind=kind, text=text))

    def _no_reply(self, call: Call, ended: Ended, why: str) -> CpiFault:
        last = " | ".join(line for line in ended.last[-_LAST_SHOWN:] if line.strip())
        said = f" Last it said: {last}" if last else ""
        if ended.is_overdue:
            what = f"did not answer {call.method} within {call.deadline_s:g} s and was ended"
            kind = Kind.OVERDUE
        else:
            what, kind = (
                f"gave no valid reply to {call.method}: it {how_it_ended(ended.status)}, and {why}",
                Kind.NO_REPLY,
            )
        text = f"CPI '{self.options.name}' {what} (CPI request ID: {call.request_id}).{said}"
        return CpiFault(text, kind=kind, method=call.method, request_id=call.request_id, retry=Retry.BOUNDED)

    def _cannot_run(self, call: Call, error: NotStarted) -> CpiFault:
        text = (
            f"CPI '{self.options.name}' cannot be run: {self.options.program}: {error}. "
            "Install it there, or correct exec_path in the CPI config."
        )
        return CpiFault(text, kind=Kind.NOT_RUN, method=call.method, request_id=call.request_id, retry=Retry.NEVER)

    def _context(self, request_id: str, *, is_of_vm: bool) -> Tree:
        """The CPI config's properties at the top level, ours over them."""
        context: dict[str, Node] = {
            **self.options.properties,
            "director_uuid": self.options.director_uuid,
            "request_id": request_id,
        }
        if is_of_vm:
            context["vm"] = {"stemcell": {"api_version": self.options.stemcell_api_version}}
        return context

    def _deadline_s(self, method: str) -> float:
        return self.options.deadlines_s.get(method, DEADLINES_S.get(method, DEADLINE_S))

    def _mask(self, more: Sequence[str]) -> Mask:
        return Mask((*self._secrets, *more))


async def _nothing_to_do(_: Process) -> None:
    pass


def _nobody_listens(_: str) -> None:
    pass


def _shown(ask: Ask, context: Tree, version: int | None) -> str:
    return shown_request(ask.method, ask.arguments, context, version)


def _request(ask: Ask, context: Tree, version: int | None) -> bytes:
    tree: dict[str, Node] = {"method": ask.method, "arguments": list(ask.arguments), "context": context}
    if version is not None:
        tree["api_version"] = version
    return json.dumps(tree).encode()


def secrets_of(cloud_properties: Tree, env: Tree) -> tuple[str, ...]:
    """What of these must not be shown, wherever it turns up."""
    return (*secrets_in(cloud_properties), *secrets_of_env(env))
