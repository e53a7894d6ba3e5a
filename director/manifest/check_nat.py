"""NAT rules of network configs: each action needs and refuses its own keys (agent-cpi-vsphere.md 5.7)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from director.manifest import faults
from director.manifest.addresses import read_address, read_network
from director.manifest.check_balancer import check_address
from director.manifest.check_fabric import check_nat_ports
from director.manifest.document import Path
from director.manifest.pick import text, tree_at
from director.manifest.report import Report
from director.model.tree import Tree


class _Keys(NamedTuple):
    needs: tuple[str, ...]
    may_have: tuple[str, ...] = ()


_ACTIONS: Final[Mapping[str, _Keys]] = {
    "snat": _Keys(("source", "translated"), ("destination",)),
    "no_snat": _Keys(("source",), ("destination",)),
    "dnat": _Keys(("destination", "translated"), ("source", "port", "to_port")),
    "no_dnat": _Keys(("destination",), ("source",)),
    "reflexive": _Keys(("source", "translated")),
}
_KEYS: Final = ("source", "destination", "translated", "port", "to_port")
_FROM_POOL: Final[Mapping[str, str]] = {"snat": "translated", "dnat": "destination", "reflexive": "translated"}
"""The address that the world sees: it alone may come out of a pool."""


def check_nat_rule(report: Report, path: Path, rule: Tree) -> None:
    keys = _ACTIONS.get(text(rule, "action"))
    if keys is None:
        return
    action = text(rule, "action")
    for key in keys.needs:
        if key not in rule:
            detail = f"{report.words(path)} does {action}, but has no {key}."
            report.error(path, faults.FABRIC_NAT, detail, f"add {key}:.")
    for key in _KEYS:
        if key in rule and key not in (*keys.needs, *keys.may_have):
            detail = f"{report.words(path)} has {key}, which {action} cannot have."
            report.error((*path, key), faults.FABRIC_NAT, detail, f"remove {key}.")
    for key in ("source", "destination", "translated"):
        _check_address(report, (*path, key), rule, key, may_be_pool=_FROM_POOL.get(action) == key)
    check_nat_ports(report, path, rule)


def _check_address(report: Report, path: Path, rule: Tree, key: str, *, may_be_pool: bool) -> None:
    if key not in rule or report.is_broken(path):
        return
    if isinstance(rule[key], dict):
        check_address(report, path, tree_at(rule, key))
        if "pool" in tree_at(rule, key) and not may_be_pool:
            detail = f"{report.words(path)} cannot come out of a pool in such a rule."
            report.error(path, faults.FABRIC_NAT, detail, "write the address itself.")
        return
    written = text(rule, key)
    if read_network(written) is None and read_address(written) is None:
        detail = f'{report.words(path)} is "{written[:60]}", which is no address or CIDR block.'
        report.error(path, faults.FABRIC_ADDRESS, detail, "write it as 10.0.0.5 or 10.0.0.0/24.")
