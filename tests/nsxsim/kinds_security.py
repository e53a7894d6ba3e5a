"""Rows of the table: domains, groups, firewall policies and rules, services."""

from typing import Final

from tests.nsxsim import formats
from tests.nsxsim.kinds import Kind, add

_RULE: Final = {
    "direction": "IN_OUT",
    "ip_protocol": "IPV4_IPV6",
    "sequence_number": 0,
    "disabled": False,
    "logged": False,
    "sources_excluded": False,
    "destinations_excluded": False,
    "source_groups": ["ANY"],
    "destination_groups": ["ANY"],
    "services": ["ANY"],
    "profiles": ["ANY"],
    "scope": ["ANY"],
}
_POLICY: Final = {
    "sequence_number": 0,
    "stateful": True,
    "locked": False,
    "is_default": False,
    "scope": ["ANY"],
}
_COUNTED: Final = (
    "default_rule_id",
    "internal_sequence_number",
    "lock_modified_by",
    "lock_modified_time",
    "rule_count",
)

add(
    Kind(name="Domain", at=("domains",)),
    Kind(
        name="Group",
        at=("domains/*/groups", "tier-0s/*/groups"),
        defaults={"expression": [], "extended_expression": [], "reference": False},
        limits={"expression": (0, 1000)},
        formats={"expression[].ip_addresses[]": formats.ip_element},
        entities=("RealizedGroup",),
    ),
    Kind(
        name="SecurityPolicy",
        at=("domains/*/security-policies",),
        immutable=("category",),
        defaults={**_POLICY, "category": "Application"},
        computed={"SecurityPolicy": _COUNTED},
        limits={"sequence_number": (0, 999999)},
        inline=(("rules", "Rule"),),
        entities=("RealizedFirewallSection",),
    ),
    Kind(
        name="GatewayPolicy",
        at=("domains/*/gateway-policies",),
        immutable=("category",),
        defaults={**_POLICY, "category": "LocalGatewayRules"},
        computed={"GatewayPolicy": _COUNTED},
        limits={"sequence_number": (0, 999999)},
        inline=(("rules", "Rule"),),
        entities=("RealizedFirewallSection",),
    ),
    Kind(
        name="Rule",
        at=("domains/*/security-policies/*/rules", "domains/*/gateway-policies/*/rules"),
        required=("action",),
        defaults=_RULE,
        computed={"Rule": ("is_default", "rule_id")},
        limits={
            "sequence_number": (0, 2_147_483_647),
            "tag": (0, 32),
            "notes": (0, 2048),
            "source_groups": (0, 128),
            "destination_groups": (0, 128),
            "services": (0, 128),
        },
        owned=True,
        entities=("RealizedFirewallRule",),
    ),
    Kind(
        name="Service",
        at=("services",),
        defaults={"is_default": False, "service_type": "NON_ETHER"},
        inline=(("service_entries", "ServiceEntry"),),
        entities=("RealizedService",),
    ),
    Kind(
        name="ServiceEntry",
        at=("services/*/service-entries",),
        types=(
            "L4PortSetServiceEntry",
            "ICMPTypeServiceEntry",
            "IPProtocolServiceEntry",
            "ALGTypeServiceEntry",
            "IGMPTypeServiceEntry",
            "EtherTypeServiceEntry",
            "NestedServiceServiceEntry",
        ),
        type_defaults={"L4PortSetServiceEntry": {"destination_ports": [], "source_ports": []}},
        formats={"destination_ports[]": formats.port, "source_ports[]": formats.port},
        owned=True,
    ),
    Kind(
        name="PolicyContextProfile",
        at=("context-profiles",),
        entities=("RealizedContextProfile",),
    ),
    Kind(
        name="PolicyFirewallScheduler",
        at=("firewall-schedulers",),
    ),
)
