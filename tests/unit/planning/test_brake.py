"""When much is lost at once repairs are held, and go on by themselves; of a group with data only so many at a time."""

from director.model.health import Condition, Finding, Remedy, Repairing, Verdict
from director.model.plan import Hold
from director.planning.brake import Brakes, Fleet, Loss, braked, meltdowns
from director.planning.quorum import Quorum

NOW = 1000.0
BRAKES = Brakes()


def finding(number, *, deployment="d", az="z1", group="web", condition=Condition.MISSING):
    label = f"{group}/{number}"
    return Finding(
        deployment=deployment, instance=f"{deployment}-{label}", label=label, group=group, az=az, vm=None,
        condition=condition, since=NOW,
    )  # fmt: skip


def due(found, remedy=Remedy.RECREATE, hold=None):
    return Verdict(finding=found, remedy=remedy, hold=hold)


def fleet(*findings, quorums=None):
    return Fleet(places={f.instance: (f.deployment, f.az) for f in findings}, quorums=quorums or {})


def quorum(size, budget=1):
    return {("d", "db"): Quorum(size=size, budget=budget)}


def lost(*findings, age_s=0.0):
    return [Loss(at=NOW - age_s, instance=f.instance, deployment=f.deployment, az=f.az) for f in findings]


def codes(verdicts):
    return [verdict.hold.code if verdict.hold else "" for verdict in verdicts]


def test_a_few_losses_are_repaired_at_once():
    every = [finding(n) for n in range(10)]
    assert codes(braked([due(f) for f in every[:4]], fleet(*every), lost(*every[:4]), (), BRAKES, NOW)) == [""] * 4


def test_many_losses_that_are_much_of_a_deployment_hold_all_of_it():
    every = [finding(n) for n in range(25)]
    found = braked([due(f) for f in every[:5]], fleet(*every), lost(*every[:5]), (), BRAKES, NOW)
    assert codes(found) == ["hold.meltdown"] * 5
    assert "5 of 25 instances" in found[0].hold.reason
    assert found[0].not_before == NOW + BRAKES.window_s


def test_many_losses_that_are_little_of_it_are_repaired():
    every = [finding(n) for n in range(26)]
    assert set(codes(braked([due(f) for f in every[:5]], fleet(*every), lost(*every[:5]), (), BRAKES, NOW))) == {""}


def test_a_zone_melts_down_alone():
    here = [finding(n, az="z1") for n in range(10)]
    there = [finding(n, az="z2", group="other") for n in range(90)]
    gone = [*here[:5], there[0]]
    found = braked([due(f) for f in gone], fleet(*here, *there), lost(*gone), (), BRAKES, NOW)
    assert codes(found) == ["hold.meltdown"] * 5 + [""]
    assert "zone z1" in found[0].hold.reason


def test_small_losses_of_many_deployments_together_are_the_directors_meltdown():
    every = [finding(n, deployment=f"d{m}", az=None) for m in range(10) for n in range(2)]
    gone = [one for one in every if one.label == "web/0"]
    assert set(codes(braked([due(f) for f in gone], fleet(*every), lost(*gone), (), BRAKES, NOW))) == {"hold.meltdown"}


def test_it_ends_by_itself_when_the_losses_are_old():
    every = [finding(n) for n in range(10)]
    old = lost(*every[:5], age_s=BRAKES.window_s + 1)
    assert set(codes(braked([due(f) for f in every[:5]], fleet(*every), old, (), BRAKES, NOW))) == {""}


def test_its_end_is_when_few_enough_are_recent():
    every = [finding(n) for n in range(10)]
    losses = [*lost(*every[:3], age_s=500.0), *lost(*every[3:6], age_s=100.0)]
    found = meltdowns(fleet(*every), losses, BRAKES, NOW)
    assert found["deployment", "d"].until == NOW - 500.0 + BRAKES.window_s


def test_the_same_instance_lost_again_and_again_is_one_loss():
    every = [finding(n) for n in range(10)]
    assert meltdowns(fleet(*every), lost(*[every[0]] * 9), BRAKES, NOW) == {}


def test_so_many_at_a_time_and_the_worst_first():
    every = [finding(n, condition=Condition.FAILING if n < 2 else Condition.MISSING) for n in range(4)]
    under_way = Repairing(finding=finding(9), remedy=Remedy.RECREATE, task=1, since=0.0)
    brakes = Brakes(count=100, repairs_max=3)
    found = braked([due(f) for f in every], fleet(*every), (), (under_way,), brakes, NOW)
    assert codes(found) == ["hold.busy", "hold.busy", "", ""]


