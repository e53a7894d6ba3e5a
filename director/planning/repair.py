"""The plan of a repair: the named instances are brought back as they were deployed, and nothing else is touched.

Each of them has a chain of its own that waits for no other, under no limit that another's failure could close. What a
remedy comes to, and what of an instance is brought back, is ``treat``'s to say.

Note: agents of sick instances may hang. Nothing is drained, and before a VM is deleted its jobs are asked to stop and
its disk to be let go of, but the VM goes whatever comes of that: its deletion is what makes sure that it is gone.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from director.model.health import Remedy
from director.model.names import AgentId, InstanceId
from director.model.plan import Change, Hold, Limit, Move, Plan
from director.model.record import Applied, DiskState, InstanceRecord
from director.model.step import AwaitAgent, ClearEnrolment, DeleteVm, RebootVm, RecordInstance, RunScript
from director.model.wanted import Wanted, WantedGroup, WantedInstance
from director.planning import attach
from director.planning import chain as chains
from director.planning.build import Builds
from director.planning.chain import Rules, VmIdentity
from director.planning.inputs import Inputs
from director.planning.make import Maker
from director.planning.steps import Chain
from director.planning.treat import RENEWING, Treatment, not_wanted, treat

REPAIRS: Final = "repairs"
"""The limit of repairs at a time."""


def make_repair(
    given: Inputs, remedies: Mapping[InstanceId, Remedy], *, is_watch: bool = True, at_once: int = 0
) -> Plan:
    """The plan of ``remedies``. What cannot or must not be done any more is a hold. ``is_watch``: no person asked.

    ``given.wanted`` is the last deploy that finished, ``given.specs`` has at least the named instances of it. With
    ``at_once`` so many of them are repaired at a time, however each ends.
    """
    named = {instance: remedy for instance, remedy in remedies.items() if remedy.is_action}
    groups = {i.id: (group, i) for group in given.wanted.groups for i in group.instances}
    recorded = {i.id: i for i in given.record.instances}
    treated: list[Treatment] = []
    holds: list[Hold] = []
    for instance in sorted(named, key=lambda i: _place(i, recorded)):
        known, found = recorded.get(instance), groups.get(instance)
        if known is None or found is None:
            holds.append(not_wanted(instance, known))
            continue
        one = treat(given, known, *found, named[instance], is_watch=is_watch)
        if isinstance(one, Hold):
            holds.append(one)
        else:
            treated.append(one)
    return _plan(given, treated, holds, at_once)


def _place(instance: InstanceId, recorded: Mapping[InstanceId, InstanceRecord]) -> tuple[str, int, str]:
    known = recorded.get(instance)
    return (known.group, known.index, instance) if known else ("", 0, instance)


def _plan(given: Inputs, treated: list[Treatment], holds: list[Hold], at_once: int) -> Plan:
    scope = replace(given.wanted, groups=_groups(given.wanted, [one.wanted for one in treated if one.spec is not None]))
    asked = replace(given.asked, forced={}, undrained=frozenset(one.wanted.id for one in treated))
    maker = Maker(replace(given, wanted=scope, asked=asked))
    maker.holds += holds
    maker.limits += [Limit(name=REPAIRS, max=at_once)] if at_once else []
    builds = maker.builds()
    for one in treated:
        _add(maker, one, builds, (REPAIRS,) if at_once else ())
    return maker.finished(builds.reserve)


def _groups(wanted: Wanted, kept: list[WantedInstance]) -> tuple[WantedGroup, ...]:
    found = (replace(g, instances=tuple(i for i in kept if i.group == g.name)) for g in wanted.groups)
    return tuple(group for group in found if group.instances)


def _add(maker: Maker, one: Treatment, builds: Builds, limits: tuple[str, ...]) -> None:
    wanted, decision = one.wanted, one.decision
    maker.changes.append(
        Change(instance=wanted.id, label=wanted.label, move=decision.move, reasons=decision.reasons),
    )
    needs = builds.keys_for(wanted) if one.spec is not None else ()
    chain = maker.chain(wanted.label, wanted.id, f"Repairing {wanted.group}", limits, needs, verb="repair")
    record = chains.record_of(wanted, decision, maker.generation(decision, wanted))
    if one.is_recorded:
        chain.add("record", RecordInstance(record=record))
    ready = _renew if decision.move in RENEWING else _mend
    agent = ready(chain, one, maker.rules_for(wanted.id))
    members = wanted.members if one.is_recorded else tuple(m for m in wanted.members if m in one.recorded.members)
    chains.add_start(chain, replace(wanted, members=members), agent, one.spec, one.group.update.update_watch)
    if one.is_recorded:
        settled = attach.settled(replace(record, applied=one.spec), wanted)
        chain.add("settle", RecordInstance(record=settled))
    if any(job.job.has_script("post-deploy") for job in wanted.jobs):
        chain.add("post-deploy", RunScript(instance=wanted.id, agent=agent, script="post-deploy"))
    maker.take(chain)


def _renew(chain: Chain, one: Treatment, rules: Rules) -> AgentId:
    """Another VM in place of the one there was, with its disk. Whoever is gone for sure lets go of nothing."""
    assert one.spec is not None, "a new VM has no content of its own"
    if one.decision.move is Move.CREATE:
        agent = chains.add_create(chain, one.decision, one.wanted, rules).agent
    else:
        agent = chains.add_update(chain, one.decision, one.wanted, one.spec, rules)
    _delete_whatever_comes(chain)
    return agent


def _delete_whatever_comes(chain: Chain) -> None:
    """What is asked of an instance before its VM goes may fail: the VM then goes all the same."""
    first = next((n for n, planned in enumerate(chain.steps) if isinstance(planned.step, DeleteVm)), 0)
    asked = tuple(planned.key for planned in chain.steps[1:first])
    if asked:
        chain.steps[first] = replace(chain.steps[first], needs=(chain.steps[0].key,), after=asked)


def _mend(chain: Chain, one: Treatment, rules: Rules) -> AgentId:
    """The VM stays: its jobs are down, its disk is there, and it waits for its content."""
    wanted, decision, vm = one.wanted, one.decision, one.decision.case.vm
    assert vm is not None, "only an instance with a VM is mended"
    if decision.move is Move.REBOOT:
        attach.add_withdraw(chain, one.recorded)
        chain.add("reboot", RebootVm(instance=wanted.id, vm=vm.name))
        chain.add("await-agent", AwaitAgent(instance=wanted.id, agent=vm.agent, timeout_s=rules.agent_wait_s))
    else:
        chains.add_stop(chain, decision, wanted.id, Applied(), kind=chains.UPDATE, rules=rules)
    if vm.has_enrolment:
        chain.add("clear-enrolment", ClearEnrolment(instance=wanted.id, vm=vm.name))
    if one.is_recorded:
        attach.add_attach(chain, wanted, vm.name, rules.fabrics)
    disk = decision.case.disk
    if disk and one.lacks_disk and disk.state is DiskState.ATTACHED:
        disk = replace(disk, state=DiskState.DETACHED)  # recorded so, but to be mounted again
    if disk or one.is_recorded:
        identity = VmIdentity(name=vm.name, agent=vm.agent, generation=vm.generation)
        chains.add_disks(chain, disk, wanted, identity, rules)
    return vm.agent
