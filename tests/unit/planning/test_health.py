"""How instances are found to be: by their agents' word, by silence, by a second witness, and by doubting oneself."""

from dataclasses import replace

import pytest

from director.model.health import Condition, Presence, Watched, Witness
from director.model.record import InstanceRecord, VmRecord, VmState
from director.model.sighting import JobState, SeenAgent, SeenProcess
from director.model.wanted import VmShape, Want
from director.planning.health import Moment, Senses, examine, is_watched, needs_witness

NOW = 1000.0
SENSES = Senses()
MOMENT = Moment(now=NOW, wall=50_000.0, trusted_since=0.0)
SHAPE = VmShape(stemcell_name="s", stemcell_version="1", stemcell_cid="s", cloud_properties={}, networks={})
VM = VmRecord(
    name="web-0",
    instance="i",
    deployment="d",
    agent="a",
    generation=1,
    shape=SHAPE,
    state=VmState.CREATED,
    created_at=0.0,
)
ONE = Watched(instance=InstanceRecord(id="i", deployment="d", group="web", index=0), vm=VM)


def agent(state=JobState.RUNNING, silent_s=1.0, *, is_connected=True, **more):
    return SeenAgent(id="a", is_connected=is_connected, silent_s=silent_s, job_state=state, **more)


def witness(presence, age_s=1.0):
    return Witness(at=NOW - age_s, presence=presence)


def condition(one, moment=MOMENT):
    return examine(one, moment, SENSES).condition


@pytest.mark.parametrize(
    ("state", "found"),
    [
        (JobState.RUNNING, Condition.RUNNING),
        (JobState.FAILING, Condition.FAILING),
        (JobState.STARTING, Condition.STARTING),
        (JobState.UNKNOWN, Condition.STARTING),
        (JobState.STOPPED, Condition.STOPPED),
    ],
)
def test_who_answers_is_as_its_agent_says(state, found):
    assert condition(replace(ONE, agent=agent(state))) is found


def test_a_failing_process_is_named():
    processes = (
        SeenProcess(name="web", job="web", state="failing"),
        SeenProcess(name="ok", job="web", state="running"),
    )
    assert examine(replace(ONE, agent=agent(JobState.FAILING, processes=processes)), MOMENT, SENSES).evidence == (
        "web is failing",
    )


def test_who_runs_without_its_disk_is_not_well():
    assert condition(replace(ONE, agent=agent(), has_disk=True)) is Condition.EMPTY
    assert condition(replace(ONE, agent=agent(disks=("disk",)), has_disk=True)) is Condition.RUNNING


def test_a_closed_stream_alone_is_only_a_suspicion_and_somebody_else_is_asked():
    one = replace(ONE, agent=agent(silent_s=0.5, is_connected=False))
    assert condition(one) is Condition.SUSPECT
    assert needs_witness(one, MOMENT, SENSES)


@pytest.mark.parametrize(("presence", "found"), [(Presence.OFF, Condition.OFF), (Presence.ABSENT, Condition.MISSING)])
def test_a_witness_of_the_vms_end_shortens_the_wait(presence, found):
    one = replace(ONE, agent=agent(silent_s=0.5, is_connected=False), witness=witness(presence, age_s=0.1))
    assert condition(one) is found


@pytest.mark.parametrize("presence", [Presence.ON, Presence.UNTOLD])
def test_without_such_a_witness_silence_has_to_last(presence):
    quiet = replace(ONE, agent=agent(silent_s=29.0, is_connected=False), witness=witness(presence))
    found = examine(quiet, MOMENT, SENSES)
    assert (found.condition, found.next_at) == (Condition.SUSPECT, NOW + 1.0)
    longer = replace(quiet, agent=agent(silent_s=30.0, is_connected=False))
    wanted = Condition.UNRESPONSIVE if presence is Presence.ON else Condition.UNKNOWN
    assert condition(longer) is wanted


def test_a_witness_who_looked_before_the_last_word_is_none():
    one = replace(ONE, agent=agent(silent_s=5.0, is_connected=False), witness=witness(Presence.OFF, age_s=6.0))
    assert condition(one) is Condition.SUSPECT
    assert needs_witness(one, MOMENT, SENSES)


