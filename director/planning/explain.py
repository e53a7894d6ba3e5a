"""A plan in words: what changes and why, every step and what it waits for, what is held back."""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, assert_never

from director.model import step as s
from director.model.fabric import OUTLIVING, Member, NetworkObject
from director.model.names import StepKey
from director.model.placement import Placement
from director.model.plan import Change, Move, Plan, PlannedStep, StackMove
from director.model.step import Step

NetworkStep: TypeAlias = (
    s.EnsureStack
    | s.RemoveStack
    | s.LeaveStack
    | s.AttachPorts
    | s.DetachPorts
    | s.AnnounceInstance
    | s.WithdrawInstance
)

MARKS = {
    Move.CREATE: "+",
    Move.DELETE: "-",
    Move.DETACH: "-",
    Move.RECREATE: "±",
    Move.UPDATE: "~",
    Move.ATTACH: "~",
    Move.RESTART: "~",
    Move.REBOOT: "~",
    Move.START: ">",
    Move.STOP: "x",
    Move.RUN_ERRAND: "!",
}


def explain(plan: Plan, *, steps: bool = True) -> str:
    """The whole plan as lines for a person; ``steps`` False leaves out the steps."""
    parts = [*_changes(plan), *_networks(plan), *_holds(plan), *_warnings(plan)]
    if steps and (plan.changes or plan.stack_moves):
        parts += ["", f"Steps of {plan.deployment} ({_count(plan)}):", *_steps(plan), "", *_limits(plan)]
    return "\n".join(parts)


def summary(plan: Plan) -> str:
    """One line: ``Instances: create 2, update 1, delete 1``."""
    changes = (*plan.changes, *plan.stack_moves)
    if not changes and plan.holds:
        return f"Nothing to do now; {len(plan.holds)} held back."
    if not changes:
        who = "the network configs say" if plan.deployment == OUTLIVING else "the manifest says"
        return f"No changes: everything is as {who}."
    said = [_counted("Instances", plan.changes), _counted("Networks", plan.stack_moves)]
    return "; ".join(part for part in said if part) + (f"; {len(plan.holds)} held back" if plan.holds else "")


def _counted(what: str, changes: Sequence[Change | StackMove]) -> str:
    counts = {move: sum(1 for change in changes if change.move is move) for move in Move}
    said = ", ".join(f"{move.value} {count}" for move, count in counts.items() if count)
    return f"{what}: {said}" if said else ""


def describe(step: Step) -> str:
    """A step in a few words."""
    match step:
        case s.CreateVm():
            ips = ", ".join(str(n["ip"]) for n in step.shape.networks.values() if n.get("ip"))
            where = (f" at {ips}" if ips else "") + (f" in {step.az}" if step.az else "")
            return f"create VM {step.vm}{where}{_because(step.placement)}"
        case s.DeleteVm():
            return f"delete VM {step.vm}"
        case s.RebootVm():
            return f"reboot VM {step.vm}"
        case s.CreateDisk():
            return f"create disk {step.disk} of {step.size_mb} MB{_because(step.placement)}"
        case s.GrowDisk():
            return f"grow disk {step.disk} to {step.size_mb} MB"
        case s.AttachDisk() | s.MountDisk() | s.UnmountDisk() | s.DetachDisk() | s.OrphanDisk():
            verb = type(step).__name__.removesuffix("Disk").lower()
            return f"{verb} disk {step.disk}"
        case s.MigrateDisk():
            return f"copy disk {step.old} to {step.new}"
        case s.RunScript():
            return f"run {step.script}"
        case s.RunErrand():
            return f"run errand {step.job}"
        case s.AwaitRunning():
            return f"wait until all processes have been up {step.watch.min_ms} ms, at most {step.watch.max_ms} ms"
        case s.AwaitAgent():
            return f"wait for the agent, at most {step.timeout_s:g} s"
        case s.CompilePackage():
            return f"compile {step.package}/{step.fingerprint[:12]}"
        case (
            s.EnsureStack()
            | s.RemoveStack()
            | s.LeaveStack()
            | s.AttachPorts()
            | s.DetachPorts()
            | s.AnnounceInstance()
            | s.WithdrawInstance()
        ):
            return _of_networks(step)
        case s.Gate():
            return step.name
        case _:
            return _WORDS[type(step)]


