"""The whole pass on a world in memory, the director dying at every commit of it: nothing lost, nothing doubled."""

import asyncio
from dataclasses import replace

import pytest
import structlog

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.infrastructure import Hooks, MemoryInfrastructure, MemoryWorld
from director.adapters.memory.store import MemoryStore
from director.adapters.store.encode import plan_to_tree
from director.adapters.tasklog import FileTaskLog
from director.execution.world import World
from director.model.record import DiskState, TaskState, VmState
from director.model.tree import digest_of
from director.model.wanted import Content, RenderedJob
from director.ports.store import PutRelease, PutStemcell, TaskQuery
from director.reconcile.driver import Driver
from director.reconcile.handlers import Deployments
from director.reconcile.prepare import Preparer
from director.reconcile.requests import DeleteDeployment, Deploy
from tests.golden.test_golden import CASES
from tests.support.planning import RELEASE, STEMCELL

MANIFEST = (CASES / "first-deploy" / "manifest.yml").read_text().replace("100-5000", "0-5000")
CLOUD = (CASES.parent / "cloud.yml").read_text()


class Killed(BaseException):
    """The process is gone: no handler may run after it."""


class MortalStore(MemoryStore):
    """Kills the director just before its commit number ``dies_at``; what it had committed stays."""

    dies_at = 0

    async def commit(self, *changes):
        self.dies_at -= 1
        if self.dies_at == 0:
            raise Killed
        await super().commit(*changes)


class Secrets:
    async def values(self, deployment):
        return {}

    async def ensure(self, deployment, variables):
        return {}

    async def invent(self, deployment, variables):
        return {}

    async def names(self, deployment):
        return ()

    async def forget(self, deployment, name=None):
        return None


class Renderer:
    """Content stands for what it is made of."""

    async def render(self, requests):
        return tuple(Content(jobs=tuple(self._job(job) for job in request.jobs)) for request in requests)

    def _job(self, job):
        return RenderedJob(name=job.job.name, files=(), monit="", digest=digest_of(dict(job.properties)))

    async def close(self):
        return None


class Simulation:
    """One world and its record; directors come and go."""

    def __init__(self, folder):
        self.store = MortalStore()
        self.agents = MemoryAgents(SystemClock())
        hooks = Hooks(on_boot=self.agents.boot, on_reboot=self.agents.wake, on_end=self.agents.silence)
        self.iron = MemoryWorld()
        self.world = World(
            store=self.store,
            infrastructure=MemoryInfrastructure(self.iron, hooks=hooks),
            agents=self.agents,
            secrets=Secrets(),
            tasklog=FileTaskLog(folder),
            clock=SystemClock(),
        )

    async def prepare(self):
        await self.store.commit(PutRelease(release=RELEASE), PutStemcell(stemcell=STEMCELL))
        await self.store.add_config("cloud", "default", CLOUD, 0.0)

    async def direct(self, request):
        """A new director, one task, until that ends. Raises Killed when the director dies on the way."""
        preparer = Preparer(
            world=self.world,
            renderer=Renderer(),
            director_started=self.world.clock.monotonic() - 60,
            calls_in_flight=32,
            agent_wait_s=5.0,
        )
        deployments = Deployments(preparer=preparer, world=self.world, encode=plan_to_tree)
        table = {Deploy: deployments.deploy, DeleteDeployment: deployments.delete}
        driver = Driver(self.world, table, preparer, tasks_at_once=4)
        pulse = asyncio.create_task(driver.run())
        try:
            await asyncio.sleep(0)
            task = await driver.submit(request, user="test")
            while not (await self.store.task(task.id)).state.is_final:
                await asyncio.wait({pulse}, timeout=0.005)
                if pulse.done():
                    pulse.result()
            return await self.store.task(task.id)
        except BaseExceptionGroup as group:
            if group.split(Killed)[1] is not None:
                raise
            raise Killed from None
        finally:
            pulse.cancel()
            await asyncio.gather(pulse, return_exceptions=True)

    async def check_invariants(self):
        """I1 to I4 of what a finished deploy must leave."""
        record = await self.store.record("demo")
        recorded = {vm.name for vm in await self.store.vms()}
        assert set(self.iron.vms) == recorded, "a VM is unrecorded, or recorded and gone"
        owners = [vm.request.instance for vm in self.iron.vms.values()]
        assert len(owners) == len(set(owners)), "two VMs for one instance"
        addresses = [str(n["ip"]) for vm in self.iron.vms.values() for n in vm.request.shape.networks.values()]
        assert len(addresses) == len(set(addresses)), "one address twice"
        disks = await self.store.disks()
        assert set(self.iron.disks) == {disk.name for disk in disks}, "a disk is unrecorded, or recorded and gone"
        assert not await self.store.open_intents()
        return record


