"""Steps the agent on the VM carries out. Its own journal of keys makes each repeatable."""

from dataclasses import replace
from typing import Final, assert_never

from director.execution.silence import unless_lost, why_silent
from director.execution.world import Run, World, is_running_since
from director.model.names import BlobId, Digest, DiskName, InstanceId, PlanId, StepKey
from director.model.plan import PlannedStep
from director.model.record import Applied, DiskState
from director.model.release import CompiledPackage
from director.model.sighting import SeenAgent, SeenProcess
from director.model.step import (
    ApplySpec,
    AwaitAgent,
    AwaitRunning,
    CompilePackage,
    Drain,
    MigrateDisk,
    MountDisk,
    PrepareInstance,
    RunErrand,
    RunScript,
    StartJobs,
    StopJobs,
    UnmountDisk,
)
from director.model.tree import Tree
from director.ports.agents import (
    AgentRequest,
    AgentSpec,
    Apply,
    Compile,
    DrainJobs,
    Errand,
    Migrate,
    Mount,
    Prepare,
    Script,
    Start,
    Stop,
    Unmount,
)
from director.ports.failure import AgentFailure, AgentSilent, Failure, Retry
from director.ports.store import PutCompiled, PutDisk

APPLY_S: Final = 900.0
"""Fetching and unpacking every package of an instance."""
STOP_S: Final = 330.0
"""The agent gives monit-style jobs five minutes (agent-cpi-vsphere.md 1.13)."""
SCRIPT_S: Final = 3 * 3600.0
"""BOSH knows no limit for lifecycle scripts and drains; ours is one nobody has a reason to reach."""
COMPILE_S: Final = 3 * 3600.0
DISK_S: Final = 600.0
MIGRATE_S: Final = 24 * 3600.0
"""Copying a large disk."""

Simple = (
    MountDisk
    | MigrateDisk
    | UnmountDisk
    | PrepareInstance
    | RunScript
    | Drain
    | StopJobs
    | ApplySpec
    | StartJobs
    | RunErrand
)
"""One request, one answer."""

AgentStep = AwaitAgent | AwaitRunning | CompilePackage | Simple


async def perform(step: AgentStep, key: StepKey, run: Run, world: World) -> Tree:
    match step:
        case AwaitAgent():
            await _await_agent(step, run, world)
            return {}
        case AwaitRunning():
            await _await_running(step, run, world)
            return {}
        case CompilePackage():
            return await _compile(step, key, run, world)
        case _:
            request, timeout_s = _request(step, run)
            result = await _ask(step, request, timeout_s, _asked(run.plan_id, key), world, run)
    if isinstance(step, MountDisk | MigrateDisk):
        await _mounted(step.disk if isinstance(step, MountDisk) else step.new, run, world)
    return result


def forget(planned: PlannedStep, plan: PlanId, world: World) -> None:
    """What came of the step is recorded, or nobody will walk its plan any more: its agent need not remember it."""
    if isinstance(planned.step, Simple | CompilePackage):
        world.agents.forget(planned.step.agent, _asked(plan, planned.key))


def _asked(plan: str, key: StepKey) -> str:
    """What an agent knows a step by: the same whenever that plan is walked, and no other's."""
    return f"{plan}/{key}"


async def _await_agent(step: AwaitAgent, run: Run, world: World) -> None:
    try:
        await unless_lost(world.agents.await_connected(step.agent, step.timeout_s), step.agent, run, world)
    except AgentSilent as silent:
        if silent.retry is Retry.NEVER:
            raise  # its VM was given up, so nothing is the matter with it
        words = await why_silent(step.agent, run, world)
        raise AgentSilent(f"{silent} {words}".rstrip(), retry=silent.retry) from silent


def _request(step: Simple, run: Run) -> tuple[AgentRequest, float]:
    """What to ask of the agent, and how many seconds it may take."""
    match step:
        case MountDisk():
            return Mount(disk=step.disk, hint=run.hints.get(step.disk, {})), DISK_S
        case MigrateDisk():
            return Migrate(old=step.old, new=step.new, hint=run.hints.get(step.new, {})), MIGRATE_S
        case UnmountDisk():
            return Unmount(disk=step.disk), DISK_S
        case PrepareInstance():
            return Prepare(spec=_spec(step.instance, step.spec, run)), APPLY_S
        case ApplySpec():
            return Apply(spec=_spec(step.instance, step.spec, run)), APPLY_S
        case RunScript():
            return Script(name=step.script, env={k: str(v) for k, v in step.env.items()}), SCRIPT_S
        case Drain():
            return _drain(step, run), SCRIPT_S
        case StopJobs():
            return Stop(), STOP_S
        case StartJobs():
            return Start(), STOP_S
        case RunErrand():
            return Errand(job=step.job), step.timeout_s
        case _:
            assert_never(step)


