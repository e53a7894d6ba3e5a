"""What a seed stands for: a deployment, some minutes of troubles and of people, and then peace."""

import asyncio
import random
from dataclasses import replace

from director.model.sighting import Power
from director.planning.brake import Brakes
from director.ports.store import PutInstance, PutSetting
from director.reconcile.requests import CleanUp, Deploy, Overrides
from director.reconcile.watch import Rules
from tests.simulate.invariants import check_all
from tests.simulate.seeded import run_world
from tests.simulate.trouble import CALM, Weather

STORM_S = (120.0, 480.0)
UPDATE = (
    "update: {{canaries: {canaries}, max_in_flight: {most}, canary_watch_time: 0-30000, update_watch_time: 0-30000}}"
)
LOCKED, FULL = "The database is locked.", "The disk of the database is full."


def manifest_of(dice, *, dbs=1, port=80):
    """Databases with disks, and up to two groups without; some seeds compile packages for them."""
    job = "app" if dice.random() < 0.15 else "plain"
    groups = [_group("db", dbs, "db" if job == "app" else "plain", dice, disk=True, port=port)]
    groups += [_group(name, dice.randint(1, 3), job, dice, port=port) for name in ("web", "api")[: dice.randint(1, 2)]]
    return "\n".join(
        [
            "name: demo",
            'releases: [{name: sample, version: "1"}]',
            'stemcells: [{alias: default, os: local, version: "1"}]',
            UPDATE.format(canaries=dice.randint(0, 1), most=dice.randint(1, 3)),
            "instance_groups:",
            *groups,
        ]
    )


def _group(name, size, job, dice, *, disk=False, port=80):
    return (
        f"- {{name: {name}, instances: {size}, azs: {dice.choice(['[z1]', '[z1, z2]'])}, stemcell: default,\n"
        f"   vm_type: {dice.choice(['small', 'large'])}, {'persistent_disk_type: ten, ' if disk else ''}"
        f"networks: [{{name: private}}],\n"
        f"   jobs: [{{name: {job}, release: sample, properties: {{port: {port}, password: ((admin))}}}}]}}"
    )


