"""What becomes of a plan nobody asked for, and which policies can be kept."""

import pytest

from director.model.deployment import Count
from director.model.fabric import Stack
from director.model.health import Condition
from director.model.names import DeploymentName, InstanceId, PlanId, StepKey
from director.model.plan import Change, Hold, Move, Plan, PlannedStep, StackMove
from director.model.record import DeploymentRecord, TaskState
from director.model.steady import Directory, Git, Mode, Policy, Recorded, State, policy_of, policy_to_tree
from director.model.step import MigrateDisk, OrphanDisk, RecordDeployment, RemoveStack
from director.planning.steady import (
    APPLIES_MAX,
    BACK_OFF_S,
    ENDINGS,
    WINDOW_S,
    Attempt,
    Ending,
    Moment,
    Wish,
    changes_max,
    deletions,
    judge,
    wish_of,
)
from director.planning.steady_source import check_policy

NAME = DeploymentName("web")
NEW = Wish(digest="a" * 64, is_recorded=False)
OLD = Wish(digest="a" * 64, is_recorded=True)
NOW = 10_000.0


def change(label, move=Move.UPDATE):
    return Change(instance=InstanceId(f"id-{label}"), label=label, move=move, reasons=("other jobs",))


def plan(*changes, steps=(), **more):
    planned = tuple(PlannedStep(key=StepKey(f"s{number}"), step=step, subject="x") for number, step in enumerate(steps))
    return Plan(id=PlanId("p"), deployment=NAME, parent=1, changes=changes, steps=planned, **more)


def policy(mode=Mode.APPLY, **more):
    return Policy(deployment=NAME, mode=mode, **more)


def moment(*attempts, **more):
    return Moment(now=NOW, size=more.pop("size", 10), attempts=attempts, **more)


def failed(ago=0.0, *, is_same=True):
    return Attempt(at=NOW - ago, ending=Ending.FAILED, is_same=is_same, error="a/0: no such port")


def done(ago=0.0, *, is_same=True):
    return Attempt(at=NOW - ago, ending=Ending.DONE, is_same=is_same)


def test_a_plan_within_all_limits_is_applied():
    assert judge(plan(change("a/0")), NEW, policy(), moment()).state is State.APPLYING


@pytest.mark.parametrize("mode", Mode)
def test_a_plan_without_anything_in_it_is_as_wanted(mode):
    assert judge(plan(), OLD, policy(mode), moment()).state is State.STEADY


def test_a_manifest_that_only_reads_differently_is_recorded_when_applying_and_no_proposal():
    assert judge(plan(), NEW, policy(), moment()).state is State.APPLYING
    assert judge(plan(), NEW, policy(Mode.PROPOSE), moment()).state is State.STEADY


def test_a_proposal_is_pending_whatever_the_plan():
    judged = judge(plan(change("a/0")), NEW, policy(Mode.PROPOSE), moment())
    assert judged.state is State.PENDING
    assert judged.reasons == ("only proposed: deploy it by hand, or switch to --apply",)


def test_what_is_only_held_back_is_pending_with_the_holds_reason():
    hold = Hold(code="hold.ignored", subject="a/0", reason="a/0 is ignored.")
    judged = judge(plan(holds=(hold,)), OLD, policy(), moment())
    assert (judged.state, judged.reasons) == (State.PENDING, ("held back: a/0 is ignored.",))


@pytest.mark.parametrize(
    ("most", "size", "expected"),
    [
        (None, 10, None),
        (Count(number=2), 10, 2),
        (Count(number=20), 10, 10),
        (Count(percent=25), 10, 2),
        (Count(percent=5), 10, 1),
    ],
)
def test_a_percentage_is_rounded_down_but_never_to_nothing(most, size, expected):
    assert changes_max(policy(changes_max=most), size) == expected


def test_more_changes_than_allowed_are_pending_for_good():
    judged = judge(plan(change("a/0"), change("a/1")), NEW, policy(changes_max=Count(number=1)), moment())
    assert judged.reasons == ("2 instances would change, at most 1 may (--max-changes)",)
    assert (judged.state, judged.again_at) == (State.PENDING, None)


