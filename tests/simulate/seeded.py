"""One seed, one world: the production director in it, everything that can go wrong around it, and what must hold.

``run_seed(7)`` is the whole life of a deployment on virtual time: deployed, troubled for some minutes, then left in
peace until it runs again without a person. Nothing here is asked for the time, chance or a disk.
"""

import asyncio
import random
import uuid
from dataclasses import dataclass, replace

from director.adapters.memory.infrastructure import Hooks, MemoryWorld
from director.adapters.memory.store import MemoryStore
from director.adapters.memory.tasklog import MemoryTaskLog
from director.adapters.store.encode import plan_from_tree, plan_to_tree
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.manifest.load import load_deployment
from director.model.record import TaskState
from director.model.sighting import JobState, Power
from director.model.wanted import Want
from director.ports.failure import Failure
from director.ports.store import PutRelease, PutStemcell, TaskQuery
from director.reconcile import prepare
from director.reconcile.doubt import Doubt
from director.reconcile.driver import Driver
from director.reconcile.handlers import Deployments
from director.reconcile.prepare import Preparer
from director.reconcile.requests import CleanUp, DeleteDeployment, Deploy, Overrides, Repair
from director.reconcile.tidy import Tidy
from director.reconcile.watch import Rules, Watch
from tests.simulate.cloud import DEADLINE_S, QUICK, SECONDS, Cloud, Line
from tests.simulate.ledger import Ledger
from tests.simulate.overseer import Overseer
from tests.simulate.simulation import CLOUD, Renderer
from tests.simulate.souls import OBEDIENT, Ear, Souls
from tests.simulate.trouble import CALM, Chronicle, Dice, Fate, Killed, Life
from tests.simulate.virtual import VirtualClock, run
from tests.support.planning import NEWER, RELEASE, STEMCELL

CANARY = "s3cr3t-canary"
TASKS_AT_ONCE = 8
AGENT_WAIT_S = 120.0
PEACE_S = 7200.0
"""So long after the last fault everything must run again. A meltdown alone holds for ten minutes."""


_read = load_deployment
_texts = {}


def read_once(text, source, **more):
    """Reading is pure, so the same text is read once for all seeds of a process. Theirs is always the same catalog."""
    key = (text, source, tuple(more["cloud"]), tuple(more["runtime"]), more["strict"])
    if key not in _texts:
        _texts[key] = _read(text, source, **more)
    return _texts[key]


class NoBlobs:
    """Nothing is exported here, so there is nothing to clean up."""

    async def has(self, blob):
        return False


class Values:
    """Secrets that must not be seen anywhere (I6)."""

    async def values(self, deployment):
        return {"admin": CANARY}

    async def ensure(self, deployment, variables):
        return {"admin": CANARY}

    async def invent(self, deployment, variables):
        return {"admin": CANARY}

    async def names(self, deployment):
        return ()

    async def forget(self, deployment, name=None):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    seed: int
    violations: tuple[str, ...]
    trace: tuple[str, ...]
    digest: str
    seconds: float
    """Virtual ones."""
    helped: int
    """Instances that the director gave up and a person had to recreate."""


