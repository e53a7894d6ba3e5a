"""What VMs that come and go mean for a cluster's DRS rules and groups. Pure: values in, vCenter's specs out.

Note: who belongs to a rule. vCenter takes no anti-affinity rule of fewer than two VMs, so a rule cannot say who its
first VM is. Beside each of our rules stands a VM group of the same name that can, and the rule follows from the group.
All our names begin with a prefix of this director; of what people made, only members are changed, and only our VMs.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.choices import HostGroup
from director.ports.failure import InfrastructureFailure

PATHS: Final = ("name", "configurationEx.group", "configurationEx.rule", "configurationEx.drsVmConfig")
NAME_MAX: Final = 80
"""What vCenter takes for an inventory name; longer ones end in a digest of the whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """What a VM (by moid) joins: rules that keep their VMs on different hosts, VM groups that people named,
    a group of hosts to run on; ``is_drs_off`` leaves it where it is started (3.10).
    """

    vm: str
    apart: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    host_group: HostGroup | None = None
    is_drs_off: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.apart or self.groups or self.host_group or self.is_drs_off)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRule:
    vm_group: str
    host_group: str
    is_mandatory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRules:
    """``groups`` are VM groups: name → moids. ``apart`` and ``hosts`` are rules by name, ``keys`` vCenter's keys."""

    name: str = ""
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    host_groups: frozenset[str] = frozenset()
    apart: Mapping[str, frozenset[str]] = field(default_factory=dict)
    hosts: Mapping[str, HostRule] = field(default_factory=dict)
    keys: Mapping[str, int] = field(default_factory=dict)
    drs_off: frozenset[str] = frozenset()

    def knows(self, vm: str) -> bool:
        return vm in self.drs_off or any(vm in members for members in self.groups.values())


def read_rules(seen: Mapping[str, Any]) -> ClusterRules:
    """From a cluster's ``PATHS``."""
    groups = seen.get("configurationEx.group") or ()
    rules = seen.get("configurationEx.rule") or ()
    off = seen.get("configurationEx.drsVmConfig") or ()
    return ClusterRules(
        name=str(seen.get("name", "")),
        groups={one.name: _moids(one.vm) for one in groups if isinstance(one, vim.cluster.VmGroup)},
        host_groups=frozenset(one.name for one in groups if isinstance(one, vim.cluster.HostGroup)),
        apart={str(one.name): _moids(one.vm) for one in rules if isinstance(one, vim.cluster.AntiAffinityRuleSpec)},
        hosts={str(one.name): _host_rule(one) for one in rules if isinstance(one, vim.cluster.VmHostRuleInfo)},
        keys={one.name: one.key for one in rules},
        drs_off=frozenset(next(iter(_moids([one.key]))) for one in off if one.enabled is False),
    )


def wanted_rules(
    now: ClusterRules, prefix: str, joins: Iterable[Membership], leaves: Collection[str] = ()
) -> ClusterRules:
    """The rules with these VMs come and gone. Raises InfrastructureFailure for a host group that is not there."""
    joining = tuple(joins)
    groups = {name: members - frozenset(leaves) for name, members in now.groups.items()}
    host_rules = {name: rule for name, rule in now.hosts.items() if _is_ours(name, prefix)}
    for one in joining:
        for name in (*(apart_name(prefix, rule) for rule in one.apart), *one.groups):
            groups[name] = groups.get(name, frozenset()) | {one.vm}
        if one.host_group is not None:
            rule = _wanted_host_rule(now, prefix, one.host_group)
            groups[rule.vm_group] = groups.get(rule.vm_group, frozenset()) | {one.vm}
            host_rules[rule.vm_group] = rule
    foreign = {name: rule for name, rule in now.hosts.items() if not _is_ours(name, prefix)}
    needed = {rule.vm_group for rule in foreign.values()} | {
        name for name, members in now.groups.items() if not members
    }
    kept = {
        name: members for name, members in groups.items() if members or (name in needed and not _is_ours(name, prefix))
    }
    return replace(
        now,
        groups=kept,
        apart=_apart(now, prefix, kept),
        hosts=foreign | {name: rule for name, rule in host_rules.items() if rule.vm_group in kept},
        drs_off=(now.drs_off - frozenset(leaves)) | {one.vm for one in joining if one.is_drs_off},
    )


def specs_between(now: ClusterRules, wanted: ClusterRules) -> Sequence[vim.cluster.ConfigSpecEx]:
    """What to tell vCenter, in order: nothing, one change, or a second for groups that a rule leaned on until then."""
    gone = sorted(now.groups.keys() - wanted.groups.keys())
    leaned_on = {rule.vm_group for name, rule in now.hosts.items() if name not in wanted.hosts}
    first = vim.cluster.ConfigSpecEx(
        groupSpec=[*_group_specs(now, wanted), *(_removed_group(name) for name in gone if name not in leaned_on)],
        rulesSpec=[*_apart_specs(now, wanted), *_host_specs(now, wanted), *_removed_rules(now, wanted)],
        drsVmConfigSpec=_drs_specs(now, wanted),
    )
    second = vim.cluster.ConfigSpecEx(groupSpec=[_removed_group(name) for name in gone if name in leaned_on])
    return [spec for spec in (first, second) if spec.groupSpec or spec.rulesSpec or spec.drsVmConfigSpec]


