"""A director on infrastructure in a folder, to be killed: real engine, real SQLite record, one process that is forked.

What is asked of the infrastructure is a shell command that goes on when the director is killed, as a call to a real one
does, and as a ``local-exec`` of Terraform does. What it makes are files: ``vms`` and ``disks``. Agents live in the
director's process and remember what they did in files beside them, so that they outlive it.
"""

import asyncio
import os
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents, _Agent
from director.adapters.memory.infrastructure import MemoryDisk, MemoryInfrastructure, MemoryVm, MemoryWorld
from director.adapters.store import SqlStore, plan_from_tree, plan_to_tree
from director.adapters.tasklog import FileTaskLog
from director.execution.infrastructures import Infrastructures
from director.execution.journal import LATE
from director.execution.world import World
from director.model.names import DiskCid, DiskName, VmCid, VmName
from director.model.record import Task
from director.model.tree import Tree
from director.ports.infrastructure import DiskRequest, VmRequest
from director.ports.store import PutRelease, PutStemcell, TaskQuery
from director.reconcile.driver import Driver
from director.reconcile.handlers import Deployments
from director.reconcile.prepare import Preparer
from director.reconcile.requests import Deploy
from tests.simulate.simulation import Renderer, Secrets
from tests.support.planning import NEWER, RELEASE, STEMCELL

KINDS = ("vms", "disks", "cleared", "agents", "new", "attached")
CALL_S = 0.05
"""A call takes so long before what it does is done, and again until it answers."""
LOOK_S = 0.005
UNDONE = 3

CLOUD = """
azs: [{name: z1}]
vm_types: [{name: small, cloud_properties: {ram: 64}}]
disk_types: [{name: ten, disk_size: 10}]
networks: [{name: private, subnets: [{range: 10.0.1.0/24, gateway: 10.0.1.1, az: z1}]}]
compilation: {workers: 2, az: z1, network: private, vm_type: small, reuse_compilation_vms: true}
"""
MANIFEST = """
name: demo
releases: [{{name: sample, version: "1"}}]
stemcells: [{{alias: default, os: local, version: "1"}}]
update: {{canaries: 0, max_in_flight: {slots}, serial: false, canary_watch_time: 0-5000, update_watch_time: 0-5000}}
instance_groups:
- {{name: db, instances: {disks}, azs: [z1], stemcell: default, vm_type: small, persistent_disk_type: ten,
   networks: [{{name: private}}], jobs: [{{name: plain, release: sample}}]}}
- {{name: web, instances: {others}, azs: [z1], stemcell: default, vm_type: small,
   networks: [{{name: private}}], jobs: [{{name: plain, release: sample}}]}}
"""


async def slowly(command: str, *args: str) -> None:
    """What a call does, done by another process, with time before and after it."""
    script = f"sleep {CALL_S}; {command}; sleep {CALL_S}"
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", script, "sh", *args, start_new_session=True)
    await process.wait()


class Folder(MemoryInfrastructure):
    """Every look is one at the files; every change is made by a shell."""

    def __init__(self, root: Path) -> None:
        super().__init__(MemoryWorld())
        self._root = root

    async def create_vm(self, request: VmRequest) -> VmCid:
        self._read()
        if request.name not in self.world.vms:
            await self._make("vms", request.name, request)
        return VmCid(request.name)

    async def create_disk(self, request: DiskRequest) -> DiskCid:
        self._read()
        if request.name not in self.world.disks:
            await self._make("disks", request.name, request)
        return DiskCid(request.name)

    async def _make(self, kind: str, name: str, request: VmRequest | DiskRequest) -> None:
        ready = self._root / "new" / f"{name}.{os.getpid()}.{id(request)}"
        ready.write_bytes(pickle.dumps(request))
        await slowly('mv -n "$1" "$2"; rm -f "$1"', str(ready), str(self._root / kind / name))

    async def delete_vm(self, cid: VmCid) -> None:
        await slowly('rm -f "$1"', str(self._root / "vms" / cid))
        for held in (self._root / "attached").iterdir():
            if _text(held) == cid:
                held.unlink(missing_ok=True)

    async def delete_disk(self, cid: DiskCid) -> None:
        await slowly('rm -f "$1"', str(self._root / "disks" / cid))

    async def clear_enrolment(self, cid: VmCid) -> None:
        await slowly(': > "$1"', str(self._root / "cleared" / cid))

    async def attach_disk(self, vm: VmCid, disk: DiskCid) -> Tree:
        hint = await super().attach_disk(vm, disk)
        await slowly('printf %s "$1" > "$2"', str(vm), str(self._root / "attached" / disk))
        return hint

    async def detach_disk(self, vm: VmCid, disk: DiskCid) -> None:
        del vm
        await slowly('rm -f "$1"', str(self._root / "attached" / disk))

    @asynccontextmanager
    async def _call(self, call: str, name: str) -> AsyncIterator[bool]:
        self._read()
        async with super()._call(call, name) as is_real:
            yield is_real

    def _read(self) -> None:
        cleared = {path.name for path in (self._root / "cleared").iterdir()}
        vms: dict[str, VmRequest] = requests_in(self._root / "vms")
        disks: dict[str, DiskRequest] = requests_in(self._root / "disks")
        self.world.vms = {
            VmName(name): MemoryVm(request=request, has_enrolment=name not in cleared) for name, request in vms.items()
        }
        held = {path.name: _text(path) for path in (self._root / "attached").iterdir()}
        self.world.disks = {
            DiskName(name): MemoryDisk(request=request, vm=VmName(held[name]) if held.get(name) else None)
            for name, request in disks.items()
        }


