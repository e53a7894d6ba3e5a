"""The watch finds deaths about as soon as they can be told from silence, however long a second opinion takes."""

import pytest

from bench.detect import BOSH, OURS, REPAIR, Kind, p99, simulate

CALM = (0.0, 0.1)
"""Flaps that nobody notices."""


@pytest.fixture(scope="module")
def scene():
    return simulate(count=60, hours=2.0, flap_s=CALM, loss=0.0)


def test_a_stream_that_closes_with_its_vm_is_a_death_found_at_once(scene):
    times = scene.tallies[OURS].of(Kind.CRASH)
    assert times[len(times) // 2] < 1.5
    assert p99(times) < 5.0


@pytest.mark.parametrize("kind", [Kind.OFF, Kind.PARTITION])
def test_silence_alone_is_a_death_after_three_heartbeats(scene, kind):
    times = scene.tallies[OURS].of(kind)
    assert times[0] > 18.0
    assert 22.0 < times[len(times) // 2] < 29.0


def test_no_death_is_missed_and_none_is_made_up_however_the_director_stalls(scene):
    assert scene.deaths > 50
    assert scene.stalls
    assert scene.tallies[OURS].missed == 0
    assert scene.tallies[OURS].false == 0


def test_it_is_found_in_a_third_of_the_time_that_the_rule_of_bosh_takes(scene):
    ours, bosh = scene.tallies[OURS].of(), scene.tallies[BOSH].of()
    assert sum(ours) / len(ours) <= 0.35 * sum(bosh) / len(bosh)


def test_what_is_found_would_be_repaired(scene):
    assert len(scene.tallies[REPAIR].of()) == len(scene.tallies[OURS].of())
    assert scene.tallies[REPAIR].false == 0


def test_an_infrastructure_that_takes_long_to_answer_is_still_a_witness():
    slow = simulate(count=30, hours=2.0, mix={Kind.PARTITION: 1.0}, flap_s=CALM, loss=0.0, witness_s=(6.0, 9.0))
    assert slow.tallies[OURS].missed == 0
    assert slow.tallies[OURS].false == 0
    assert p99(slow.tallies[OURS].of()) < 150.0
