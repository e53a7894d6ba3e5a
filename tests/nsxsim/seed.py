"""What stands before anybody asks: inventory, predefined objects, and a few strangers' objects. README lists them.

A seed is {"system": {path: body}, "objects": {path: body}}: in that order; system ones cannot be changed by anybody.
"""

from typing import Any, Final

from tests.nsxsim.problems import Json
from tests.nsxsim.sim import Sim
from tests.nsxsim.write import SYSTEM, Who

EP: Final = "/infra/sites/default/enforcement-points/default"
EDGES: Final = f"{EP}/edge-clusters/edge-cluster-1"
STRANGER: Final = Who("operator")
LAGS: Final = ("delete_lag_s", "realize_start_lag_s", "realize_lag_s", "search_lag_s")


def _l4(protocol: str, *ports: str) -> Json:
    entry = {"resource_type": "L4PortSetServiceEntry", "l4_protocol": protocol, "destination_ports": list(ports)}
    return {"is_default": True, "service_entries": [{"id": f"{protocol}-{ports[0]}", **entry}]}


def _icmp(protocol: str) -> Json:
    entry = {"resource_type": "ICMPTypeServiceEntry", "protocol": protocol}
    return {"is_default": True, "service_entries": [{"id": f"{protocol}-ALL", **entry}]}


SERVICES: Final[dict[str, Json]] = {
    "HTTP": _l4("TCP", "80"),
    "HTTPS": _l4("TCP", "443"),
    "SSH": _l4("TCP", "22"),
    "DNS": _l4("TCP", "53"),
    "DNS-UDP": _l4("UDP", "53"),
    "NTP": _l4("UDP", "123"),
    "RDP": _l4("TCP", "3389"),
    "SMTP": _l4("TCP", "25"),
    "LDAP": _l4("TCP", "389"),
    "LDAPS": _l4("TCP", "636"),
    "MySQL": _l4("TCP", "3306"),
    "DHCP-Server": _l4("UDP", "67"),
    "DHCP-Client": _l4("UDP", "68"),
    "ICMP-ALL": _icmp("ICMPv4"),
    "ICMPv6-ALL": _icmp("ICMPv6"),
}

PROFILES: Final[dict[str, str]] = {
    "lb-app-profiles/default-tcp-lb-app-profile": "LBFastTcpProfile",
    "lb-app-profiles/default-udp-lb-app-profile": "LBFastUdpProfile",
    "lb-app-profiles/default-http-lb-app-profile": "LBHttpProfile",
    "lb-monitor-profiles/default-tcp-lb-monitor": "LBTcpMonitorProfile",
    "lb-monitor-profiles/default-http-lb-monitor": "LBHttpMonitorProfile",
    "lb-monitor-profiles/default-https-lb-monitor": "LBHttpsMonitorProfile",
    "lb-monitor-profiles/default-icmp-lb-monitor": "LBIcmpMonitorProfile",
    "lb-monitor-profiles/default-passive-lb-monitor": "LBPassiveMonitorProfile",
    "lb-persistence-profiles/default-cookie-lb-persistence-profile": "LBCookiePersistenceProfile",
    "lb-persistence-profiles/default-source-ip-lb-persistence-profile": "LBSourceIpPersistenceProfile",
    "lb-client-ssl-profiles/default-balanced-client-ssl-profile": "LBClientSslProfile",
    "lb-server-ssl-profiles/default-balanced-server-ssl-profile": "LBServerSslProfile",
    "segment-security-profiles/default-segment-security-profile": "SegmentSecurityProfile",
    "ip-discovery-profiles/default-ip-discovery-profile": "IPDiscoveryProfile",
    "mac-discovery-profiles/default-mac-discovery-profile": "MacDiscoveryProfile",
    "spoofguard-profiles/default-spoofguard-profile": "SpoofGuardProfile",
    "ipv6-ndra-profiles/default": "Ipv6NdraProfile",
    "ipv6-dad-profiles/default": "Ipv6DadProfile",
}

