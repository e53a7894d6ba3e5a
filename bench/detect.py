"""How soon a death is found and how often one is found that was none: our watch beside BOSH's, Kubernetes' and Nomad's
rules, all four in one run of virtual time, over the same deaths, lost heartbeats, flaps and stalls of the director.

Ours is the production watch itself (``reconcile/watch``, told not to repair), with its doubt of itself and its second
opinions. The others are their published rules (performance-reliability.md 1.3, 4.4); nobody else's words are lost more
often than ours. ``python -m bench.detect`` prints the whole table.
"""

import asyncio
import random
import statistics
from collections.abc import Callable, Mapping

from bench.detect_scene import (
    BOSH,
    CALM_HOURS,
    COUNT,
    FLAP_S,
    HOURS,
    JITTER,
    KUBERNETES,
    LOSS,
    MIX,
    NEVER_S,
    NOMAD,
    OURS,
    REPAIR,
    SEED,
    STALL_EVERY_S,
    UNFELT_S,
    WITNESS_S,
    Kind,
    Scene,
    Soul,
)
from bench.figures import Figure
from director.adapters.memory.infrastructure import MemoryInfrastructure
from director.adapters.memory.store import MemoryStore
from director.adapters.memory.tasklog import MemoryTaskLog
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.model.names import (
    AgentId,
    DeploymentName,
    GroupName,
    InstanceId,
    StemcellCid,
    VmCid,
    VmName,
)
from director.model.record import Applied, DeploymentRecord, InstanceRecord, VmRecord, VmState
from director.model.sighting import JobState, Power, SeenAgent, SeenVm
from director.model.wanted import VmShape
from director.ports.store import PutDeployment, PutInstance, PutVm
from director.reconcile.doubt import Doubt
from director.reconcile.watch import Rules, Watch
from tests.simulate.virtual import EPOCH, VirtualClock, run

# Ours


