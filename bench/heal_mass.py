"""Two hundred of a thousand instances lost at once, in virtual time: the director's own watch finds and repairs them.

Driver, handlers, planner, walker and watch are the production ones; the infrastructure and the agents are in memory and
take their time. What is measured is how much longer it takes than it must with so many repairs at a time
(performance-reliability.md 4.1, 4.7), and how much CPU of the director a repaired VM costs.
"""

import asyncio
import heapq
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.infrastructure import Hooks, MemoryInfrastructure, MemoryWorld
from director.adapters.memory.store import MemoryStore
from director.adapters.memory.tasklog import MemoryTaskLog
from director.adapters.store.encode import plan_from_tree, plan_to_tree
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.model.names import VmCid, VmName
from director.model.record import Task, TaskState
from director.model.sighting import JobState
from director.planning.brake import Brakes
from director.ports.infrastructure import Enrolment, VmRequest
from director.ports.store import PutRelease, PutStemcell, TaskQuery
from director.reconcile.doubt import Doubt
from director.reconcile.driver import Driver
from director.reconcile.handlers import Deployments
from director.reconcile.prepare import Preparer
from director.reconcile.requests import Deploy, Repair
from director.reconcile.watch import Rules, Watch
from tests.simulate.simulation import Renderer, Secrets
from tests.simulate.virtual import VirtualClock, run
from tests.support.planning import NEWER, RELEASE, STEMCELL

COUNT, LOST, SLOTS = 1000, 200, 32
LIMIT_S = 4 * 3600.0

CLOUD = """
azs: [{name: z1}]
vm_types: [{name: small, cloud_properties: {ram: 64}}]
networks: [{name: private, subnets: [{range: 10.0.0.0/16, gateway: 10.0.0.1, az: z1}]}]
compilation: {workers: 2, az: z1, network: private, vm_type: small, reuse_compilation_vms: true}
"""
MANIFEST = """
name: {name}
releases: [{{name: sample, version: "1"}}]
stemcells: [{{alias: default, os: local, version: "1"}}]
update: {{canaries: 0, max_in_flight: 1000, canary_watch_time: 0-60000, update_watch_time: 0-60000}}
instance_groups:
- {{name: web, instances: {count}, azs: [z1], stemcell: default, vm_type: small,
   networks: [{{name: private}}], jobs: [{{name: plain, release: sample}}]}}
"""


@dataclass(slots=True, kw_only=True)
class Healed:
    """``seconds`` are virtual, from the first repair's beginning until the last instance runs; ``found_s`` is how long
    it took until that beginning. ``took`` are how long each creation with its boot takes, in the order of their begin.
    """

    seconds: float = 0.0
    found_s: float = 0.0
    cpu_s: float = 0.0
    looks: int = 0
    looks_cpu_s: float = 0.0
    """Of ``cpu_s``. Time does not pass while the watch looks here, so that it looks more often than it would."""
    tasks: int = 0
    took: list[float] = field(default_factory=list)
    most: int = 0
    """Repairs at one time."""

    @property
    def bound_s(self) -> float:
        """What no schedule could beat: the longest one, or all work over all slots, or whole waves of the shortest."""
        waves = -(-len(self.took) // SLOTS)
        return max(*self.took, sum(self.took) / SLOTS, waves * min(self.took))

    @property
    def list_s(self) -> float:
        """What a scheduler needs that cannot know how long anything takes, and leaves no slot free."""
        free = [0.0] * SLOTS
        for took in self.took:
            heapq.heappush(free, heapq.heappop(free) + took)
        return max(free)


class Slow(MemoryInfrastructure):
    """A creation takes half of what ``seconds`` gives; its VM's boot the other half."""

    def __init__(self, world: MemoryWorld, agents: MemoryAgents, seconds: Callable[[], float]) -> None:
        super().__init__(world, hooks=Hooks(on_boot=self._boot, on_end=agents.silence))
        self.seconds, self.took = seconds, list[float]()
        self._agents = agents
        self._boot_s: dict[str, float] = {}
        self.under_way = self.most = 0

    async def create_vm(self, request: VmRequest) -> VmCid:
        took = self.seconds()
        if took:
            self.took.append(took)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            await asyncio.sleep(took / 2)
        self._boot_s[request.enrolment.agent] = took / 2
        return await super().create_vm(request)

    def _boot(self, enrolment: Enrolment) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._boot_s[enrolment.agent], self._up, enrolment)

    def _up(self, enrolment: Enrolment) -> None:
        self._agents.boot(enrolment)
        self.under_way -= 1 if self._boot_s[enrolment.agent] else 0


class Watching(Watch):
    """Counts what its looks cost. Nothing else gets its turn in one, since nothing here is waited for."""

    looks = 0
    cpu_s = 0.0

    async def look(self) -> float:
        began = time.process_time()
        until = await super().look()
        self.looks, self.cpu_s = self.looks + 1, self.cpu_s + time.process_time() - began
        return until


