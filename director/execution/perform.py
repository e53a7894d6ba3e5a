"""Performs one step, once, as told. Writes the intent before each outside effect and the result after it.

What a step finds done already it leaves as it is: a director that died between effect and result walks the
same plan's successor and comes to the same end, with nothing doubled (architecture, "perform never decides").
"""

from typing import assert_never

from director.execution import perform_agent as agents
from director.execution import perform_fabric as fabric
from director.execution import perform_infrastructure as infrastructure
from director.execution import perform_record as records
from director.execution.world import Run, World
from director.model import step as s
from director.model.plan import PlannedStep
from director.model.tree import Tree
from director.ports.failure import Failure, InfrastructureFailure, Retry

TRIES: dict[Retry, int] = {Retry.NEVER: 1, Retry.BOUNDED: 3, Retry.SOON: 5}
FIRST_PAUSE_S = 0.25


async def perform(planned: PlannedStep, run: Run, world: World) -> Tree:
    """The step's result. Raises Failure when it failed for good: after as many tries as its failure allows."""
    tried = 0
    while True:
        try:
            return await _dispatch(planned, run, world)
        except Failure as failure:
            tried += 1
            if tried >= TRIES[failure.retry] or isinstance(planned.step, _WAITING):
                forgotten = await _forgotten(planned.step, failure, run, world)
                if forgotten is None:
                    raise
                return forgotten
            await world.clock.sleep(FIRST_PAUSE_S * 2 ** (tried - 1))


_WAITING = (s.AwaitAgent, s.AwaitRunning, s.RunScript, s.RunErrand, s.Drain, s.CompilePackage)
"""Steps with a deadline of their own, or whose second run is not the operator's wish."""


async def _forgotten(step: s.Step, failure: Failure, run: Run, world: World) -> Tree | None:
    """A VM that a person took for dead need not be deleted for the rest to go on."""
    if isinstance(step, s.DeleteVm) and isinstance(failure, InfrastructureFailure):
        return await infrastructure.forget_fenced_vm(step, failure, run, world)
    return None


async def _dispatch(planned: PlannedStep, run: Run, world: World) -> Tree:
    step = planned.step
    match step:
        case (
            s.CreateVm()
            | s.ClearEnrolment()
            | s.DeleteVm()
            | s.RebootVm()
            | s.CreateDisk()
            | s.GrowDisk()
            | s.AttachDisk()
            | s.DetachDisk()
        ):
            return await infrastructure.perform(step, planned.key, run, world)
        case (
            s.AwaitAgent()
            | s.MountDisk()
            | s.MigrateDisk()
            | s.UnmountDisk()
            | s.PrepareInstance()
            | s.RunScript()
            | s.Drain()
            | s.StopJobs()
            | s.ApplySpec()
            | s.StartJobs()
            | s.AwaitRunning()
            | s.RunErrand()
            | s.CompilePackage()
        ):
            return await agents.perform(step, planned.key, run, world)
        case (
            s.EnsureStack()
            | s.RemoveStack()
            | s.LeaveStack()
            | s.AttachPorts()
            | s.DetachPorts()
            | s.AnnounceInstance()
            | s.WithdrawInstance()
        ):
            return await fabric.perform(step, planned.key, run, world)
        case s.OrphanDisk() | s.RecordInstance() | s.ForgetInstance() | s.RecordDeployment() | s.ForgetDeployment():
            return await records.perform(step, run, world)
        case s.Gate():
            return {}
        case _:
            assert_never(step)
