"""Steps that only write down: no outside effect, so no intent."""

from dataclasses import replace
from typing import assert_never

from director.execution.trail import event
from director.execution.world import Run, World
from director.model.health import attempts_name
from director.model.names import DeploymentName
from director.model.problem_found import problems_name
from director.model.record import DiskState
from director.model.steady import setting_of
from director.model.step import ForgetDeployment, ForgetInstance, OrphanDisk, RecordDeployment, RecordInstance
from director.model.tree import Tree
from director.ports.store import (
    DropDeployment,
    DropInstance,
    DropSetting,
    DropVariables,
    PutDeployment,
    PutDisk,
    PutInstance,
    PutSetting,
)

RecordStep = OrphanDisk | RecordInstance | ForgetInstance | RecordDeployment | ForgetDeployment


async def perform(step: RecordStep, run: Run, world: World) -> Tree:
    match step:
        case RecordInstance():
            await _record_instance(step, run, world)
        case ForgetInstance():
            label = run.label_of(step.instance)
            run.instances.pop(step.instance, None)
            told = event(run, world, "delete instance", label, instance=label)
            await world.store.commit(DropInstance(id=step.instance), told)
        case OrphanDisk():
            await _orphan(step, run, world)
        case RecordDeployment():
            await _record_deployment(step, run, world)
        case ForgetDeployment():
            await world.secrets.forget(run.name)
            await world.store.commit(
                DropVariables(deployment=run.name), DropDeployment(name=run.name), *await _settings(run.name, world)
            )
        case _:
            assert_never(step)
    return {}


async def _settings(name: DeploymentName, world: World) -> list[PutSetting | DropSetting]:
    """Another deployment of this name is not to be kept to what was wished of this one, nor held for its troubles."""
    policy = setting_of(name)
    ended = [PutSetting(name=policy, value={})] if await world.store.setting(policy) else []
    return [*ended, DropSetting(name=attempts_name(name)), DropSetting(name=problems_name(name))]


async def _record_instance(step: RecordInstance, run: Run, world: World) -> None:
    """An instance that has settled is news; one about to be changed is not yet."""
    run.instances[step.record.id] = step.record
    label = step.record.label
    told = [event(run, world, "update instance", label, instance=label)] if step.record.is_settled else []
    await world.store.commit(PutInstance(record=step.record), *told)


async def _orphan(step: OrphanDisk, run: Run, world: World) -> None:
    disk = run.disks.get(step.disk)
    if disk is None:
        return
    orphaned = replace(disk, instance=None, vm=None, state=DiskState.ORPHANED, orphaned_at=world.clock.now())
    run.disks[step.disk] = orphaned
    told = event(run, world, "orphan disk", step.disk, instance=disk.label)
    await world.store.commit(PutDisk(record=orphaned), told)


async def _record_deployment(step: RecordDeployment, run: Run, world: World) -> None:
    run.deployment = replace(
        run.deployment,
        manifest=run.manifest,
        config_ids=step.config_ids,
        releases=step.releases,
        stemcells=step.stemcells,
        tags={key: str(value) for key, value in step.tags.items()},
    )
    await world.store.commit(PutDeployment(record=run.deployment))
