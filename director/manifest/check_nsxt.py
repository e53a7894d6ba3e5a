"""``nsxt`` in the cloud properties of zones, VM types and extensions, and firewall rules wherever they stand.

Shape and syntax; whether groups and pools exist is found when a deployment is planned. CPI programs of others have
``nsxt`` too, with keys of their own: a key that is merely unknown is a warning.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from director.manifest import faults
from director.manifest.check_balancer import check_unique
from director.manifest.document import Path
from director.manifest.fabric_text import SERVICE_FIX, looks_like_block, wrong_service
from director.manifest.filled import check_filled
from director.manifest.merge import compilations_of, items_of
from director.manifest.near import instead_of
from director.manifest.pick import items, texts, tree_at, trees
from director.manifest.report import Report
from director.model.rule_text import is_member
from director.model.tree import Node, Tree

SECTIONS: Final = ("azs", "vm_types", "vm_extensions")
_TAG_MAX: Final = {"scope": 128, "tag": 256}
"""NSX-T's bounds (agent-cpi-vsphere.md 5.3)."""


def check_attachments(reports: Sequence[Report]) -> None:
    """Every ``nsxt`` of the cloud configs; their shapes were checked before."""
    for item in chain(*(items_of(reports, section) for section in SECTIONS), compilations_of(reports)):
        nsxt = tree_at(tree_at(item.tree, "cloud_properties"), "nsxt")
        if nsxt:
            _check_nsxt(item.report, (*item.path, "cloud_properties", "nsxt"), nsxt)


def _check_nsxt(report: Report, path: Path, nsxt: Tree) -> None:
    for key in nsxt:
        check_filled(report, (*path, key), nsxt[key])
    _check_tags(report, path, nsxt)
    for key in ("ns_groups", "groups"):
        _check_once(report, (*path, key), texts(nsxt, key))
    lb = tree_at(nsxt, "lb")
    check_unique(report, (*path, "lb", "server_pools"), lb, "server_pools", "server pool")
    check_rules(report, (*path, "security_policy"), tree_at(nsxt, "security_policy"), None)


def _check_once(report: Report, path: Path, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen or not name:
            detail = f'{report.words(path)} has "{name}" twice.' if name else f"{report.words(path)} has an empty name."
            report.error((*path, index), faults.FABRIC_TWICE, detail, "remove it.")
        seen.add(name)


def _check_tags(report: Report, path: Path, nsxt: Tree) -> None:
    for index, tag in trees(nsxt, "tags"):
        for key, most in _TAG_MAX.items():
            value = tag.get(key)
            if isinstance(value, str) and len(value) > most:
                where: Path = (*path, "tags", index, key)
                detail = f"{report.words(where)} has {len(value)} characters, but NSX-T takes {most}."
                report.error(where, faults.BAD_VALUE, detail, "shorten it.")


def check_rules(report: Report, path: Path, policy: Tree, groups: Iterable[str] | None) -> None:
    """The rules of one policy. ``groups`` are all there are to name; None when that cannot be known here."""
    known = None if groups is None else tuple(groups)
    check_unique(report, (*path, "rules"), policy, "rules", "rule")
    for index, rule in trees(policy, "rules"):
        where: Path = (*path, "rules", index)
        for key in ("from", "to"):
            check_members(report, (*where, key), rule, key, known)
        for place, service in enumerate(texts(rule, "services")):
            if wrong := wrong_service(service):
                detail = f'{report.words((*where, "services"))} has "{service[:60]}", which {wrong}.'
                report.error((*where, "services", place), faults.FABRIC_SERVICE, detail, SERVICE_FIX)


def check_members(report: Report, path: Path, tree: Tree, key: str, known: Sequence[str] | None) -> None:
    """Groups, addresses or any, as one or as a list."""
    written = tree.get(key)
    entries = items(tree, key) if isinstance(written, list) else [(None, written)] if isinstance(written, str) else []
    for index, entry in entries:
        where: Path = path if index is None else (*path, index)
        if not report.is_broken(where):
            _check_member(report, where, entry, known)


def _check_member(report: Report, path: Path, entry: Node, known: Sequence[str] | None) -> None:
    if not isinstance(entry, str) or is_member(entry):
        return
    if looks_like_block(entry) or not entry:
        detail = f'{report.words(path)} is "{entry[:60]}", which is no CIDR block.'
        report.error(path, faults.FABRIC_ADDRESS, detail, "write a block such as 10.0.0.0/8, a group's name, or any.")
    elif known is not None and entry not in known:
        detail = f'{report.words(path)} names the group "{entry[:60]}", which no network config declares.'
        fix = instead_of(entry, known, "write {existing: name} for a group that is there already")
        report.error(path, faults.FABRIC_UNKNOWN, detail, fix)