def test_of_a_group_with_disks_so_many_are_repaired_at_a_time_as_its_budget_says():
    every = [finding(n, group="db") for n in range(4)]
    found = braked([due(f) for f in every], fleet(*every, quorums=quorum(4)), (), (), BRAKES, NOW)
    assert codes(found) == ["", *["hold.quorum"] * 3]
    found = braked([due(f) for f in every], fleet(*every, quorums=quorum(4, 2)), (), (), BRAKES, NOW)
    assert codes(found) == ["", "", "hold.quorum", "hold.quorum"]
    assert "db/0 is being repaired, db/1 is being repaired;" in found[2].hold.reason
    under_way = Repairing(finding=every[2], remedy=Remedy.RECREATE, task=1, since=0.0)
    found = braked([due(f) for f in every[:2]], fleet(*every, quorums=quorum(4, 2)), (), (under_way,), BRAKES, NOW)
    assert codes(found) == ["", "hold.quorum"]


def test_what_is_held_already_keeps_its_reason_and_takes_no_place():
    mine = Hold(code="hold.ignored", subject="web/0", reason="it is ignored")
    every = [finding(n) for n in range(2)]
    brakes = Brakes(repairs_max=1)
    found = braked([due(every[0], hold=mine), due(every[1])], fleet(*every), (), (), brakes, NOW)
    assert [verdict.hold for verdict in found] == [mine, None]


def test_what_is_gone_for_sure_rides_along_in_its_deployments_task():
    every = [finding(n) for n in range(5)]
    brakes = Brakes(count=100, repairs_max=2)
    found = braked([due(f) for f in every], fleet(*every), (), (), brakes, NOW)
    assert codes(found) == [""] * 5
    assert [verdict.rides for verdict in found] == [False, False, True, True, True]


def test_what_may_come_back_by_itself_does_not_ride():
    kinds = (Condition.UNRESPONSIVE, Condition.FAILING, Condition.SETTLING, Condition.OFF, Condition.NO_VM)
    every = [finding(0), *(finding(n, condition=kind) for n, kind in enumerate(kinds, start=1))]
    found = braked([due(f) for f in every], fleet(*every), (), (), Brakes(count=100, repairs_max=1), NOW)
    assert codes(found) == ["", "hold.busy", "hold.busy", "hold.busy", "", ""]
    assert [verdict.rides for verdict in found] == [False, False, False, False, True, True]


def test_nothing_rides_where_nothing_begins():
    under_way = [Repairing(finding=finding(n), remedy=Remedy.RECREATE, task=1, since=0.0) for n in range(2)]
    every = [finding(n, deployment="other") for n in range(3)]
    found = braked([due(f) for f in every], fleet(*every), (), under_way, Brakes(count=100, repairs_max=2), NOW)
    assert codes(found) == ["hold.busy"] * 3


def test_a_task_of_many_takes_as_many_places_as_it_does_at_a_time():
    under_way = [Repairing(finding=finding(n), remedy=Remedy.RECREATE, task=1, since=0.0, at_once=2) for n in range(9)]
    every = [finding(n, deployment="other", condition=Condition.UNRESPONSIVE) for n in range(3)]
    found = braked([due(f) for f in every], fleet(*every), (), under_way, Brakes(count=100, repairs_max=3), NOW)
    assert codes(found) == ["", "hold.busy", "hold.busy"]


def test_every_deployment_gets_its_share_of_what_may_begin():
    every = [*(finding(n, deployment="big") for n in range(30)), *(finding(n, deployment="small") for n in range(10))]
    found = braked([due(f) for f in every], fleet(*every), (), (), Brakes(count=100, repairs_max=8), NOW)
    begun = [verdict.finding.deployment for verdict in found if not verdict.rides]
    assert (begun.count("big"), begun.count("small")) == (6, 2)


def test_of_a_group_with_disks_none_rides_beside_another():
    every = [finding(n, group="db") for n in range(3)]
    brakes = Brakes(count=100, repairs_max=1)
    found = braked([due(f) for f in every], fleet(*every, quorums=quorum(3)), (), (), brakes, NOW)
    assert codes(found) == ["", "hold.quorum", "hold.quorum"]


def test_one_whose_group_is_being_repaired_waits_for_the_group_and_one_of_another_for_the_task():
    masters = [finding(n, group="db") for n in range(3)]
    worker = finding(0)
    task = Hold(code="hold.task", subject="", reason="task 1 changes its deployment")
    under_way = Repairing(finding=masters[0], remedy=Remedy.REBOOT, task=1, since=NOW)
    verdicts = [due(one, hold=task) for one in (*masters, worker)]
    found = braked(verdicts, fleet(*masters, worker, quorums=quorum(3)), (), (under_way,), BRAKES, NOW)
    assert codes(found) == ["hold.task", "hold.quorum", "hold.quorum", "hold.task"]
    assert found[1].hold.reason.startswith("db/0 is being repaired;")
