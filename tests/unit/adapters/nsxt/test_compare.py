from dataclasses import replace

import pytest

from director.adapters.nsxt.bodies import pieces_of
from director.adapters.nsxt.compare import changed_fields, cleared_fields, immutable_fields, mark_of, words
from tests.unit.adapters.nsxt.made import POOL, SEGMENT, SERVER, resolve

WISHED = {"resource_type": "Segment", "subnets": [{"gateway_address": "10.0.0.1/24"}], "connectivity_path": None}


def test_what_nsx_adds_is_no_difference():
    there = {**WISHED, "subnets": [{"gateway_address": "10.0.0.1/24", "network": "10.0.0.0/24"}], "admin_state": "UP"}
    assert changed_fields(WISHED, there) == ()


def test_a_field_that_must_not_be_there_is_told_and_has_to_be_cleared():
    there = {**WISHED, "connectivity_path": "/infra/tier-1s/r"}
    assert words(WISHED, there) == ("connectivity_path is r, not nothing",)
    assert cleared_fields(WISHED, there) == ("connectivity_path",)


def test_an_empty_list_is_as_good_as_none():
    assert changed_fields({"vlan_ids": []}, {}) == ()
    assert changed_fields({"vlan_ids": []}, {"vlan_ids": ["7"]}) == ("vlan_ids",)
    assert cleared_fields({"vlan_ids": []}, {"vlan_ids": ["7"]}) == ()


def test_order_matters_only_where_it_does_to_nsx():
    assert changed_fields({"vlan_ids": ["1", "2"]}, {"vlan_ids": ["2", "1"]}) == ()
    assert changed_fields({"ports": ["1", "2"]}, {"ports": ["2", "1"]}) == ("ports",)


@pytest.mark.parametrize(("wished", "there"), [(8080, "8080"), ("8080", 8080)])
def test_a_number_is_the_same_as_text(wished, there):
    assert changed_fields({"port": wished}, {"port": there}) == ()


def test_true_is_not_one():
    assert changed_fields({"enabled": True}, {"enabled": 1}) == ("enabled",)


def test_another_type_or_zone_cannot_be_had_in_place():
    body = pieces_of(SEGMENT, resolve)[0].body
    moved = {**body, "transport_zone_path": "/infra/other"}
    assert immutable_fields(body, moved) == ("transport_zone_path",)
    assert immutable_fields(body, body) == ()
    assert immutable_fields(body, {**body, "resource_type": "Tier1"}) == ("resource_type",)


def test_a_mark_changes_with_our_fields_and_with_no_others():
    pieces = pieces_of(POOL, resolve)
    there = {piece.path: dict(piece.body) for piece in pieces}
    path = pieces[0].path
    mark = mark_of(pieces, there)
    assert mark == mark_of(pieces, {path: {**there[path], "members": [{"ip_address": "10.0.0.1"}], "_revision": 9}})
    assert mark != mark_of(pieces, {path: {**there[path], "algorithm": "IP_HASH"}})
    assert mark != mark_of(pieces, {})


def test_a_mark_does_not_depend_on_the_wish_for_the_same_fields():
    """A plan that changes a field must find the mark that the look before it has told."""
    body = dict(pieces_of(SERVER, resolve)[0].body)
    path = pieces_of(SERVER, resolve)[0].path
    other = pieces_of(replace(SERVER, persistence=None, ports=("443",), pool=None), resolve)
    assert mark_of(pieces_of(SERVER, resolve), {path: body}) == mark_of(other, {path: body})
