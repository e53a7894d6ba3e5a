"""When everybody is silent it is the director: silence that comes together is held against nobody."""

from dataclasses import replace

import pytest

from director.model.health import Condition, Finding, Presence, Remedy, Verdict, Watched, Witness
from director.model.plan import Hold
from director.model.record import InstanceRecord, VmRecord, VmState
from director.model.sighting import JobState, SeenAgent
from director.model.wanted import VmShape, Want
from director.planning.health import Moment, Senses
from director.planning.isolation import DOUBTED, doubted, isolation

NOW = 1000.0
SENSES = Senses()
MOMENT = Moment(now=NOW, wall=50_000.0, trusted_since=0.0)
SHAPE = VmShape(stemcell_name="s", stemcell_version="1", stemcell_cid="s", cloud_properties={}, networks={})
NEVER = None
"""Silent since the director came up."""


def member(number, silent_s=1.0, *, presence=Presence.ON, is_connected=None, want=Want.STARTED):
    name = f"web-{number}"
    instance = InstanceRecord(id=name, deployment="d", group="web", index=number, want=want)
    vm = VmRecord(
        name=name, instance=name, deployment="d", agent=name, generation=1, shape=SHAPE, state=VmState.CREATED,
        created_at=0.0,
    )  # fmt: skip
    agent = None
    if silent_s is not NEVER:
        connected = silent_s < 30 if is_connected is None else is_connected
        agent = SeenAgent(id=name, is_connected=connected, silent_s=silent_s, job_state=JobState.RUNNING)
    return Watched(instance=instance, vm=vm, agent=agent, witness=Witness(at=NOW - 1, presence=presence))


def fleet(*silent_s, **more):
    return [member(number, one, **more) for number, one in enumerate(silent_s)]


def share(members, moment=MOMENT):
    found = isolation(members, moment, SENSES)
    return (found.silent, found.known) if found else None


@pytest.mark.parametrize(
    ("silent_s", "found"),
    [
        ((40.0, 41.0, 42.0), (3, 3)),
        ((40.0, 41.0), None),
        ((1.0, 40.0, 41.0, 42.0), None),
        ((1.0, 40.0, 41.0, 42.0, 43.0), (4, 5)),
        ((1.0, 1.0, 40.0, 41.0, 42.0, 43.0), None),
        ((40.0, 41.0, 42.0, 900.0), (3, 3)),
        ((40.0, 140.0, 240.0), None),
        ((40.0, 69.9, 55.0), (3, 3)),
        ((40.0, 70.1, 41.0), None),
        ((1.0, 1.0, 1.0), None),
    ],
)
def test_most_of_those_heard_until_then_fell_silent_within_one_window(silent_s, found):
    assert share(fleet(*silent_s)) == found


def test_who_died_before_or_fell_after_hides_nothing():
    assert share(fleet(900.0, 800.0, *[100.0] * 5, 40.0)) == (5, 6)


def test_none_was_heard_since_the_director_came_up():
    assert share(fleet(NEVER, NEVER, NEVER)) == (3, 3)
    assert share(fleet(NEVER, NEVER)) is None
    assert share(fleet(NEVER, NEVER, NEVER, NEVER, 1.0)) is None, "one has come back, so they can"


def test_a_stream_that_is_open_and_carries_nothing_is_not_heard():
    assert share(fleet(*[31.0] * 3, *[20.0] * 3, is_connected=True)) == (6, 6)
    assert share(fleet(*[31.0] * 3, *[14.0] * 3, is_connected=True)) is None


def test_what_is_proven_off_or_gone_speaks_for_itself():
    for presence in (Presence.OFF, Presence.ABSENT):
        assert share(fleet(*[40.0] * 5, presence=presence)) is None
        assert share([*fleet(*[40.0] * 3), member(9, 40.0, presence=presence)]) == (3, 3)
    assert share(fleet(*[40.0] * 5, presence=Presence.UNTOLD)) == (5, 5)


def test_nobody_is_doubted_before_anybody_was_silent_too_long():
    assert share(fleet(*[29.0] * 5, is_connected=False)) is None
    assert share(fleet(*[40.0] * 5), replace(MOMENT, trusted_since=NOW - 29.0)) is None


def test_whom_a_person_stopped_counts_only_while_he_is_heard():
    stopped = [member(n, 1.0, want=Want.STOPPED) for n in (7, 8)]
    assert share([*fleet(*[40.0] * 5), *stopped]) is None
    silent = [member(n, 40.0, want=Want.STOPPED) for n in (7, 8)]
    assert share([*fleet(40.0, 40.0), *silent]) is None


def verdict(condition, hold=None):
    finding = Finding(
        deployment="d", instance="i", label="web/0", group="web", az=None, vm="v", condition=condition, since=0.0
    )  # fmt: skip
    return Verdict(finding=finding, remedy=Remedy.RECREATE, hold=hold)


@pytest.mark.parametrize("condition", Condition)
def test_only_what_rests_on_silence_is_held_and_says_why(condition):
    found = isolation(fleet(40.0, 41.0, 42.0), MOMENT, SENSES)
    (held,) = doubted([verdict(condition)], found)
    assert (held.hold is not None) is (condition in DOUBTED)
    if held.hold:
        assert held.hold.code == "hold.doubt"
        assert held.hold.reason.startswith("3 of 3 agents fell silent at about the same time")


def test_what_is_held_already_keeps_its_reason_and_without_a_doubt_nothing_is_held():
    mine = Hold(code="hold.ignored", subject="web/0", reason="it is ignored")
    found = isolation(fleet(40.0, 41.0, 42.0), MOMENT, SENSES)
    assert doubted([verdict(Condition.UNRESPONSIVE, mine)], found)[0].hold is mine
    assert doubted([verdict(Condition.UNRESPONSIVE)], None)[0].is_due