def test_a_verdict_rests_on_a_fresh_witness():
    old = replace(ONE, agent=agent(silent_s=60.0, is_connected=False), witness=witness(Presence.ON, age_s=20.0))
    assert needs_witness(old, MOMENT, SENSES)
    assert condition(old) is Condition.SUSPECT
    fresh = replace(old, witness=witness(Presence.ON))
    assert not needs_witness(fresh, MOMENT, SENSES)
    assert condition(fresh) is Condition.UNRESPONSIVE


def test_an_open_stream_over_which_nothing_comes_is_silence_too():
    mute = replace(ONE, agent=agent(silent_s=31.0), witness=witness(Presence.ON))
    assert condition(mute) is Condition.UNRESPONSIVE
    assert condition(replace(ONE, agent=agent(silent_s=29.0))) is Condition.RUNNING


@pytest.mark.parametrize("known", [None, agent(silent_s=500.0, is_connected=False)])
def test_the_director_doubts_itself_first(known):
    """Silence before its start, or through its stall, is held against nobody."""
    moment = Moment(now=NOW, wall=50_000.0, trusted_since=NOW - 10)
    one = replace(ONE, agent=known, witness=witness(Presence.ON))
    assert condition(one, moment) is Condition.SUSPECT
    assert condition(one, replace(moment, trusted_since=NOW - 30)) is Condition.UNRESPONSIVE


def test_a_vm_that_may_be_booting_is_waited_for():
    young = replace(ONE, vm=replace(VM, created_at=49_990.0), witness=witness(Presence.ON))
    assert condition(young) is Condition.SUSPECT
    assert condition(replace(young, vm=replace(VM, created_at=49_900.0))) is Condition.UNRESPONSIVE


def test_who_has_no_vm_or_one_that_a_task_makes_is_found_so():
    assert condition(replace(ONE, vm=None)) is Condition.NO_VM
    for state in (VmState.CREATING, VmState.DELETING):
        assert condition(replace(ONE, vm=replace(VM, state=state))) is Condition.SETTLING


def test_the_same_condition_goes_on_since_then_and_coming_up_and_failing_are_one():
    first = examine(replace(ONE, agent=agent(JobState.FAILING)), MOMENT, SENSES)
    later = replace(MOMENT, now=NOW + 20)
    again = examine(replace(ONE, agent=agent(JobState.STARTING)), later, SENSES, first)
    assert again.since == NOW
    assert examine(replace(ONE, agent=agent()), later, SENSES, again).since == NOW + 20


def test_another_vm_begins_anew():
    first = examine(replace(ONE, agent=agent(JobState.FAILING)), MOMENT, SENSES)
    renewed = replace(ONE, vm=replace(VM, name="web-0-2"), agent=agent(JobState.FAILING))
    assert examine(renewed, replace(MOMENT, now=NOW + 5), SENSES, first).since == NOW + 5


def test_nobody_asks_after_those_that_answer_or_need_not_run():
    assert not needs_witness(replace(ONE, agent=agent()), MOMENT, SENSES)
    stopped = replace(ONE, instance=replace(ONE.instance, want=Want.STOPPED))
    assert not needs_witness(stopped, MOMENT, SENSES)
    assert is_watched(ONE)
    assert not is_watched(replace(ONE, instance=replace(ONE.instance, is_compilation=True)))


@pytest.mark.parametrize(
    ("made_at", "words"),
    [
        (0.0, "its agent has not been heard of for 1000 s, since this director came up"),
        (MOMENT.wall - 300, "its agent has not been heard of in the 300 s since its VM was made"),
        (MOMENT.wall + 300, "its agent has not been heard of for 1000 s, since this director came up"),
    ],
)
def test_an_agent_that_never_came_is_missed_since_its_vm_was_made_or_the_director_came_up(made_at, words):
    found = examine(replace(ONE, vm=replace(VM, created_at=made_at)), MOMENT, SENSES)
    assert found.evidence[0] == words