SYSTEM_OBJECTS: Final[dict[str, Json]] = {
    "/infra/sites/default": {},
    EP: {},
    f"{EP}/transport-zones/overlay-tz": {"tz_type": "OVERLAY_BACKED", "is_default": True, "nested_nsx": False},
    f"{EP}/transport-zones/vlan-tz": {"tz_type": "VLAN_BACKED", "is_default": True, "nested_nsx": False},
    EDGES: {"member_node_type": "EDGE_NODE"},
    f"{EDGES}/edge-nodes/edge-1": {"member_index": 0},
    f"{EDGES}/edge-nodes/edge-2": {"member_index": 1},
    "/infra/domains/default": {},
    **{f"/infra/services/{name}": {"display_name": name, **body} for name, body in SERVICES.items()},
    **{f"/infra/{where}": {"resource_type": type_name} for where, type_name in PROFILES.items()},
}

OBJECTS: Final[dict[str, Json]] = {
    "/infra/tier-0s/tier-0": {"display_name": "Provider", "ha_mode": "ACTIVE_STANDBY"},
    "/infra/tier-0s/tier-0/locale-services/default": {
        "edge_cluster_path": EDGES,
        "route_redistribution_config": {
            "bgp_enabled": True,
            "redistribution_rules": [{"name": "all", "route_redistribution_types": ["TIER1_CONNECTED", "TIER1_NAT"]}],
        },
    },
    "/infra/segments/uplink-vlan": {
        "transport_zone_path": f"{EP}/transport-zones/vlan-tz",
        "vlan_ids": ["100"],
    },
    "/infra/tier-0s/tier-0/locale-services/default/interfaces/uplink-1": {
        "type": "EXTERNAL",
        "segment_path": "/infra/segments/uplink-vlan",
        "edge_path": f"{EDGES}/edge-nodes/edge-1",
        "subnets": [{"ip_addresses": ["192.0.2.2"], "prefix_len": 24}],
    },
    "/infra/ip-blocks/nodes-block": {"cidr": "172.20.0.0/16", "visibility": "PRIVATE"},
    "/infra/ip-pools/floating-pool": {"display_name": "Floating addresses"},
    "/infra/ip-pools/floating-pool/ip-subnets/range-1": {
        "resource_type": "IpAddressPoolStaticSubnet",
        "cidr": "198.51.100.0/24",
        "gateway_ip": "198.51.100.1",
        "allocation_ranges": [{"start": "198.51.100.10", "end": "198.51.100.250"}],
    },
    "/infra/tier-1s/strangers-gateway": {
        "tier0_path": "/infra/tier-0s/tier-0",
        "route_advertisement_types": ["TIER1_CONNECTED"],
        "tags": [{"scope": "team", "tag": "accounting"}],
    },
    "/infra/segments/strangers-segment": {
        "connectivity_path": "/infra/tier-1s/strangers-gateway",
        "transport_zone_path": f"{EP}/transport-zones/overlay-tz",
        "subnets": [{"gateway_address": "10.99.0.1/24"}],
        "tags": [{"scope": "team", "tag": "accounting"}],
    },
    "/infra/domains/default/groups/strangers-group": {
        "expression": [
            {
                "resource_type": "Condition",
                "member_type": "VirtualMachine",
                "key": "Tag",
                "operator": "EQUALS",
                "value": "team|accounting",
            }
        ],
    },
    "/infra/domains/default/security-policies/strangers-policy": {
        "category": "Application",
        "rules": [
            {
                "id": "allow-ssh",
                "action": "ALLOW",
                "source_groups": ["ANY"],
                "destination_groups": ["/infra/domains/default/groups/strangers-group"],
                "services": ["/infra/services/SSH"],
            }
        ],
    },
}

DEFAULT: Final[Json] = {"system": SYSTEM_OBJECTS, "objects": OBJECTS}


def plant(sim: Sim, seeds: Json) -> None:
    """Writes the seed as if it had been there for long: no lag. Raises Refusal when a seed breaks a rule."""
    lags: dict[str, Any] = {name: getattr(sim.settings, name) for name in LAGS}
    sim.settings.change(dict.fromkeys(LAGS, 0.0))
    try:
        for path, body in seeds.get("system", {}).items():
            sim.write(path, body, Who(SYSTEM))
        for path, body in seeds.get("objects", {}).items():
            sim.write(path, body, STRANGER)
    finally:
        sim.settings.change(lags)
