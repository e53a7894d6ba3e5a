"""BOSH's vSphere CPI properties as values (agent-cpi-vsphere.md 3.1). Reads and checks; asks no vCenter.

Beside BOSH's keys there are ours: ``custom_attributes``, ``agent_install``, ``operations_in_flight``,
``segment_wait_s`` and ``connection_options.verify``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from director.adapters.vsphere.choices import ClusterChoice, DiskKind, read_clusters, read_datacenter
from director.adapters.vsphere.fields import Fields
from director.model.problem import Problem, Refused, Severity
from director.model.tree import Tree

_CODE: Final = "vsphere.properties"
_FOR_OTHERS: Final = (
    "agent",
    "ntp",
    "blobstore",
    "mbus",
    "plugins",
    "http_logging",
    "soap_log",
    "enable_human_readable_name",
)
"""Keys of BOSH's with nothing to say here: agents dial home, names are always readable, bodies are never logged."""


class ScsiKind(Enum):
    PARAVIRTUAL = "paravirtual"
    LSI_LOGIC = "lsi_logic"
    LSI_LOGIC_SAS = "lsi_logic_sas"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePattern:
    """Which datastores may be used: ``datastores`` by name, or members of ``pods``, by regular expressions."""

    datastores: str | None = None
    pods: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatacenterSettings:
    """``clusters`` are the candidates of VMs whose AZ and VM type name none."""

    name: str
    vm_folder: str = "BOSH_VMs"
    template_folder: str = "BOSH_Templates"
    disk_path: str = "BOSH_Disks"
    ephemeral: StorePattern = StorePattern()
    persistent: StorePattern = StorePattern()
    clusters: tuple[ClusterChoice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """Operations (clones, reconfigurations, copies) at once: on the vCenter, on one host, on one datastore."""

    vcenter: int = 32
    host: int = 8
    datastore: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``is_verified`` without ``ca_certificate`` means by the machine's own authorities.

    ``segment_wait_s`` is how long a new VM waits for vCenter to show its segment (10 minutes: 3.13).
    ``agent_install`` is for whoever puts agents onto stock templates, and may hold secrets. ``warnings`` are what an
    operator should know, but need not mend.
    """

    host: str
    port: int = 443
    user: str
    password: str = field(repr=False)
    ca_certificate: str | None = field(default=None, repr=False)
    is_verified: bool = False
    datacenter: DatacenterSettings
    default_disk: DiskKind = DiskKind.PREALLOCATED
    default_scsi: ScsiKind = ScsiKind.PARAVIRTUAL
    has_auto_anti_affinity: bool = False
    reserves_cpu: bool = False
    reserves_memory: bool = False
    upgrades_hardware: bool = False
    hardware_version: int = 17
    storage_policy: str | None = None
    refuses_ip_conflicts: bool = True
    vmx_options: Mapping[str, str] = field(default_factory=dict)
    custom_attributes: bool = False
    segment_wait_s: int = 600
    in_flight: InFlight = InFlight()
    agent_install: Tree = field(default_factory=dict, repr=False)
    warnings: tuple[Problem, ...] = ()


def read_settings(properties: Tree) -> Settings:
    """The properties of a CPI config (or BOSH's job properties below ``vcenter:``) as settings.

    Raises Refused with all that is wrong at once.
    """
    problems: list[Problem] = []
    fields = Fields(_without_wrapper(properties), "properties", problems, code=_CODE)
    settings = _read(fields)
    fields.pass_over(*_FOR_OTHERS)
    fields.close()
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise Refused(problems)
    return replace(settings, warnings=tuple(problems))


def _without_wrapper(properties: Tree) -> Mapping[str, object]:
    inner = properties.get("vcenter")
    if not isinstance(inner, Mapping):
        return properties
    return {**{key: value for key, value in properties.items() if key != "vcenter"}, **inner}


def _read(fields: Fields) -> Settings:
    host, port = _address(fields)
    ca_certificate, is_verified = _connection(fields)
    fields.refuse("nsx", "asks for NSX-V, which VMware no longer makes", "remove it.", severity=Severity.WARNING)
    fields.pass_over("nsxt")  # the network fabric's, which is built from it
    return Settings(
        host=host,
        port=port,
        user=fields.text("user", is_required=True),
        password=fields.text("password", is_required=True),
        ca_certificate=ca_certificate,
        is_verified=is_verified,
        datacenter=_datacenter(fields),
        default_disk=fields.one_of("default_disk_type", DiskKind, DiskKind.PREALLOCATED),
        default_scsi=fields.one_of("default_scsi_controller_type", ScsiKind, ScsiKind.PARAVIRTUAL),
        has_auto_anti_affinity=fields.flag("enable_auto_anti_affinity_drs_rules"),
        reserves_cpu=fields.flag("cpu_reserve_full_mhz"),
        reserves_memory=fields.flag("memory_reservation_locked_to_max"),
        upgrades_hardware=fields.flag("upgrade_hw_version"),
        hardware_version=fields.whole("default_hw_version", 17, least=7),
        storage_policy=fields.text("vm_storage_policy_name") or None,
        refuses_ip_conflicts=fields.flag("ensure_no_ip_conflicts", default=True),
        vmx_options=fields.options("vmx_options"),
        custom_attributes=fields.flag("custom_attributes"),
        segment_wait_s=fields.whole("segment_wait_s", 600),
        in_flight=_in_flight(fields),
        agent_install=_agent_install(fields),
    )


def _address(fields: Fields) -> tuple[str, int]:
    """``host``, or BOSH's other word ``address``; either may end in a port."""
    key = "host" if fields.has("host") or not fields.has("address") else "address"
    fields.pass_over("host", "address")
    host, port = fields.text(key, is_required=True), fields.whole("port", 443)
    name, colon, digits = host.rpartition(":")
    if not colon or name.count(":") or not digits.isdecimal():
        return host, port
    return name, int(digits)


def _connection(fields: Fields) -> tuple[str | None, bool]:
    """BOSH verifies by the CA given, and without one not at all; ``verify: true`` is ours: by the machine's own."""
    options = fields.fields("connection_options")
    ca_certificate = options.text("ca_cert") or None
    is_verified = options.flag("verify", default=ca_certificate is not None)
    if ca_certificate and "-----BEGIN CERTIFICATE-----" not in ca_certificate:
        options.wrong("ca_cert", "certificates in PEM form")
    options.close()
    return ca_certificate, is_verified


def _datacenter(fields: Fields) -> DatacenterSettings:
    inner = read_datacenter(fields)
    if inner is None:
        fields.missing("datacenters", "a list with one datacenter")
        return DatacenterSettings(name="")
    ephemeral = StorePattern(
        datastores=inner.pattern("datastore_pattern"), pods=inner.pattern("datastore_cluster_pattern")
    )
    persistent = StorePattern(
        datastores=inner.pattern("persistent_datastore_pattern"),
        pods=inner.pattern("persistent_datastore_cluster_pattern"),
    )
    _demand_pattern(inner, ephemeral, "datastore_pattern")
    _demand_pattern(inner, persistent, "persistent_datastore_pattern")
    found = DatacenterSettings(
        name=inner.text("name", is_required=True),
        vm_folder=inner.text("vm_folder", "BOSH_VMs"),
        template_folder=inner.text("template_folder", "BOSH_Templates"),
        disk_path=inner.text("disk_path", "BOSH_Disks"),
        ephemeral=ephemeral,
        persistent=persistent,
        clusters=read_clusters(inner),
    )
    inner.pass_over("use_sub_folder", "allow_mixed_datastores")
    inner.close()
    return found


def _demand_pattern(fields: Fields, pattern: StorePattern, key: str) -> None:
    if not pattern.datastores and not pattern.pods:
        fields.missing(key, "a regular expression on datastore names, or name datastore clusters")


def _in_flight(fields: Fields) -> InFlight:
    inner, usual = fields.fields("operations_in_flight"), InFlight()
    found = InFlight(
        vcenter=inner.whole("vcenter", usual.vcenter),
        host=inner.whole("host", usual.host),
        datastore=inner.whole("datastore", usual.datastore),
    )
    inner.close()
    return found


def _agent_install(fields: Fields) -> Tree:
    tree = fields.raw("agent_install")
    if tree is not None and not isinstance(tree, Mapping):
        fields.wrong("agent_install", "a mapping")
    return tree if isinstance(tree, Mapping) else {}
