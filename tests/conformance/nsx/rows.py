"""All rows, and the ground they stand on.

Ids are the rows' own; what a row refers to is what ``ground()`` says to lay first, or the simulator's seed.
"""

from typing import Final

from tests.conformance.nsx.cases import T0, Case, Seed, l4_entry, locale_services, policy, segment, static_subnet, typed
from tests.conformance.nsx.rows_network import addresses, routing, segments
from tests.conformance.nsx.rows_services import balancing, security


def ground(seed: Seed) -> list[tuple[Case, str]]:
    """What the rows stand on, in the order it has to be made."""
    return [
        (Case(template="/infra/tier-0s/{}", model="Tier0", body={"ha_mode": "ACTIVE_STANDBY"}), "ground-t0"),
        (locale_services("tier-0s", "ground-t0", seed), "ground-ls"),
        (Case(template="/infra/tier-1s/{}", model="Tier1", body={"tier0_path": T0}), "ground-t1"),
        (locale_services("tier-1s", "ground-t1", seed), "ground-ls"),
        (segment({"transport_zone_path": seed.overlay}), "ground-overlay"),
        (segment({"transport_zone_path": seed.vlan, "vlan_ids": ["7"]}), "ground-vlan"),
        (segment({"transport_zone_path": seed.overlay}, parent="ground-t1"), "ground-fixed"),
        (Case(template="/infra/ip-blocks/{}", model="IpAddressBlock", body={"cidr": "172.20.0.0/16"}), "ground-block"),
        (Case(template="/infra/ip-pools/{}", model="IpAddressPool"), "ground-pool"),
        (static_subnet("ground-pool", "172.21.0"), "ground-subnet"),
        (Case(template="/infra/domains/{}/groups/{}", model="Group", parents=("default",)), "ground-group"),
        (policy("security-policies", {"category": "Application"}), "ground-policy"),
        (policy("gateway-policies", {"category": "LocalGatewayRules"}), "ground-policy"),
        (
            Case(template="/infra/services/{}", model="Service", body={"service_entries": [l4_entry("80", id="e")]}),
            "ground-svc",
        ),
        (Case(template="/infra/lb-pools/{}", model="LBPool"), "ground-lbpool"),
        (
            Case(template="/infra/lb-app-profiles/{}", model="LBFastTcpProfile", body=typed("LBFastTcpProfile")),
            "ground-app",
        ),
        (Case(template="/infra/tier-1s/{}", model="Tier1", body={"tier0_path": T0}), "ground-t1-lb"),
        (locale_services("tier-1s", "ground-t1-lb", seed), "ground-ls"),
        (Case(template="/infra/tier-0s/{}", model="Tier0", body={"ha_mode": "ACTIVE_STANDBY"}), "bare-t0"),
        (Case(template="/infra/tier-1s/{}", model="Tier1"), "bare-t1"),
    ]


def cases(seed: Seed) -> list[Case]:
    """Every kind of object that a director may want."""
    return [*routing(seed), *segments(seed), *addresses(), *security(), *balancing()]


NAMES: Final = (
    "Tier0", "Tier0 LocaleServices", "Tier0Interface", "Tier0 StaticRoutes", "Tier0 SNAT", "Tier1",
    "Tier1 LocaleServices", "Tier1Interface", "Tier1 StaticRoutes", "SNAT", "DNAT", "NO_SNAT", "REFLEXIVE",
    "overlay segment", "VLAN segment", "fixed segment", "SegmentPort", "fixed SegmentPort",
    "SegmentSecurityProfileBindingMap", "IpAddressBlock", "IpAddressPool", "IpAddressPoolStaticSubnet",
    "IpAddressPoolBlockSubnet", "IpAddressAllocation", "Group", "SecurityPolicy", "Rule", "GatewayPolicy",
    "gateway Rule", "Service", "L4PortSetServiceEntry", "ICMPTypeServiceEntry", "IPProtocolServiceEntry",
    "LBService", "LBVirtualServer", "LBPool", "LBPool of a group", "LBTcpMonitorProfile", "LBHttpMonitorProfile",
    "LBHttpsMonitorProfile", "LBIcmpMonitorProfile", "LBUdpMonitorProfile", "LBPassiveMonitorProfile",
    "LBFastTcpProfile", "LBFastUdpProfile", "LBHttpProfile", "LBSourceIpPersistenceProfile",
    "LBCookiePersistenceProfile", "LBClientSslProfile", "LBServerSslProfile",
)  # fmt: skip
"""The rows' names, which a test is parametrised by before there is a simulator to look the seed up in."""
