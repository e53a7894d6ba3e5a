from dataclasses import replace

import pytest

from director.adapters.nsxt.bodies import Piece, pieces_of
from director.adapters.nsxt.change import plan_writing
from director.adapters.nsxt.marks import DEPLOYMENT, ID, KIND, STACK, Owner
from director.adapters.nsxt.refs import Names, Refs
from director.adapters.nsxt.settings import read_settings
from director.adapters.nsxt.site import Made, Site, make, make_places
from director.model.names import DeploymentName, StackName
from director.ports.fabric import FabricFailure
from tests.unit.adapters.nsxt.made import MONITOR, POLICY, ROUTER, SEGMENT, SERVER, SNAT, ours, resolve, theirs

OWNER = Owner(director="me", deployment=DeploymentName("shop"), stack=StackName("network/web/0"))


def site():
    settings = read_settings({"host": "nsx", "username": "u", "password": "p"})
    return Site(client=None, refs=Refs(None), settings=settings, director="me", name="")


def made(*things):
    return tuple(Made(thing=thing, pieces=pieces(thing), owner=OWNER) for thing in things)


def pieces(thing):

    return pieces_of(thing, resolve)


def there(*all_made):
    """All of it as wished, at revision 5."""
    return {
        piece.path: {
            **{name: value for name, value in piece.body.items() if value is not None},
            "tags": [{"scope": scope, "tag": tag} for scope, tag in each.tags(piece)],
            "_revision": 5,
        }
        for each in all_made
        for piece in each.pieces
        if piece.body is not None
    }


def test_what_is_as_wished_is_not_written():
    every = made(ROUTER, SEGMENT, SERVER, MONITOR)
    assert plan_writing(site(), every, (), there(*every)).is_nothing


def test_what_is_absent_is_written_with_our_tags_and_without_a_revision():
    (router,) = made(ROUTER)
    writing = plan_writing(site(), (router,), (), {})
    body = writing.patches[router.path]
    assert "_revision" not in body
    assert {tag["scope"] for tag in body["tags"]} == {ID, DEPLOYMENT, STACK, KIND}
    assert len(writing.patches) == 2
    below = writing.patches["/infra/tier-1s/r/locale-services/default"]
    assert KIND not in {tag["scope"] for tag in below["tags"]}


def test_a_change_carries_the_revision_and_keeps_strangers_tags_and_additions():
    (segment,) = made(SEGMENT)
    now = there(segment)
    subnets = [{**now[segment.path]["subnets"][0], "dhcp_ranges": ["10.0.0.50-10.0.0.60"]}]
    theirs_tag = {"scope": "team", "tag": "accounting"}
    body = {**now[segment.path], "vlan_ids": ["9"], "subnets": subnets, "admin_state": "DOWN"}
    body["tags"] = [theirs_tag, *body["tags"]]
    sent = plan_writing(site(), (segment,), (), {segment.path: body}).patches[segment.path]
    assert sent["_revision"] == 5
    assert sent["vlan_ids"] == ["7"]
    assert sent["subnets"] == subnets
    assert theirs_tag in sent["tags"]
    assert "admin_state" not in sent


def test_a_field_that_has_to_go_is_put_whole_with_strangers_fields():
    (loose,) = made(SERVER)
    bare = Made(
        thing=SERVER,
        pieces=(Piece(path=loose.path, body={**loose.pieces[0].body, "lb_persistence_profile_path": None}),),
        owner=OWNER,
    )
    now = there(loose)
    now[loose.path] |= {"max_concurrent_connections": 7}
    writing = plan_writing(site(), (bare,), (), now)
    assert not writing.patches
    sent = writing.puts[loose.path]
    assert "lb_persistence_profile_path" not in sent
    assert sent["max_concurrent_connections"] == 7
    assert sent["_revision"] == 5


def test_too_many_tags_are_told_before_nsx_refuses_them():
    (segment,) = made(SEGMENT)
    now = there(segment)
    now[segment.path]["tags"] = [{"scope": f"s{n}", "tag": ""} for n in range(27)]
    with pytest.raises(FabricFailure, match="31 tags"):
        plan_writing(site(), (segment,), (), now)


def test_what_goes_goes_by_its_topmost_part_only():
    router, snat = made(ROUTER, SNAT)
    writing = plan_writing(site(), (), (router, snat), there(router, snat))
    assert list(writing.leaving) == ["/infra/tier-1s/r"]
    assert writing.leaving["/infra/tier-1s/r"] == {"resource_type": "Tier1", "_revision": 5}


def test_what_is_gone_already_does_not_go_again():
    assert plan_writing(site(), (), made(ROUTER, SNAT), {}).is_nothing


def test_a_rule_of_ours_that_is_no_longer_wished_for_goes_and_a_strangers_stays():
    (policy,) = made(POLICY)
    now = there(policy)
    old = {"resource_type": "Rule", "_revision": 1, "tags": [{"scope": ID, "tag": "me"}]}
    now |= {f"{policy.path}/rules/old": old, f"{policy.path}/rules/theirs": {"resource_type": "Rule"}}
    assert list(plan_writing(site(), (policy,), (), now).leaving) == [f"{policy.path}/rules/old"]
    assert policy.differences(now) == ("has old besides",)


def test_a_strangers_object_is_never_made_to_go():
    (segment,) = made(SEGMENT)
    now = {segment.path: {"resource_type": "Segment"}}
    with pytest.raises(FabricFailure, match=segment.path):
        plan_writing(site(), (), (segment,), now)


def test_a_missing_tag_of_ours_is_a_difference():
    (segment,) = made(SEGMENT)
    now = there(segment)
    now[segment.path]["tags"] = [tag for tag in now[segment.path]["tags"] if tag["scope"] != STACK]
    assert segment.differences(now) == ("tag director/stack is not ours",)


def test_a_missing_part_is_a_difference():
    (router,) = made(ROUTER)
    now = there(router)
    del now["/infra/tier-1s/r/locale-services/default"]
    assert router.differences(now) == ("has no LocaleServices",)


def test_what_points_to_what_is_unknown_is_made_by_nobody_but_still_has_a_place():
    assert make((ROUTER,), Names()) == ()
    assert [each.path for each in make_places((ROUTER, SERVER), Names())] == [
        "/infra/tier-1s/r",
        "/infra/lb-virtual-servers/v",
    ]


def test_what_lay_in_something_that_is_gone_has_no_place():

    assert make_places((replace(SNAT, router=theirs("gone")),), Names()) == ()
    assert make_places((replace(SNAT, router=ours("r")),), Names())[0].path.startswith("/infra/tier-1s/r/")
