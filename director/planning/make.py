"""The whole policy of order, on one page: from wanted, recorded and seen to a plan (bosh-director.md 4.1).

removed groups go ──▶ missing VMs are created (all groups at once) ─┐
packages are compiled ──────────────────────────────────────────────┤
                     group by group, or side by side where serial is false:
                     obsolete instances go ▶ canaries ▶ who is away ▶ zone after zone
                                                                    └▶ post-deploy ▶ recorded
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from director.model.deployment import Lifecycle
from director.model.names import InstanceId, StepKey
from director.model.plan import Change, Hold, Limit, Move, Plan, PlannedStep, Unit
from director.model.problem import Refused
from director.model.record import InstanceRecord
from director.model.step import EnsureStack, ForgetDeployment, Gate, RecordDeployment, RecordInstance, RunScript
from director.model.wanted import WantedGroup, WantedInstance
from director.planning import chain as chains
from director.planning.attach import settled
from director.planning.audit import audit
from director.planning.build import Builds, build_steps
from director.planning.chain import Rules
from director.planning.diff import Case, Decision, Forced, decide
from director.planning.fabric import (
    NETWORKS,
    READY,
    StackPlan,
    departure_steps,
    ensure_steps,
    plan_stacks,
    stack_limit,
    with_networks_first,
)
from director.planning.handover import hand_over
from director.planning.inputs import Inputs
from director.planning.limit import CALLS, SCRIPTS, Wave, group_limit, group_limit_name, waves
from director.planning.order import in_order
from director.planning.package import Compilation, missing_compilations
from director.planning.steps import Chain

IN_MOTION = frozenset({Move.CREATE, Move.UPDATE, Move.RECREATE, Move.START, Move.RESTART})


def make_plan(given: Inputs) -> Plan:
    """The plan that makes the recorded deployment the wanted one. Pure: the same inputs give the same plan."""
    return Maker(given).plan()


def make_deletion(given: Inputs, *, is_forced: bool) -> Plan:
    """The plan that removes a deployment: every instance, then its row. Forced: failures hold nothing up."""
    maker = Maker(given, deployment_next="delete")
    maker.plan_networks()
    gone = maker.leave_networks((maker.removed_gate(),))
    maker.steps.append(
        PlannedStep(key=StepKey("deployment:forget"), step=ForgetDeployment(), subject="deployment", needs=gone)
    )
    plan = maker.finished()
    if not is_forced:
        return plan
    steps = tuple(replace(s, needs=(), after=(*s.needs, *s.after)) for s in plan.steps)
    return replace(plan, steps=steps)


class Maker:
    """Collects the parts of one plan. Not a value: it lives only while one plan is made."""

    def __init__(self, given: Inputs, deployment_next: str = "keep") -> None:
        self.given = given
        self.steps: list[PlannedStep] = []
        self.units: list[Unit] = []
        self.changes: list[Change] = []
        self.holds: list[Hold] = []
        calls = given.asked.calls_in_flight
        self.limits = [Limit(name=name, max=calls) for name in (CALLS, SCRIPTS)]
        self.stacks = StackPlan()
        self.rules = Rules(
            jobs={job.fingerprint: job for release in given.catalog.releases for job in release.jobs},
            serial=given.record.deployment.serial + 1,
            agent_wait_s=given.asked.agent_wait_s,
            growers=given.growers,
            leavers=given.leavers,
            fabrics=given.fabrics,
            deployment_next=deployment_next,
        )
        self.recorded = {instance.id: instance for instance in given.record.instances}
        wanted = {instance.id for group in given.wanted.groups for instance in group.instances}
        self.unwanted = [instance for instance in given.record.instances if instance.id not in wanted]

    def plan(self) -> Plan:
        removed = self.removed_gate()
        self.plan_networks()
        self.ensure_networks()
        builds = self.builds()
        gate: tuple[StepKey, ...] = (removed,)
        for batch in _batches(self.given.wanted.groups):
            gate = tuple(self.group(group, gate, removed, builds) for group in batch)
        self.finish(self.leave_networks(self.post_deploy(gate)))
        return self.finished(builds.reserve)

    def finished(self, reserve: tuple[InstanceRecord, ...] = ()) -> Plan:
        plan = Plan(
            id=self.given.id,
            deployment=self.given.wanted.deployment,
            parent=self.given.record.deployment.serial,
            steps=in_order(hand_over(self.networks_first(), self.given.record)),
            units=tuple(self.units),
            limits=tuple(self.limits),
            changes=tuple(self.changes),
            holds=tuple(self.holds),
            reserve=(*self.new_records(), *reserve),
            stack_moves=self.stacks.moves,
            joins=self.stacks.joins,
        )
        faults = audit(plan, self.given.record)
        assert not faults, f"the planner broke its own rules: {'; '.join(faults)}"
        return plan

    # Networks

    def plan_networks(self) -> None:
        """Raises Refused for what the fabrics say no plan may go on with."""
        given = self.given
        self.stacks = plan_stacks(given.wanted.deployment, given.stacks, given.recorded_stacks, given.seen.fabrics)
        if self.stacks.problems:
            raise Refused(self.stacks.problems)

    def ensure_networks(self) -> None:
        """Side by side with what is deleted and compiled; VMs and pool members wait for all of them."""
        for step, unit in ensure_steps(self.stacks):
            self.steps.append(step)
            self.units.append(unit)
        if self.stacks.ensures:
            self.limits.append(stack_limit())
            ends = [step.key for step in self.steps if isinstance(step.step, EnsureStack)]
            self.steps.append(
                PlannedStep(key=READY, step=Gate(name="networks ready"), subject="networks ready", needs=tuple(ends))
            )

    def networks_first(self) -> Sequence[PlannedStep]:
        return with_networks_first(self.steps) if any(step.key == READY for step in self.steps) else self.steps

    def leave_networks(self, needs: tuple[StepKey, ...]) -> tuple[StepKey, ...]:
        """When nothing of this deployment is on them any more."""
        steps = list(departure_steps(self.stacks, needs))
        if steps and not any(limit.name == NETWORKS for limit in self.limits):
            self.limits.append(stack_limit())
        self.steps += [step for step, _ in steps]
        self.units += [unit for _, unit in steps]
        return (*needs, *(step.key for step, _ in steps))

    def new_records(self) -> tuple[InstanceRecord, ...]:
        """Instances not recorded yet, reserved with their addresses when the plan is adopted."""
        held = {a.ip for i in self.given.record.instances for a in i.addresses if a.ip}
        news = [i for group in self.given.wanted.groups for i in group.instances if i.id not in self.recorded]
        records = [chains.record_of(i, self.decision(i), 0) for i in news]
        return tuple(replace(r, addresses=tuple(a for a in r.addresses if a.ip not in held)) for r in records)

    # What happens to each instance

    def decision(self, wanted: WantedInstance) -> Decision:
        record = self.given.record
        case = Case(
            wanted=wanted,
            spec=self.given.specs.get(wanted.id),
            recorded=self.recorded.get(wanted.id),
            vms=record.vms_of(wanted.id),
            disks=record.disks_of(wanted.id),
            forced=self.given.asked.forced.get(wanted.id, Forced()),
        )
        return decide(case, self.given.seen)

    def departure(self, recorded: InstanceRecord) -> Decision:
        record = self.given.record
        forced = self.given.asked.forced.get(recorded.id, Forced())
        case = Case(
            recorded=recorded, vms=record.vms_of(recorded.id), disks=record.disks_of(recorded.id), forced=forced
        )
        return decide(case, self.given.seen)

    def note(self, decision: Decision, label: str, instance: InstanceId) -> bool:
        """Whether the move is to be made; a held one is noted as such."""
        if decision.hold:
            self.holds.append(decision.hold)
            return False
        if decision.move is Move.NOTHING:
            return False
        self.changes.append(Change(instance=instance, label=label, move=decision.move, reasons=decision.reasons))
        return True

    def rules_for(self, instance: InstanceId) -> Rules:
        return replace(self.rules, is_draining=instance not in self.given.asked.undrained)

    # Order

    def gate(self, name: str, needs: Iterable[StepKey]) -> StepKey:
        key = StepKey(f"gate:{name}")
        self.steps.append(PlannedStep(key=key, step=Gate(name=name), subject=name, needs=tuple(needs)))
        return key

    def removed_gate(self) -> StepKey:
        """Instances of groups that are no longer in the manifest, and what a broken compilation left, go first."""
        kept = {group.name for group in self.given.wanted.groups}
        gone = [i for i in self.unwanted if i.group not in kept or i.is_compilation]
        ends = [key for instance in gone for key in self.delete(instance, "Deleting unneeded instances", ())]
        return self.gate("unneeded groups deleted", ends)

    def delete(self, instance: InstanceRecord, stage: str, needs: tuple[StepKey, ...]) -> tuple[StepKey, ...]:
        decision = self.departure(instance)
        if not self.note(decision, instance.label, instance.id):
            return ()
        chain = self.chain(instance.label, instance.id, stage, (), needs, verb="delete")
        chains.add_delete(chain, decision, self.rules_for(instance.id))
        return self.take(chain)

    def chain(
        self,
        label: str,
        instance: InstanceId,
        stage: str,
        limits: tuple[str, ...],
        needs: tuple[StepKey, ...],
        *,
        verb: str,
        mark: str = "",
    ) -> Chain:
        group, _, index = label.partition("/")
        unit = Unit(name=f"{verb} {label}", stage=stage, task=f"{group}/{instance} ({index}){mark}", limits=limits)
        self.units.append(unit)
        return Chain(subject=label, unit=unit.name, needs=needs)

    def take(self, chain: Chain) -> tuple[StepKey, ...]:
        self.steps.extend(chain.steps)
        return chain.last

    def builds(self, missing: tuple[Compilation, ...] | None = None) -> Builds:
        """Of ``missing``; of all that is wanted when that is None."""
        if missing is None:
            missing = missing_compilations(self.given.wanted, self.given.catalog)
        builds = build_steps(
            missing,
            self.given.wanted.deployment,
            self.given.catalog,
            self.given.clouds,
            taken=self.addresses(),
            plan_id=self.given.id,
            rules=self.rules,
            first_index=1 + max((i.index for i in self.unwanted if i.is_compilation), default=-1),
            sizes=self.given.sizes,
        )
        self.steps.extend(builds.steps)
        self.units.extend(builds.units)
        self.limits.extend(builds.limits)
        return builds

    def addresses(self) -> frozenset[str]:
        wanted = {a.ip for g in self.given.wanted.groups for i in g.instances for a in i.addresses if a.ip}
        recorded = {a.ip for i in self.given.record.instances for a in i.addresses if a.ip}
        return frozenset({*wanted, *recorded, *self.given.taken})

    def group(self, group: WantedGroup, before: tuple[StepKey, ...], removed: StepKey, builds: Builds) -> StepKey:
        """One instance group; returns the gate that stands for "this group is as wanted"."""
        stage = f"Deleting unneeded instances {group.name}"
        obsolete = [i for i in self.unwanted if i.group == group.name and not i.is_compilation]
        deleted = [key for i in obsolete for key in self.delete(i, stage, before)]
        if group.lifecycle is Lifecycle.ERRAND:
            return self.gate(f"{group.name} ready", (*before, *deleted))
        decisions = {i.id: self.decision(i) for i in group.instances}
        active = [i for i in group.instances if self.note(decisions[i.id], i.label, i.id)]
        override = self.given.asked.max_in_flight
        self.limits.append(group_limit(group.name, group.update, len(group.instances), override))
        needs = (*before, *deleted)
        for wave in self.waves(group, active, [i for i, decision in decisions.items() if decision.is_away]):
            ends = [
                key
                for instance in wave.instances
                for key in self.instance(instance, decisions[instance.id], group, wave, needs, removed, builds)
            ]
            needs = (self.gate(f"{wave.name} done", ends),)
        return self.gate(f"{group.name} updated", needs)

    def waves(self, group: WantedGroup, active: list[WantedInstance], away: Collection[InstanceId]) -> tuple[Wave, ...]:
        return waves(
            group.name,
            active,
            len(group.instances),
            group.update,
            canaries=self.given.asked.canaries,
            is_first_deploy=self.given.record.deployment.manifest is None,
            away=away,
        )

    def instance(
        self,
        wanted: WantedInstance,
        decision: Decision,
        group: WantedGroup,
        wave: Wave,
        needs: tuple[StepKey, ...],
        removed: StepKey,
        builds: Builds,
    ) -> tuple[StepKey, ...]:
        """The chains of one instance: creation when it has no VM, then its turn in the group's update."""
        rules = self.rules_for(wanted.id)
        agent = None
        if decision.move is Move.CREATE:
            created = self.create(wanted, decision, rules, removed)
            needs, agent = (*needs, *created[0]), created[1].agent
        stage = f"Updating instance {group.name}"
        mark = " (canary)" if wave.are_canaries else ""
        limits = (group_limit_name(group.name),)
        chain = self.chain(wanted.label, wanted.id, stage, limits, needs, verb="update", mark=mark)
        if decision.move is Move.ATTACH:
            chains.add_attachment(chain, decision, wanted, rules)
            return self.take(chain)
        if decision.move not in IN_MOTION:
            chains.add_rest(chain, decision, wanted, rules)
            return self.take(chain)
        spec = self.given.specs[wanted.id]
        generation = self.generation(decision, wanted)
        record = chains.record_of(wanted, decision, generation)
        # Nothing is stopped before all it needs has been compiled.
        chain.add("record", RecordInstance(record=record), *builds.keys_for(wanted))
        if agent is None:
            agent = chains.add_update(chain, decision, wanted, spec, rules)
        watch = group.update.canary_watch if wave.are_canaries else group.update.update_watch
        chains.add_start(chain, wanted, agent, spec, watch)
        chain.add("settle", RecordInstance(record=settled(replace(record, applied=spec), wanted)))
        return self.take(chain)

    def generation(self, decision: Decision, wanted: WantedInstance) -> int:
        if decision.move in {Move.CREATE, Move.RECREATE}:
            return chains.next_identity(decision, wanted).generation
        return decision.case.recorded.generation if decision.case.recorded else 0

    def create(
        self, wanted: WantedInstance, decision: Decision, rules: Rules, removed: StepKey
    ) -> tuple[tuple[StepKey, ...], chains.VmIdentity]:
        chain = self.chain(wanted.label, wanted.id, "Creating missing vms", (), (removed,), verb="create")
        identity = chains.add_create(chain, decision, wanted, rules)
        return self.take(chain), identity

    def post_deploy(self, gate: tuple[StepKey, ...]) -> tuple[StepKey, ...]:
        """bin/post-deploy of every started instance, once every group is as wanted, if anything changed at all."""
        if not self.changes:
            return gate
        ends = list(gate)
        for group in self.given.wanted.groups:
            for wanted in group.instances:
                ends += self.post_deploy_of(wanted, group, gate)
        return tuple(ends)

    def post_deploy_of(self, wanted: WantedInstance, group: WantedGroup, gate: tuple[StepKey, ...]) -> list[StepKey]:
        has = any(job.job.has_script("post-deploy") for job in wanted.jobs)
        decision = self.decision(wanted)
        is_up = decision.move in IN_MOTION or (decision.move is Move.NOTHING and decision.have.is_reachable)
        if not has or not is_up or decision.hold or group.lifecycle is Lifecycle.ERRAND:
            return []
        vm = decision.case.vm
        renews = decision.move in {Move.CREATE, Move.RECREATE} or vm is None
        agent = chains.next_identity(decision, wanted).agent if renews else vm.agent if vm else None
        assert agent is not None
        key = StepKey(f"{wanted.label}:post-deploy")
        step = RunScript(instance=wanted.id, agent=agent, script="post-deploy")
        self.steps.append(PlannedStep(key=key, step=step, subject=wanted.label, needs=gate, limits=(SCRIPTS,)))
        return [key]

    def finish(self, needs: tuple[StepKey, ...]) -> None:
        wanted = self.given.wanted
        step = RecordDeployment(
            releases=tuple((str(name), version) for name, version in wanted.releases),
            stemcells=wanted.stemcells,
            config_ids=self.given.config_ids,
            tags=dict(wanted.tags),
        )
        key = StepKey("deployment:record")
        self.steps.append(PlannedStep(key=key, step=step, subject="deployment", needs=needs))


def _batches(groups: tuple[WantedGroup, ...]) -> list[list[WantedGroup]]:
    """Neighbouring groups with ``serial: false`` go side by side, every other one alone (4.1, 5)."""
    batches: list[list[WantedGroup]] = []
    for group in groups:
        if batches and not group.update.serial and not batches[-1][-1].update.serial:
            batches[-1].append(group)
        else:
            batches.append([group])
    return batches
