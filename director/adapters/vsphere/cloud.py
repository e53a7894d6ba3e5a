"""Cloud properties of VM types (their AZ's merged in), networks and disk types as values (3.2). Asks no vCenter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from director.adapters.vsphere.choices import (
    ClusterChoice,
    DiskKind,
    StoreChoice,
    read_clusters,
    read_datacenter,
    read_stores,
)
from director.adapters.vsphere.fields import Fields
from director.model.problem import Problem, Severity
from director.model.tree import Tree

_CODE: Final = "vsphere.cloud-properties"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    category: str
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VmProperties:
    """What is None was not said, and the settings decide."""

    cpu: int
    ram_mb: int
    disk_mb: int
    cpu_hot_add: bool = False
    memory_hot_add: bool = False
    reserves_cpu: bool | None = None
    reserves_memory: bool | None = None
    upgrades_hardware: bool | None = None
    nested_virtualization: bool = False
    datacenter: str | None = None
    clusters: tuple[ClusterChoice, ...] = ()
    datastores: StoreChoice | None = None
    storage_policy: str | None = None
    tags: tuple[Tag, ...] = ()
    vm_group: str | None = None
    disable_drs: bool = False
    vmx_options: Mapping[str, str] = field(default_factory=dict)
    root_disk_gb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkProperties:
    """``name`` is the name or path in vCenter. ``is_managed``: the director makes this network, as an NSX segment."""

    name: str
    is_managed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskProperties:
    """``kind`` None: the settings' default. ``storage_policy`` is ours: BOSH's disk types have none."""

    kind: DiskKind | None = None
    datastores: StoreChoice | None = None
    storage_policy: str | None = None


def read_vm_properties(tree: Tree, where: str, problems: list[Problem]) -> VmProperties:
    """``where`` names the instance for people (``web/0``). Adds what is wrong to ``problems``; then it is a guess."""
    fields = Fields(tree, f"{where}: cloud_properties", problems, code=_CODE)
    datacenter = read_datacenter(fields)
    found = VmProperties(
        cpu=fields.whole("cpu", 1, is_required=True),
        ram_mb=fields.whole("ram", 1024, is_required=True),
        disk_mb=fields.whole("disk", 1024, is_required=True),
        cpu_hot_add=fields.flag("cpu_hot_add_enabled"),
        memory_hot_add=fields.flag("memory_hot_add_enabled"),
        reserves_cpu=_flag_or_none(fields, "cpu_reserve_full_mhz"),
        reserves_memory=_flag_or_none(fields, "memory_reservation_locked_to_max"),
        upgrades_hardware=_flag_or_none(fields, "upgrade_hw_version"),
        nested_virtualization=fields.flag("nested_hardware_virtualization"),
        datacenter=datacenter.text("name", is_required=True) if datacenter else None,
        clusters=read_clusters(datacenter) if datacenter else (),
        datastores=read_stores(fields),
        storage_policy=_policy(fields),
        tags=tuple(_tag(part) for part in fields.parts("tags")),
        vm_group=fields.text("vm_group") or None,
        disable_drs=fields.flag("disable_drs"),
        vmx_options=fields.options("vmx_options"),
        root_disk_gb=fields.whole("root_disk_size_gb") or None,
    )
    if datacenter:
        datacenter.close(severity=Severity.WARNING)
    _refuse_what_is_not_done(fields)
    fields.pass_over("enable_human_readable_name")
    fields.close(severity=Severity.WARNING)
    return found


def read_disk_properties(tree: Tree, where: str, problems: list[Problem]) -> DiskProperties:
    """The cloud properties of a disk type; ``where`` names the disk or its instance for people."""
    fields = Fields(tree, f"{where}: cloud_properties of its disk", problems, code=_CODE)
    found = DiskProperties(
        kind=fields.one_of("type", DiskKind, DiskKind.PREALLOCATED) if fields.has("type") else None,
        datastores=read_stores(fields),
        storage_policy=_policy(fields),
    )
    fields.refuse(
        "name",
        "is not used: a disk's file has the director's name for it, by which it is found again",
        "remove it.",
        severity=Severity.WARNING,
    )
    fields.close(severity=Severity.WARNING)
    return found


def read_network(settings: Tree, where: str, problems: list[Problem]) -> NetworkProperties:
    """The cloud_properties of one network of a VM's ``networks``. A managed one's other keys are its fabric's."""
    fields = Fields(settings.get("cloud_properties"), f"{where}: cloud_properties", problems, code=_CODE)
    found = NetworkProperties(name=fields.text("name", is_required=True), is_managed=fields.flag("managed"))
    if not found.is_managed:
        fields.close(severity=Severity.WARNING)
    return found


def _flag_or_none(fields: Fields, key: str) -> bool | None:
    return fields.flag(key) if fields.has(key) else None


def _policy(fields: Fields) -> str | None:
    if not fields.has("storage_policy"):
        return None
    inner = fields.fields("storage_policy")
    name = inner.text("name", is_required=True)
    inner.close()
    return name or None


def _tag(fields: Fields) -> Tag:
    tag = Tag(category=fields.text("category", is_required=True), tag=fields.text("tag", is_required=True))
    fields.close()
    return tag


def _refuse_what_is_not_done(fields: Fields) -> None:
    for key in ("pci_passthroughs", "vgpus", "device_groups"):
        fields.refuse(
            key,
            "asks for devices of the host, which this adapter cannot give",
            "remove it; such a VM needs another CPI.",
        )
    fields.refuse("nsx", "asks for NSX-V, which VMware no longer makes", "remove it.")
    fields.refuse(
        "nsxt",
        "names NSX-T groups or pools, but no NSX-T is configured",
        "add `nsxt` to the CPI's properties (director configure nsx-t), or remove it here.",
    )
