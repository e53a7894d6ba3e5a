from director.adapters.nsxt.alarms import alarm_words
from director.adapters.nsxt.bodies import pieces_of
from director.adapters.nsxt.pace import FIRST_S, LEAST_S, PAUSE_MAX_S, Pace
from director.adapters.nsxt.realise import asked_for, state_of
from director.adapters.nsxt.site import Made
from tests.unit.adapters.nsxt.made import EVERY, MONITOR, POOL, ROUTER, SEGMENT, SERVER, SNAT, resolve


def alarm(code, message="no edge node"):
    return {"message": message, "source_reference": "/infra/x", "error_details": {"error_code": code}}


def test_no_entity_yet_is_neither_done_nor_failed():
    assert state_of([]) == state_of([{"state": "UNREALIZED"}])
    assert not state_of([]).is_done
    assert not state_of([]).error


def test_all_of_them_have_to_be_realised():
    assert state_of([{"state": "REALIZED"}]).is_done
    assert not state_of([{"state": "REALIZED"}, {"state": "UNREALIZED"}]).is_done


def test_an_error_is_told_with_its_reason():
    assert state_of([{"state": "REALIZED"}, {"state": "ERROR", "alarms": [alarm(8212)]}]).error == "no edge node (8212)"
    assert state_of([{"state": "ERROR", "publish_status_error": "broken"}]).error == "broken"


def test_not_ready_yet_is_no_error():
    state = state_of([{"state": "ERROR", "alarms": [alarm(500042)]}])
    assert not state.error
    assert not state.is_done
    assert alarm_words([alarm(500042)]) == {}


def test_attributes_tell_what_was_given():
    entity = {"state": "REALIZED", "extended_attributes": [{"key": "allocation_ip", "values": ["192.0.2.9"]}]}
    assert state_of([entity]).attributes == {"allocation_ip": "192.0.2.9"}


def test_alarms_are_by_the_objects_they_are_about():
    assert alarm_words([{**alarm(1), "intent_paths": ["/infra/y"]}]) == {
        "/infra/x": "no edge node (1)",
        "/infra/y": "no edge node (1)",
    }


def kinds(*things):
    made = [Made(thing=thing, pieces=pieces_of(thing, resolve)) for thing in things]
    return {each.thing.id for each in asked_for(made)}


def test_what_needs_another_stands_for_it():
    balancer = next(thing for thing in EVERY if thing.id == "b")
    assert kinds(ROUTER, SEGMENT, SNAT, balancer, MONITOR, POOL, SERVER) == {"s", "out", "v"}
    assert kinds(ROUTER, SEGMENT) == {"r", "s"}
    assert kinds(ROUTER, balancer) == {"b"}


def test_the_first_question_comes_about_when_it_usually_is_done():
    pace = Pace()
    assert pace.pause_s(0) == FIRST_S
    for _ in range(20):
        pace.learn(3, 2.0)
    assert 1.5 < pace.pause_s(0) <= 2.0
    for _ in range(100):
        pace.learn(1, pace.usual_s)
    assert pace.pause_s(0) == LEAST_S


def test_pauses_grow_to_a_limit():
    pauses = [Pace().pause_s(asked) for asked in range(12)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == PAUSE_MAX_S
