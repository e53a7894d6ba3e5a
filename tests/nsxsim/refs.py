"""Which fields of a body refer to other objects, and to which kinds. Reference 5.3 (integrity on every *_path)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.nsxsim.problems import Json

TARGETS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("*", "tier0_path"): ("Tier0",),
    ("Segment", "connectivity_path"): ("Tier0", "Tier1"),
    ("LBService", "connectivity_path"): ("Tier1", "Group"),
    ("*", "transport_zone_path"): ("PolicyTransportZone",),
    ("*", "edge_cluster_path"): ("PolicyEdgeCluster",),
    ("*", "preferred_edge_paths"): ("PolicyEdgeNode",),
    ("*", "edge_path"): ("PolicyEdgeNode",),
    ("*", "segment_path"): ("Segment",),
    ("*", "dhcp_config_path"): ("DhcpServerConfig", "DhcpRelayConfig"),
    ("*", "dhcp_config_paths"): ("DhcpServerConfig", "DhcpRelayConfig"),
    ("*", "dhcp_relay_path"): ("DhcpRelayConfig",),
    ("*", "address_pool_paths"): ("IpAddressPool",),
    ("*", "ip_block_path"): ("IpAddressBlock",),
    ("*", "group_path"): ("Group",),
    ("*", "pool_path"): ("LBPool",),
    ("*", "sorry_pool_path"): ("LBPool",),
    ("*", "lb_service_path"): ("LBService",),
    ("*", "application_profile_path"): ("LBAppProfile",),
    ("*", "lb_persistence_profile_path"): ("LBPersistenceProfile",),
    ("*", "active_monitor_paths"): ("LBMonitorProfile",),
    ("*", "passive_monitor_path"): ("LBMonitorProfile",),
    ("*", "client_ssl_profile_path"): ("LBClientSslProfile",),
    ("*", "server_ssl_profile_path"): ("LBServerSslProfile",),
    ("*", "default_certificate_path"): ("TlsCertificate",),
    ("*", "scheduler_path"): ("PolicyFirewallScheduler",),
    ("*", "qos_profile_path"): ("QosProfile", "GatewayQosProfile"),
    ("PolicyNatRule", "service"): ("Service",),
    ("Rule", "services"): ("Service",),
    ("Rule", "source_groups"): ("Group",),
    ("Rule", "destination_groups"): ("Group",),
    ("Rule", "profiles"): ("PolicyContextProfile",),
}
"""(kind or *, field) to the kinds it may lead to; a `*_path` that is not here may lead to any."""

NOT_REFERENCES: Final = frozenset({"path", "parent_path", "relative_path", "remote_path", "edge_transport_node_path"})
ALSO: Final = frozenset(
    {"paths", "scope", "source_groups", "destination_groups", "services", "service", "profiles", "nested_service_path"}
)
"""Fields that hold paths among other things (ANY, addresses, labels): only what looks like a path counts."""


def of(kind: str, body: Json) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(field, what it says, allowed kinds or none for any) for each reference in a body."""
    for key, value in body.items():
        if key in NOT_REFERENCES or value is None or key == "tags":
            continue
        if _is_path_field(key) or key in ALSO:
            targets = TARGETS.get((kind, key)) or TARGETS.get(("*", key), ())
            yield from ((key, said, targets) for said in _said(key, value))
        elif isinstance(value, dict):
            yield from of(kind, value)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, dict):
                    yield from of(kind, each)


def _is_path_field(key: str) -> bool:
    return key.endswith(("_path", "_paths"))


def _said(key: str, value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else (value,):
        if isinstance(each, str) and each and (_is_path_field(key) or each.startswith(("/infra/", "/orgs/"))):
            yield each
