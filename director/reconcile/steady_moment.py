"""What a decision about a deployment rests on, read fresh: its tasks, its health, all that a plan is made from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from director.execution.world import World
from director.model.health import Condition, HealthReport
from director.model.names import DeploymentName, InstanceId
from director.model.record import Record, Task, TaskState
from director.model.steady import Policy
from director.planning.drift import Drift
from director.planning.steady import ENDINGS, Attempt, Moment, Wish
from director.ports.store import TaskQuery
from director.reconcile.requests import Deploy, from_tree
from director.reconcile.words import lock_of

ReadHealth: TypeAlias = Callable[[], HealthReport | None]
Key: TypeAlias = tuple[object, ...]
"""Equal while nothing has changed that a plan is made from."""

ATTEMPTS_MAX: Final = 20
UNDER_WAY: Final = (TaskState.QUEUED, TaskState.PROCESSING, TaskState.CANCELLING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The same for every deployment: latest cloud and runtime configs, and the software that is there."""

    config_ids: tuple[int, ...]
    software: Key


async def read_shared(world: World) -> Shared:
    configs = [*await world.store.configs("cloud"), *await world.store.configs("runtime")]
    catalog = await world.store.catalog()
    releases = sorted((release.name, release.version) for release in catalog.releases)
    stemcells = sorted((stemcell.name, stemcell.version, stemcell.cpi) for stemcell in catalog.stemcells)
    return Shared(config_ids=tuple(sorted(config.id for config in configs)), software=(*releases, *stemcells))


async def read_key(
    policy: Policy,
    text: str,
    config_ids: Sequence[int],
    record: Record,
    drift: Sequence[Drift],
    shared: Shared,
    world: World,
) -> Key:
    variables = await world.store.variables(policy.deployment)
    return (
        text,
        tuple(config_ids),
        record.deployment.serial,
        record.deployment.manifest,
        tuple(sorted((i.id, i.want.value, i.is_ignored, i.is_settled) for i in record.instances)),
        tuple(sorted((variable.name, variable.id) for variable in variables)),
        tuple(drift),
        shared.software,
    )


async def task_at(deployment: DeploymentName, world: World) -> Task | None:
    """The task that changes the deployment, or waits to; the running one first."""
    found = await world.store.tasks(TaskQuery(states=UNDER_WAY, deployment=deployment))
    lock = f"deployment:{deployment}"
    changing = [task for task in found if lock_of(from_tree(task.type, task.options)) == lock]
    return min(changing, key=lambda task: (task.state is TaskState.QUEUED, task.id), default=None)


async def read_moment(policy: Policy, wish: Wish, record: Record, health: HealthReport | None, world: World) -> Moment:
    ended = await world.store.tasks(
        TaskQuery(states=tuple(ENDINGS), deployment=policy.deployment, types=(Deploy.task_type,), limit=ATTEMPTS_MAX)
    )
    return Moment(
        now=world.clock.now(),
        size=sum(1 for instance in record.instances if not instance.is_compilation),
        unwell=unwell_in(health, policy.deployment),
        doubts=health.doubts if health else (),
        attempts=tuple(
            Attempt(
                at=task.changed_at,
                ending=ENDINGS[task.state],
                is_same=task.context_id == wish.context,
                error=task.result,
            )
            for task in ended
            if task.created_at >= policy.since and not task.options.get("dry_run")
        ),
    )


def unwell_in(health: HealthReport | None, deployment: DeploymentName) -> dict[InstanceId, Condition]:
    """By instance; what is being repaired counts as being changed."""
    if health is None:
        return {}
    found = {v.finding.instance: v.finding.condition for v in health.verdicts if v.finding.deployment == deployment}
    found |= {r.finding.instance: Condition.SETTLING for r in health.repairing if r.finding.deployment == deployment}
    return {instance: condition for instance, condition in found.items() if not condition.is_well}