GOING = {
    "an instance": (plan(change("a/0", Move.DELETE)), ("a/0",)),
    "an orphaned disk": (plan(change("a/0"), steps=[OrphanDisk(instance="i", disk="d1")]), ("disk d1",)),
    "a replaced disk": (
        plan(
            change("a/0"),
            steps=[
                MigrateDisk(instance="i", agent="a", old="d1", new="d2"),
                OrphanDisk(instance="i", disk="d1"),
            ],
        ),
        ("disk d1",),
    ),
    "a network": (
        plan(
            steps=[RemoveStack(stack=Stack(name="network/n/0", cpi="", owner="n", objects=()))],
            stack_moves=(StackMove(stack="network/n/0", move=Move.DELETE, reasons=()),),
        ),
        ("networks network/n/0",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", GOING)
def test_what_goes_for_good_needs_leave(case):
    made, names = GOING[case]
    assert deletions(made) == names
    held = judge(made, NEW, policy(), moment())
    assert held.state is State.PENDING
    assert held.reasons == (f"{names[0]} would go for good, which is not allowed (--deletes)",)
    assert judge(made, NEW, policy(allows_deletes=True), moment()).state is State.APPLYING


def test_a_recreated_vm_is_no_deletion():
    assert deletions(plan(change("a/0", Move.RECREATE), change("a/1", Move.CREATE))) == ()


def test_a_director_that_doubts_itself_applies_nothing_and_asks_again():
    judged = judge(plan(change("a/0")), NEW, policy(), moment(doubts=("it came up 3 s ago",)))
    assert judged.reasons == ("the director does not trust its own eyes: it came up 3 s ago",)
    assert judged.again_at is not None


@pytest.mark.parametrize("condition", [c for c in Condition if c.is_loss] + [Condition.SUSPECT, Condition.SETTLING])
def test_what_was_lost_is_healed_before_anything_is_applied_to_it(condition):
    sick = moment(unwell={InstanceId("id-a/0"): condition})
    judged = judge(plan(change("a/0"), change("a/1")), NEW, policy(), sick)
    assert judged.state is State.PENDING
    assert "a/0" in judged.reasons[0]
    assert "director health" in judged.reasons[0]


def test_a_sick_instance_that_the_plan_leaves_alone_stops_nothing():
    sick = moment(unwell={InstanceId("id-b/0"): Condition.MISSING})
    assert judge(plan(change("a/0")), NEW, policy(), sick).state is State.APPLYING


def test_failing_processes_do_not_stop_the_manifest_that_mends_them():
    sick = moment(unwell={InstanceId("id-a/0"): Condition.FAILING})
    assert judge(plan(change("a/0")), NEW, policy(), sick).state is State.APPLYING


def test_failing_processes_alone_are_left_to_healing():
    sick = moment(unwell={InstanceId("id-a/0"): Condition.FAILING})
    judged = judge(plan(change("a/0", Move.START)), OLD, policy(), sick)
    assert judged.state is State.PENDING
    assert "left to healing" in judged.reasons[0]


def test_after_one_failure_it_waits_and_then_tries_again():
    early = judge(plan(change("a/0")), NEW, policy(), moment(failed(ago=1)))
    assert early.state is State.PENDING
    assert early.again_at == NOW - 1 + BACK_OFF_S
    assert "no such port" in early.reasons[0]
    assert judge(plan(change("a/0")), NEW, policy(), moment(failed(ago=BACK_OFF_S))).state is State.APPLYING


def test_after_two_failures_it_is_not_tried_again_by_time_alone():
    judged = judge(plan(change("a/0")), NEW, policy(), moment(failed(ago=9000), failed(ago=9999)))
    assert (judged.state, judged.again_at) == (State.PENDING, None)
    assert judged.reasons == ("it failed 2 times and is not tried again until something changes: a/0: no such port",)


@pytest.mark.parametrize(
    "attempts",
    [
        (done(is_same=False), failed(), failed()),
        (failed(is_same=False), failed(is_same=False), failed(is_same=False)),
        (failed(ago=100), done(is_same=False), failed()),
    ],
)
def test_failures_of_another_wish_or_before_a_success_do_not_count(attempts):
    assert judge(plan(change("a/0")), NEW, policy(), moment(*attempts)).state is State.APPLYING


def test_what_a_person_cancelled_is_not_begun_again():
    cancelled = Attempt(at=NOW, ending=Ending.CANCELLED, is_same=True)
    judged = judge(plan(change("a/0")), NEW, policy(), moment(cancelled))
    assert (judged.state, judged.again_at) == (State.PENDING, None)
    other = Attempt(at=NOW, ending=Ending.CANCELLED, is_same=False)
    assert judge(plan(change("a/0")), NEW, policy(), moment(other)).state is State.APPLYING


def test_what_must_be_applied_again_and_again_is_left_for_a_while():
    often = [done(ago=10 * number) for number in range(APPLIES_MAX)]
    judged = judge(plan(change("a/0")), OLD, policy(), moment(*often))
    assert judged.state is State.PENDING
    assert "does not stay so" in judged.reasons[0]
    assert judged.again_at == often[-1].at + WINDOW_S
    assert judge(plan(change("a/0")), OLD, policy(), moment(*often[1:])).state is State.APPLYING


def test_every_reason_is_told_at_once():
    judged = judge(
        plan(change("a/0", Move.DELETE), change("a/1")),
        NEW,
        policy(changes_max=Count(number=1)),
        moment(doubts=("a stall",)),
    )
    assert len(judged.reasons) == 3
    assert judged.again_at is None


def test_every_final_state_of_a_task_is_an_ending():
    assert set(ENDINGS) == {state for state in TaskState if state.is_final}


def test_a_wish_is_the_text_the_configs_and_the_software_chosen():
    def made(version="1", text="t", ids=(1, 2)):
        steps = [RecordDeployment(releases=(("r", version),))]
        return wish_of(plan(steps=steps), text, ids, DeploymentRecord(name=NAME, manifest="t", config_ids=(1, 2)))

    assert made() == made(ids=(2, 1))
    assert made().is_recorded
    assert len({made().digest, made("2").digest, made(text="u").digest, made(ids=(1, 3)).digest}) == 4
    assert not made(text="u").is_recorded
    assert len(made().context) <= 64


@pytest.mark.parametrize(
    "one",
    [
        policy(),
        policy(
            Mode.PROPOSE, changes_max=Count(percent=10), source=Directory(path="/srv/manifests"), since=3.5, by="me"
        ),
        policy(
            changes_max=Count(number=3),
            allows_deletes=True,
            uses_latest=False,
            every_s=7.5,
            source=Git(url="https://h/r.git", branch="prod", path="a/b"),
        ),
    ],
)
def test_a_stored_policy_reads_back_the_same(one):
    assert policy_of(NAME, policy_to_tree(one)) == one


@pytest.mark.parametrize(
    "source",
    [
        Recorded(),
        Directory(path="/srv/manifests"),
        Git(url="https://host.example/group/repo.git"),
        Git(url="ssh://git@host.example:2222/repo.git", branch="release/1.0", path="deployments/prod"),
        Git(url="git@host.example:group/repo.git"),
        Git(url="/srv/repo.git"),
        Git(url="file:///srv/repo.git"),
    ],
)
def test_a_sound_source_has_no_problem(source):
    assert check_policy(policy(source=source)) == ()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (Directory(path="manifests"), "watch.directory"),
        (Git(url="https://user:hunter2@host.example/r"), "watch.credentials"),
        (Git(url="https://hunter2@host.example/r"), "watch.credentials"),
        (Git(url="ssh://git:hunter2@host.example/r"), "watch.credentials"),
        (Git(url="http://host.example/r"), "watch.url"),
        (Git(url="git://host.example/r"), "watch.url"),
        (Git(url="ext::sh -c id"), "watch.url"),
        (Git(url="--upload-pack=id"), "watch.url"),
        (Git(url="-x@host:y"), "watch.url"),
        (Git(url="ssh://-oProxyCommand=id/x"), "watch.url"),
        (Git(url="https://[bad"), "watch.url"),
        (Git(url="relative/repo"), "watch.url"),
        (Git(url="/srv/r", branch="-x"), "watch.branch"),
        (Git(url="/srv/r", branch="a..b"), "watch.branch"),
        (Git(url="/srv/r", branch="a b"), "watch.branch"),
        (Git(url="/srv/r", path="../up"), "watch.path"),
        (Git(url="/srv/r", path="/abs"), "watch.path"),
        (Git(url="/srv/r", path="a//b"), "watch.path"),
    ],
)
def test_a_source_that_must_not_be_read_is_refused_without_its_secrets(source, code):
    (problem,) = check_policy(policy(source=source))
    assert problem.code == code
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("every", [0.0, 4.9, -1.0, float("nan")])
def test_looking_all_the_time_is_refused(every):
    (problem,) = check_policy(policy(every_s=every))
    assert problem.code == "watch.every"