def heal(
    seconds: Callable[[random.Random], float], *, deployments: Sequence[int] = (COUNT,), lost: int = LOST
) -> Healed:
    """``deployments`` are their sizes; ``lost`` VMs are taken from all of them by chance."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

    async def main() -> Healed:
        return await _heal(seconds, deployments, lost)

    return run(main())


async def _heal(seconds: Callable[[random.Random], float], sizes: Sequence[int], lost: int) -> Healed:
    loop, dice = asyncio.get_running_loop(), random.Random(6)
    clock, store = VirtualClock(loop), MemoryStore()
    agents, iron = MemoryAgents(clock, new_token=lambda: f"{dice.getrandbits(64)}"), MemoryWorld()
    infrastructure = Slow(iron, agents, lambda: 0.0)
    world = World(
        store=store,
        infrastructures=Infrastructures(infrastructure),
        agents=agents,
        secrets=Secrets(),
        tasklog=MemoryTaskLog(),
        clock=clock,
        new_id=lambda: str(uuid.UUID(int=dice.getrandbits(128))),
    )
    await store.commit(PutRelease(release=RELEASE), PutStemcell(stemcell=STEMCELL), PutStemcell(stemcell=NEWER))
    await store.add_config("cloud", "default", CLOUD, 0.0)
    preparer = Preparer(
        world=world, renderer=Renderer(), director_started=0.0, calls_in_flight=SLOTS, agent_wait_s=600.0
    )
    of = Deployments(preparer=preparer, world=world, encode=plan_to_tree, decode=plan_from_tree)
    driver = Driver(world, {Deploy: of.deploy, Repair: of.repair}, preparer, tasks_at_once=16)
    rules = Rules(brakes=Brakes(fraction=0.9, repairs_max=SLOTS))
    pulse = loop.create_task(driver.run())
    for number, size in enumerate(sizes):
        text = MANIFEST.format(name=f"demo-{number}", count=size)
        await _ended(await driver.submit(Deploy(deployment=f"demo-{number}", manifest=text), user="bench"), world)
    watch = Watching(world, driver, Doubt(clock), rules)
    watching = loop.create_task(watch.run())
    await asyncio.sleep(120)  # it trusts its ears again
    healed = Healed()
    infrastructure.seconds = lambda: seconds(dice)
    watch.looks, watch.cpu_s = 0, 0.0
    began, cpu = loop.time(), time.process_time()
    for name in dice.sample(sorted(iron.vms), lost):
        infrastructure.lose_vm(VmName(name))
    at = await _all_run(watch, agents, sum(sizes))
    healed.cpu_s = time.process_time() - cpu
    healed.looks, healed.looks_cpu_s = watch.looks, watch.cpu_s
    repairs = [task for task in await store.tasks(TaskQuery()) if task.type == Repair.task_type]
    assert all(task.state in {TaskState.DONE, TaskState.PROCESSING} for task in repairs), [t.result for t in repairs]
    first = min(task.created_at for task in repairs) - clock.offset
    healed.found_s, healed.seconds = first - began, at - first
    healed.tasks, healed.took, healed.most = len(repairs), infrastructure.took, infrastructure.most
    for task in (watching, pulse):
        task.cancel()
    await asyncio.gather(watching, pulse, return_exceptions=True)
    return healed


async def _ended(task: Task | None, world: World) -> None:
    while task is not None and not task.state.is_final:
        await asyncio.sleep(1.0)
        task = await world.store.task(task.id)
    assert task is not None
    assert task.state is TaskState.DONE, task.result


async def _all_run(watch: Watch, agents: MemoryAgents, count: int) -> float:
    """When so many agents were up and ran, to half a second."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LIMIT_S
    while loop.time() < until:
        await asyncio.sleep(0.5)
        # Not by ``seen``: what looking costs would count as the director's CPU.
        known = agents._agents.values()  # noqa: SLF001
        if sum(1 for one in known if one.is_up and one.state is JobState.RUNNING) >= count:
            return loop.time()
    raise AssertionError(f"it did not heal: {watch.report().verdicts[:3]}")


def even(_: random.Random) -> float:
    """The same for all."""
    return 100.0


def uneven(dice: random.Random) -> float:
    """As infrastructures are (performance-reliability.md 6)."""
    return dice.uniform(30.0, 180.0)


if __name__ == "__main__":
    for name, shape, sizes in (("even", even, (COUNT,)), ("uneven", uneven, (COUNT,)), ("ten", uneven, (100,) * 10)):
        wall = time.perf_counter()
        one = heal(shape, deployments=sizes)
        print(
            f"{name}: {one.seconds:.0f} s, bound {one.bound_s:.0f} s ({one.seconds / one.bound_s:.3f}), list "
            f"{one.list_s:.0f} s ({one.seconds / one.list_s:.3f}), found after {one.found_s:.1f} s, {one.tasks} tasks, "
            f"{one.most} at once, CPU {1000 * (one.cpu_s - one.looks_cpu_s) / LOST:.1f} ms per VM, "
            f"{one.looks} looks of {1000 * one.looks_cpu_s / one.looks:.1f} ms; {time.perf_counter() - wall:.0f} s",
            flush=True,
        )
