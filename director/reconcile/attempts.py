"""Remembers repairs over restarts: what was tried on an instance since it last was well, and how that ended.

Kept as one small fact per deployment, written before a repair's task exists: a director that dies in between has
counted it, and never repairs more often than it may.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from director.execution.world import World
from director.model.health import Attempt, Remedy, attempts_name
from director.model.names import DeploymentName, InstanceId, TaskId
from director.model.tree import Node, Tree
from director.ports.store import DropSetting, PutSetting

KEPT_MAX = 8
"""Of one instance; ladders are shorter."""


class Attempts:
    """Those of every deployment, read once and written through. One writer: the watch."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[DeploymentName, dict[InstanceId, tuple[Attempt, ...]]] = {}

    async def of(self, deployment: DeploymentName) -> Mapping[InstanceId, tuple[Attempt, ...]]:
        if deployment not in self._known:
            tree = await self._world.store.setting(attempts_name(deployment)) or {}
            self._known[deployment] = {InstanceId(key): _read(value) for key, value in tree.items()}
        return self._known[deployment]

    async def begin(self, deployment: DeploymentName, remedies: Mapping[InstanceId, Remedy]) -> None:
        """Before their task is submitted."""
        known, at = await self.of(deployment), self._world.clock.now()
        news = {
            key: (*known.get(key, ()), Attempt(at=at, remedy=remedy))[-KEPT_MAX:] for key, remedy in remedies.items()
        }
        await self._put(deployment, {**known, **news})

    async def name(self, deployment: DeploymentName, instances: Sequence[InstanceId], task: TaskId) -> None:
        await self._change_last(deployment, instances, lambda last: replace(last, task=task))

    async def end(self, deployment: DeploymentName, instances: Sequence[InstanceId], error: str) -> None:
        at = self._world.clock.now()
        await self._change_last(deployment, instances, lambda last: replace(last, ended_at=at, error=error))

    async def helped(self, deployment: DeploymentName, instances: Sequence[InstanceId]) -> None:
        """They have run for a while since their last repair ended. Written once for each repair."""
        known = await self.of(deployment)
        news = [key for key in instances if _may_have_helped(known.get(key, ()))]
        if news:
            await self._change_last(deployment, news, lambda last: replace(last, has_helped=True))

    async def keep(self, deployments: Collection[DeploymentName]) -> None:
        """All others are deleted. What was written of one while that happened goes, too."""
        for name in sorted(self._known.keys() - set(deployments)):
            await self._world.store.commit(DropSetting(name=attempts_name(name)))
            del self._known[name]

    async def forget(self, deployment: DeploymentName, instances: Sequence[InstanceId]) -> None:
        """They have been well for long enough, or are no more."""
        known = await self.of(deployment)
        left = {key: value for key, value in known.items() if key not in set(instances)}
        if left != known:
            await self._put(deployment, left)

    async def _change_last(
        self, deployment: DeploymentName, instances: Sequence[InstanceId], change: Callable[[Attempt], Attempt]
    ) -> None:
        known = dict(await self.of(deployment))
        for key in instances:
            if known.get(key):
                *former, last = known[key]
                known[key] = (*former, change(last))
        await self._put(deployment, known)

    async def _put(self, deployment: DeploymentName, known: Mapping[InstanceId, tuple[Attempt, ...]]) -> None:
        tree: Tree = {str(key): [_tree(one) for one in value] for key, value in known.items()}
        await self._world.store.commit(PutSetting(name=attempts_name(deployment), value=tree))
        self._known[deployment] = dict(known)


def _may_have_helped(attempts: Sequence[Attempt]) -> bool:
    return bool(attempts) and attempts[-1].ended_at is not None and not attempts[-1].has_helped


def _tree(one: Attempt) -> Node:
    return {
        "at": one.at,
        "remedy": one.remedy.name,
        "task": one.task,
        "ended_at": one.ended_at,
        "error": one.error,
        "has_helped": one.has_helped,
    }


def _read(value: object) -> tuple[Attempt, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(
        Attempt(
            at=float(one["at"]),
            remedy=Remedy[one["remedy"]],
            task=TaskId(one["task"]) if one["task"] is not None else None,
            ended_at=one["ended_at"],
            error=str(one["error"]),
            has_helped=bool(one.get("has_helped", False)),
        )
        for one in listed
    )
