from director.adapters.nsxt.groups import _lists, _with_list
from director.adapters.nsxt.marks import ID, VM, Owner, merged, missing, owner_of, tags_for
from director.adapters.nsxt.ports import instance_uuid, is_named_after
from director.adapters.nsxt.refs import _matches
from director.adapters.nsxt.rooms import _spans
from director.adapters.nsxt.there import flat
from director.adapters.vsphere.identity import instance_uuid as vsphere_uuid
from director.model.names import DeploymentName, StackName


def test_an_owner_is_read_as_it_was_written():
    owner = Owner(director="d", deployment=DeploymentName("shop"), stack=StackName("network/web/0"), kind="router")
    body = {"tags": [{"scope": scope, "tag": tag} for scope, tag in tags_for(owner)]}
    assert owner_of(body) == owner
    assert owner_of({}) == Owner()


def test_strangers_tags_stay_and_ours_are_there_once():
    there = (("team", "a"), (ID, "old"), ("", "plain"))
    ours = ((ID, "new"), (VM, "web-1"))
    assert merged(there, ours) == (("team", "a"), ("", "plain"), (ID, "new"), (VM, "web-1"))
    assert merged(merged(there, ours), ours) == merged(there, ours)
    assert missing(there, ours) == [ID, VM]


def test_a_port_is_named_after_its_vm_as_a_whole():
    assert is_named_after({"display_name": "web-1.vmx@5a"}, "web-1")
    assert is_named_after({"display_name": "web-1/web-1.vmx@5a"}, "web-1")
    assert not is_named_after({"display_name": "my-web-1.vmx@5a"}, "web-1")
    assert not is_named_after({"display_name": "web-11.vmx@5a"}, "web-1")


def test_a_vm_has_the_instance_uuid_that_vsphere_was_told():
    director = "0d8c3a52-5b0e-4d0f-9a53-4a4f0a7be001"
    assert instance_uuid(director, "web-1") == vsphere_uuid(director, "web-1")
    assert instance_uuid("no uuid", "web-1") is None


def test_a_list_of_vms_is_joined_to_what_a_group_has():
    condition = {"resource_type": "Condition"}
    alone = _with_list({}, "vm")
    beside = _with_list({"expression": [condition]}, "vm")
    assert len(alone) == 1
    assert [each["resource_type"] for each in beside] == ["Condition", "ConjunctionOperator", "ExternalIDExpression"]
    assert len(_lists({"expression": beside})) == 1


def test_a_name_is_a_display_name_then_an_id_then_a_path():
    bodies = [
        {"path": "/infra/tier-0s/a", "id": "a", "display_name": "b"},
        {"path": "/infra/tier-0s/b", "id": "b", "display_name": "x"},
        {"path": "/infra/tier-0s/c", "id": "c", "display_name": "x"},
    ]
    assert _matches("b", bodies) == ["/infra/tier-0s/a"]
    assert _matches("a", bodies) == ["/infra/tier-0s/a"]
    assert _matches("/infra/tier-0s/c", bodies) == ["/infra/tier-0s/c"]
    assert _matches("x", bodies) == ["/infra/tier-0s/b", "/infra/tier-0s/c"]
    assert _matches("y", bodies) == []


def test_a_hierarchical_answer_is_every_object_by_its_path():
    rule = {"resource_type": "Rule", "path": "/infra/r/rules/x"}
    reference = {
        "resource_type": "ChildResourceReference",
        "id": "r",
        "children": [{"resource_type": "ChildRule", "Rule": rule}],
    }
    router = {"path": "/infra/tier-1s/a", "children": [{"resource_type": "ChildRule", "Rule": {**rule, "path": "/p"}}]}
    tree = {
        "resource_type": "Infra",
        "path": "/infra",
        "children": [reference, {"resource_type": "ChildTier1", "Tier1": router}],
    }
    assert set(flat(tree)) == {"/infra/r/rules/x", "/infra/tier-1s/a", "/p"}


def test_ranges_are_read_in_all_the_ways_nsx_writes_them():
    assert list(_spans([{"start": "0.0.0.1", "end": "0.0.0.5"}, "0.0.0.7", "0.0.1.0/24", "0.0.2.1-0.0.2.3"])) == [
        (1, 5),
        (7, 7),
        (256, 511),
        (513, 515),
    ]