def apart_name(prefix: str, rule: str) -> str:
    return _short(f"{prefix} apart {rule}")


def host_rule_name(prefix: str, group: HostGroup) -> str:
    return _short(f"{prefix} {'must' if group.is_mandatory else 'should'} {group.name}")


def _is_ours(name: str, prefix: str) -> bool:
    return name.startswith(f"{prefix} ")


def _short(name: str) -> str:
    if len(name) <= NAME_MAX:
        return name
    return f"{name[: NAME_MAX - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


def _wanted_host_rule(now: ClusterRules, prefix: str, group: HostGroup) -> HostRule:
    if group.name not in now.host_groups:
        there = ", ".join(sorted(now.host_groups)) or "none"
        raise InfrastructureFailure(
            f'Cluster "{now.name}" has no host group "{group.name}"; it has: {there}. Make the group in vCenter, or '
            "name one of these in the AZ."
        )
    return HostRule(vm_group=host_rule_name(prefix, group), host_group=group.name, is_mandatory=group.is_mandatory)


def _apart(now: ClusterRules, prefix: str, groups: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    ours = {
        name: members for name, members in groups.items() if name.startswith(f"{prefix} apart ") and len(members) > 1
    }
    return {name: members for name, members in now.apart.items() if not _is_ours(name, prefix)} | ours


def _group_specs(now: ClusterRules, wanted: ClusterRules) -> Iterable[vim.cluster.GroupSpec]:
    for name, members in sorted(wanted.groups.items()):
        if now.groups.get(name) != members:
            info = vim.cluster.VmGroup(name=name, vm=_vms(members))
            yield vim.cluster.GroupSpec(operation=_operation(name in now.groups), info=info)


def _removed_group(name: str) -> vim.cluster.GroupSpec:
    return vim.cluster.GroupSpec(operation="remove", removeKey=name)


def _apart_specs(now: ClusterRules, wanted: ClusterRules) -> Iterable[vim.cluster.RuleSpec]:
    for name, members in sorted(wanted.apart.items()):
        if now.apart.get(name) != members:
            info = vim.cluster.AntiAffinityRuleSpec(
                key=now.keys.get(name), name=name, enabled=True, userCreated=True, vm=_vms(members)
            )
            yield vim.cluster.RuleSpec(operation=_operation(name in now.keys), info=info)


def _host_specs(now: ClusterRules, wanted: ClusterRules) -> Iterable[vim.cluster.RuleSpec]:
    for name, rule in sorted(wanted.hosts.items()):
        if now.hosts.get(name) != rule:
            info = vim.cluster.VmHostRuleInfo(
                key=now.keys.get(name),
                name=name,
                enabled=True,
                userCreated=True,
                mandatory=rule.is_mandatory,
                vmGroupName=rule.vm_group,
                affineHostGroupName=rule.host_group,
            )
            yield vim.cluster.RuleSpec(operation=_operation(name in now.keys), info=info)


def _removed_rules(now: ClusterRules, wanted: ClusterRules) -> Iterable[vim.cluster.RuleSpec]:
    gone = (now.apart.keys() | now.hosts.keys()) - wanted.apart.keys() - wanted.hosts.keys()
    for name in sorted(gone):
        yield vim.cluster.RuleSpec(operation="remove", removeKey=now.keys[name])


def _drs_specs(now: ClusterRules, wanted: ClusterRules) -> list[vim.cluster.DrsVmConfigSpec]:
    added = [
        vim.cluster.DrsVmConfigSpec(
            operation="add", info=vim.cluster.DrsVmConfigInfo(key=vim.VirtualMachine(vm), enabled=False)
        )
        for vm in sorted(wanted.drs_off - now.drs_off)
    ]
    gone = sorted(now.drs_off - wanted.drs_off)
    return added + [vim.cluster.DrsVmConfigSpec(operation="remove", removeKey=vim.VirtualMachine(vm)) for vm in gone]


def _operation(is_there: bool) -> str:
    return "edit" if is_there else "add"


def _host_rule(rule: Any) -> HostRule:
    return HostRule(
        vm_group=rule.vmGroupName or "", host_group=rule.affineHostGroupName or "", is_mandatory=bool(rule.mandatory)
    )


def _vms(moids: Iterable[str]) -> list[vim.VirtualMachine]:
    return [vim.VirtualMachine(moid) for moid in sorted(moids)]


def _moids(entities: Iterable[Any]) -> frozenset[str]:
    return frozenset(str(one._moId) for one in entities or ())  # noqa: SLF001  the only name pyVmomi has for it
