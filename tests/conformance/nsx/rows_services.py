"""One row per kind of object of security and load balancing."""

from tests.conformance.nsx.cases import DOMAIN, T1, Case, condition, l4_entry, policy, profile, typed


def security() -> list[Case]:
    group = "/infra/domains/default/groups/ground-group"
    rule = {
        "action": "ALLOW",
        "source_groups": ["ANY"],
        "destination_groups": [group],
        "services": ["/infra/services/ground-svc"],
        "scope": ["ANY"],
        "direction": "IN_OUT",
        "sequence_number": 5,
    }
    gateway_rule = rule | {"scope": [T1]}
    entry = "/infra/services/{}/service-entries/{}"
    return [
        Case(
            template="/infra/domains/{}/groups/{}",
            model="Group",
            parents=("default",),
            body={
                "expression": [
                    condition("bosh/deployment|web"),
                    {"resource_type": "ConjunctionOperator", "conjunction_operator": "OR"},
                    {
                        "resource_type": "ExternalIDExpression",
                        "member_type": "VirtualMachine",
                        "external_ids": ["52d6ee4e-7d5b-4f2f-a6d9-1f4c29d1a001"],
                    },
                ]
            },
            change={
                "expression": [{"resource_type": "IPAddressExpression", "ip_addresses": ["10.1.2.3", "10.2.0.0/16"]}]
            },
        ),
        policy(
            "security-policies", {"category": "Application", "rules": [{"id": "one", "resource_type": "Rule", **rule}]}
        ),
        Case(
            template=DOMAIN.replace("default", "{}") + "/security-policies/{}/rules/{}",
            model="Rule",
            parents=("default", "ground-policy"),
            body=rule,
            change={"action": "REJECT"},
        ),
        policy("gateway-policies", {"category": "LocalGatewayRules"}),
        Case(
            template=DOMAIN.replace("default", "{}") + "/gateway-policies/{}/rules/{}",
            model="Rule",
            parents=("default", "ground-policy"),
            body=gateway_rule,
            name="gateway Rule",
        ),
        Case(template="/infra/services/{}", model="Service", body={"service_entries": [l4_entry("443", id="https")]}),
        Case(template=entry, model="L4PortSetServiceEntry", parents=("ground-svc",), body=l4_entry("8000-8010")),
        Case(
            template=entry,
            model="ICMPTypeServiceEntry",
            parents=("ground-svc",),
            body=typed("ICMPTypeServiceEntry", protocol="ICMPv4", icmp_type=8),
        ),
        Case(
            template=entry,
            model="IPProtocolServiceEntry",
            parents=("ground-svc",),
            body=typed("IPProtocolServiceEntry", protocol_number=47),
        ),
    ]


def balancing() -> list[Case]:
    monitors = {"interval": 5, "timeout": 15, "rise_count": 3, "fall_count": 3}
    http = monitors | {"request_method": "GET", "request_url": "/healthz", "response_status_codes": [200]}
    members = [{"display_name": "web/0", "ip_address": "10.30.0.10", "port": "8080", "weight": 1}]
    of_group = {"group_path": "/infra/domains/default/groups/ground-group", "port": 8080}
    return [
        Case(
            template="/infra/lb-services/{}",
            model="LBService",
            body={"connectivity_path": "/infra/tier-1s/ground-t1-lb", "size": "SMALL"},
            change={"enabled": False},
        ),
        Case(
            template="/infra/lb-virtual-servers/{}",
            model="LBVirtualServer",
            change={"ports": ["80", "8000-8010"]},
            body={
                "ip_address": "203.0.113.10",
                "ports": ["80"],
                "application_profile_path": "/infra/lb-app-profiles/ground-app",
                "pool_path": "/infra/lb-pools/ground-lbpool",
            },
        ),
        Case(
            template="/infra/lb-pools/{}",
            model="LBPool",
            body={"members": members, "snat_translation": {"type": "LBSnatAutoMap"}},
            change={"algorithm": "LEAST_CONNECTION"},
        ),
        Case(
            template="/infra/lb-pools/{}",
            model="LBPool",
            name="LBPool of a group",
            body={
                "member_group": of_group,
                "snat_translation": {"type": "LBSnatIpPool", "ip_addresses": [{"ip_address": "203.0.113.11"}]},
            },
        ),
        *(
            profile("monitor", name, body)
            for name, body in (
                ("LBTcpMonitorProfile", monitors),
                ("LBHttpMonitorProfile", http),
                ("LBHttpsMonitorProfile", http),
                ("LBIcmpMonitorProfile", monitors),
                ("LBUdpMonitorProfile", monitors | {"send": "ping", "receive": "pong"}),
                ("LBPassiveMonitorProfile", {"max_fails": 5, "timeout": 5}),
            )
        ),
        *(profile("app", name, {}) for name in ("LBFastTcpProfile", "LBFastUdpProfile", "LBHttpProfile")),
        profile("persistence", "LBSourceIpPersistenceProfile", {"timeout": 300}),
        profile("persistence", "LBCookiePersistenceProfile", {"cookie_mode": "INSERT", "cookie_name": "NSXLB"}),
        Case(template="/infra/lb-client-ssl-profiles/{}", model="LBClientSslProfile"),
        Case(template="/infra/lb-server-ssl-profiles/{}", model="LBServerSslProfile"),
    ]
