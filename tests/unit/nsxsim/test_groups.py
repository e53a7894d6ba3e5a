"""Who is in a group, and how members are added and removed without a revision."""

import pytest

from tests.nsxsim.problems import Refusal
from tests.support.nsx_inside import DB, ME, ask, ports, report, vm, with_segments
from tests.support.nsxmodels import problems_of

GROUP = "/infra/domains/default/groups/g"


@pytest.fixture
def cluster():
    return with_segments()


def condition(member_type, value, *, key="Tag", operator="EQUALS"):
    return {
        "resource_type": "Condition", "member_type": member_type, "key": key, "operator": operator, "value": value,
    }  # fmt: skip


def joined(word, *operands):
    found = []
    for index, operand in enumerate(operands):
        if index:
            found.append({"resource_type": "ConjunctionOperator", "conjunction_operator": word})
        found.append(operand)
    return found


def external(*ids, id="ext"):
    return {
        "resource_type": "ExternalIDExpression", "id": id, "member_type": "VirtualMachine", "external_ids": list(ids),
    }  # fmt: skip


def group(cluster, *expression, path=GROUP):
    cluster.sim.write(path, {"expression": list(expression)}, ME)
    cluster.clock.advance(1)


def members(cluster, what="virtual-machines", path=GROUP):
    found = ask(cluster, "GET", f"{path}/members/{what}")["results"]
    return [each if isinstance(each, str) else each["display_name"] for each in found]


@pytest.fixture
def three(cluster):
    report(cluster, vm("web-1"), vm("web-2", computer_name="w2"), vm("db-1", DB))
    inventory = cluster.sim.rooms["inventory"]
    inventory.tag("id-web-1", [{"scope": "env", "tag": "prod"}])
    inventory.tag("id-db-1", [{"scope": "env", "tag": "test"}, {"scope": "tier", "tag": "data"}])
    cluster.clock.advance(1)
    return cluster


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ([condition("VirtualMachine", "env|prod")], ["web-1"]),
        ([condition("VirtualMachine", "env|")], ["db-1", "web-1"]),
        ([condition("VirtualMachine", "|data")], ["db-1"]),
        ([condition("VirtualMachine", "env|pr", operator="STARTSWITH")], ["web-1"]),
        ([condition("VirtualMachine", "env|prod", operator="NOTEQUALS")], ["db-1", "web-2"]),
        ([condition("VirtualMachine", "WEB", key="Name", operator="STARTSWITH")], ["web-1", "web-2"]),
        ([condition("VirtualMachine", "-2", key="Name", operator="ENDSWITH")], ["web-2"]),
        ([condition("VirtualMachine", "b-", key="Name", operator="CONTAINS")], ["db-1", "web-1", "web-2"]),
        ([condition("VirtualMachine", "w2", key="ComputerName")], ["web-2"]),
        (joined("AND", condition("VirtualMachine", "env|"), condition("VirtualMachine", "tier|data")), ["db-1"]),
        (joined("OR", condition("VirtualMachine", "env|prod"), external("id-web-2")), ["web-1", "web-2"]),
        ([external("id-web-2", "id-nobody")], ["web-2"]),
        ([{"resource_type": "PathExpression", "paths": [DB]}], ["db-1"]),
        ([{"resource_type": "NestedExpression", "expressions": [condition("VirtualMachine", "env|prod")]}], ["web-1"]),
        ([], []),
    ],
)  # fmt: skip
def test_members_are_those_of_whom_the_expression_is_true(three, expression, expected):
    group(three, *expression)
    assert members(three) == expected


def test_and_binds_closer_than_or(three):
    prod, env, data = (condition("VirtualMachine", value) for value in ("env|prod", "env|", "|data"))
    either = [*joined("AND", env, data), {"resource_type": "ConjunctionOperator", "conjunction_operator": "OR"}, prod]
    group(three, *either)
    assert members(three) == ["db-1", "web-1"]


def test_a_tag_on_a_port_makes_its_vm_and_address_members(three):
    group(three, condition("SegmentPort", "director/group|web"))
    assert members(three) == []
    (port,) = [port for port in ports(three) if port["display_name"].startswith("web-1")]
    ask(three, "PATCH", port["path"], {"tags": [{"scope": "director/group", "tag": "web"}]})
    assert members(three) == [], "worked out a moment later"
    three.clock.advance(0.2)
    assert members(three) == ["web-1"]
    assert members(three, "segment-ports") == [port["display_name"]]
    assert members(three, "ip-addresses") == ["10.0.0.5"]
    assert members(three, "vifs") == ["Network adapter 1"]
    assert ask(three, "GET", f"{GROUP}/member-types")["results"] == [
        "IPAddress", "SegmentPort", "VirtualMachine", "VirtualNetworkInterface",
    ]  # fmt: skip
    assert ask(three, "GET", f"{GROUP}/tags")["results"] == [{"scope": "director/group", "tag": "web"}]


