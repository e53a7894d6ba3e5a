"""Carries a prepared plan out: adopts it, walks it, and says how it ended. The only way anything is changed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from director.execution.listeners import Listeners, StepNumbers
from director.execution.perform import perform
from director.execution.progress import Progress, begun, forgetting
from director.execution.report import WalkReport
from director.execution.walk import walk
from director.execution.world import Run, World, start_run
from director.model.names import StepKey
from director.model.outcome import End, Outcome
from director.model.plan import PlannedStep
from director.model.record import PlanRecord, Record
from director.model.step import Gate, RunErrand, Step
from director.model.tree import Tree
from director.planning.explain import summary
from director.ports.clock import Clock
from director.ports.failure import Failure, Outdated, RuledOut
from director.ports.store import Change, JoinStack, PutDeployment, PutInstance, PutPlan
from director.reconcile.driver import Cancelled, Job
from director.reconcile.encode import Encode
from director.reconcile.prepare import Prepared


async def converge(prepared: Prepared, job: Job, world: World, encode: Encode) -> Mapping[StepKey, Outcome]:
    """Every step's outcome, all of them done.

    Raises Failure with every step's error when one failed, Cancelled when the task was cancelled before all was
    done, Outdated when the record or the world has moved on since the plan was made and nothing else failed.
    """
    job.stages.debug(f"plan {prepared.plan.id}: {summary(prepared.plan)}")
    for problem in prepared.plan.warnings:
        job.stages.warn(str(problem))
    for hold in prepared.plan.holds:
        job.stages.warn(f"Held back: {hold.reason}")
    if prepared.changes_nothing:
        return {}
    if prepared.done is None:
        run = await adopt(prepared, job, world, encode)
    else:
        run = _run_of(prepared, job, prepared.record)
    done, progress = prepared.done or {}, Progress(job.task.id, prepared.plan, world)
    job.at_end(progress.let_go)

    async def act(step: PlannedStep) -> Tree:
        if step.key in done:
            return done[step.key]
        await progress.begin(step)
        result = await perform(step, run, world)
        if not isinstance(step.step, Gate):
            await progress.mark(step, _kept(step.step, result))
        return result

    report = Listeners(WalkReport(prepared.plan, job.stages), StepNumbers(job.task.id, world))
    outcomes = await walk(prepared.plan, act, clock=world.clock, listener=report, cancelled=job.cancelled)
    return _judged(outcomes)


REPLANS_S: Final = (0.5, 2.0, 4.0)
"""Pauses before a plan is made anew. Whoever keeps changing what is deployed is not argued with for longer."""
RULED_OUT_MAX: Final = 32
"""Plans made anew besides, each of which knew of more that is not free."""


async def again_when_outdated(attempt: Callable[[], Awaitable[None]], job: Job, clock: Clock) -> None:
    """Looks, plans and carries out once more when others changed something between look and write.

    Raises Outdated when that happened every time, and whatever ``attempt`` raises else.
    """
    pauses, left = list(REPLANS_S), RULED_OUT_MAX
    while True:
        try:
            return await attempt()
        except Outdated as outdated:
            job.check()
            is_nearer = isinstance(outdated, RuledOut) and left > 0
            if not (is_nearer or pauses):
                raise
            job.stages.warn(f"{outdated} Looking and planning again.")
            if is_nearer:
                left -= 1
            else:
                await clock.sleep(pauses.pop(0))


async def adopt(prepared: Prepared, job: Job, world: World, encode: Encode) -> Run:
    """Stores the plan and reserves what it needs, in one transaction, unless the record has moved on."""
    plan, recorded = prepared.plan, prepared.record
    is_new = recorded.deployment.serial == 0
    adopted = replace(recorded.deployment, serial=plan.parent + 1)
    body = PlanRecord(
        id=plan.id,
        deployment=plan.deployment,
        task=job.task.id,
        parent=plan.parent,
        created_at=world.clock.now(),
        body=encode(plan),
    )
    changes: list[Change] = [PutDeployment(record=adopted, expected_serial=-1 if is_new else plan.parent)]
    changes += [PutPlan(record=body), *(PutInstance(record=instance) for instance in plan.reserve)]
    changes += [JoinStack(stack=stack, user=plan.deployment) for stack in plan.joins]
    former = await forgetting(job.task.id, world.store)
    await world.store.commit(*changes, *former, begun(job.task.id, plan))
    run = _run_of(prepared, job, replace(recorded, deployment=adopted))
    run.instances.update({instance.id: instance for instance in plan.reserve})
    return run


def _run_of(prepared: Prepared, job: Job, record: Record) -> Run:
    """Of a plan that was adopted before the director stopped, ``record`` has all that belongs to the adoption."""
    return start_run(
        task=job.task.id,
        plan_id=prepared.plan.id,
        user=job.task.user,
        record=record,
        wanted=prepared.instances,
        contents=prepared.contents,
        values=prepared.values,
        catalog=prepared.catalog,
        manifest=prepared.manifest,
    )


def _kept(step: Step, result: Tree) -> Tree:
    """What an errand printed is asked for when all is done; other results live on in the record."""
    return result if isinstance(step, RunErrand) else {}


def _judged(outcomes: Mapping[StepKey, Outcome]) -> Mapping[StepKey, Outcome]:
    failed = [outcome for outcome in outcomes.values() if outcome.end is End.FAILED]
    if failed:
        raise _kind(failed)("\n".join(dict.fromkeys(outcome.error for outcome in failed)))
    if any(outcome.end is End.CANCELLED for outcome in outcomes.values()):
        raise Cancelled
    return outcomes


def _kind(failed: Sequence[Outcome]) -> type[Failure]:
    """Whether another plan can do better, and knows more."""
    if not all(outcome.is_outdated for outcome in failed):
        return Failure
    return RuledOut if any(outcome.rules_out for outcome in failed) else Outdated