class Ears:
    """``ports.agents.Agents``, as far as the watch listens."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def seen(self) -> Mapping[AgentId, SeenAgent]:
        now = self._scene.loop.time()
        return {
            AgentId(soul.name): SeenAgent(
                id=AgentId(soul.name),
                is_connected=soul.is_connected,
                silent_s=now - soul.heard_at,
                job_state=JobState.RUNNING,
            )
            for soul in self._scene.souls
        }

    async def changed(self) -> None:
        await self._scene.told.wait()
        self._scene.told.clear()


class Witness(MemoryInfrastructure):
    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._scene, self._dice = scene, random.Random("witness")

    async def find_vms(self, deployment=None, *, doubted=None, in_detail=False):  # type: ignore[no-untyped-def,override]  # noqa: ANN001, ANN201  as its base
        del deployment, doubted, in_detail
        await asyncio.sleep(self._dice.uniform(*self._scene.witness_s))
        return {VmName(soul.name): self._vm(soul) for soul in self._scene.souls}

    def _vm(self, soul: Soul) -> SeenVm:
        is_off = soul.kind in {Kind.CRASH, Kind.OFF}
        power = Power.OFF if is_off else Power.ON
        return SeenVm(name=VmName(soul.name), cid=VmCid(soul.name), power=power, instance=InstanceId(soul.name))


class NoTasks:
    """Nothing is repaired here."""

    async def submit(self, request: object, *, user: str, context_id: str = "") -> object:
        raise AssertionError(f"nobody asked for {request} {user} {context_id}")

    def listen(self, wake: Callable[[], None]) -> None:
        """Nothing ever ends."""


class Watching(Watch):
    scene: Scene

    async def look(self) -> float:
        until = await super().look()
        lost = [verdict for verdict in self.report().verdicts if verdict.finding.condition.is_loss]
        for name, names in (
            (OURS, {v.finding.instance for v in lost}),
            (REPAIR, {v.finding.instance for v in lost if v.is_due}),
        ):
            for soul in self.scene.souls:
                (self.scene.dead if soul.name in names else self.scene.alive)(name, soul)
        return until


async def _ours(scene: Scene, rules: Rules) -> Watching:
    clock = VirtualClock(scene.loop)
    store = MemoryStore()
    name = DeploymentName("demo")
    await store.commit(PutDeployment(record=DeploymentRecord(name=name, serial=1, manifest=f"name: {name}\n")))
    shape = VmShape(
        stemcell_name="s", stemcell_version="1", stemcell_cid=StemcellCid("s"), cloud_properties={}, networks={}
    )
    for soul in scene.souls:
        key = InstanceId(soul.name)
        one = InstanceRecord(
            id=key, deployment=name, group=GroupName("web"), index=soul.number, applied=Applied(), is_settled=True
        )
        vm = VmRecord(
            name=VmName(soul.name), instance=key, deployment=name, agent=AgentId(soul.name), generation=1, shape=shape,
            state=VmState.CREATED, created_at=EPOCH - 3600, cid=VmCid(soul.name),
        )  # fmt: skip
        await store.commit(PutInstance(record=one), PutVm(record=vm))
    world = World(
        store=store,
        infrastructures=Infrastructures(Witness(scene)),
        agents=Ears(scene),  # type: ignore[arg-type]  the part that the watch uses
        secrets=None,  # type: ignore[arg-type]  nobody looks
        tasklog=MemoryTaskLog(),
        clock=clock,
    )
    watch = Watching(world, NoTasks(), Doubt(clock), rules)  # type: ignore[arg-type]  see NoTasks
    watch.scene = scene
    scene.beats[OURS] = lambda soul: _heard(scene, soul)
    scene.beat(OURS, lambda _: 10.0 * scene.noise[OURS].uniform(1 - JITTER, 1 + JITTER))
    return watch


def _heard(scene: Scene, soul: Soul) -> None:
    soul.heard_at = scene.loop.time()
    if not soul.is_connected:
        soul.is_connected = True
        scene.told.set()


# The others


def _bosh(scene: Scene) -> None:
    """Agents say something every 30 s; every 60 s whoever has said nothing for more than 60 s has timed out."""
    heard = {soul.number: 0.0 for soul in scene.souls}

    def analyze() -> None:
        for soul in scene.souls:
            (scene.dead if scene.loop.time() - heard[soul.number] > 60 else scene.alive)(BOSH, soul)
        scene.loop.call_later(60, analyze)

    scene.beats[BOSH] = lambda soul: heard.update({soul.number: scene.loop.time()})
    scene.beat(BOSH, lambda _: 30.0)
    scene.loop.call_later(60, analyze)


def _kubernetes(scene: Scene) -> None:
    """A lease renewed every 10 s; every 5 s it is seen whether it was, and for more than 40 s it was not."""
    renewed, probed = {soul.number: 0 for soul in scene.souls}, {soul.number: (0, 0.0) for soul in scene.souls}

    def monitor() -> None:
        now = scene.loop.time()
        for soul in scene.souls:
            lease, at = probed[soul.number]
            if renewed[soul.number] != lease:
                probed[soul.number] = (renewed[soul.number], now)
                scene.alive(KUBERNETES, soul)
            elif now - at > 40:
                scene.dead(KUBERNETES, soul)
        scene.loop.call_later(5, monitor)

    scene.beats[KUBERNETES] = lambda soul: renewed.update({soul.number: renewed[soul.number] + 1})
    scene.beat(KUBERNETES, lambda _: 10.0)
    scene.loop.call_later(5, monitor)


def _nomad(scene: Scene) -> None:
    """Each heartbeat buys max(10, N/50) s and up to as much again, and 10 s of grace. A failed one is tried again."""
    base = max(10.0, len(scene.souls) / 50)
    bought = {soul.number: base for soul in scene.souls}
    timers: dict[int, asyncio.TimerHandle] = {}

    def heard(soul: Soul) -> None:
        scene.alive(NOMAD, soul)
        bought[soul.number] = base + scene.noise[NOMAD].uniform(0.0, base)
        if soul.number in timers:
            timers[soul.number].cancel()
        timers[soul.number] = scene.loop.call_later(bought[soul.number] + 10, scene.dead, NOMAD, soul)

    scene.beats[NOMAD] = heard
    scene.beat(NOMAD, lambda soul: bought[soul.number], again_s=(1.0, 5.0))


# All together


def simulate(
    seed: int = SEED,
    *,
    count: int = COUNT,
    hours: float = HOURS,
    mix: Mapping[Kind, float] = MIX,
    rules: Rules | None = None,
    flap_s: tuple[float, float] = FLAP_S,
    loss: float = LOSS,
    stall_every_s: float = STALL_EVERY_S,
    witness_s: tuple[float, float] = WITNESS_S,
) -> Scene:
    """The whole of it, in no time. ``rules`` are ours."""

    async def main() -> Scene:
        scene = Scene(seed, count, mix, flap_s, loss)
        scene.beats, scene.stall_every_s, scene.witness_s = {}, stall_every_s, witness_s
        watch = await _ours(scene, rules or Rules(is_on=False))
        for other in (_bosh, _kubernetes, _nomad):
            other(scene)
        scene.begin()
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(hours * 3600)
        assert not watching.done(), "the watch ended"
        return scene

    return run(main(), seed=seed)


def measure() -> list[Figure]:
    """Detection of ours beside BOSH's, and the false ones of both."""
    scene, calm = simulate(), simulate(hours=CALM_HOURS, flap_s=UNFELT_S, loss=0.0, stall_every_s=NEVER_S)
    print("With flaps, lost heartbeats and stalls of the director:", table(scene), sep="\n")
    print("Nothing but deaths:", table(calm), sep="\n", flush=True)
    peer = "BOSH's rule 30/60/60, same run"
    ours, repair, bosh = scene.tallies[OURS], scene.tallies[REPAIR], scene.tallies[BOSH]
    mean, bosh_mean = statistics.mean(repair.of()), statistics.mean(bosh.of())
    found, others = calm.tallies[OURS], calm.tallies[BOSH]
    return [
        _figure("detect_mean_s", statistics.mean(ours.of()), 0.35 * bosh_mean, peer, bosh_mean),
        _figure("detect_repair_begins_mean_s", mean, 0.35 * bosh_mean, peer, bosh_mean),
        _figure("detect_crash_p99_s", p99(found.of(Kind.CRASH)), 3.0, peer, p99(others.of(Kind.CRASH))),
        _figure("detect_power_off_p99_s", p99(found.of(Kind.OFF)), 36.0, peer, p99(others.of(Kind.OFF))),
        _figure("detect_partition_p99_s", p99(found.of(Kind.PARTITION)), 36.0, peer, p99(others.of(Kind.PARTITION))),
        _count("detect_false_repairs", repair.false, bosh.false, peer),
        _count("detect_missed", ours.missed, 0, peer, bosh.missed),
    ]