def test_a_segment_s_tag_and_fixed_addresses_count(three):
    three.sim.write(DB, {"tags": [{"scope": "s", "tag": "db"}]}, ME)
    group(three, *joined("OR", condition("Segment", "s|db"), {"resource_type": "IPAddressExpression",
                                                             "ip_addresses": ["192.0.2.0/24"]}))  # fmt: skip
    assert members(three, "segments") == ["db"]
    assert members(three) == ["db-1"]
    assert members(three, "ip-addresses") == ["10.0.0.5", "192.0.2.0/24"]


def test_groups_within_groups_and_circles_end(three):
    outer = "/infra/domains/default/groups/outer"
    group(three, external("id-web-1"))
    group(three, {"resource_type": "PathExpression", "paths": [GROUP]}, path=outer)
    assert members(three, path=outer) == ["web-1"]
    group(three, *joined("OR", external("id-web-1"), {"resource_type": "PathExpression", "paths": [outer]}))
    assert members(three, path=outer) == ["web-1"]
    found = ask(three, "GET", "/infra/group-associations", intent_path=GROUP)["results"]
    assert [each["path"] for each in found] == [outer]


def test_a_member_that_goes_leaves(three):
    group(three, external("id-web-1"))
    three.sim.rooms["inventory"].gone("id-web-1")
    three.clock.advance(2)
    assert members(three) == []


def expressions(cluster):
    return cluster.sim.tree.get(GROUP)["expression"]


def change(cluster, word, body, kind="external-id-expressions", id="ext"):
    ask(cluster, "POST", f"{GROUP}/{kind}/{id}", body, action=word)


def test_members_are_added_and_removed_without_a_revision(three):
    group(three, *joined("OR", condition("VirtualMachine", "env|prod"), external("id-web-1")))
    change(three, "add", {"members": ["id-web-2", "id-web-1"]})
    assert expressions(three)[2]["external_ids"] == ["id-web-1", "id-web-2"]
    change(three, "remove", {"members": ["id-web-1"]})
    assert expressions(three)[2]["external_ids"] == ["id-web-2"]
    change(three, "remove", {"members": ["id-web-2"]})
    assert [one["resource_type"] for one in expressions(three)] == ["Condition"], "with its conjunction"
    with pytest.raises(Refusal) as refused:
        change(three, "add", {"members": ["id-web-2"]})
    assert refused.value.status == 404


def test_an_expression_is_patched_in_and_deleted(three):
    group(three, condition("VirtualMachine", "env|prod"))
    address = f"{GROUP}/ip-address-expressions/ips"
    ask(three, "PATCH", address, {"ip_addresses": ["192.0.2.1"]})
    assert [one["resource_type"] for one in expressions(three)] == [
        "Condition", "ConjunctionOperator", "IPAddressExpression",
    ]  # fmt: skip
    change(three, "add", {"ip_addresses": ["192.0.2.7-192.0.2.9"]}, "ip-address-expressions", "ips")
    three.clock.advance(1)
    found = ask(three, "GET", "/infra/ip-address-group-associations", ip_address="192.0.2.8")["results"]
    assert [each["path"] for each in found] == [GROUP]
    with pytest.raises(Refusal, match="is no ExternalIDExpression"):
        change(three, "add", {"members": ["x"]}, id="ips")
    ask(three, "DELETE", address)
    assert [one["resource_type"] for one in expressions(three)] == ["Condition"]


def test_groups_of_a_vm_are_told_also_when_it_is_gone_unless_set_otherwise(three):
    group(three, external("id-web-1"))
    group(three, condition("VirtualMachine", "web-1", key="Name"), path="/infra/domains/default/groups/by-name")

    def associated():
        found = ask(three, "GET", "/infra/virtual-machine-group-associations", vm_external_id="id-web-1")["results"]
        return [each["target_id"] for each in found]

    assert associated() == ["by-name", "g"]
    three.sim.rooms["inventory"].gone("id-web-1")
    three.clock.advance(2)
    assert associated() == ["g"]
    three.settings.change({"associations_of_gone_vms": False})
    with pytest.raises(Refusal, match="NOT_FOUND"):
        associated()


def test_members_of_no_group_are_a_404(cluster):
    with pytest.raises(Refusal) as refused:
        members(cluster, path="/infra/domains/default/groups/none")
    assert refused.value.status == 404


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (f"{GROUP}/members/virtual-machines", "RealizedVirtualMachineListResult"),
        (f"{GROUP}/members/vifs", "VirtualNetworkInterfaceListResult"),
        (f"{GROUP}/members/segment-ports", "PolicyGroupMembersListResult"),
        (f"{GROUP}/members/segments", "PolicyGroupMembersListResult"),
        (f"{GROUP}/members/ip-addresses", "PolicyGroupIPMembersListResult"),
        (f"{GROUP}/member-types", "GroupMemberTypeListResult"),
        ("/infra/group-associations", "PolicyResourceReferenceForEPListResult"),
        ("/infra/virtual-machine-group-associations", "PolicyResourceReferenceForEPListResult"),
    ],
)
def test_answers_are_what_the_official_models_say(three, url, model):
    group(three, *joined("OR", external("id-web-1"), {"resource_type": "PathExpression", "paths": [DB]}))
    answer = ask(three, "GET", url, intent_path=DB, vm_external_id="id-web-1")
    assert answer["results"]
    assert problems_of(model, answer) == []
