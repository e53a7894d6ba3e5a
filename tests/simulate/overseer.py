"""What no brake may let through, at every moment of a seed, worked out here anew and not by ``planning/brake``.

It sees what the watch found in its look, what the record holds and what the world is like. A repair that begins
although the rules of docs/healing.md hold it is a violation: too many at once, too many of a group with disks, one of
what a task changes, one in a meltdown, one of silent VMs while the director hears nobody.
"""

from collections import defaultdict

import yaml

from director.execution.journal import LATE
from director.model.deployment import Lifecycle
from director.model.health import Condition, Remedy
from director.model.record import TaskState
from director.model.sighting import Power
from director.model.wanted import Want
from director.reconcile.requests import Repair

LOST = {Condition.UNRESPONSIVE, Condition.OFF, Condition.MISSING, Condition.UNKNOWN}
SERVES = {Condition.RUNNING, Condition.STARTING, Condition.FAILING, Condition.EMPTY}
TAKES = {Remedy.REBOOT.value, Remedy.RECREATE.value}
WINDOW_S = 30.0


class Overseer:
    """Lives as long as a seed; of what the watch remembers it forgets as much as a director that dies."""

    def __init__(self, simulation):
        self.simulation = simulation
        self.rules = simulation.rules.brakes
        self.came = {}
        """When each task was there first."""
        self.looked_at = 0.0
        self.begin_life()
        self.checked = 0

    def begin_life(self):
        self.lost, self.treated, self.counted = {}, set(), set()

    @property
    def _tables(self):
        return self.simulation.store._tables

    @property
    def _now(self):
        return self.simulation.loop.time()

    # What it is told

    def look_begins(self):
        self.looked_at = self._now

    def look_ended(self):
        self._note_losses()

    def task_added(self, task):
        self.came[task.id] = self._now
        if _is_ours(task):
            self.checked += 1
            self._note_losses()
            self._check_begins(task, dict(task.options["remedies"]))
            self.treated |= dict(task.options["remedies"]).keys()

    def task_changed(self, task):
        if task.state is not TaskState.PROCESSING or task.deployment is None:
            return
        for other in self._tables.tasks.values():
            is_same = other.deployment == task.deployment and other.id != task.id
            if is_same and other.state is TaskState.PROCESSING and Repair.task_type in {task.type, other.type}:
                self._blame(f"task {task.id} begins while task {other.id} changes the same")

    def intent_opened(self):
        """So many instances are really being worked on for repairs of the watch."""
        ours = {task.id for task in self._tables.tasks.values() if _is_ours(task) and not task.state.is_final}
        open_ones = [i for i in self._tables.intents.values() if i.task in ours and not i.effect.startswith(LATE)]
        units = {(intent.task, intent.step.rpartition(":")[0]) for intent in open_ones}
        if len(units) > self.rules.repairs_max:
            self._blame(f"{len(units)} repairs are going on, {sorted(units)}")

    # What must hold

    def _check_begins(self, task, remedies):
        self._check_at_once()
        self._check_tasks(task)
        self._check_groups(remedies)
        self._check_meltdown(remedies)
        self._check_hearing(remedies)

    def _check_at_once(self):
        running = [task for task in self._tables.tasks.values() if _is_ours(task) and not task.state.is_final]
        most = sum(min(len(t.options["remedies"]), t.options["at_once"] or 1_000_000) for t in running)
        if most > self.rules.repairs_max:
            self._blame(f"{most} repairs may go on at once")

    def _check_tasks(self, task):
        for other in self._tables.tasks.values():
            is_same = other.deployment == task.deployment and other.id != task.id
            if is_same and not other.state.is_final and self.came.get(other.id, 0.0) < self.looked_at:
                self._blame(f"a repair is asked for while task {other.id} has been about to change the same")

    def _check_groups(self, remedies):
        manifest = self._tables.deployments["demo"].manifest
        if manifest is None:
            self._blame("a repair is asked for of what was never deployed to its end")
            return
        update = yaml.safe_load(manifest)["update"]
        keeping = {self._tables.instances[d.instance].group for d in self._tables.disks.values() if d.instance}
        members = defaultdict(list)
        for one in self._started_or_not():
            members[one.group].append(one)
        for group in sorted(keeping & members.keys()):
            of_it = members[group]
            budget = max(1, min(_number(str(update["max_in_flight"]), len(of_it)), len(of_it)))
            repaired = {one.id for one in of_it} & self._in_repair()
            if len(repaired & remedies.keys()) and len(repaired) > budget:
                self._blame(f"{len(repaired)} of {group} are repaired at once, its budget is {budget}")
            self._check_taken(of_it, repaired, remedies, budget)

    def _check_taken(self, of_it, repaired, remedies, budget):
        away = {one.id for one in of_it if one.want is Want.STARTED and self._condition(one.id) not in SERVES}
        most = min(budget, max(1, (len(of_it) - 1) // 2))
        for one in of_it:
            if remedies.get(one.id) in TAKES and self._condition(one.id) in SERVES:
                gone = (away | repaired) - {one.id}
                if len(gone) + 1 > most:
                    self._blame(f"{one.label} serves and is taken away, though {len(gone)} of its group are gone")

    def _check_meltdown(self, remedies):
        started = [one for one in self._started_or_not() if one.want is Want.STARTED]
        for one in started:
            if one.id not in remedies:
                continue
            for scope in ([i for i in started if i.az == one.az] if one.az else [], started):
                lost = sum(self._now - self.lost.get(i.id, -1e9) <= self.rules.window_s for i in scope)
                if lost >= self.rules.count and lost >= self.rules.fraction * len(scope):
                    self._blame(f"{one.label} is repaired in a meltdown: {lost} of {len(scope)} are lost")

    def _check_hearing(self, remedies):
        """All VMs are on and nobody is heard, of all at about the same time."""
        silent = [one for one in remedies if self._condition(one) is Condition.UNRESPONSIVE]
        vms = [vm for vm in self.simulation.iron.vms.values() if vm.power is Power.ON]
        seen = self.simulation.agents.seen()
        found = [seen.get(vm.request.enrolment.agent) for vm in vms]
        started = [one for one in self._started_or_not() if one.want is Want.STARTED]
        if not silent or None in found or len(found) < max(3, len(started)):
            return
        ages = [one.silent_s for one in found]
        if not any(one.is_connected for one in found) and max(ages) - min(ages) <= WINDOW_S:
            self._blame(f"silent VMs are repaired while nobody of {len(found)} is heard")

    # What it knows

    def _note_losses(self):
        watch, counted = self.simulation.watch, set()
        for one in watch._findings.values() if watch else ():
            key = one.instance, one.vm
            is_doubted = watch._isolation is not None and one.condition in {Condition.UNRESPONSIVE, Condition.UNKNOWN}
            if one.condition in LOST and (key in self.counted or not is_doubted):
                counted.add(key)
                if key not in self.counted:
                    self.lost[one.instance] = self._now
            elif one.condition is Condition.RUNNING and one.instance not in self.treated:
                self.lost.pop(one.instance, None)
        self.counted = counted
        recent = {key: at for key, at in self.lost.items() if self._now - at <= self.rules.window_s}
        self.lost, self.treated = recent, self.treated & recent.keys()

    def _condition(self, instance):
        found = self.simulation.watch._findings.get(instance)
        return found.condition if found else None

    def _started_or_not(self):
        every = self._tables.instances.values()
        return [one for one in every if one.lifecycle is Lifecycle.SERVICE and not one.is_compilation]

    def _in_repair(self):
        running = [task for task in self._tables.tasks.values() if _is_ours(task) and not task.state.is_final]
        return {instance for task in running for instance, _ in task.options["remedies"]}

    def _blame(self, words):
        self.simulation.blame(f"brake: {words}")


def _number(written, size):
    return size * int(written[:-1]) // 100 if written.endswith("%") else int(written)


def _is_ours(task):
    """A repair that nobody asked for."""
    return task.type == Repair.task_type and task.options.get("by") == "watch"
