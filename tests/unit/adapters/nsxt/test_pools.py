import pytest

from director.adapters.nsxt.pools import announced, withdrawn
from director.model.fabric import Member, Ref
from director.ports.fabric import FabricFailure

STRANGER = {"display_name": "theirs", "ip_address": "10.0.9.9", "port": "80", "weight": 4}


def member(label="web-1", ip="10.0.0.1", port=8080):
    return Member(pool=Ref(to="p"), label=label, ip=ip, port=port)


def test_a_new_member_stands_after_the_others():
    (first, last) = announced(member())((STRANGER,))
    assert first == STRANGER
    assert last == {"display_name": "web-1", "ip_address": "10.0.0.1", "port": "8080"}


def test_a_member_that_is_there_stays_as_strangers_tuned_it():
    tuned = {"display_name": "web-1", "ip_address": "10.0.0.1", "port": "8080", "weight": 9}
    assert announced(member())((tuned, STRANGER)) == (tuned, STRANGER)


def test_a_new_address_takes_the_place_of_the_old():
    old = {"display_name": "web-1", "ip_address": "10.0.0.7", "port": "8080"}
    assert [each["ip_address"] for each in announced(member())((old,))] == ["10.0.0.1"]


def test_another_port_of_the_same_instance_is_another_member():
    old = {"display_name": "web-1", "ip_address": "10.0.0.1", "port": "9090"}
    assert len(announced(member())((old,))) == 2


def test_a_member_without_a_port_is_one():
    (alone,) = announced(member(port=None))(())
    assert "port" not in alone
    assert announced(member(port=None))((alone,)) == (alone,)


def test_a_strangers_member_of_the_same_address_is_named_not_replaced():
    with pytest.raises(FabricFailure, match="theirs"):
        announced(member(ip="10.0.9.9", port=80))((STRANGER,))


def test_only_label_and_address_together_are_withdrawn():
    mine = {"display_name": "web-1", "ip_address": "10.0.0.1", "port": "8080"}
    successor = {**mine, "display_name": "web-2"}
    moved = {**mine, "ip_address": "10.0.0.2"}
    assert withdrawn(member())((mine, successor, moved, STRANGER)) == (successor, moved, STRANGER)
