"""Cloud configs, one or several together: names, zones, compilation (bosh-director.md 2.1).

What concerns a single network is in ``check_subnet.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from director.manifest import faults
from director.manifest.check_fabric import check_segment_names
from director.manifest.check_nsxt import check_attachments
from director.manifest.check_subnet import check_network
from director.manifest.document import Path
from director.manifest.faults import Fault
from director.manifest.merge import Item, compilations_of, has_section, items_of
from director.manifest.near import instead_of
from director.manifest.pick import text, texts, texts_or_one, trees
from director.manifest.report import Report
from director.manifest.values import canonical, is_dns_name

_SECTIONS: Final = (
    ("azs", faults.DUPLICATE_AZ, "zone"),
    ("vm_types", faults.DUPLICATE_VM_TYPE, "VM type"),
    ("vm_extensions", faults.DUPLICATE_VM_EXTENSION, "VM extension"),
    ("disk_types", faults.DUPLICATE_DISK_TYPE, "disk type"),
)


KNOWN: Final = frozenset({*(section for section, _, _ in _SECTIONS), "networks", "compilation"})
"""A text with none of these is no cloud config: a manifest given by mistake, say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """All configs together. With ``is_whole`` False a section that none of them has may be in one not seen here."""

    reports: Sequence[Report]
    is_whole: bool

    def names(self, section: str) -> tuple[str, ...]:
        return tuple(item.name for item in items_of(self.reports, section))

    def refuse(self, item: Item, path: Path, fault: Fault, section: str, detail: str, fix: str) -> None:
        """A reference into ``section`` leads nowhere."""
        is_certain = self.is_whole or has_section(self.reports, section)
        (item.report.error if is_certain else item.report.warn)((*item.path, *path), fault, detail, fix)


def check_cloud_set(reports: Sequence[Report], *, is_whole: bool) -> None:
    """All configs together; their shapes were checked one by one."""
    cloud = _Set(reports=reports, is_whole=is_whole)
    for report in reports:
        if not KNOWN.intersection(report.document.root):
            fix = "declare azs, networks, vm_types and compilation."
            report.error((), faults.CLOUD_EMPTY, f"{report.document.file} declares nothing.", fix)
    for section, fault, what in _SECTIONS:
        _check_unique(reports, section, fault, what)
    _check_networks(cloud)
    check_segment_names(reports)
    check_attachments(reports)
    _check_sections(cloud)
    for item in compilations_of(reports):
        _check_compilation(cloud, item)


def _check_unique(reports: Sequence[Report], section: str, fault: Fault, what: str) -> None:
    first: dict[str, Item] = {}
    for item in items_of(reports, section):
        if item.name and item.name in first:
            where = first[item.name].report.document.mark(first[item.name].path)
            detail = f'The {what} "{item.name}" is declared at {where} already.'
            item.report.error((*item.path, "name"), fault, detail, "rename or remove one of the two.")
        first.setdefault(item.name, item)


def _check_networks(cloud: _Set) -> None:
    first: dict[str, str] = {}
    zones = frozenset(cloud.names("azs"))
    for item in items_of(cloud.reports, "networks"):
        form = canonical(item.name)
        if item.name and not is_dns_name(item.name):
            detail = f'The network\'s name "{item.name}" cannot be part of a DNS name.'
            item.report.error(
                (*item.path, "name"), faults.BAD_DNS_NAME, detail, "begin and end it with a letter or digit."
            )
        elif item.name and form in first:
            detail = f'The network "{item.name}" has the same DNS name as "{first[form]}" before it.'
            item.report.error((*item.path, "name"), faults.DUPLICATE_NETWORK, detail, "rename one of the two.")
        first.setdefault(form, item.name)
        check_network(item)
        _check_zones(cloud, item, zones)


def _check_zones(cloud: _Set, item: Item, zones: frozenset[str]) -> None:
    for index, subnet in trees(item.tree, "subnets"):
        for key in ("az", "azs"):
            for zone in texts_or_one(subnet, key):
                if zone not in zones:
                    detail = f'A subnet of the network "{item.name}" is in the zone "{zone}", which is not declared.'
                    fix = instead_of(zone, zones, f'declare "{zone}" under azs')
                    cloud.refuse(item, ("subnets", index, key), faults.SUBNET_AZ, "azs", detail, fix)


