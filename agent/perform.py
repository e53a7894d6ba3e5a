"""Carries out one request: says which part of the agent does it. Decides nothing else."""

import hashlib
from dataclasses import dataclass
from typing import Final

from agent import apply, programs
from agent.blobs import Blobs
from agent.compile import compile_package
from agent.disks import Disks
from agent.drain import drain
from agent.errand import run_errand
from agent.failure import Failed
from agent.layout import Layout
from agent.logs import fetch_logs
from agent.scripts import run_scripts
from agent.supervise import Supervisor
from agent.wire import agent_pb2 as wire

NOT_REPEATABLE: Final = frozenset({"drain", "run_script", "run_errand"})
CANCELLABLE: Final = frozenset({"drain", "run_script", "run_errand", "compile_package"})
ONE_AT_A_TIME: Final = frozenset(
    {"prepare", "apply", "start", "stop", "drain", "compile_package", "mount_disk", "unmount_disk", "migrate_disk"}
)
"""These change jobs, packages or disks and go in the order they came; the others may run beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """All that requests act on."""

    layout: Layout
    blobs: Blobs
    supervisor: Supervisor
    disks: Disks


async def perform(request: wire.Request, vm: Vm, result: wire.Result) -> None:
    """Puts the value, if there is one, into ``result``. Raises Failed for what went wrong here, OSError for I/O."""
    match request.WhichOneof("action"):
        case "run_errand":
            errand, jobs = request.run_errand, _jobs(vm)
            await run_errand(errand.job, jobs, errand.env, vm.layout, result.errand)
        case "compile_package":
            result.blob.CopyFrom(await compile_package(request.compile_package, vm.layout, vm.blobs))
        case "fetch_logs":
            name = hashlib.sha256(request.key.encode()).hexdigest()[:16]
            result.blob.CopyFrom(await fetch_logs(request.fetch_logs, name, vm.layout, vm.blobs))
        case "mount_disk" | "unmount_disk" | "migrate_disk":
            await _change_disks(request, vm.disks)
        case _:
            await _change_jobs(request, vm)


async def _change_disks(request: wire.Request, disks: Disks) -> None:
    match request.WhichOneof("action"):
        case "mount_disk":
            await disks.mount(request.mount_disk.disk, request.mount_disk.path)
        case "unmount_disk":
            await disks.unmount(request.unmount_disk.disk)
        case "migrate_disk":
            await disks.migrate(request.migrate_disk.old, request.migrate_disk.new, request.migrate_disk.path)


async def _change_jobs(request: wire.Request, vm: Vm) -> None:
    match request.WhichOneof("action"):
        case "prepare":
            await apply.prepare(request.prepare.spec, vm.layout, vm.blobs)
        case "apply":
            await apply.apply(request.apply.spec, vm.layout, vm.blobs)
        case "start":
            await vm.supervisor.start(programs.of_jobs(apply.remembered(vm.layout).jobs, vm.layout))
        case "stop":
            await vm.supervisor.stop()
        case "drain":
            vm.supervisor.release()
            await drain(request.drain, apply.remembered(vm.layout), vm.layout)
        case "run_script":
            script = request.run_script
            await run_scripts(script.name, _jobs(vm), script.env, vm.layout)
        case _:
            raise Failed("this agent is too old for what the director asks of it")


def _jobs(vm: Vm) -> list[str]:
    return [job.name for job in apply.remembered(vm.layout).jobs]