def _count(name: str, value: int, goal: int, peer: str, peer_value: int | None = None) -> Figure:
    return Figure(name=name, value=value, unit="in all", goal=goal, peer=peer, peer_value=goal or peer_value)


def _figure(name: str, value: float, goal: float, peer: str, peer_value: float) -> Figure:
    return Figure(
        name=name, value=round(value, 3), unit="s", goal=round(goal, 3), peer=peer, peer_value=round(peer_value, 3)
    )


def p99(times: list[float]) -> float:
    return times[min(len(times) - 1, int(0.99 * len(times)))]


def table(scene: Scene) -> str:
    lines = [
        f"{scene.deaths} deaths, {scene.flaps} flaps, {scene.stalls} stalls of {len(scene.souls)} instances",
        f"{'rule':<12} {'all: mean':>10} {'p99':>7}"
        + "".join(f" {kind.value + ': mean':>16} {'p99':>7}" for kind in Kind)
        + f" {'false':>6} {'missed':>7}",
    ]
    for name, tally in scene.tallies.items():
        cells = [(statistics.mean(t), p99(t)) for t in (tally.of(), *(tally.of(kind) for kind in Kind)) if t]
        first, *rest = [f"{mean:>10.2f} {worst:>7.2f}" for mean, worst in cells]
        lines.append(
            f"{name:<12} {first}" + "".join(f" {one:>24}" for one in rest) + f" {tally.false:>6} {tally.missed:>7}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    from bench.figures import show

    show(measure())
