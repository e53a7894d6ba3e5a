"""Keeps deployments that opted in as wanted: notices that something changed, plans, and applies or says why not.

Whether a plan is applied is decided in ``planning/steady``; applying it is a deploy within the policy's limits. Wakes
when a task ends or a config is written; only sources and the world, which push nothing, are looked at now and then.
Not the watch of health (``reconcile/watch``): what died is repaired there.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import structlog

from director.execution.world import World
from director.model.names import DeploymentName
from director.model.plan import Plan
from director.model.problem import Refused
from director.model.record import Event, Record, Task
from director.model.steady import Policy, Recorded, Standing, State, policy_of, policy_to_tree, setting_of
from director.planning.drift import Drift
from director.planning.explain import explain, summary
from director.planning.steady import Wish, changes_max, judge, wish_of
from director.ports.failure import Failure
from director.ports.sources import Sources
from director.ports.store import AddEvent, PutSetting
from director.reconcile.drift import DriftReport
from director.reconcile.requests import Deploy, Request
from director.reconcile.steady_moment import (
    Key,
    ReadHealth,
    Shared,
    read_key,
    read_moment,
    read_shared,
    task_at,
)
from director.reconcile.steady_text import bring_configs, brought_by, manifest_text
from director.reconcile.steady_words import USER, alert_of, stuck, while_at, why, within

log = structlog.get_logger()

COALESCE_S: Final = 0.2
"""What happens together is looked at together."""
RETRY_S: Final = 5.0
"""After a round that the record could not be read for."""
REST_S: Final = 3600.0
PLAN_S: Final = 300.0
"""For one plan: infrastructures are asked for it, and agents waited for."""


class Tasks(Protocol):
    """What this needs of the driver."""

    async def check(self, request: Deploy) -> Plan: ...

    async def submit(self, request: Request, *, user: str, context_id: str = "") -> Task: ...

    def listen(self, wake: Callable[[], None]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """What the last plan was made from, and the plan, or why there is none."""

    key: Key
    request: Deploy
    plan: Plan | None = None
    wish: Wish | None = None
    reasons: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Kept:
    """One deployment as it is kept; ``look_at`` is monotonic: when its source and the world are looked at next.

    ``is_told``: an alert about it was rung and is not over.
    """

    standing: Standing
    look_at: float = 0.0
    text: str | None = None
    file: str = "manifest.yml"
    unread: str = ""
    drift: tuple[Drift, ...] = ()
    planned: _Planned | None = None
    is_told: bool = False

    @property
    def policy(self) -> Policy:
        return self.standing.policy


@dataclass(slots=True, kw_only=True)
class Steady:
    """To be made inside a running loop, once in a director's life; ``run`` goes on for ever.

    ``drift`` looks at the whole world; ``health`` tells what the watch knows, or None where nobody watches.
    """

    world: World
    tasks: Tasks
    sources: Sources
    drift: Callable[[], Awaitable[DriftReport]]
    health: ReadHealth = lambda: None
    chance: Callable[[], float] = random.random
    _kept: dict[DeploymentName, _Kept] = field(default_factory=dict)
    _poked: asyncio.Event = field(default_factory=asyncio.Event)
    _is_loaded: bool = False

    def __post_init__(self) -> None:
        self.tasks.listen(self.poke)

    def poke(self) -> None:
        """Something changed: look soon."""
        self._poked.set()

    def standings(self) -> tuple[Standing, ...]:
        """Of every deployment that opted in, by name, as of the last round."""
        return tuple(self._kept[name].standing for name in sorted(self._kept))

    async def put(self, policy: Policy) -> None:
        """Keeps a deployment, which must exist, to ``policy`` from now on; what failed before is forgotten."""
        policy = replace(policy, since=self.world.clock.now())
        await self._store(policy.deployment, policy, policy.by)
        self._kept[policy.deployment] = _Kept(standing=Standing(policy=policy))
        self.poke()

    async def drop(self, deployment: DeploymentName, *, user: str) -> None:
        """Leaves it alone from now on."""
        await self._store(deployment, None, user)
        self._kept.pop(deployment, None)
        await self.sources.forget(deployment)

    async def run(self) -> None:
        while True:
            wait_s = await self._try()
            try:
                async with asyncio.timeout(wait_s):
                    await self._poked.wait()
            except TimeoutError:
                pass
            await self.world.clock.sleep(COALESCE_S)
            self._poked.clear()

    async def _try(self) -> float:
        try:
            return await self.round()
        except Failure as failure:
            log.warning("deployments could not be looked after", why=str(failure))
            return RETRY_S

    async def round(self) -> float:
        """Looks after each once; in how many seconds there may be more to do. Raises Failure."""
        await self._load()
        await self._look()
        if not self._kept:
            return REST_S
        shared = await read_shared(self.world)
        for name in sorted(self._kept):
            if name in self._kept:
                await self._tend(self._kept[name], shared)
        return self._next_s()

    async def _load(self) -> None:
        """Policies that an earlier director was given."""
        if self._is_loaded:
            return
        for deployment in await self.world.store.deployments():
            tree = await self.world.store.setting(setting_of(deployment.name))
            if tree:
                standing = Standing(policy=policy_of(deployment.name, tree))
                self._kept.setdefault(deployment.name, _Kept(standing=standing))
        self._is_loaded = True

    def _next_s(self) -> float:
        now, wall = self.world.clock.monotonic(), self.world.clock.now()
        looks = [kept.look_at - now for kept in self._kept.values()]
        agains = [k.standing.again_at - wall for k in self._kept.values() if k.standing.again_at is not None]
        return max(0.0, min([*looks, *agains], default=REST_S))

    # Looking at what pushes nothing

    async def _look(self) -> None:
        now = self.world.clock.monotonic()
        due = [kept for kept in self._kept.values() if kept.look_at <= now]
        if not due:
            return
        report = await self._drift()
        for kept in due:
            kept.look_at = now + kept.policy.every_s * (0.9 + 0.2 * self.chance())
            if report is not None:
                kept.drift = tuple(one for one in report.drifts if one.deployment == kept.policy.deployment)
            await self._read(kept)
            if kept.standing.state is not State.STEADY:
                # What stood in its way may be gone without anybody having said so.
                kept.planned = None

    async def _drift(self) -> DriftReport | None:
        """None when not everything could be looked at: what was known stays."""
        try:
            report = await self.drift()
        except (Failure, Refused) as failure:
            log.warning("drift could not be looked for", why=str(failure))
            return None
        return None if report.unseen else report

    async def _read(self, kept: _Kept) -> None:
        """The source's texts; why they cannot be had is kept instead."""
        policy = kept.policy
        if isinstance(policy.source, Recorded):
            return
        try:
            texts = await self.sources.read(policy.source, policy.deployment)
            kept.text, kept.file, kept.unread = manifest_text(texts), texts.file, ""
            notes = await bring_configs(policy, texts, self.world)
            kept.standing = replace(kept.standing, revision=texts.revision, notes=notes)
        except Failure as failure:
            kept.unread = f"its source cannot be read: {failure}"
        except Refused as refused:
            kept.unread = f"its source holds mistakes: {'; '.join(map(str, refused.problems))}"

    # One deployment

    async def _tend(self, kept: _Kept, shared: Shared) -> None:
        record = await self.world.store.record(kept.policy.deployment)
        if record is None:
            await self.drop(kept.policy.deployment, user=USER)
            return
        task = await task_at(kept.policy.deployment, self.world)
        if task is not None:
            kept.planned = None
            self._publish(kept, while_at(task, kept.standing))
            return
        if not await self._is_planned(kept, record, shared):
            return
        await self._decide(kept, record)

    async def _is_planned(self, kept: _Kept, record: Record, shared: Shared) -> bool:
        """Whether there is a plan of how things now are; why there is none is published."""
        text = record.deployment.manifest if isinstance(kept.policy.source, Recorded) else kept.text
        lack = kept.unread or ("no deploy of it has ever finished: deploy it by hand" if text is None else "")
        if lack or text is None:
            self._publish(kept, stuck(kept.standing, (lack,)))
            return False
        ids = shared.config_ids if kept.policy.uses_latest else record.deployment.config_ids
        key = await read_key(kept.policy, text, ids, record, kept.drift, shared, self.world)
        if kept.planned is None or kept.planned.key != key:
            kept.planned = await self._plan(kept, record, text, ids, key)
            kept.standing = replace(kept.standing, planned_at=self.world.clock.now())
        if kept.planned.plan is None:
            self._publish(kept, stuck(kept.standing, kept.planned.reasons))
        return kept.planned.plan is not None

    async def _plan(self, kept: _Kept, record: Record, text: str, ids: tuple[int, ...], key: Key) -> _Planned:
        """A planner that breaks must not take the director with it: whatever it raises is why there is no plan."""
        request = self._request(kept, record, text, ids)
        (found,) = await asyncio.gather(within(PLAN_S, self.tasks.check(request)), return_exceptions=True)
        if isinstance(found, Plan):
            wish = wish_of(found, text, ids, record.deployment)
            return _Planned(key=key, request=request, plan=found, wish=wish)
        return _Planned(key=key, request=request, reasons=why(found, kept.policy.deployment, PLAN_S))

    def _request(self, kept: _Kept, record: Record, text: str, ids: tuple[int, ...]) -> Deploy:
        size = sum(1 for instance in record.instances if not instance.is_compilation)
        return Deploy(
            deployment=kept.policy.deployment,
            manifest=text,
            source=kept.file,
            config_ids=ids,
            changes_max=changes_max(kept.policy, size),
            keeps_all=not kept.policy.allows_deletes,
        )

    async def _decide(self, kept: _Kept, record: Record) -> None:
        planned = kept.planned
        assert planned is not None, "it has just been planned"
        assert planned.plan is not None and planned.wish is not None, "a plan has a wish"  # noqa: PT018
        moment = await read_moment(kept.policy, planned.wish, record, self.health(), self.world)
        judged = judge(planned.plan, planned.wish, kept.policy, moment)
        standing = replace(
            kept.standing,
            state=judged.state,
            reasons=judged.reasons,
            again_at=judged.again_at,
            summary=summary(planned.plan),
            plan=explain(planned.plan),
        )
        if judged.state is State.APPLYING and self._kept.get(kept.policy.deployment) is kept:
            standing = await self._apply(kept, planned.request, planned.wish, standing)
        self._publish(kept, standing)

    async def _apply(self, kept: _Kept, request: Deploy, wish: Wish, standing: Standing) -> Standing:
        try:
            task = await self.tasks.submit(request, user=USER, context_id=wish.context)
        except Refused as refused:
            return stuck(standing, why(refused, kept.policy.deployment, PLAN_S))
        log.info("applying", deployment=kept.policy.deployment, task=task.id, revision=standing.revision)
        kept.planned = None
        return replace(standing, task=task.id)

    # Telling

    def _publish(self, kept: _Kept, standing: Standing) -> None:
        was, kept.standing = kept.standing, standing
        if (was.state, was.reasons) == (standing.state, standing.reasons):
            return
        name = standing.policy.deployment
        log.info("deployment kept", deployment=name, state=standing.state.value, reasons=list(standing.reasons))
        # What time alone will clear is nobody's work, and somebody who deploys is at it already.
        is_pending = standing.state is State.PENDING and standing.again_at is None
        if is_pending or (kept.is_told and standing.state is not State.BUSY):
            self.world.alerts.ring(alert_of(standing, self.world.clock.now(), is_over=not is_pending))
            kept.is_told = is_pending

    async def _store(self, deployment: DeploymentName, policy: Policy | None, user: str) -> None:
        event = Event(
            at=self.world.clock.now(),
            user=user,
            action="watch" if policy else "unwatch",
            object_type="deployment",
            object_name=deployment,
            deployment=deployment,
        )
        await self.world.store.commit(
            PutSetting(name=setting_of(deployment), value=policy_to_tree(policy) if policy else {}),
            PutSetting(name=brought_by(deployment), value={}),
            AddEvent(event=event),
        )
