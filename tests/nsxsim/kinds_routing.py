"""Rows of the table: gateways, segments, ports, NAT, routes."""

from typing import Final

from tests.nsxsim import formats
from tests.nsxsim.kinds import Kind, add

NAT_RULE_SEQUENCE: Final = (0, 2_147_481_599)

add(
    Kind(
        name="Tier0",
        at=("tier-0s",),
        defaults={
            "ha_mode": "ACTIVE_ACTIVE",
            "failover_mode": "NON_PREEMPTIVE",
            "transit_subnets": ["100.64.0.0/16"],
            "internal_transit_subnets": ["169.254.0.0/24"],
            "vrf_transit_subnets": ["169.254.2.0/23"],
            "disable_firewall": False,
            "force_whitelisting": False,
            "default_rule_logging": False,
            "advanced_config": {"forwarding_up_timer": 5, "connectivity": "ON"},
        },
        immutable=("vrf_config.tier0_path",),
        limits={"arp_limit": (5000, 50000)},
        formats={
            "transit_subnets[]": formats.cidr,
            "internal_transit_subnets[]": formats.cidr,
            "vrf_transit_subnets[]": formats.cidr,
        },
        auto=(("PolicyNat", "USER"), ("PolicyNat", "INTERNAL"), ("PolicyNat", "DEFAULT"), ("PolicyNat", "NAT64")),
        entities=("RealizedLogicalRouter",),
    ),
    Kind(
        name="Tier1",
        at=("tier-1s",),
        defaults={
            "failover_mode": "NON_PREEMPTIVE",
            "enable_standby_relocation": False,
            "disable_firewall": False,
            "force_whitelisting": False,
            "default_rule_logging": False,
            "pool_allocation": "ROUTING",
            "type": "ROUTED",
        },
        required=("route_advertisement_rules[].name", "route_advertisement_rules[].action"),
        limits={"arp_limit": (5000, 50000)},
        formats={"route_advertisement_rules[].subnets[]": formats.cidr},
        auto=(("PolicyNat", "USER"), ("PolicyNat", "INTERNAL"), ("PolicyNat", "DEFAULT"), ("PolicyNat", "NAT64")),
        entities=("RealizedLogicalRouter",),
    ),
    Kind(
        name="LocaleServices",
        at=("tier-0s/*/locale-services", "tier-1s/*/locale-services"),
        limits={"preferred_edge_paths": (0, 2)},
        entities=("RealizedLocaleServices",),
    ),
    Kind(
        name="Tier0Interface",
        at=("tier-0s/*/locale-services/*/interfaces",),
        required=("subnets", "type", "subnets[].ip_addresses", "subnets[].prefix_len"),
        defaults={"admin_state": "UP", "urpf_mode": "STRICT"},
        limits={"mtu": (64, 9216), "subnets": (1, 8), "subnets[].prefix_len": (1, 128)},
        formats={"subnets[].ip_addresses[]": formats.ip},
        immutable=("type", "segment_path"),
        entities=("RealizedLogicalRouterPort",),
    ),
    Kind(
        name="Tier1Interface",
        at=("tier-1s/*/locale-services/*/interfaces",),
        required=("subnets", "segment_path", "subnets[].ip_addresses", "subnets[].prefix_len"),
        defaults={"admin_state": "UP", "urpf_mode": "STRICT"},
        limits={"mtu": (64, 9216), "subnets": (1, 8), "subnets[].prefix_len": (1, 128)},
        formats={"subnets[].ip_addresses[]": formats.ip},
        entities=("RealizedLogicalRouterPort",),
    ),
    Kind(
        name="BgpRoutingConfig",
        at=("tier-0s/*/locale-services/*/bgp",),
        singleton=True,
        owned=True,
        defaults={"enabled": True, "ecmp": True, "inter_sr_ibgp": True, "multipath_relax": True},
        entities=("RealizedBgpConfig",),
    ),
    Kind(
        name="BgpNeighborConfig",
        at=("tier-0s/*/locale-services/*/bgp/neighbors",),
        required=("neighbor_address", "remote_as_num"),
        formats={"neighbor_address": formats.ip, "source_addresses[]": formats.ip},
        defaults={"hold_down_time": 180, "keep_alive_time": 60, "enabled": True},
        entities=("RealizedBgpNeighbor",),
    ),
    Kind(
        name="StaticRoutes",
        at=("tier-0s/*/static-routes", "tier-1s/*/static-routes"),
        required=("network", "next_hops"),
        defaults={"next_hops[].admin_distance": 1, "enabled_on_secondary": False},
        limits={"next_hops": (1, 30), "next_hops[].admin_distance": (1, 255), "next_hops[].scope": (0, 1)},
        formats={"network": formats.cidr, "next_hops[].ip_address": formats.ip},
        entities=("RealizedStaticRoutes",),
    ),
    Kind(
        name="PolicyNat",
        at=("tier-0s/*/nat", "tier-1s/*/nat"),
        ids=("USER", "INTERNAL", "DEFAULT", "NAT64"),
        owned=True,
        read_only=True,
    ),
    Kind(
        name="PolicyNatRule",
        at=("tier-0s/*/nat/*/nat-rules", "tier-1s/*/nat/*/nat-rules"),
        required=("action",),
        defaults={
            "enabled": True,
            "logging": False,
            "sequence_number": 0,
            "firewall_match": "MATCH_INTERNAL_ADDRESS",
        },
        limits={"sequence_number": NAT_RULE_SEQUENCE},
        formats={
            "source_network": formats.ip_list,
            "destination_network": formats.ip_list,
            "translated_network": formats.ip_list,
            "translated_ports": formats.port,
        },
        entities=("RealizedNATRule",),
    ),
    Kind(
        name="Segment",
        at=("segments", "tier-1s/*/segments"),
        immutable=("transport_zone_path", "overlay_id"),
        required=("subnets[].gateway_address",),
        defaults={"admin_state": "UP", "replication_mode": "MTEP", "advanced_config.connectivity": "ON"},
        limits={"subnets": (0, 1), "vlan_ids": (0, 100)},
        formats={
            "subnets[].gateway_address": formats.gateway,
            "subnets[].dhcp_ranges[]": formats.ip_element,
            "vlan_ids[]": formats.vlan,
        },
        entities=("RealizedLogicalSwitch",),
    ),
    Kind(
        name="SegmentPort",
        at=("segments/*/ports", "tier-1s/*/segments/*/ports"),
        defaults={"admin_state": "UP"},
        limits={"address_bindings": (0, 512), "attachment.traffic_tag": (0, 4094)},
        formats={"address_bindings[].ip_address": formats.ip_or_cidr},
        entities=("RealizedLogicalPort",),
    ),
    Kind(
        name="DhcpStaticBindingConfig",
        at=("segments/*/dhcp-static-binding-configs", "tier-1s/*/segments/*/dhcp-static-binding-configs"),
        types=("DhcpV4StaticBindingConfig", "DhcpV6StaticBindingConfig"),
        required=("mac_address",),
        owned=True,
        entities=("RealizedDhcpStaticBinding",),
    ),
)

_SEGMENTS: Final = ("segments/*", "tier-1s/*/segments/*")

for _name, _what in (
    ("SegmentSecurityProfileBindingMap", "segment-security-profile-binding-maps"),
    ("SegmentDiscoveryProfileBindingMap", "segment-discovery-profile-binding-maps"),
    ("SegmentQosProfileBindingMap", "segment-qos-profile-binding-maps"),
    ("SegmentMonitoringProfileBindingMap", "segment-monitoring-profile-binding-maps"),
):
    add(Kind(name=_name, at=tuple(f"{segment}/{_what}" for segment in _SEGMENTS), owned=True))

for _name, _what in (
    ("PortSecurityProfileBindingMap", "port-security-profile-binding-maps"),
    ("PortDiscoveryProfileBindingMap", "port-discovery-profile-binding-maps"),
    ("PortQosProfileBindingMap", "port-qos-profile-binding-maps"),
    ("PortMonitoringProfileBindingMap", "port-monitoring-profile-binding-maps"),
):
    add(Kind(name=_name, at=tuple(f"{segment}/ports/*/{_what}" for segment in _SEGMENTS), owned=True))
