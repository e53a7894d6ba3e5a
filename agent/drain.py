"""The drain protocol (1.14): lets jobs finish what they do, each asking for as long as it needs.

A drain script that exits non-zero has failed, as its documentation says.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import IO

from agent import process
from agent.layout import Layout
from agent.scratch import scratch
from agent.scripts import Outcome, check, script_of
from agent.tail import last_bytes
from agent.together import gather_all
from agent.wire import agent_pb2 as wire

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    args: tuple[str, ...]
    env: dict[str, str]


async def drain(request: wire.Drain, spec: wire.Spec, layout: Layout, sleep: Sleep = asyncio.sleep) -> None:
    """Runs ``bin/drain`` of all jobs of ``spec`` to the end. Raises Failed, naming the jobs that failed."""
    first, again = _first_call(request, spec), _again(spec)
    having = [job.name for job in spec.jobs if script_of(job.name, "drain", layout).exists()]
    check("drain", await gather_all([_drain_job(job, first, again, layout, sleep) for job in having]))


def _first_call(request: wire.Drain, spec: wire.Spec) -> _Call:
    if request.kind == wire.Drain.KIND_SHUTDOWN:
        return _Call(args=("job_shutdown", "hash_unchanged"), env=_states(spec))
    hash_change = "hash_changed" if request.configuration_changed else "hash_unchanged"
    if not spec.configuration_hash:
        hash_change = "hash_new"
    next_mb = request.next_disk_mb if request.HasField("next_disk_mb") else None
    return _Call(args=("job_changed", hash_change, *sorted(request.changed_packages)), env=_states(spec, next_mb))


def _again(spec: wire.Spec) -> _Call:
    return _Call(args=("job_check_status", "hash_unchanged"), env=_states(spec))


def _states(spec: wire.Spec, next_mb: int | None = None) -> dict[str, str]:
    states = {"BOSH_JOB_STATE": _state(spec.persistent_disk_mb)}
    if next_mb is not None:
        states["BOSH_JOB_NEXT_STATE"] = _state(next_mb)
    return states


def _state(disk_mb: int) -> str:
    return json.dumps({"persistent_disk": disk_mb}, separators=(",", ":"))


async def _drain_job(job: str, first: _Call, again: _Call, layout: Layout, sleep: Sleep) -> Outcome:
    call = first
    while True:
        with scratch(layout) as stdout, scratch(layout) as stderr:
            try:
                code = await _run(job, call, layout, stdout, stderr)
            except OSError as error:
                return Outcome(job=job, problem=f"bin/drain cannot be run: {error.strerror}")
            answer = last_bytes(stdout, 4096).decode("utf-8", "replace").strip()
            complaint = last_bytes(stderr, 4096).decode("utf-8", "replace").strip()
        if code:
            return Outcome(job=job, problem=f"exit code {code}; the end of its stderr:\n{complaint}")
        if not re.fullmatch(r"[-+]?\d+", answer):
            return Outcome(job=job, problem=f'it must print one whole number, and printed "{answer[:200]}"')
        await sleep(abs(int(answer)))
        if int(answer) >= 0:
            return Outcome(job=job)
        call = again


async def _run(job: str, call: _Call, layout: Layout, stdout: IO[bytes], stderr: IO[bytes]) -> int:
    return await process.run(
        (str(script_of(job, "drain", layout)), *call.args),
        env=layout.environment() | call.env,
        cwd=layout.job(job),
        stdout=stdout,
        stderr=stderr,
        notes=layout.notes,
    )
