"""Tells what a walk does while it does it: BOSH's event lines, our progress lines, a debug log.

Event lines have the shape of bosh-director.md 6.3, so that ``bosh task`` shows them; progress lines are one
JSON object per step begun or ended, after a first one that lists the plan.
"""

import json
from collections import defaultdict

from director.execution.world import World
from director.model import step as s
from director.model.names import TaskId
from director.model.outcome import KEPT, End, Outcome
from director.model.plan import Plan, PlannedStep, Unit

STATUS: dict[type, str] = {
    s.CreateVm: "creating vm",
    s.AwaitAgent: "waiting for the agent",
    s.ClearEnrolment: "clearing its enrolment",
    s.DeleteVm: "deleting vm",
    s.RebootVm: "rebooting vm",
    s.CreateDisk: "creating disk",
    s.GrowDisk: "growing disk",
    s.AttachDisk: "attaching disk",
    s.MountDisk: "mounting disk",
    s.MigrateDisk: "migrating disk",
    s.Drain: "executing drain",
    s.StopJobs: "stopping jobs",
    s.PrepareInstance: "downloading packages",
    s.ApplySpec: "installing packages and configuring jobs",
    s.StartJobs: "starting jobs",
    s.AwaitRunning: "waiting until it runs",
    s.CompilePackage: "compiling",
    s.EnsureStack: "creating network",
    s.RemoveStack: "deleting network",
    s.LeaveStack: "leaving network",
    s.AttachPorts: "attaching ports",
    s.DetachPorts: "detaching ports",
    s.AnnounceInstance: "joining load balancers",
    s.WithdrawInstance: "leaving load balancers",
}


def status_of(step: s.Step) -> str:
    """What a step does, in the words of BOSH's progress where it has them."""
    if isinstance(step, s.RunScript):
        return f"executing {step.script}"
    if isinstance(step, s.RunErrand):
        return f"running {step.job}"
    return STATUS.get(type(step), "")


class Stages:
    """Writes event lines: free ones for what happens before a plan runs, and those of a plan's units."""

    def __init__(self, task: TaskId, world: World) -> None:
        self.task = task
        self.world = world

    def event(self, stage: str, task: str, state: str, **more: object) -> None:
        fields = {"index": 1, "total": 1, "progress": 0 if state == "started" else 100, **more}
        line = {"time": int(self.world.clock.now()), "stage": stage, "tags": [], "task": task, "state": state}
        self._write("event", {**line, **fields})

    def fail(self, code: int, message: str) -> None:
        """The line that says why the whole task failed."""
        self._write("event", {"time": int(self.world.clock.now()), "error": {"code": code, "message": message}})

    def warn(self, message: str) -> None:
        self._write("event", {"time": int(self.world.clock.now()), "type": "warning", "message": message})

    def result(self, line: object) -> None:
        self._write("result", line)

    def say(self, text: str) -> None:
        """Plain words of the result, for a person."""
        self.world.tasklog.append(self.task, "result", text + "\n")

    def progress(self, line: dict[str, object]) -> None:
        self._write("progress", line)

    def debug(self, text: str) -> None:
        self.world.tasklog.append(self.task, "debug", f"{self.world.clock.now():.3f} {text}\n")

    def _write(self, kind: str, line: object) -> None:
        self.world.tasklog.append(self.task, kind, json.dumps(line, ensure_ascii=False) + "\n")


class WalkReport:
    """Listens to a walk. A unit is one task of a stage: started, in progress step by step, finished or failed."""

    def __init__(self, plan: Plan, stages: Stages) -> None:
        self.stages = stages
        self.units = {unit.name: unit for unit in plan.units}
        self.total: dict[str, int] = defaultdict(int)
        self.index: dict[str, int] = {}
        for unit in plan.units:
            self.total[unit.stage] += 1
            self.index[unit.name] = self.total[unit.stage]
        self.left: dict[str, int] = defaultdict(int)
        self.size: dict[str, int] = defaultdict(int)
        for step in plan.steps:
            if step.unit:
                self.left[step.unit] += 1
                self.size[step.unit] += 1
        self.begun: set[str] = set()
        self.errors: dict[str, str] = {}
        stages.progress(_outline(plan))

    def began(self, step: PlannedStep) -> None:
        if isinstance(step.step, s.Gate):
            return
        self.stages.debug(f"began {step.key}")
        self.stages.progress({"step": step.key, "state": "began", "at": self.stages.world.clock.now()})
        if step.unit is None:
            return
        if step.unit not in self.begun:
            self.begun.add(step.unit)
            self.unit_event(self.units[step.unit], "started")
        status = status_of(step.step)
        if status:
            self.unit_event(self.units[step.unit], "in_progress", data={"status": status})

    def ended(self, step: PlannedStep, outcome: Outcome) -> None:
        if not isinstance(step.step, s.Gate):
            took = outcome.ended_s - outcome.started_s
            self.stages.debug(f"{outcome.end.value} {step.key} after {took:.3f} s {outcome.error}".rstrip())
            line = {"step": step.key, "state": outcome.end.value, "took_s": round(took, 4), "error": outcome.error}
            self.stages.progress({**line, "at": self.stages.world.clock.now()})
        if isinstance(kept := outcome.result.get(KEPT), str):
            self.stages.warn(kept)
        if step.unit is None:
            return
        self.left[step.unit] -= 1
        if outcome.end is End.FAILED:
            self.errors.setdefault(step.unit, outcome.error)
        if outcome.end is End.CANCELLED and step.unit in self.begun:
            self.errors.setdefault(step.unit, "cancelled")
        if self.left[step.unit] == 0 and step.unit in self.begun:
            self.unit_ended(self.units[step.unit])

    def unit_ended(self, unit: Unit) -> None:
        error = self.errors.get(unit.name)
        if error is None:
            self.unit_event(unit, "finished")
        else:
            self.unit_event(unit, "failed", data={"error": error})

    def unit_event(self, unit: Unit, state: str, **more: object) -> None:
        done = self.size[unit.name] - self.left[unit.name]
        progress = 100 * done // self.size[unit.name]
        index, total = self.index[unit.name], self.total[unit.stage]
        self.stages.event(unit.stage, unit.task, state, index=index, total=total, progress=progress, **more)


def _outline(plan: Plan) -> dict[str, object]:
    """The plan as the live view needs it: keys, what each waits for, how units share limits."""
    return {
        "plan": plan.id,
        "limits": {limit.name: limit.max for limit in plan.limits},
        "units": {unit.name: list(unit.limits) for unit in plan.units},
        "steps": [
            {
                "key": step.key,
                "does": status_of(step.step),
                "waits_for": [*step.needs, *step.after],
                "unit": step.unit,
                "limits": list(step.limits),
            }
            for step in plan.steps
        ],
    }
