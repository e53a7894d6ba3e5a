"""Watches the fleet and has repaired what died: looks, judges, holds back or submits ``Repair`` tasks, in that order.

What is true of an instance, what helps, and what must wait are decided by ``planning/health``, ``remedy`` and
``brake``; how a repair is done is a task's. It looks whenever an agent comes, leaves or reports otherwise, when a task
ends, when time alone may change a verdict, and else every ``SWEEP_S``.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import structlog

from director.execution.world import World
from director.model.fence import fence_in, fence_name
from director.model.health import Attempt, Condition, Finding, HealthReport, Repairing, Verdict, Watched, Witness
from director.model.names import DeploymentName, InstanceId, TaskId, VmName
from director.model.problem import Refused
from director.model.record import Task, TaskState, VmRecord
from director.model.wanted import Want
from director.planning.brake import Brakes, Fleet, braked
from director.planning.health import Moment, Senses, examine, needs_witness
from director.planning.isolation import Isolation, doubted, isolation
from director.planning.remedy import HELPED_S, Guards, decide
from director.planning.resurrection import allows
from director.ports.failure import Failure
from director.reconcile.attempts import Attempts
from director.reconcile.budgets import Budgets
from director.reconcile.doubt import Doubt
from director.reconcile.fleet import FleetReader, ask_witnesses
from director.reconcile.losses import Losses
from director.reconcile.notices import Notices
from director.reconcile.requests import Repair, Request
from director.reconcile.resurrection import Resurrection, resurrection_of

log = structlog.get_logger()

SWEEP_S: Final = 10.0
COALESCE_S: Final = 0.1
"""What happens together is looked at together."""
REST: Final = 10.0
"""It rests so many times as long as it looked, waiting for others apart: a tenth of one core is the most it takes."""
RETRY_S: Final = 5.0
"""After a look that failed: the record could not be read, a stored config is bad."""
WELL_S: Final = 300.0
"""So long it must run for its former repairs to be forgotten."""
USER: Final = "watch"


class Tasks(Protocol):
    """What the watch needs of the driver."""

    async def submit(self, request: Request, *, user: str, context_id: str = "") -> Task: ...

    def listen(self, wake: Callable[[], None]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """``is_on`` False: it looks and tells, and repairs nothing. ``patience_s`` shortens all patience and pauses."""

    is_on: bool = True
    senses: Senses = field(default_factory=Senses)
    brakes: Brakes = field(default_factory=Brakes)
    patience_s: float | None = None
    sweep_s: float = SWEEP_S


class Watch:
    """To be made inside a running loop, once in a director's life; ``run`` goes on for ever."""

    def __init__(self, world: World, tasks: Tasks, doubt: Doubt, rules: Rules) -> None:
        self._world = world
        self._tasks = tasks
        self._doubt = doubt
        self._rules = rules
        self._attempts = Attempts(world)
        self._reader = FleetReader(world)
        self._budgets = Budgets()
        self._notices = Notices(world)
        self._witnesses: dict[VmName, Witness] = {}
        self._findings: dict[InstanceId, Finding] = {}
        self._losses = Losses(rules.brakes.window_s)
        self._isolation: Isolation | None = None
        self._poked = asyncio.Event()
        self._asked_s = 0.0  # of this look, others were waited for
        now, wall = world.clock.monotonic(), world.clock.now()
        self._report = HealthReport(at=now, wall=wall, is_on=rules.is_on, doubts=doubt.words, has_looked=False)
        tasks.listen(self._poked.set)

    def report(self) -> HealthReport:
        """As of the last look."""
        return self._report

    def poke(self) -> None:
        """Something changed: look soon."""
        self._poked.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._doubt.tick(), name="doubt")
            group.create_task(self._listen(), name="agents' changes")
            while True:
                began = self._world.clock.monotonic()
                until = await self._try()
                await self._rest(until, REST * (self._world.clock.monotonic() - began - self._asked_s))

    async def _listen(self) -> None:
        while True:
            await self._world.agents.changed()
            self._poked.set()

    async def _rest(self, until: float, least_s: float) -> None:
        """Until the next thing can have changed; a large fleet in motion is looked at less often."""
        began = self._world.clock.monotonic()
        try:
            async with asyncio.timeout(max(COALESCE_S, until - began)):
                await self._poked.wait()
        except TimeoutError:
            pass
        rested_s = self._world.clock.monotonic() - began
        await self._world.clock.sleep(max(COALESCE_S, min(least_s, self._rules.sweep_s) - rested_s))
        self._poked.clear()

    async def _try(self) -> float:
        """One look. What fails in it is told and tried again: a watch that ends watches nobody."""
        try:
            return await self.look()
        except (Failure, Refused) as failure:
            log.warning("the watch could not look", why=str(failure))
            return self._world.clock.monotonic() + RETRY_S

    async def look(self) -> float:
        """Looks, judges, acts. When to look again at the latest (monotonic). Raises Failure, Refused."""
        fleet = await self._sight()
        resurrection = await resurrection_of(self._world)
        repairing = await self._under_way(fleet)
        verdicts = await self._judge(fleet, resurrection, repairing)
        await self._settle_well(fleet)
        self._publish(verdicts, repairing, resurrection)
        self._notices.tell_isolation(self._isolation, self._world.clock.now())
        await self._notices.tell(verdicts, self._world.clock.now())
        if self._rules.is_on:
            await self._begin([verdict for verdict in verdicts if verdict.is_due])
        return self._next_look(verdicts)

    # Looking

    async def _sight(self) -> Sequence[Watched]:
        """Agents first; whoever is silent is asked after with somebody else."""
        fleet = await self._reader.read(self._witnesses)
        moment, self._asked_s = self._doubt.moment, 0.0
        doubted = [one for one in fleet if needs_witness(one, moment, self._rules.senses)]
        if doubted:
            self._witnesses.update(await ask_witnesses(fleet, doubted, self._world))
            self._asked_s = self._world.clock.monotonic() - moment.now
            # Meanwhile agents may have come back, and tasks begun.
            fleet = await self._reader.read(self._witnesses)
        moment = self._listened(fleet)
        # Nobody's word grows old while others are waited for: what is silent now was silent all the while.
        senses = replace(self._rules.senses, fresh_s=self._rules.senses.fresh_s + self._asked_s)
        found = {one.instance.id: examine(one, moment, senses, self._findings.get(one.instance.id)) for one in fleet}
        self._count_losses(found, {one.instance.id: one.agent.silent_s for one in fleet if one.agent})
        self._findings = found
        known = {one.vm.name for one in fleet if one.vm}
        self._witnesses = {name: witness for name, witness in self._witnesses.items() if name in known}
        return fleet

    def _listened(self, fleet: Sequence[Watched]) -> Moment:
        """Whether it is the director that hears nobody. After that, whoever is still silent gets time anew."""
        found = isolation(fleet, self._doubt.moment, self._rules.senses)
        if self._isolation is not None and found is None:
            self._doubt.begin_anew()
        self._isolation = found
        return self._doubt.moment

    @property
    def _isolated_words(self) -> tuple[str, ...]:
        return (self._isolation.words,) if self._isolation is not None else ()

    def _count_losses(self, found: Mapping[InstanceId, Finding], silent_s: Mapping[InstanceId, float]) -> None:
        now = self._world.clock.monotonic()
        for one in self._losses.note(found, now, is_isolated=self._isolation is not None):
            if one.instance in silent_s:
                condition = one.condition.name.lower()
                self._world.meter.observe("detection_seconds", silent_s[one.instance], condition=condition)

    # Judging

    async def _judge(
        self, fleet: Sequence[Watched], resurrection: Resurrection, repairing: Sequence[Repairing]
    ) -> tuple[Verdict, ...]:
        verdicts = [await self._verdict(one, resurrection) for one in fleet]
        verdicts = list(doubted(verdicts, self._isolation))
        places = Fleet(
            places={
                one.instance.id: (one.instance.deployment, one.instance.az)
                for one in fleet
                if one.instance.want is Want.STARTED
            },
            quorums=self._budgets.quorums(fleet, verdicts, self._reader.manifests),
        )
        now = self._world.clock.monotonic()
        return braked(verdicts, places, self._losses.recent, repairing, self._rules.brakes, now)

    async def _verdict(self, one: Watched, resurrection: Resurrection) -> Verdict:
        instance, finding = one.instance, self._findings[one.instance.id]
        guards = Guards(
            want=instance.want,
            is_ignored=instance.is_ignored,
            is_paused=resurrection.paused,
            is_allowed=allows(resurrection.rules, instance.deployment, instance.group),
            is_fenced=await self._is_fenced(finding, one.vm),
            was_applied=instance.applied is not None and instance.deployment in self._reader.manifests,
            task=one.task,
            patience_s=self._rules.patience_s,
        )
        attempts = (await self._attempts.of(instance.deployment)).get(instance.id, ())
        clock = self._world.clock
        return decide(finding, guards, attempts, now=clock.monotonic(), wall=clock.now())

    async def _is_fenced(self, finding: Finding, vm: VmRecord | None) -> bool:
        """Only asked where it matters."""
        if finding.condition is not Condition.UNKNOWN or vm is None:
            return False
        return fence_in(await self._world.store.setting(fence_name(vm.name)), vm) is not None

    # Acting

    async def _begin(self, due: Sequence[Verdict]) -> None:
        """One task for each deployment; what is to be done is written down before the task exists."""
        by_deployment: dict[DeploymentName, list[Verdict]] = {}
        for verdict in due:
            by_deployment.setdefault(verdict.finding.deployment, []).append(verdict)
        for deployment, verdicts in sorted(by_deployment.items()):
            remedies = {verdict.finding.instance: verdict.remedy for verdict in verdicts}
            self._losses.treat(remedies)
            await self._attempts.begin(deployment, remedies)
            pairs = tuple(sorted((str(key), remedy.value) for key, remedy in remedies.items()))
            at_once = sum(1 for verdict in verdicts if not verdict.rides)
            task = await self._tasks.submit(Repair(deployment=deployment, remedies=pairs, at_once=at_once), user=USER)
            await self._attempts.name(deployment, list(remedies), task.id)
            await self._notices.begun(verdicts, task.id, self._world.clock.now())
            self._poked.set()

    async def _under_way(self, fleet: Sequence[Watched]) -> tuple[Repairing, ...]:
        """Repairs whose task has not ended; those that have are written down as ended."""
        found: list[Repairing] = []
        for deployment in sorted({one.instance.deployment for one in fleet}):
            open_ones = _not_ended(await self._attempts.of(deployment))
            tasks = {key: await self._task(key) for key in {attempt.task for attempt in open_ones.values()}}
            errors = {key: _error(task) for key, task in tasks.items()}
            ended: dict[str, list[InstanceId]] = {}
            for key, attempt in open_ones.items():
                error = errors[attempt.task]
                if error is not None:
                    ended.setdefault(error, []).append(key)
                    took_s = max(0.0, self._world.clock.now() - attempt.at)
                    remedy, outcome = attempt.remedy.name.lower(), "failed" if error else "done"
                    self._world.meter.observe("repair_seconds", took_s, remedy=remedy, outcome=outcome)
                elif key in self._findings and attempt.task is not None:
                    since = self._world.clock.monotonic() - max(0.0, self._world.clock.now() - attempt.at)
                    finding = self._findings[key]
                    found.append(
                        Repairing(
                            finding=finding,
                            remedy=attempt.remedy,
                            task=attempt.task,
                            since=since,
                            at_once=_at_once(tasks[attempt.task]),
                        )
                    )
            for error, instances in ended.items():
                await self._attempts.end(deployment, instances, error)
        return tuple(found)

    async def _task(self, id: TaskId | None) -> Task | None:
        return await self._world.store.task(id) if id is not None else None

    async def _settle_well(self, fleet: Sequence[Watched]) -> None:
        """Who has been well for long begins at the lowest rung the next time."""
        deployments = sorted({one.instance.deployment for one in fleet})
        await self._attempts.keep(deployments)
        for deployment in deployments:
            known = await self._attempts.of(deployment)
            await self._attempts.helped(deployment, [key for key in known if self._is_well_for(key, HELPED_S)])
            well = [key for key in known if self._is_well_for(key, WELL_S)]
            gone = [key for key in known if key not in self._findings]
            if well or gone:
                await self._attempts.forget(deployment, [*well, *gone])

    def _is_well_for(self, key: InstanceId, seconds: float) -> bool:
        finding, now = self._findings.get(key), self._world.clock.monotonic()
        return finding is not None and finding.condition.is_well and now - finding.since >= seconds

    # Telling

    def _publish(
        self, verdicts: Sequence[Verdict], repairing: tuple[Repairing, ...], resurrection: Resurrection
    ) -> None:
        counts = Counter(verdict.finding.condition for verdict in verdicts)
        self._report = HealthReport(
            at=self._world.clock.monotonic(),
            wall=self._world.clock.now(),
            is_on=self._rules.is_on,
            counts=tuple((condition, counts[condition]) for condition in Condition if counts[condition]),
            verdicts=tuple(v for v in verdicts if v.hold or v.remedy.is_action or not _is_quiet(v)),
            repairing=repairing,
            doubts=(*self._doubt.words, *self._isolated_words, *resurrection.warnings),
        )

    def _next_look(self, verdicts: Sequence[Verdict]) -> float:
        times = [verdict.finding.next_at for verdict in verdicts if verdict.finding.next_at is not None]
        times += [verdict.not_before for verdict in verdicts if verdict.not_before is not None]
        return min([self._world.clock.monotonic() + self._rules.sweep_s, *times])


def _error(task: Task | None) -> str | None:
    """None while the task runs; else its error, empty when it went well."""
    if task is None:
        return "the director stopped before it began"
    if not task.state.is_final:
        return None
    return "" if task.state is TaskState.DONE else task.result


def _at_once(task: Task | None) -> int:
    """How many of its repairs a task does at a time; 0: all."""
    said = task.options.get("at_once") if task else None
    return said if isinstance(said, int) else 0


def _is_quiet(verdict: Verdict) -> bool:
    """Nobody has to know of it: it runs, or was stopped by somebody who wanted that."""
    return verdict.finding.condition in {Condition.RUNNING, Condition.STOPPED, Condition.NO_VM}


def _not_ended(known: Mapping[InstanceId, tuple[Attempt, ...]]) -> Mapping[InstanceId, Attempt]:
    return {key: attempts[-1] for key, attempts in known.items() if attempts and attempts[-1].ended_at is None}
