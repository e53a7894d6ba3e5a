"""place: who an instance is and in which zone it stands; every worked case of bosh-director.md 3.3."""

from dataclasses import replace

import pytest

from director.model.deployment import MigratedFrom
from director.planning.place import place_groups, spread
from tests.unit.planning.samples import PRIVATE, group, joined, record_of, row

NETWORKS = {"private": PRIVATE}


def place(*groups, record=None, networks=NETWORKS):
    problems = []
    seats = place_groups(groups, record, networks, "demo", "seed", problems)
    return seats, problems


def existing(text):
    """``0@1,1@2`` as recorded instances of group g; a trailing ``!`` means it has a disk."""
    pairs = [part.rstrip("!").split("@") for part in text.split(",")]
    disks = {f"g-{part.split('@')[0]}" for part in text.split(",") if part.endswith("!")}
    return [row(int(index), f"z{az}") for index, az in pairs], frozenset(disks)


@pytest.mark.parametrize(
    ("have", "count", "zones", "kept", "new"),
    [
        ("0@1,1@2,2@3", 3, "12", [0, 1], ["z1"]),
        ("0@1,2@1,1@2", 3, "1", [0, 2], ["z1"]),
        ("0@1,1@1,2@1,3@2,4@2", 5, "123", [0, 1, 3, 4], ["z3"]),
        ("0@1,1@1,2@1,3@1,4@2", 5, "123", [0, 1, 4], ["z2", "z3"]),
        ("0@1,1@2,2@2", 4, "123", [0, 1, 2], ["z3"]),
        ("0@1!,1@1!", 2, "12", [0, 1], []),
        ("0@1!,1@66!", 2, "12", [0], ["z2"]),
        ("0@1,1@2,2@3,3@1,4@2", 2, "123", [0, 1], []),
        ("0@1!,1@2!,2@3!,3@1!,4@2!", 2, "123", [0, 1], []),
    ],
)
def test_zones_are_filled_as_in_the_worked_cases(have, count, zones, kept, new):
    rows, disks = existing(have)
    names = tuple(f"z{zone}" for zone in zones)
    choices = spread(count, names, [i for i in rows if i.az in names], disks)
    assert sorted(choice.recorded.index for choice in choices if choice.recorded) == kept
    assert sorted(choice.az for choice in choices if not choice.recorded) == new


def test_new_instances_go_round_the_zones_and_count_up():
    seats, _ = place(group("g", 5, ["z1", "z2", "z3"]))
    assert [(seat.index, seat.az) for seat in seats] == [(0, "z1"), (1, "z2"), (2, "z3"), (3, "z1"), (4, "z2")]


def test_without_zones_instances_stand_in_none():
    seats, _ = place(group("g", 2, []))
    assert [seat.az for seat in seats] == [None, None]


def test_a_replacement_takes_an_index_beside_those_about_to_go():
    record = record_of(row(0, "z1"), row(1, "z2"), row(2, "z3"))
    seats, _ = place(group("g", 3, ["z1", "z2"]), record=record)
    assert [(seat.index, seat.az) for seat in seats] == [(0, "z1"), (1, "z2"), (3, "z1")]


def test_a_gap_in_the_indexes_is_filled_first():
    seats, _ = place(group("g", 3, ["z1"]), record=record_of(row(0, "z1"), row(2, "z1")))
    assert [seat.index for seat in seats] == [0, 1, 2]


def test_identity_is_kept_and_new_identities_depend_only_on_what_was_given():
    record = record_of(row(0, "z1"))
    first, _ = place(group("g", 2, ["z1"]), record=record)
    again, _ = place(group("g", 2, ["z1"]), record=record)
    assert first == again
    assert first[0].id == "g-0"
    assert first[1].id != place_groups([group("g", 2)], record, NETWORKS, "demo", "other", [])[1].id
    later = replace(record, deployment=replace(record.deployment, serial=2))
    assert first[1].id != place(group("g", 2), record=later)[0][1].id


def test_the_bootstrap_stays_while_it_lives_and_else_is_the_lowest():
    rows = (row(0, "z1"), row(1, "z1", is_bootstrap=True), row(2, "z1"))
    assert [s.is_bootstrap for s in place(group("g", 3), record=record_of(*rows))[0]] == [False, True, False]
    gone = (row(0, "z1"), row(1, "z9", is_bootstrap=True))
    assert [s.is_bootstrap for s in place(group("g", 2), record=record_of(*gone))[0]] == [True, False]


def test_compilation_workers_are_nobody_s_instances():
    worker = row(0, "z1", is_compilation=True)
    assert place(group("g", 1), record=record_of(worker))[0][0].id != worker.id


def test_migrated_instances_keep_their_identity_and_get_a_new_index():
    record = record_of(row(0, "z1"), row(4, "z1", name="old", is_bootstrap=True), disks=["old-4"])
    new = group("g", 2, ["z1"], migrated_from=(MigratedFrom(name="old"),))
    seats, problems = place(new, record=record)
    assert [(seat.id, seat.index) for seat in seats] == [("g-0", 0), ("old-4", 1)]
    assert seats[-1].is_bootstrap
    assert not problems


def test_a_migrated_instance_without_zone_needs_one_named():
    record = record_of(row(0, None, name="old"))
    _, problems = place(group("g", 1, ["z1"], migrated_from=(MigratedFrom(name="old"),)), record=record)
    assert [p.number for p in problems] == [190018]
    seats, problems = place(group("g", 1, ["z1"], migrated_from=(MigratedFrom(name="old", az="z1"),)), record=record)
    assert (seats[0].id, seats[0].az, problems) == ("old-0", "z1", [])


def test_a_migration_that_contradicts_the_recorded_zone_is_refused():
    record = record_of(row(0, "z2", name="old"))
    source = MigratedFrom(name="old", az="z1")
    _, problems = place(group("g", 1, ["z1", "z2"], migrated_from=(source,)), record=record)
    assert [p.number for p in problems] == [190018]


def test_an_ignored_instance_is_placed_before_all_others():
    rows = (row(0, "z1"), row(1, "z1"), row(2, "z1", is_ignored=True))
    wanted = group("g", 1, ["z1"], persistent_disk_mb=1)
    seats, problems = place(wanted, record=record_of(*rows, disks=["g-0"]))
    assert ([seat.id for seat in seats], problems) == (["g-2"], [])


@pytest.mark.parametrize(("size", "azs"), [(1, ["z1", "z1"]), (0, ["z1", "z2"])])
def test_a_disk_holds_its_instance_in_its_zone_only_while_it_is_wanted(size, azs):
    record = record_of(row(0, "z1"), row(1, "z1"), disks=["g-0", "g-1"])
    seats, _ = place(group("g", 2, ["z1", "z2"], persistent_disk_mb=size), record=record)
    assert [seat.az for seat in seats] == azs


@pytest.mark.parametrize(
    ("wanted", "number"),
    [([group("g", 0, ["z1"])], 190020), ([group("g", 1, ["z2"])], 190020), ([group("other", 1, ["z1"])], 190021)],
)
def test_nothing_may_remove_an_ignored_instance(wanted, number):
    _, problems = place(*wanted, record=record_of(row(0, "z1", is_ignored=True)))
    assert [p.number for p in problems] == [number]


def test_groups_do_not_share_instances():
    seats, _ = place(group("a", 2), group("b", 1, networks=[joined()]))
    assert [seat.label for seat in seats] == ["a/0", "a/1", "b/0"]
    assert len({seat.id for seat in seats}) == 3