def requests_in(folder: Path) -> dict[str, Any]:
    found = {}
    for path in sorted(folder.iterdir()):
        try:
            found[path.name] = pickle.loads(path.read_bytes())
        except FileNotFoundError:
            continue
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


class Souls(MemoryAgents):
    """Agents that remember in files; each comes up when its VM's file is there."""

    def __init__(self, root: Path) -> None:
        super().__init__(SystemClock())
        self._root = root
        self._up: set[str] = set()

    async def live(self) -> None:
        """Every VM that came has its agent dial in, for ever."""
        while True:
            there = {path.name for path in (self._root / "vms").iterdir()}
            for name in sorted(there - self._up):
                self._come(pickle.loads((self._root / "vms" / name).read_bytes()))
            self._up = there
            await asyncio.sleep(LOOK_S)

    def _come(self, request: VmRequest) -> None:
        known = self._agent(request.enrolment.agent)
        memory = self._root / "agents" / known.id
        if known.is_given_up:
            return
        if memory.exists():
            known.spec, known.processes, known.started_at, known.state, known.disks, known.results = pickle.loads(
                memory.read_bytes()
            )
            self.wake(known.id)
            return
        known.token = request.enrolment.token
        self.boot(request.enrolment)

    def _finish(self, agent: _Agent, *how: Any) -> None:
        super()._finish(agent, *how)
        memory = (agent.spec, agent.processes, agent.started_at, agent.state, agent.disks, agent.results)
        made = self._root / "new" / f"{agent.id}.agent"
        made.write_bytes(pickle.dumps(memory))
        made.rename(self._root / "agents" / agent.id)


async def make_template(path: Path) -> None:
    """An empty record with the software and the cloud config in it."""
    store = await SqlStore.open(path)
    await store.commit(PutRelease(release=RELEASE), PutStemcell(stemcell=STEMCELL), PutStemcell(stemcell=NEWER))
    await store.add_config("cloud", "default", CLOUD, 0.0)
    await store.close()


async def direct(root: Path, manifest: str | None) -> int:
    """One director's life, until its task has ended and nothing is left to be settled. With ``manifest`` it deploys."""
    store = await SqlStore.open(root / "director.db")
    agents = Souls(root)
    clock = SystemClock()
    world = World(
        store=store,
        infrastructures=Infrastructures(Folder(root)),
        agents=agents,
        secrets=Secrets(),
        tasklog=FileTaskLog(root / "tasks"),
        clock=clock,
    )
    preparer = Preparer(
        world=world, renderer=Renderer(), director_started=clock.monotonic() - 60, calls_in_flight=32, agent_wait_s=5.0
    )
    deployments = Deployments(preparer=preparer, world=world, encode=plan_to_tree, decode=plan_from_tree)
    driver = Driver(world, {Deploy: deployments.deploy}, preparer, tasks_at_once=4)
    async with asyncio.TaskGroup() as group:
        loops = [group.create_task(agents.live()), group.create_task(driver.run())]
        if manifest:
            await driver.submit(Deploy(deployment="demo", manifest=manifest), user="bench")
        task = await _ended(store)
        for loop in loops:
            loop.cancel()
    await store.close()
    return 0 if task is None or task.state.value == "done" else UNDONE


async def _ended(store: SqlStore) -> Task | None:
    while True:
        tasks = await store.tasks(TaskQuery())
        left = [intent for intent in await store.open_intents() if not intent.effect.startswith(LATE)]
        if all(task.state.is_final for task in tasks) and not left:
            return tasks[0] if tasks else None
        await asyncio.sleep(LOOK_S)


def forked(work: Callable[[], Awaitable[int]], log: Path) -> int:
    """The pid of a new process that does only this; its end is its exit code."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = asyncio.run(_whole(work))
    finally:
        os._exit(code)


async def _whole(work: Callable[[], Awaitable[int]]) -> int:
    return await work()


async def orphans_in(root: Path) -> tuple[int, int]:
    """VMs and disks that exist and are not in the record; and rows of such that do not exist."""
    store = await SqlStore.open(root / "director.db")
    recorded = {str(vm.name) for vm in await store.vms()} | {str(disk.name) for disk in await store.disks()}
    await store.close()
    there = {path.name for kind in ("vms", "disks") for path in (root / kind).iterdir()}
    return len(there - recorded), len(recorded - there)
