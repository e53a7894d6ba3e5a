"""Steps that only write down: no outside effect, so no intent."""

from dataclasses import replace
from typing import assert_never

from director.execution.world import Run, World
from director.model.record import DiskState
from director.model.step import ForgetDeployment, ForgetInstance, OrphanDisk, RecordDeployment, RecordInstance
from director.model.tree import Tree
from director.ports.store import DropDeployment, DropInstance, DropVariables, PutDeployment, PutDisk, PutInstance

RecordStep = OrphanDisk | RecordInstance | ForgetInstance | RecordDeployment | ForgetDeployment


async def perform(step: RecordStep, run: Run, world: World) -> Tree:
    match step:
        case RecordInstance():
            run.instances[step.record.id] = step.record
            await world.store.commit(PutInstance(record=step.record))
        case ForgetInstance():
            run.instances.pop(step.instance, None)
            await world.store.commit(DropInstance(id=step.instance))
        case OrphanDisk():
            await _orphan(step, run, world)
        case RecordDeployment():
            await _record_deployment(step, run, world)
        case ForgetDeployment():
            await world.secrets.forget(run.name)
            await world.store.commit(DropVariables(deployment=run.name), DropDeployment(name=run.name))
        case _:
            assert_never(step)
    return {}


async def _orphan(step: OrphanDisk, run: Run, world: World) -> None:
    disk = run.disks.get(step.disk)
    if disk is None:
        return
    orphaned = replace(disk, instance=None, vm=None, state=DiskState.ORPHANED, orphaned_at=world.clock.now())
    run.disks[step.disk] = orphaned
    await world.store.commit(PutDisk(record=orphaned))


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