async def _ask(
    step: Simple | CompilePackage, request: AgentRequest, timeout_s: float, key: str, world: World, run: Run
) -> Tree:
    """The agent's answer; its failures get the instance's label, so that a task's error says where."""
    try:
        answer = world.agents.ask(step.agent, request, key=key, timeout_s=timeout_s)
        return await unless_lost(answer, step.agent, run, world)
    except (AgentFailure, AgentSilent) as failure:
        raise type(failure)(f"{run.label_of(step.instance)}: {failure}", retry=failure.retry) from failure


async def _mounted(name: DiskName, run: Run, world: World) -> None:
    disk = replace(run.disks[name], state=DiskState.ATTACHED)
    run.disks[name] = disk
    await world.store.commit(PutDisk(record=disk))


def _spec(instance: InstanceId, spec: Applied, run: Run) -> AgentSpec:
    """What the agent is to apply. The rendered content must be the one the plan was made from."""
    wanted, content = run.wanted[instance], run.contents[instance]
    assert content.configuration_hash == spec.configuration_hash, "content is not what was planned"
    return AgentSpec(
        deployment=run.name,
        instance={
            "group": wanted.group,
            "index": wanted.index,
            "id": wanted.id,
            "az": wanted.az or "",
            "name": wanted.label,
            "bootstrap": wanted.is_bootstrap,
            "networks": {name: dict(settings) for name, settings in wanted.shape.networks.items()},
        },
        content=content,
        packages=tuple(run.source_of(name, key) for name, key in spec.packages),
        configuration_hash=spec.configuration_hash,
        persistent_disk_mb=wanted.disk.size_mb if wanted.disk else 0,
    )


def _drain(step: Drain, run: Run) -> DrainJobs:
    recorded = run.instances.get(step.instance)
    now = recorded.applied if recorded and recorded.applied else Applied()
    before = dict(now.packages)
    wanted = run.wanted.get(step.instance)
    return DrainJobs(
        kind=step.kind,
        changed_packages=tuple(sorted(name for name, key in step.spec.packages if before.get(name) != key)),
        is_configuration_changed=now.configuration_hash != step.spec.configuration_hash,
        next_disk_mb=wanted.disk.size_mb if wanted and wanted.disk else None,
    )


async def _compile(step: CompilePackage, key: StepKey, run: Run, world: World) -> Tree:
    known = (await world.store.catalog()).compiled.get(step.key)
    if known is None:
        known = await _compile_now(step, key, run, world)
        await world.store.commit(PutCompiled(package=known))
    run.compiled[step.key] = known
    return {"blob": known.blob, "digest": known.digest}


async def _compile_now(step: CompilePackage, key: StepKey, run: Run, world: World) -> CompiledPackage:
    source = run.packages[step.fingerprint]
    assert source.blob is not None, "a package without source is refused while planning"
    assert source.digest is not None, "a stored source has a digest"
    request = Compile(
        name=step.package,
        fingerprint=step.fingerprint,
        source=source.blob,
        digest=source.digest,
        dependencies=tuple(run.source_of(name, needed) for name, needed in step.needs),
    )
    result = await _ask(step, request, COMPILE_S, _asked(run.plan_id, key), world, run)
    return CompiledPackage(
        key=step.key,
        name=step.package,
        fingerprint=step.fingerprint,
        stemcell_os=step.stemcell_os,
        stemcell_version=step.stemcell_version,
        blob=BlobId(str(result["blob"])),
        digest=Digest(str(result["digest"])),
    )


async def _await_running(step: AwaitRunning, run: Run, world: World) -> None:
    """Within ``max_ms`` every process must have been up for ``min_ms`` (decision 0003: readiness, not sleep)."""
    label, min_s, max_s = run.label_of(step.instance), step.watch.min_ms / 1000, step.watch.max_ms / 1000
    try:
        up = world.agents.await_seen(step.agent, lambda seen: is_running_since(seen, min_s), max_s)
        await unless_lost(up, step.agent, run, world)
    except AgentSilent:
        seen = world.agents.seen().get(step.agent)
        raise Failure(_not_running(label, max_s, seen)) from None


def _not_running(label: str, max_s: float, seen: SeenAgent | None) -> str:
    if seen is None or not seen.is_connected:
        return f"{label} is not running after {max_s:g} s: its agent does not answer."
    bad = [process for process in seen.processes if process.state != "running"]
    if not bad:
        return f"{label} is not running after {max_s:g} s; its agent reports {seen.job_state.value}."
    return "\n".join([f"{label} is not running after {max_s:g} s.", *(_why(process) for process in bad)])


def _why(process: SeenProcess) -> str:
    head = f"  {process.job}/{process.name} is {process.state}, restarted {process.restarts} times"
    return "\n".join([head + (". Its log ends:" if process.last_log else "."), *(f"    {x}" for x in process.last_log)])
