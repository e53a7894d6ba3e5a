"""What VMs that come and go mean for DRS rules and groups."""

import pytest

from director.adapters.vsphere.choices import HostGroup
from director.adapters.vsphere.rule_changes import (
    NAME_MAX,
    ClusterRules,
    HostRule,
    Membership,
    apart_name,
    host_rule_name,
    specs_between,
    wanted_rules,
)
from director.ports.failure import InfrastructureFailure

OURS = "director-d1"
WEB = apart_name(OURS, "web")
FAST = HostGroup(name="fast", is_mandatory=True)
MUST = host_rule_name(OURS, FAST)
EMPTY = ClusterRules(name="c1", host_groups=frozenset({"fast"}))


def members(*vms: str) -> frozenset[str]:
    return frozenset(vms)


def joined(now: ClusterRules, *wishes: Membership) -> ClusterRules:
    return wanted_rules(now, OURS, wishes)


def left(now: ClusterRules, *vms: str) -> ClusterRules:
    return wanted_rules(now, OURS, (), vms)


def apart(*vms: str) -> tuple[Membership, ...]:
    return tuple(Membership(vm=vm, apart=("web",)) for vm in vms)


def test_the_first_vm_of_a_rule_is_remembered_in_a_group_and_makes_no_rule() -> None:
    rules = joined(EMPTY, *apart("vm-1"))
    assert rules.groups == {WEB: members("vm-1")}
    assert rules.apart == {}


def test_the_second_vm_makes_the_rule_of_both() -> None:
    rules = joined(joined(EMPTY, *apart("vm-1")), *apart("vm-2"))
    assert rules.apart == {WEB: members("vm-1", "vm-2")}


def test_a_rule_goes_when_fewer_than_two_are_left_and_its_group_with_the_last() -> None:
    two = joined(EMPTY, *apart("vm-1", "vm-2"))
    one = left(two, "vm-2")
    assert (one.apart, one.groups) == ({}, {WEB: members("vm-1")})
    assert left(one, "vm-1") == EMPTY


def test_joining_again_changes_nothing() -> None:
    now = joined(EMPTY, *apart("vm-1", "vm-2"), Membership(vm="vm-1", host_group=FAST, is_drs_off=True))
    again = joined(now, *apart("vm-2"), Membership(vm="vm-1", host_group=FAST, is_drs_off=True))
    assert specs_between(now, again) == []


def test_a_host_group_is_joined_through_a_group_and_a_rule_of_ours() -> None:
    rules = joined(EMPTY, Membership(vm="vm-1", host_group=FAST))
    assert rules.groups == {MUST: members("vm-1")}
    assert rules.hosts == {MUST: HostRule(vm_group=MUST, host_group="fast", is_mandatory=True)}
    assert left(rules, "vm-1") == EMPTY


def test_should_and_must_of_one_host_group_are_two_rules() -> None:
    should = HostGroup(name="fast")
    rules = joined(EMPTY, Membership(vm="vm-1", host_group=FAST), Membership(vm="vm-2", host_group=should))
    assert sorted(rules.hosts) == sorted([MUST, host_rule_name(OURS, should)])


def test_a_host_group_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InfrastructureFailure, match='no host group "slow"; it has: fast'):
        joined(EMPTY, Membership(vm="vm-1", host_group=HostGroup(name="slow")))


def test_of_a_group_that_people_made_only_our_vms_change() -> None:
    now = ClusterRules(groups={"licensed": members("vm-9")})
    rules = joined(now, Membership(vm="vm-1", groups=("licensed",)))
    assert rules.groups == {"licensed": members("vm-1", "vm-9")}
    assert left(rules, "vm-1") == now


def test_a_group_we_made_for_people_goes_unless_a_rule_of_theirs_needs_it() -> None:
    theirs = HostRule(vm_group="licensed", host_group="fast", is_mandatory=True)
    now = joined(EMPTY, Membership(vm="vm-1", groups=("licensed",)))
    assert left(now, "vm-1").groups == {}
    needed = ClusterRules(groups=now.groups, hosts={"their rule": theirs})
    assert left(needed, "vm-1").groups == {"licensed": members()}


def test_rules_of_others_are_never_touched() -> None:
    theirs = apart_name("director-d12", "web")
    now = ClusterRules(
        groups={theirs: members("vm-8")}, apart={"by hand": members("vm-1", "vm-8")}, keys={"by hand": 3}
    )
    after = left(joined(now, *apart("vm-1", "vm-2")), "vm-1", "vm-2")
    assert after == now


def test_a_spec_adds_edits_and_removes_by_key() -> None:
    now = ClusterRules(
        groups={WEB: members("vm-1", "vm-2")},
        apart={WEB: members("vm-1", "vm-2")},
        keys={WEB: 7},
        drs_off=members("vm-1"),
    )
    (edit,) = specs_between(now, joined(now, *apart("vm-3")))
    assert [(one.operation, one.info.key, len(one.info.vm)) for one in edit.rulesSpec] == [("edit", 7, 3)]
    assert [(one.operation, one.info.name) for one in edit.groupSpec] == [("edit", WEB)]
    (remove,) = specs_between(now, left(now, "vm-1", "vm-2"))
    assert [(one.operation, one.removeKey) for one in remove.rulesSpec] == [("remove", 7)]
    assert [(one.operation, one.removeKey) for one in remove.groupSpec] == [("remove", WEB)]
    assert [(one.operation, one.removeKey._moId) for one in remove.drsVmConfigSpec] == [("remove", "vm-1")]


def test_a_group_goes_only_after_the_host_rule_that_leans_on_it() -> None:
    now = ClusterRules(
        groups={MUST: members("vm-1")},
        hosts={MUST: HostRule(vm_group=MUST, host_group="fast", is_mandatory=True)},
        keys={MUST: 4},
    )
    rule, group = specs_between(now, left(now, "vm-1"))
    assert [one.removeKey for one in rule.rulesSpec] == [4]
    assert list(rule.groupSpec) == []
    assert [one.removeKey for one in group.groupSpec] == [MUST]


def test_many_vms_of_one_batch_become_one_spec() -> None:
    specs = specs_between(EMPTY, joined(EMPTY, *apart(*(f"vm-{number}" for number in range(50)))))
    assert len(specs) == 1
    assert [len(one.info.vm) for one in specs[0].rulesSpec] == [50]


def test_long_names_stay_apart_and_within_vcenters_limit() -> None:
    one, two = (apart_name(OURS, "x" * 200 + end) for end in "ab")
    assert one != two
    assert max(len(one), len(two)) <= NAME_MAX
