import pytest

from director.adapters.nsxt.bodies import is_entry, pieces_of
from director.adapters.nsxt.hierarchy import tree_of
from director.adapters.nsxt.marks import as_node
from tests.support.nsxmodels import problems_of
from tests.unit.adapters.nsxt.made import DNAT, EVERY, MONITOR, POLICY, ROUTER, SEGMENT, SERVER, resolve


def bodies(thing):
    return {piece.path: piece.body for piece in pieces_of(thing, resolve)}


def sent(body):
    return {name: value for name, value in body.items() if value is not None}


@pytest.mark.parametrize("thing", EVERY, ids=lambda thing: f"{thing.kind} {thing.id}")
def test_every_body_is_as_the_official_models_have_it(thing):
    for piece in pieces_of(thing, resolve):
        if piece.body is not None:
            body = sent(piece.body)
            assert problems_of(str(body["resource_type"]), body, written=True) == []


def test_everything_in_one_hierarchical_write_is_as_the_official_models_have_it():
    writes = {
        piece.path: {**sent(piece.body), "tags": as_node([("director/id", "x")])}
        for thing in EVERY
        for piece in pieces_of(thing, resolve)
        if piece.body is not None
    }
    gone = {"/infra/segments/old": {"resource_type": "Segment"}}
    tree = {"resource_type": "Infra", "children": tree_of(writes, gone)}
    assert problems_of("Infra", tree, written=True) == []


def test_every_id_of_a_path_is_one_of_ours_or_nsx_own():
    for thing in EVERY:
        assert all(piece.path.startswith("/infra/") for piece in pieces_of(thing, resolve))
        assert thing.id in pieces_of(thing, resolve)[0].path


def test_a_router_without_edges_must_have_no_locale_service():
    assert bodies(ROUTER)["/infra/tier-1s/r/locale-services/default"] is not None
    bare = next(thing for thing in EVERY if thing.id == "bare")
    assert bodies(bare)["/infra/tier-1s/bare/locale-services/default"] is None


def test_a_segment_without_a_zone_leaves_the_zone_to_nsx():
    plain = next(thing for thing in EVERY if thing.id == "plain")
    assert "transport_zone_path" not in bodies(plain)["/infra/segments/plain"]
    assert bodies(SEGMENT)["/infra/segments/s"]["transport_zone_path"].endswith("/transport-zones/overlay")


def test_a_monitors_type_is_part_of_its_id_and_the_other_types_must_not_be_there():
    found = bodies(MONITOR)
    assert [path for path, body in found.items() if body is not None] == ["/infra/lb-monitor-profiles/m-http"]
    assert len(found) == 4


def test_a_dnats_outer_port_is_a_service_that_comes_and_goes_with_it():
    rule, service = bodies(DNAT).values()
    assert rule["service"] == "/infra/services/in"
    assert rule["translated_ports"] == "2222"
    assert service["service_entries"][0]["destination_ports"] == ["22"]


def test_firewall_ends_are_any_alone_addresses_or_groups():
    web, ssh, rest = [body for path, body in bodies(POLICY).items() if "/rules/" in path]
    assert web["source_groups"] == ["ANY"]
    assert web["destination_groups"][0].endswith("/groups/g")
    assert web["destination_groups"][1] == "192.0.2.0/24"
    assert web["destination_groups"][2].endswith("/groups/their group")
    assert ssh["source_groups"] == ["10.0.0.1-10.0.0.9"]
    assert ssh["services"] == ["/infra/services/SSH"]
    assert rest["services"] == ["ANY"]
    assert [each["sequence_number"] for each in (web, ssh, rest)] == [10, 20, 30]


def test_a_rule_keeps_its_id_when_its_place_changes():
    paths = [path for path, _ in bodies(POLICY).items() if "/rules/" in path]
    assert [path.rpartition("/")[2] for path in paths] == ["allow-web", "ssh", "rest"]


def test_a_server_without_persistence_or_pool_must_have_none():
    loose = next(thing for thing in EVERY if thing.id == "loose")
    body = bodies(loose)["/infra/lb-virtual-servers/loose"]
    assert body["lb_persistence_profile_path"] is None
    assert body["pool_path"] is None
    assert body["default_pool_member_ports"] == []
    assert bodies(SERVER)["/infra/lb-virtual-servers/v"]["default_pool_member_ports"] == ["8080"]


def test_members_of_a_pool_are_never_written_with_it():
    for thing in EVERY:
        for body in bodies(thing).values():
            assert "members" not in (body or {})


@pytest.mark.parametrize(
    ("text", "is_one"), [("tcp/80", True), ("UDP/53-54", True), ("icmp", True), ("HTTPS", False), ("tcp/web", False)]
)
def test_a_service_is_a_port_or_a_name(text, is_one):
    assert is_entry(text) is is_one
