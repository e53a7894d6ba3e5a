"""Starts the agent: resumes the jobs, enrols when it must, then keeps the session. Leaves jobs running when it ends."""

from agent import lean  # isort: skip  # before anything that would load OpenSSL

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path

from agent import apply, identity, machine, process, programs, report
from agent.backoff import waits_s
from agent.blobs import Blobs
from agent.dial import Dial
from agent.disks import Disks
from agent.failure import Failed
from agent.layout import Layout, make_directories, try_to_write
from agent.ledger import Ledger
from agent.leftover import end_leftovers
from agent.perform import Vm
from agent.requests import Requests
from agent.session import Outbox, Session
from agent.settings import base_from
from agent.supervise import Supervisor
from agent.vitals import Gauge
from agent.wire import agent_pb2 as wire

assert lean
log = logging.getLogger("agent")
_FRUGAL = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""glibc gives each thread a heap of its own otherwise; gRPC has many threads."""


def main() -> int:
    """The command ``director-agent``. Ends with 0 on SIGTERM and SIGINT."""
    base = base_from(sys.argv[1:])
    if not _FRUGAL.items() <= os.environ.items():
        words = [sys.executable, "-m", "agent", *sys.argv[1:]]
        os.execve(sys.executable, words, dict(os.environ) | _FRUGAL)  # noqa: S606 - itself
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = Layout(base=base)
    make_directories(layout)
    asyncio.run(_run(layout))
    return 0


async def _run(layout: Layout) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        async with asyncio.TaskGroup() as group:
            await _serve(layout, group)
    except asyncio.CancelledError:
        log.info("stopped; jobs go on")


async def _serve(layout: Layout, group: asyncio.TaskGroup) -> None:
    boot, outbox = _next_boot(layout), Outbox()
    log.info("agent started boot=%d", boot)
    supervisor, disks = Supervisor(layout, group, outbox.report_due), Disks(layout)
    await end_leftovers(layout)
    await _make_ready(layout)
    await _resume(layout, supervisor, disks)
    dial = Dial(await _enrolled(layout))
    ledger = Ledger(layout)
    vm = Vm(layout=layout, blobs=Blobs(dial), supervisor=supervisor, disks=disks)
    gauge = Gauge(layout)
    requests = Requests(vm, ledger, group, outbox.result_due)

    def gather() -> wire.Report:
        spec_hash = apply.remembered(layout).configuration_hash
        return report.gather(layout, supervisor, disks, gauge, configuration_hash=spec_hash, running=requests.running())

    gc.collect()
    gc.freeze()
    try:
        await Session(dial, requests, ledger, outbox, gather, boot).run()
    finally:
        await dial.close()


async def _resume(layout: Layout, supervisor: Supervisor, disks: Disks) -> None:
    """Jobs as the last agent left them. Without their disk they stay down: they would write beside it."""
    try:
        await disks.remount()
        if supervisor.is_to_resume:
            supervisor.resume(programs.of_jobs(apply.remembered(layout).jobs, layout))
    except Failed as failure:
        log.error("jobs not resumed why=%s", failure)  # noqa: TRY400 - the message says it all


async def _make_ready(layout: Layout) -> None:
    """Network and disks as the VM was told, and an enrolment if there is none (see boot.py). Repeatable."""
    if machine.is_to_set_up(layout) and await _run_apart("agent.boot", layout) == 2:
        sys.exit("this VM's disk is not ready, so the agent does not start; the lines above say why")


async def _enrolled(layout: Layout) -> identity.Identity:
    """Waits, with jitter, until this agent has an identity."""
    for wait_s in waits_s():
        if identity.enrolment_file(layout).exists():
            log.info("enrolment ended code=%d", await _run_apart("agent.enrol", layout))
        found = identity.load(layout)
        if found is not None and not identity.enrolment_file(layout).exists():
            return found
        await asyncio.sleep(wait_s)
        if found is None and not identity.enrolment_file(layout).exists():
            await _make_ready(layout)
    raise AssertionError("the waits never end")


async def _run_apart(module: str, layout: Layout) -> int:
    """Our own code in a process that gives its memory back."""
    return await process.run(
        (sys.executable, "-m", module, "--base", str(layout.base)),
        env=os.environ,
        cwd=Path.cwd(),
        stdout=sys.stdout.buffer,
        stderr=sys.stderr.buffer,
    )


def _next_boot(layout: Layout) -> int:
    path = layout.bosh / "boot"
    boot = int(path.read_text("ascii")) + 1 if path.exists() else 1
    try_to_write(path, str(boot).encode(), 0o644)
    return boot
