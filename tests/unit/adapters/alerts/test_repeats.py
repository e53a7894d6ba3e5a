"""One condition is told once in a while, and its end once."""

from director.adapters.alerts.repeats import Repeats
from director.model.alert import Severity
from tests.unit.adapters.alerts.rings import alert

QUIET_S = 900.0


def test_the_first_of_a_condition_is_sent_as_it_is():
    assert Repeats(QUIET_S).take(alert(), 0.0) == alert()


def test_a_repetition_within_the_quiet_time_is_not_sent():
    repeats = Repeats(QUIET_S)
    repeats.take(alert(), 0.0)
    assert repeats.take(alert(at=1899.0), 899.0) is None


def test_after_the_quiet_time_it_is_sent_again_with_what_was_counted():
    repeats = Repeats(QUIET_S)
    repeats.take(alert(at=1000.0), 0.0)
    for second in range(1, 5):
        repeats.take(alert(), float(second))
    said = repeats.take(alert(at=1900.0), 900.0)
    assert said is not None
    assert said.context == {"since": "1000", "repeated": "4"}
    assert repeats.take(alert(), 901.0) is None


def test_another_subject_or_code_is_another_condition():
    repeats = Repeats(QUIET_S)
    repeats.take(alert(), 0.0)
    assert repeats.take(alert(subject="web/web/1"), 1.0) is not None
    assert repeats.take(alert("brake.deployment"), 1.0) is not None


def test_what_became_worse_is_sent_at_once():
    repeats = Repeats(QUIET_S)
    repeats.take(alert(severity=Severity.WARNING), 0.0)
    assert repeats.take(alert(severity=Severity.CRITICAL), 1.0) is not None
    assert repeats.take(alert(severity=Severity.ERROR), 2.0) is None


def test_the_end_is_sent_once_as_severe_as_what_it_ends():
    repeats = Repeats(QUIET_S)
    repeats.take(alert(severity=Severity.CRITICAL, at=1000.0), 0.0)
    repeats.take(alert(severity=Severity.CRITICAL), 1.0)
    said = repeats.take(alert(severity=Severity.INFO, is_over=True, at=1060.0), 60.0)
    assert said is not None
    assert (said.severity, said.is_over) == (Severity.CRITICAL, True)
    assert said.context == {"since": "1000", "repeated": "1"}
    assert repeats.take(alert(is_over=True), 61.0) is None


def test_the_end_of_what_was_never_told_is_not_told():
    assert Repeats(QUIET_S).take(alert(is_over=True), 0.0) is None


def test_a_condition_that_comes_back_after_its_end_is_sent():
    repeats = Repeats(QUIET_S)
    repeats.take(alert(), 0.0)
    repeats.take(alert(is_over=True), 1.0)
    assert repeats.take(alert(), 2.0) is not None


def test_beyond_its_memory_the_condition_told_longest_ago_is_forgotten():
    repeats = Repeats(QUIET_S, conditions_max=2)
    for number in range(3):
        repeats.take(alert(subject=f"web/web/{number}"), float(number))
    assert repeats.take(alert(subject="web/web/2"), 3.0) is None
    assert repeats.take(alert(subject="web/web/0"), 3.0) is not None