class Storm:
    """Draws what happens when. Every kind of trouble is a method; a seed has a few kinds, several times each."""

    KINDS = (
        "vm_off",
        "vm_off",
        "vm_gone",
        "vm_gone",
        "agent_cut",
        "agent_flaps",
        "agent_mute",
        "jobs_fail",
        "jobs_fail_for_good",
        "disk_unmounted",
        "data_at_risk",
        "clock_jumps",
        "stall",
        "kill",
        "kill_at_entry",
        "kill_at_entry",
        "store_locked",
        "store_full",
        "isolated",
        "deaf",
        "cloud_down",
        "cloud_rough",
        "agents_rough",
        "zone_lost",
    )
    PEOPLE = ("scale", "change", "stop_start", "recreate", "ignore", "pause", "clean_up", "restart")

    def __init__(self, simulation):
        self.simulation = simulation
        self.dice = simulation.dice["storm"]
        self.text = manifest_of(simulation.dice["manifest"], dbs=self._dbs())

    def _dbs(self):
        return self.simulation.dice["databases"].choice([1, 1, 2, 3, 3, 5])

    async def run(self):
        """Until the storm is over; what it began for a while is over, too."""
        dice, loop = self.dice, self.simulation.loop
        kinds = dice.sample(self.KINDS, dice.randint(2, 6))
        until = loop.time() + dice.uniform(*STORM_S)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.people(until))
            while True:
                await asyncio.sleep(dice.expovariate(1 / 40.0))
                if loop.time() >= until:
                    break
                kind = dice.choice(kinds)
                self.simulation.say(f"trouble: {kind}")
                group.create_task(getattr(self, kind)())

    # The infrastructure

    def _vms(self):
        return sorted(name for name, vm in self.simulation.iron.vms.items() if vm.power is Power.ON)

    def _agent_of(self, name):
        return self.simulation.iron.vms[name].request.enrolment.agent

    def _agent(self):
        known = [self._agent_of(name) for name in self._vms()]
        known = [agent for agent in known if agent in self.simulation.agents._agents]
        return self.dice.choice(known) if known else None

    async def vm_off(self):
        if vms := self._vms():
            self.simulation.cloud.power_off(self.dice.choice(vms))

    async def vm_gone(self):
        if vms := self._vms():
            self.simulation.cloud.lose_vm(self.dice.choice(vms))

    async def zone_lost(self):
        part = self.dice.choice([0.3, 0.6, 1.0])
        for name in self._vms():
            if self.dice.random() < part:
                self.simulation.cloud.power_off(name)

    async def cloud_down(self):
        await self._weather(replace(CALM, is_down=True), self.dice.uniform(20.0, 120.0))

    async def cloud_rough(self):
        rough = Weather(fail=0.1, lose_reply=0.1, late=0.05, forget=0.02, pace=self.dice.choice([1.0, 3.0]))
        await self._weather(rough, self.dice.uniform(30.0, 200.0))

    async def agents_rough(self):
        await self._weather(Weather(agent_error=0.1, agent_silence=0.05), self.dice.uniform(30.0, 200.0))

    async def _weather(self, weather, seconds):
        self.simulation.weather = weather
        await asyncio.sleep(seconds)
        self.simulation.weather = CALM

    # Agents

    async def agent_cut(self):
        await self._cut(self._agent(), self.dice.uniform(20.0, 200.0))

    async def agent_flaps(self):
        agent = self._agent()
        for _ in range(self.dice.randint(2, 8)):
            await self._cut(agent, self.dice.uniform(1.0, 40.0))
            await asyncio.sleep(self.dice.uniform(1.0, 40.0))

    async def _cut(self, agent, seconds):
        if agent is None:
            return
        self.simulation.agents.cut(agent, "the network")
        await asyncio.sleep(seconds)
        self.simulation.agents.mend(agent, "the network")

    async def agent_mute(self):
        if agent := self._agent():
            self.simulation.agents.hush(agent, self.dice.uniform(10.0, 300.0))

    async def jobs_fail(self):
        if agent := self._agent():
            self.simulation.agents.fail(agent, for_good=False)

    async def jobs_fail_for_good(self):
        if agent := self._agent():
            self.simulation.agents.fail(agent, for_good=True)

    async def disk_unmounted(self):
        mounted = [a for a in map(self._agent_of, self._vms()) if self.simulation.disks_attached(a)]
        if mounted:
            self.simulation.agents.unmount(self.dice.choice(mounted))

    async def data_at_risk(self):
        """Of all that keep data, some lose their disk and others their VM."""
        simulation = self.simulation
        for name in [name for name in self._vms() if simulation.disks_attached(self._agent_of(name))]:
            match self.dice.choice(["", "disk", "VM", "jobs"]):
                case "disk":
                    simulation.agents.unmount(self._agent_of(name))
                case "VM":
                    simulation.cloud.power_off(name)
                case "jobs":
                    simulation.agents.fail(self._agent_of(name), for_good=True)

    # The director

    async def clock_jumps(self):
        self.simulation.clock.jump(self.dice.choice([-3600.0, 3600.0, -30.0, 30.0]))

    async def stall(self):
        self.simulation.stall(self.dice.uniform(3.0, 90.0))

    async def isolated(self):
        """Its own network is gone: no agent, no infrastructure."""
        seconds = self.dice.uniform(10.0, 150.0)
        agents = list(map(self._agent_of, self._vms()))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._weather(replace(CALM, is_down=True), seconds))
            for agent in agents:
                group.create_task(self._cut(agent, seconds + self.dice.uniform(0.1, 10.0)))

    async def deaf(self):
        """No agent reaches it any more; the infrastructure shows every VM on."""
        seconds = self.dice.uniform(10.0, 400.0)
        async with asyncio.TaskGroup() as group:
            for agent in map(self._agent_of, self._vms()):
                group.create_task(self._cut(agent, seconds + self.dice.uniform(0.1, 10.0)))

    async def kill(self):
        self.simulation.say("the director dies")
        self.simulation.kill()

    async def kill_at_entry(self):
        entry = self.simulation.entries + self.dice.randint(1, 40)
        self.dice.choice([self.simulation.dies_before, self.simulation.dies_after]).add(entry)

    async def store_locked(self):
        await self._store(LOCKED, self.dice.uniform(1.0, 90.0))

    async def store_full(self):
        await self._store(FULL, self.dice.uniform(10.0, 200.0))

    async def _store(self, trouble, seconds):
        self.simulation.store_trouble = trouble
        await asyncio.sleep(seconds)
        self.simulation.store_trouble = ""

    # People

    async def people(self, until):
        dice, loop = self.simulation.dice["people"], self.simulation.loop
        for _ in range(dice.choice([0, 0, 1, 1, 2, 3])):
            await asyncio.sleep(dice.uniform(1.0, 120.0))
            if loop.time() > until:
                break
            kind = dice.choice(self.PEOPLE)
            self.simulation.say(f"a person: {kind}")
            await getattr(self, kind)(dice)

    async def deploy(self, **overrides):
        request = Deploy(deployment="demo", manifest=self.text, overrides=Overrides(**overrides))
        await self.simulation.insist(request)

    async def scale(self, dice):
        self.text = manifest_of(dice, dbs=self._dbs())
        await self.deploy(allow_delete_all=True)

    async def change(self, dice):
        self.text = self.text.replace("port: 80", f"port: {dice.randint(81, 99)}")
        await self.deploy()

    async def recreate(self, _dice):
        await self._state("recreate", "web")

    async def restart(self, _dice):
        await self._state("restart", "db/0")

    async def stop_start(self, dice):
        target, state = dice.choice(["web", "db/0"]), dice.choice(["stopped", "detached"])
        await self._state(state, target)
        await asyncio.sleep(dice.uniform(1.0, 150.0))
        if dice.random() < 0.7:
            await self._state("started", target)

    async def _state(self, state, target):
        request = Deploy(deployment="demo", overrides=Overrides(state=state, target=target))
        await self.simulation.insist(request)

    async def ignore(self, dice):
        """As ``PUT …/ignore`` does it: not while a task changes the deployment."""
        name = dice.choice(["db", "web"])
        await self._ignore(name, is_ignored=True)
        await asyncio.sleep(dice.uniform(10.0, 300.0))
        await self._ignore(name, is_ignored=False)

    async def _ignore(self, group, *, is_ignored):
        simulation = self.simulation
        while simulation.life.is_dead or simulation.driver.is_locked("demo"):
            await asyncio.sleep(1.0)
        record = await simulation.store.record("demo")
        for one in record.instances:
            if (one.group, one.index) == (group, 0):
                simulation.say(f"{one.label} is ignored: {is_ignored}")
                await simulation.store.commit(PutInstance(record=replace(one, is_ignored=is_ignored)))

    async def pause(self, dice):
        await self.simulation.store.commit(PutSetting(name="resurrection", value={"paused": True}))
        await asyncio.sleep(dice.uniform(10.0, 200.0))
        await self.simulation.store.commit(PutSetting(name="resurrection", value={"paused": False}))

    async def clean_up(self, dice):
        await self.simulation.insist(CleanUp(remove_all=dice.random() < 0.5))


async def live(simulation):
    """A whole seed."""
    storm = Storm(simulation)
    if simulation.dice["begin"].random() < 0.2:
        simulation.weather = Weather(fail=0.1, lose_reply=0.1, agent_error=0.02)
    await simulation.begin(storm.text)
    simulation.weather = CALM
    await storm.run()
    if await simulation.come_to_rest():
        await check_all(simulation)


def run_seed(seed):
    most = random.Random(f"{seed} brakes").choice([1, 2, 4, 32])
    return run_world(seed, live, rules=Rules(brakes=Brakes(repairs_max=most)))