class Seeded:
    """A world and its record; directors come and go. Made inside a running virtual loop."""

    def __init__(self, seed, *, rules=None):
        self.seed, self.dice, self.chronicle = seed, Dice(seed), Chronicle()
        self.loop = asyncio.get_running_loop()
        self.clock = VirtualClock(self.loop)
        self.rules = rules or Rules()
        self.weather = CALM
        self.store, self.tasklog = MemoryStore(), MemoryTaskLog()
        self.store_trouble, self.entries = "", 0
        self.dies_before, self.dies_after = set(), set()
        self.ids = self.dice["ids"]
        self.agents = Souls(self.clock, self, lambda: f"token-{self.ids.getrandbits(64):016x}")
        self.iron = MemoryWorld()
        hooks = Hooks(on_boot=self._booted, on_reboot=self.agents.reborn, on_end=self.agents.die)
        self.cloud = Cloud(self.iron, hooks=hooks, simulation=self)
        self.helped = 0
        self.life, self.driver, self.watch = Life(0, is_dead=True), None, None
        self.died, self.is_over = asyncio.Event(), False
        self.overseer = Overseer(self)
        self.background = set()

    # Telling

    def say(self, text):
        self.chronicle.say(self.loop.time(), text)

    def blame(self, text):
        self.chronicle.blame(self.loop.time(), text)

    @property
    def violations(self):
        return self.chronicle.violations

    def stall(self, seconds):
        """The director is not let run; what came meanwhile is read a moment after."""
        self.loop.stall(seconds)
        self.agents.stalled = (seconds, self.loop.time() + 0.5)

    def keep(self, work):
        """Something that goes on in the world, whoever lives."""
        task = self.loop.create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    # What the world does

    def fate_of(self, call):
        """(fate, seconds before it is done, seconds until the answer) of one call to the infrastructure."""
        dice, weather = self.dice["calls"], self.weather
        before_s = dice.uniform(*SECONDS.get(call, QUICK)) * weather.pace
        throw, after_s = dice.random(), dice.uniform(0.0, 0.2)
        if weather.is_down or throw < weather.fail:
            return Fate.FAIL, min(before_s, 1.0), 0.0
        if not (call in SECONDS or call.endswith("_disk")):
            return Fate.DO, before_s, after_s
        if throw < weather.fail + weather.lose_reply:
            return Fate.LOSE_REPLY, before_s, after_s
        if throw < weather.fail + weather.lose_reply + weather.late:
            return Fate.LATE, DEADLINE_S + dice.uniform(1.0, 600.0), 0.0
        if call == "create_vm" and throw < weather.fail + weather.lose_reply + weather.late + weather.forget:
            return Fate.FORGET, before_s, after_s
        return Fate.DO, before_s, after_s

    def reply_of(self, agent, request):
        dice, weather = self.dice["agents"], self.weather
        throw = dice.random()
        after_s = dice.uniform(0.05, 2.0)
        if throw < weather.agent_error:
            return replace(OBEDIENT, after_s=after_s, error=f"{type(request).__name__} failed, as agents do")
        if throw < weather.agent_error + weather.agent_silence:
            return replace(OBEDIENT, after_s=dice.uniform(60.0, 400.0))
        return replace(OBEDIENT, after_s=after_s)

    def _booted(self, enrolment):
        self.loop.call_later(self.dice["boots"].uniform(1.0, 15.0), self._up, enrolment)

    def _up(self, enrolment):
        """Its agent dials in, if the VM is still there."""
        owners = [vm for vm in self.iron.vms.values() if vm.request.enrolment == enrolment]
        if owners and owners[0].power is Power.ON:
            self.agents.boot(enrolment)

    def disks_attached(self, agent):
        vm = next(name for name, vm in self.iron.vms.items() if vm.request.enrolment.agent == agent)
        return [name for name, disk in self.iron.disks.items() if disk.vm == vm]

    # Directors

    async def directors(self, restart_s=(1.0, 5.0)):
        """One after the other, for as long as the world goes on."""
        number = 0
        while not self.is_over:
            number += 1
            self.life, self.died = Life(number), asyncio.Event()
            self.say(f"director {number} begins")
            main = self.loop.create_task(self._live(self.life))
            dying = self.loop.create_task(self.died.wait())
            await asyncio.wait({main, dying}, return_when=asyncio.FIRST_COMPLETED)
            if main.done() and not self.life.is_dead:
                self._ended_by_itself(main)
            self.kill()
            dying.cancel()
            main.cancel()
            await asyncio.gather(main, dying, return_exceptions=True)
            await asyncio.sleep(self.dice["restarts"].uniform(*restart_s))
            if not self.is_over:
                self.agents.find_director_late(self.dice["back-off"])

    def _ended_by_itself(self, main):
        error = main.exception()
        if _leaf(error, Failure) is not None:
            self.say(f"the director ends: {_leaf(error, Failure)}")
        else:
            self.blame(f"the director broke: {error!r} {_leaf(error, BaseException)!r}")

    def kill(self):
        """SIGKILL: what was asked of others goes on there, nothing else."""
        self.life.is_dead = True
        self.agents.lose_director()
        self.died.set()

    async def _live(self, life):
        world = World(
            store=Ledger(self.store, life, self),
            infrastructures=Infrastructures(Line(self.cloud, life, self)),
            agents=Ear(self.agents, life),
            secrets=Values(),
            tasklog=self.tasklog,
            clock=self.clock,
            new_id=lambda: str(uuid.UUID(int=self.ids.getrandbits(128))),
        )
        preparer = Preparer(
            world=world,
            renderer=Renderer(),
            director_started=self.clock.monotonic(),
            calls_in_flight=32,
            agent_wait_s=AGENT_WAIT_S,
        )
        deployments = Deployments(preparer=preparer, world=world, encode=plan_to_tree, decode=plan_from_tree)
        table = {
            Deploy: deployments.deploy,
            Repair: deployments.repair,
            DeleteDeployment: deployments.delete,
            CleanUp: Tidy(world=world, blobs=NoBlobs()).clean_up,
        }
        self.driver = Driver(world, table, preparer, tasks_at_once=TASKS_AT_ONCE)
        doubt = Doubt(self.clock)
        self.watch = Watch(world, self.driver, doubt, self.rules)
        self.watch.look = self._overseen(self.watch.look)
        self.overseer.begin_life()
        self.world = world
        async with asyncio.TaskGroup() as group:
            group.create_task(self.driver.run())
            group.create_task(self.watch.run())

    def _overseen(self, look):
        async def overseen():
            self.overseer.look_begins()
            try:
                return await look()
            finally:
                self.overseer.look_ended()

        return overseen

    # What is held at every moment

    def check_may_change(self, instance, call, life):
        """A repair by the director itself never touches what a person stopped or asked it to ignore."""
        known = self.store._tables.instances.get(instance)
        if known is None or life.is_dead:
            return
        tasks = [t for t in self.store._tables.tasks.values() if t.deployment == known.deployment]
        running = [t for t in tasks if t.state in {TaskState.PROCESSING, TaskState.CANCELLING}]
        if not any(task.type == Repair.task_type for task in running):
            return
        if known.is_ignored or known.want is not Want.STARTED:
            why = "ignored" if known.is_ignored else known.want.value
            self.blame(f"a repair calls {call} for {known.label}, which is {why}")

    def check_attached(self, vm, disk, *, is_late):
        """I4: a disk goes to its owner's VM, and no other living VM of that instance may write to it."""
        known = self.store._tables.disks.get(disk)
        instance = self.iron.vms[vm].request.instance
        if known is not None and known.instance not in {None, instance} and not is_late:
            self.blame(f"I4 disk {disk} of {known.instance} attached to {vm} of {instance}")

    def check_disk_is_nobodys(self, disk):
        known = self.store._tables.disks.get(disk)
        if known is not None and known.instance is not None:
            unmade = known.cid is None
            holder = self.store._tables.instances.get(known.instance)
            if not unmade and holder is not None:
                self.blame(f"I4 disk {disk} of {known.label} deleted")

    # What people do

    async def begin(self, manifest):
        """Software and cloud config are there; ``manifest`` is deployed, in the weather there is."""
        await self.store.commit(
            PutRelease(release=RELEASE), PutStemcell(stemcell=STEMCELL), PutStemcell(stemcell=NEWER)
        )
        await self.store.add_config("cloud", "default", CLOUD, 0.0)
        self.keep(self.directors())
        await asyncio.sleep(0.1)
        await self.insist(Deploy(deployment="demo", manifest=manifest))

    async def ask(self, request):
        """One command, awaited to its end; None when it could not even be given."""
        try:
            task = await self.driver.submit(request, user="operator")
            while not task.state.is_final:
                await asyncio.sleep(2.0)
                task = await self.store.task(task.id)
        except (Failure, Killed) as failure:
            self.say(f"the command did not get through: {failure}")
            return None
        return task

    async def insist(self, request, tries=40):
        """A person whose command failed gives it again, later; a deploy that goes on failing with --recreate."""
        for number in range(tries):
            task = await self.ask(request)
            if task is not None and (task.state is TaskState.DONE or "no deployment" in task.result):
                return task
            if number >= 2 and isinstance(request, Deploy):
                # What fails however often it is started needs another VM: only a person can say so of a deploy.
                request = replace(request, overrides=replace(request.overrides, recreate=True, fix=True))
            await asyncio.sleep(self.dice["patience"].uniform(20.0, 200.0))
        self.blame(f"{type(request).__name__} failed {tries} times, the last: {task and task.result}")
        return None

    # How it ends

    async def unwell(self):
        """Labels of the instances that should run and do not, as the world itself shows them."""
        found = []
        for one in self.store._tables.instances.values():
            if one.want is not Want.STARTED or one.is_ignored or one.is_compilation:
                continue
            if one.lifecycle.value != "service" or self._is_running(one.id):
                continue
            found.append(one.label)
        return sorted(found)

    def _is_running(self, instance):
        for vm in self.store._tables.vms.values():
            here = self.iron.vms.get(vm.name)
            if vm.instance == instance and here and here.power is Power.ON and self.agents.answers(vm.agent):
                seen = self.agents.look_at(vm.agent)
                disks = set(self.disks_attached(vm.agent))
                return seen is not None and seen.job_state is JobState.RUNNING and disks <= set(seen.disks)
        return False

    async def come_to_rest(self, within_s=PEACE_S):
        """No more faults: it must become well by itself. Blames what has not after ``within_s``."""
        self.weather, self.store_trouble = CALM, ""
        self.dies_before, self.dies_after = set(), set()
        self.say("peace")
        until, well_since = self.loop.time() + within_s, None
        while self.loop.time() < until:
            unwell = await self.unwell()
            is_well = not unwell and not await self._unfinished()
            well_since = (well_since or self.loop.time()) if is_well else None
            if well_since is not None and self.loop.time() - well_since >= 30.0:
                return True
            # Others may wait for those given up, or for whom a person stopped: no second one of a group is taken away.
            if set(unwell) <= set(self.given_up()) | set(self.waiting()):
                await self._help(sorted(set(unwell) & set(self.given_up())) or unwell)
            await asyncio.sleep(10.0)
        verdicts = self.watch.report().verdicts
        why = [f"{v.finding.label} {v.finding.condition.value}: {v.hold and v.hold.reason}" for v in verdicts]
        self.blame(f"not well {within_s:g} s after the last fault: {await self.unwell()} {why}")
        return False

    def given_up(self):
        """Whom the director itself told to need a person: so many repairs have not helped."""
        return self._held("hold.given-up")

    def waiting(self):
        """Whose group has too few that serve because one of it needs a person, or was stopped by one."""
        lame = {one.group for one in self.store._tables.instances.values() if one.want is not Want.STARTED}
        lame |= {label.partition("/")[0] for label in self.given_up()}
        return [label for label in self._held("hold.quorum") if label.partition("/")[0] in lame]

    def _held(self, code):
        verdicts = self.watch.report().verdicts if self.watch else ()
        return [v.finding.label for v in verdicts if v.hold and v.hold.code == code]

    async def _help(self, labels):
        """A person does what the hold says. Counted: it should be rare."""
        self.helped += len(labels)
        for label in labels:
            self.say(f"a person recreates {label}, which was given up")
            await self.insist(Deploy(deployment="demo", overrides=Overrides(state="recreate", target=label)))

    async def _unfinished(self):
        states = (TaskState.QUEUED, TaskState.PROCESSING, TaskState.CANCELLING)
        return await self.store.tasks(TaskQuery(states=states))

    async def end(self):
        """Directors stop, and what was in flight with them."""
        self.is_over = True
        self.kill()
        while self.background:
            for task in list(self.background):
                task.cancel()
            await asyncio.gather(*self.background, return_exceptions=True)


def _leaf(error, kind):
    """The first of ``kind`` in a group of errors."""
    while isinstance(error, BaseExceptionGroup):
        found = error.split(kind)[0]
        if found is None:
            return None
        error = found.exceptions[0]
    return error if isinstance(error, kind) else None


def run_world(seed, scenario, **options):
    """``scenario(simulation)`` in a world of its own; its outcome, with every invariant checked at the end."""

    async def main():
        prepare.load_deployment = read_once
        simulation = Seeded(seed, **options)
        simulation.loop.set_exception_handler(lambda _loop, context: _unheard(simulation, context))
        await scenario(simulation)
        await simulation.end()
        prepare.load_deployment = _read
        chronicle = simulation.chronicle
        return Outcome(
            seed=seed,
            violations=tuple(chronicle.violations),
            trace=tuple(chronicle.lines),
            digest=chronicle.digest,
            seconds=simulation.loop.time(),
            helped=simulation.helped,
        )

    return run(main(), seed=random.Random(f"{seed} turns").getrandbits(32))


def _unheard(simulation, context):
    """An exception nobody took: a bug, unless its director was killed."""
    error = context.get("exception")
    if error is None or _leaf(error, Killed) is None:
        simulation.blame(f"nobody took {context['message']}: {error!r}")