def _of_networks(step: NetworkStep) -> str:
    match step:
        case s.EnsureStack():
            gone = f", remove {_several(step.gone)}" if step.gone else ""
            return f"make {_several(step.stack.objects)} of {step.stack.name}{gone}"
        case s.RemoveStack():
            return f"remove {_several(step.stack.objects)} of {step.stack.name}"
        case s.LeaveStack():
            return f"leave {step.stack} to those who use it still"
        case s.AttachPorts():
            return f"tag the ports of VM {step.vm}"
        case s.DetachPorts():
            return f"wait until VM {step.vm} has no port any more"
        case s.AnnounceInstance():
            return f"join {_pools(step.members)}"
        case s.WithdrawInstance():
            return f"leave {_pools(step.members)}"
        case _:
            assert_never(step)


def _several(objects: Sequence[NetworkObject]) -> str:
    return "one network object" if len(objects) == 1 else f"{len(objects)} network objects"


def _pools(members: Sequence[Member]) -> str:
    return "server pools " + ", ".join(sorted({member.pool.to for member in members}))


def _because(placement: Placement) -> str:
    return f" on {placement.why}" if placement.why else ""


_WORDS: dict[type, str] = {
    s.ClearEnrolment: "remove what the agent enrolled with",
    s.PrepareInstance: "fetch packages ahead",
    s.Drain: "drain",
    s.StopJobs: "stop jobs",
    s.ApplySpec: "install packages and configure jobs",
    s.StartJobs: "start jobs",
    s.RecordInstance: "record the instance",
    s.ForgetInstance: "free its addresses and forget it",
    s.RecordDeployment: "record the manifest as deployed",
    s.ForgetDeployment: "forget the deployment",
}


def _changes(plan: Plan) -> Iterator[str]:
    yield summary(plan)
    width = max((len(change.label) for change in plan.changes), default=0)
    for change in plan.changes:
        yield f"  {MARKS[change.move]} {change.label:<{width}}  {change.move.value}: {'; '.join(change.reasons)}"
    builds = [step.step for step in plan.steps if isinstance(step.step, s.CompilePackage)]
    for build in builds:
        yield f"  * package {build.package}  compile: not yet built for {build.stemcell_os}/{build.stemcell_version}"


def _networks(plan: Plan) -> Iterator[str]:
    """Without instances, what they come to is said already."""
    if plan.stack_moves and plan.changes:
        yield "Networks:"
    width = max((len(move.stack) for move in plan.stack_moves), default=0)
    for move in plan.stack_moves:
        yield f"  {MARKS[move.move]} {move.stack:<{width}}  {move.move.value}: {'; '.join(move.reasons)}"
        yield from (f"      {line}" for line in move.objects)


def _holds(plan: Plan) -> Iterator[str]:
    if plan.holds:
        yield "Held back:"
        yield from (f"  ! {hold.reason}" for hold in plan.holds)


def _warnings(plan: Plan) -> Iterator[str]:
    yield from (f"Warning: {problem}" for problem in plan.warnings)


def _count(plan: Plan) -> str:
    return f"{sum(1 for step in plan.steps if not isinstance(step.step, s.Gate))} steps"


def _steps(plan: Plan) -> Iterator[str]:
    number = {step.key: place for place, step in enumerate(plan.steps, start=1)}
    for place, step in enumerate(plan.steps, start=1):
        waits = _waits(step, number)
        subject = "·" if isinstance(step.step, s.Gate) else step.subject
        yield f"{place:>5}  {subject:<16} {describe(step.step)}{waits}"


def _waits(step: PlannedStep, number: dict[StepKey, int]) -> str:
    before = [*(str(number[k]) for k in step.needs), *(f"{number[k]} ended" for k in step.after)]
    shown = ", ".join(before[:4]) + (f" and {len(before) - 4} more" if len(before) > 4 else "")
    return f"   after {shown}" if before else ""


def _limits(plan: Plan) -> Iterator[str]:
    used = {name for unit in plan.units for name in unit.limits} | {n for step in plan.steps for n in step.limits}
    named = [f"{limit.name} ≤ {limit.max}" for limit in plan.limits if limit.name in used]
    if named:
        yield "Limits: " + ", ".join(named)