def _check_sections(cloud: _Set) -> None:
    """That there is a network and exactly one way to compile."""
    last = cloud.reports[-1]
    tell = last.error if cloud.is_whole else last.warn
    compilations = compilations_of(cloud.reports)
    if not has_section(cloud.reports, "compilation"):
        detail = "No cloud config says how packages are compiled."
        fix = "add compilation: with workers, network, az and vm_type."
        tell((), faults.CLOUD_SECTION_MISSING, detail, fix)
    for item in compilations[1:]:
        detail = f"compilation stands in {compilations[0].report.document.file} already."
        item.report.error(item.path, faults.COMPILATION_TWICE, detail, "keep one of the two.")
    is_broken = any(report.is_broken(("networks",)) for report in cloud.reports)
    if not cloud.names("networks") and not is_broken:
        tell(("networks",), faults.NO_NETWORKS, "No cloud config declares a network.", "add one under networks.")


def _check_compilation(cloud: _Set, item: Item) -> None:
    _check_compilation_network(cloud, item)
    _check_compilation_vm(item)
    tree = item.tree
    known = cloud.names("vm_extensions")
    for name in texts(tree, "vm_extensions"):
        if name not in known:
            detail = f'Compilation uses the VM extension "{name}", which is not declared.'
            fix = instead_of(name, known, f'declare "{name}" under vm_extensions')
            cloud.refuse(item, ("vm_extensions",), faults.COMPILATION_EXTENSION, "vm_extensions", detail, fix)
    vm_type, known = text(tree, "vm_type"), cloud.names("vm_types")
    if vm_type and vm_type not in known:
        detail = f'Compilation uses the VM type "{vm_type}", which is not declared.'
        fix = instead_of(vm_type, known, f'declare "{vm_type}" under vm_types')
        cloud.refuse(item, ("vm_type",), faults.COMPILATION_VM_TYPE, "vm_types", detail, fix)


def _check_compilation_network(cloud: _Set, item: Item) -> None:
    networks = {network.name: network for network in items_of(cloud.reports, "networks")}
    name, az, zones = text(item.tree, "network"), text(item.tree, "az"), cloud.names("azs")
    if az and az not in zones:
        detail = f'Compilation is in the zone "{az}", which is not declared.'
        fix = instead_of(az, zones, f'declare "{az}" under azs')
        cloud.refuse(item, ("az",), faults.COMPILATION_AZ, "azs", detail, fix)
    if name and name not in networks:
        detail = f'Compilation uses the network "{name}", which is not declared.'
        fix = instead_of(name, networks, f'declare "{name}" under networks')
        cloud.refuse(item, ("network",), faults.COMPILATION_NETWORK, "networks", detail, fix)
    elif name and (not az or az in zones):
        _check_cover(item, networks[name], az)


def _check_cover(item: Item, network: Item, az: str) -> None:
    zones = {
        zone
        for _, subnet in trees(network.tree, "subnets")
        for key in ("az", "azs")
        for zone in texts_or_one(subnet, key)
    }
    if zones and az not in zones:
        where = f'is in the zone "{az}"' if az else "names no zone"
        detail = (
            f'Compilation {where}, but the network "{network.name}" has subnets only in {", ".join(sorted(zones))}.'
        )
        path: Path = (*item.path, "az") if az else item.path
        item.report.error(path, faults.COMPILATION_AZ_COVER, detail, "name a zone in which the network has a subnet.")


def _check_compilation_vm(item: Item) -> None:
    ways = [key for key in ("vm_type", "vm_resources", "cloud_properties") if item.tree.get(key)]
    if len(ways) > 1:
        detail = f"Compilation has {' and '.join(ways)}."
        item.report.error((*item.path, ways[1]), faults.COMPILATION_VM, detail, "keep one of them.")
    if item.tree.get("vm_extensions") and not {"vm_type", "vm_resources"} & set(ways):
        detail = "Compilation has vm_extensions, but neither vm_type nor vm_resources that they could extend."
        path: Path = (*item.path, "vm_extensions")
        item.report.error(path, faults.COMPILATION_EXTENSION_ALONE, detail, "add vm_type.")
    for key in ("orphan_workers",):
        if item.tree.get(key):
            detail = f"compilation/{key} is not acted on: workers are deleted when they are done."
            item.report.warn((*item.path, key), faults.NOT_HONOURED, detail, "remove it, if that is what you want.")