def deploy(manifest=MANIFEST, **more):
    return Deploy(deployment="demo", manifest=manifest, **more)


@pytest.fixture(autouse=True)
def _quiet():
    """A killed handler is logged as a bug each time, and there are hundreds."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def simulation(tmp_path):
    made = Simulation(tmp_path)
    await made.prepare()
    return made


async def _commits_of(simulation, request):
    """How many commits a whole, undisturbed task takes."""
    simulation.store.dies_at = 1_000_000
    task = await simulation.direct(request)
    assert task.state is TaskState.DONE, task.result
    return 1_000_000 - simulation.store.dies_at


async def test_a_deploy_then_the_same_deploy_changes_nothing(simulation):
    await _commits_of(simulation, deploy())
    record = await simulation.check_invariants()
    assert [i.is_settled for i in record.instances] == [True] * 4
    assert [d.state for d in record.disks] == [DiskState.ATTACHED]
    calls, done = len(simulation.iron.calls), len(simulation.agents.done)
    await _commits_of(simulation, deploy())
    assert len(simulation.agents.done) == done
    assert {call for call, _ in simulation.iron.calls[calls:]} == {"find_vms"}
    assert await simulation.store.record("demo") == record


@pytest.mark.parametrize("scenario", ["first", "recreate", "delete"])
async def test_killed_at_every_commit_the_same_request_ends_it_well(tmp_path, scenario):
    total = 0
    for kill_at in range(1, 400):
        simulation = Simulation(tmp_path / str(kill_at))
        await simulation.prepare()
        if scenario != "first":
            simulation.store.dies_at = 0
            assert (await simulation.direct(deploy())).state is TaskState.DONE
        request = {
            "first": deploy(),
            "recreate": deploy(MANIFEST.replace("ram: 64", "ram: 65").replace("vm_type: small", "vm_type: large")),
            "delete": DeleteDeployment(deployment="demo"),
        }[scenario]
        simulation.store.dies_at = kill_at
        try:
            task = await simulation.direct(request)
        except Killed:
            simulation.agents.lose_director()
            simulation.store.dies_at = 0
            simulation.agents.find_director()
            task = await simulation.direct(request)
            # A task that was still queued when the director died runs first; a second deletion finds nothing left.
            is_gone = scenario == "delete" and "no deployment" in task.result
            assert is_gone or task.state is TaskState.DONE, (kill_at, task.result)
            await _check(simulation, scenario)
            total += 1
        else:
            assert task.state is TaskState.DONE, task.result
            break
    assert total > 10


async def _check(simulation, scenario):
    record = await simulation.check_invariants()
    if scenario == "delete":
        assert record is None
        assert not simulation.iron.vms
        assert [d.state for d in await simulation.store.disks()] == [DiskState.ORPHANED]
        return
    assert len(simulation.iron.vms) == 4
    assert all(i.is_settled for i in record.instances)
    assert all(vm.state is VmState.CREATED for vm in record.vms)
    assert not [i for i in record.instances if i.is_compilation]
    assert (await simulation.store.tasks(TaskQuery(states=(TaskState.PROCESSING,)))) == ()


async def test_a_vm_that_vanished_is_made_again_with_its_disk_and_address(simulation):
    await _commits_of(simulation, deploy())
    before = await simulation.store.record("demo")
    db = next(vm for vm in before.vms if vm.name.startswith("db-"))
    simulation.world.infrastructure.lose_vm(db.name)
    await _commits_of(simulation, deploy())
    after = await simulation.check_invariants()
    new = next(vm for vm in after.vms if vm.name.startswith("db-"))
    assert (new.generation, new.shape) == (db.generation + 1, db.shape)
    assert after.disks == tuple(replace(disk, vm=new.name) for disk in before.disks)
