from director.adapters.nsxt.hierarchy import tree_of
from director.adapters.nsxt.paths import collection, is_below, parts, root, topmost


def test_a_rule_on_a_strangers_router_only_passes_through_it():
    rule = {"resource_type": "PolicyNatRule"}
    (router,) = tree_of({"/infra/tier-0s/t/nat/USER/nat-rules/n": rule})
    assert router == {
        "resource_type": "ChildResourceReference",
        "id": "t",
        "target_type": "Tier0",
        "children": [
            {
                "resource_type": "ChildResourceReference",
                "id": "USER",
                "target_type": "PolicyNat",
                "children": [
                    {
                        "resource_type": "ChildPolicyNatRule",
                        "PolicyNatRule": {"resource_type": "PolicyNatRule", "id": "n"},
                    }
                ],
            }
        ],
    }


def test_what_lies_below_a_written_object_stands_inside_it():
    (router,) = tree_of({"/infra/tier-1s/r": {"x": 1}, "/infra/tier-1s/r/locale-services/default": {"y": 2}})
    assert router["Tier1"]["id"] == "r"
    assert router["Tier1"]["children"][0]["LocaleServices"] == {"y": 2, "id": "default"}


def test_what_goes_is_marked_and_named_by_type():
    (gone,) = tree_of({}, {"/infra/lb-monitor-profiles/m": {"resource_type": "LBHttpMonitorProfile", "_revision": 3}})
    assert gone["resource_type"] == "ChildLBMonitorProfile"
    assert gone["marked_for_delete"] is True
    assert gone["LBMonitorProfile"] == {"resource_type": "LBHttpMonitorProfile", "_revision": 3, "id": "m"}


def test_the_same_writes_in_another_order_are_the_same_tree():
    writes = {"/infra/segments/b": {}, "/infra/tier-1s/a": {}, "/infra/segments/a": {}}
    backwards = dict(reversed(writes.items()))
    assert tree_of(writes) == tree_of(backwards)
    assert [each["resource_type"] for each in tree_of(writes)] == ["ChildTier1", "ChildSegment", "ChildSegment"]


def test_paths_know_their_root_and_their_kin():
    rule = "/infra/tier-1s/r/nat/USER/nat-rules/n"
    assert root(rule) == "/infra/tier-1s/r"
    assert collection(rule) == "/infra/tier-1s/r/nat/USER/nat-rules"
    assert root("/infra/domains/default/groups/g") == "/infra/domains/default/groups/g"
    assert parts(rule)[-1] == ("nat-rules", "n")
    assert topmost({rule, "/infra/tier-1s/r", "/infra/tier-1s/rr"}) == ("/infra/tier-1s/r", "/infra/tier-1s/rr")
    assert not is_below("/infra/tier-1s/rr", "/infra/tier-1s/r")
