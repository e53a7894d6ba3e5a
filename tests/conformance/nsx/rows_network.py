"""One row per kind of object of routing, segments and addresses."""

from typing import Final

from tests.conformance.nsx.cases import T0, T1, Case, Seed, locale_services, nat_rule, segment, static_subnet

ROUTE: Final = {"network": "198.51.100.0/24", "next_hops": [{"ip_address": "192.0.2.1", "admin_distance": 1}]}
SNAT: Final = {"action": "SNAT", "source_network": "10.9.0.0/24", "translated_network": "203.0.113.7"}


def routing(seed: Seed) -> list[Case]:
    return [
        Case(template="/infra/tier-0s/{}", model="Tier0", body={"ha_mode": "ACTIVE_STANDBY"}),
        locale_services("tier-0s", "bare-t0", seed, name="Tier0 LocaleServices"),
        Case(
            template="/infra/tier-0s/{}/locale-services/{}/interfaces/{}",
            model="Tier0Interface",
            parents=("ground-t0", "ground-ls"),
            change={"mtu": 1600},
            body={
                "type": "EXTERNAL",
                "edge_path": seed.edge_node,
                "segment_path": "/infra/segments/ground-vlan",
                "subnets": [{"ip_addresses": ["192.0.2.2"], "prefix_len": 24}],
            },
        ),
        Case(
            template="/infra/tier-0s/{}/static-routes/{}",
            model="StaticRoutes",
            parents=("ground-t0",),
            body=ROUTE,
            name="Tier0 StaticRoutes",
        ),
        nat_rule("tier-0s", "ground-t0", "Tier0 SNAT", SNAT),
        Case(
            template="/infra/tier-1s/{}",
            model="Tier1",
            body={"tier0_path": T0, "route_advertisement_types": ["TIER1_CONNECTED", "TIER1_NAT"]},
            change={"route_advertisement_types": ["TIER1_LB_VIP"]},
        ),
        locale_services("tier-1s", "bare-t1", seed, name="Tier1 LocaleServices"),
        Case(
            template="/infra/tier-1s/{}/locale-services/{}/interfaces/{}",
            model="Tier1Interface",
            parents=("ground-t1", "ground-ls"),
            change={"mtu": 1600},
            body={
                "segment_path": "/infra/segments/ground-vlan",
                "subnets": [{"ip_addresses": ["192.0.3.2"], "prefix_len": 24}],
            },
        ),
        Case(
            template="/infra/tier-1s/{}/static-routes/{}",
            model="StaticRoutes",
            body=ROUTE,
            parents=("ground-t1",),
            name="Tier1 StaticRoutes",
        ),
        nat_rule("tier-1s", "ground-t1", "SNAT", SNAT),
        nat_rule(
            "tier-1s",
            "ground-t1",
            "DNAT",
            {
                "action": "DNAT",
                "destination_network": "203.0.113.8",
                "translated_network": "10.9.0.8",
                "service": "/infra/services/ground-svc",
                "translated_ports": "8080",
            },
        ),
        nat_rule(
            "tier-1s",
            "ground-t1",
            "NO_SNAT",
            {"action": "NO_SNAT", "source_network": "10.9.0.0/24", "destination_network": "10.0.0.0/8"},
        ),
        nat_rule(
            "tier-1s",
            "ground-t1",
            "REFLEXIVE",
            {"action": "REFLEXIVE", "source_network": "10.9.0.9", "translated_network": "203.0.113.9"},
        ),
    ]


def segments(seed: Seed) -> list[Case]:
    port = {"attachment": {"id": "52d6ee4e-7d5b-4f2f-a6d9-1f4c29d1a001", "type": "INDEPENDENT"}, "admin_state": "UP"}
    return [
        segment(
            {
                "transport_zone_path": seed.overlay,
                "connectivity_path": T1,
                "subnets": [{"gateway_address": "10.30.0.1/24"}],
            },
            name="overlay segment",
            change={"admin_state": "DOWN"},
        ),
        segment({"transport_zone_path": seed.vlan, "vlan_ids": ["100", "200-210"]}, name="VLAN segment"),
        segment({"subnets": [{"gateway_address": "10.31.0.1/24"}]}, parent="ground-t1", name="fixed segment"),
        Case(
            template="/infra/segments/{}/ports/{}",
            model="SegmentPort",
            parents=("ground-overlay",),
            body=port,
            change={"tags": [{"scope": "bosh/job", "tag": "web"}]},
        ),
        Case(
            template="/infra/tier-1s/{}/segments/{}/ports/{}",
            model="SegmentPort",
            name="fixed SegmentPort",
            parents=("ground-t1", "ground-fixed"),
            body=port,
        ),
        Case(
            template="/infra/segments/{}/segment-security-profile-binding-maps/{}",
            parents=("ground-overlay",),
            model="SegmentSecurityProfileBindingMap",
        ),
    ]


def addresses() -> list[Case]:
    return [
        Case(template="/infra/ip-blocks/{}", model="IpAddressBlock", body={"cidr": "172.22.0.0/16"}),
        Case(template="/infra/ip-pools/{}", model="IpAddressPool"),
        static_subnet("ground-pool", "172.23.0", change={"dns_nameservers": ["192.0.2.53"]}),
        Case(
            template="/infra/ip-pools/{}/ip-subnets/{}",
            model="IpAddressPoolBlockSubnet",
            parents=("ground-pool",),
            body={
                "resource_type": "IpAddressPoolBlockSubnet",
                "ip_block_path": "/infra/ip-blocks/ground-block",
                "size": 16,
                "auto_assign_gateway": True,
            },
        ),
        Case(template="/infra/ip-pools/{}/ip-allocations/{}", model="IpAddressAllocation", parents=("ground-pool",)),
    ]
