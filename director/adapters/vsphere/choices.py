"""What AZs, VM types and settings let VMs choose among: clusters, datastores (agent-cpi-vsphere.md 3.1 and 3.2).

Reads and checks; asks no vCenter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from director.adapters.vsphere.fields import NEVER, Fields


class DiskKind(Enum):
    """``thick`` is BOSH's other word for preallocated."""

    THIN = "thin"
    THICK = "thick"
    PREALLOCATED = "preallocated"
    EAGER_ZEROED_THICK = "eagerZeroedThick"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostGroup:
    """``is_mandatory`` is BOSH's MUST: VMs never run elsewhere. Otherwise SHOULD."""

    name: str
    is_mandatory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChoice:
    """One candidate. ``resource_pool`` is a name, or a path below the cluster's root pool. ``separate_rule`` names
    the DRS rule that keeps the VMs of this choice on different hosts.
    """

    name: str
    resource_pool: str | None = None
    host_group: HostGroup | None = None
    separate_rule: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreChoice:
    """Datastores and datastore clusters of a VM or disk type: names, or regular expressions of whole names."""

    datastores: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()


class _Rule(Enum):
    MUST = "must"
    SHOULD = "should"


class _RuleType(Enum):
    SEPARATE = "separate_vms"


def read_datacenter(owner: Fields) -> Fields | None:
    """The one of ``datacenters``, which must be a list of one as in BOSH; None when the key is not there."""
    found = owner.parts("datacenters")
    if len(found) > 1:
        owner.wrong("datacenters", "exactly one datacenter; a second one needs a CPI config of its own")
    return found[0] if found else None


def read_clusters(datacenter: Fields) -> tuple[ClusterChoice, ...]:
    """The ``clusters`` of one datacenter: plain names, or one mapping per name."""
    found: list[ClusterChoice] = []
    for index, item in enumerate(datacenter.items("clusters")):
        if isinstance(item, str):
            found.append(ClusterChoice(name=item))
        elif isinstance(item, Mapping) and item:
            found += [
                _cluster(datacenter.within(inner, f"clusters[{index}].{name}"), name) for name, inner in item.items()
            ]
        else:
            datacenter.wrong("clusters", "a list of cluster names, each plain or with a mapping below it")
    return tuple(found)


def _cluster(fields: Fields, name: object) -> ClusterChoice:
    choice = ClusterChoice(
        name=str(name),
        resource_pool=fields.text("resource_pool") or None,
        host_group=_host_group(fields),
        separate_rule=_separate_rule(fields),
    )
    fields.close()
    return choice


def _host_group(fields: Fields) -> HostGroup | None:
    value = fields.raw("host_group")
    if not value:
        return None
    if isinstance(value, str):
        return HostGroup(name=value, is_mandatory=True)
    inner = fields.fields("host_group")
    group = HostGroup(
        name=inner.text("name", is_required=True),
        is_mandatory=inner.one_of("drs_rule", _Rule, _Rule.SHOULD) is _Rule.MUST,
    )
    inner.close()
    return group


def _separate_rule(fields: Fields) -> str | None:
    rules = fields.parts("drs_rules")
    if len(rules) > 1:
        fields.wrong("drs_rules", "one rule at most")
    for rule in rules[:1]:
        rule.one_of("type", _RuleType, _RuleType.SEPARATE)
        name = rule.text("name", is_required=True)
        rule.close()
        return name or None
    return None


def read_stores(owner: Fields) -> StoreChoice | None:
    """The ``datastores`` of a VM or disk type; None when it names none."""
    names: list[str] = []
    pods: list[str] = []
    for index, item in enumerate(owner.items("datastores")):
        if isinstance(item, str) and item:
            names.append(owner.checked_pattern(f"datastores[{index}]", item))
        else:
            inner = owner.within(item, f"datastores[{index}]")
            pods += _pods(inner)
            inner.close()
    names, pods = [[one for one in some if one != NEVER] for some in (names, pods)]
    return StoreChoice(datastores=tuple(names), pods=tuple(pods)) if names or pods else None


def _pods(fields: Fields) -> list[str]:
    """``clusters: [{pod: {}}]``, or plain names of pods."""
    found: list[str] = []
    for index, item in enumerate(fields.items("clusters")):
        names = list(item) if isinstance(item, Mapping) else [item]
        found += [fields.checked_pattern(f"clusters[{index}]", str(name)) for name in names]
    if not found:
        fields.wrong("clusters", "a list of datastore clusters")
    return found
