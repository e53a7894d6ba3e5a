"""A whole director on a world in memory; directors come and go, the world and its record stay."""

import asyncio

from director.adapters.blobs import DirectoryBlobs
from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.infrastructure import Hooks, MemoryInfrastructure, MemoryWorld
from director.adapters.memory.store import MemoryStore
from director.adapters.store.encode import plan_from_tree, plan_to_tree
from director.adapters.tasklog import FileTaskLog
from director.execution.fabrics import Fabrics
from director.execution.infrastructures import Infrastructures
from director.execution.journal import LATE
from director.execution.world import World
from director.model.tree import digest_of
from director.model.wanted import Content, RenderedJob
from director.ports.archives import WrittenRelease
from director.ports.store import PutRelease, PutStemcell, TaskQuery
from director.reconcile.apply_networks import OutlivingNetworks
from director.reconcile.cloudcheck_apply import CloudCheck
from director.reconcile.drift_fix import DriftFixer
from director.reconcile.driver import Driver
from director.reconcile.export import Exporter
from director.reconcile.handlers import Deployments
from director.reconcile.prepare import Preparer
from director.reconcile.requests import (
    ApplyNetworks,
    ApplyResolutions,
    CleanUp,
    DeleteDeployment,
    DeleteRelease,
    Deploy,
    ExportRelease,
    FixDrift,
    Repair,
    RunErrand,
    ScanAndFix,
    ScanProblems,
)
from director.reconcile.software import Software
from director.reconcile.tidy import Tidy
from director.reconcile.unused import ORPHANS_KEPT_S
from tests.golden.test_golden import CASES
from tests.support.planning import NEWER, RELEASE, STEMCELL

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


class Archives:
    """Stores the words of what it is asked to pack, and keeps it for who looks."""

    def __init__(self, folder, blobs):
        self.folder, self.blobs, self.written = folder, blobs, []

    async def write_release(self, compiled, *, sha2):
        self.written.append(compiled)
        path = self.folder / "written"
        path.write_text(repr((compiled, sha2)))
        blob = await self.blobs.put_file(path)
        return WrittenRelease(blob=blob.id, digest=blob.digest)


class Simulation:
    """One world and its record; directors come and go."""

    def __init__(self, folder, *, can_grow_disks=True, fabric=None):
        self.folder, self.blobs = folder, DirectoryBlobs(folder / "blobs")
        self.archives = Archives(folder, self.blobs)
        self.orphans_kept_s = ORPHANS_KEPT_S
        self.store = MortalStore()
        self.agents = MemoryAgents(SystemClock())
        hooks = Hooks(on_boot=self.agents.boot, on_reboot=self.agents.wake, on_end=self.agents.silence)
        self.iron = MemoryWorld()
        self.world = World(
            store=self.store,
            infrastructures=Infrastructures(
                MemoryInfrastructure(self.iron, hooks=hooks, can_grow_disks=can_grow_disks)
            ),
            agents=self.agents,
            secrets=Secrets(),
            tasklog=FileTaskLog(folder),
            clock=SystemClock(),
            fabrics=Fabrics(fabric),
        )

    async def prepare(self, cloud=CLOUD):
        await self.store.commit(
            PutRelease(release=RELEASE), PutStemcell(stemcell=STEMCELL), PutStemcell(stemcell=NEWER)
        )
        await self.store.add_config("cloud", "default", cloud, 0.0)

    def _preparer(self):
        return Preparer(
            world=self.world,
            renderer=Renderer(),
            director_started=self.world.clock.monotonic() - 60,
            calls_in_flight=32,
            agent_wait_s=5.0,
        )

    async def plan(self, request):
        return await self._preparer().check(request)

    async def direct(self, request, **more):
        """A new director, one task, until that ends; without a request, all tasks there are. Returns the last one.

        Raises Killed when the director dies on the way.
        """
        preparer = self._preparer()
        deployments = Deployments(preparer=preparer, world=self.world, encode=plan_to_tree, decode=plan_from_tree)
        table = {
            Deploy: deployments.deploy,
            Repair: deployments.repair,
            RunErrand: deployments.run_errand,
            DeleteDeployment: deployments.delete,
            ApplyNetworks: OutlivingNetworks(world=self.world, encode=plan_to_tree).apply,
            CleanUp: Tidy(world=self.world, blobs=self.blobs, orphans_kept_s=self.orphans_kept_s).clean_up,
        }
        exporter = Exporter(
            preparer=preparer, world=self.world, archives=self.archives, encode=plan_to_tree, decode=plan_from_tree
        )
        software = Software(world=self.world, archives=self.archives, scratch=self.folder)
        table |= {ExportRelease: exporter.export, DeleteRelease: software.delete_release}
        check = CloudCheck(world=self.world, encode=plan_to_tree, repair=deployments.repair, patience_s=0.02)
        table |= {ScanProblems: check.scan, ApplyResolutions: check.apply, ScanAndFix: check.scan_and_fix}
        table[FixDrift] = DriftFixer(world=self.world, repair=deployments.repair, encode=plan_to_tree).fix
        driver = Driver(self.world, table, preparer, tasks_at_once=4, **more)
        pulse = asyncio.create_task(driver.run())
        try:
            await asyncio.sleep(0)
            task = await driver.submit(request, user="test") if request else await self._last_task()
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

    async def _last_task(self):
        return max(await self.store.tasks(TaskQuery()), key=lambda task: task.id)

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
        assert {disk.name: disk.size_mb for disk in disks} == {n: d.request.size_mb for n, d in self.iron.disks.items()}
        assert not [name for name, vm in self.iron.vms.items() if vm.has_enrolment], "a token lies open"
        assert not [intent for intent in await self.store.open_intents() if not intent.effect.startswith(LATE)]
        return record
