"""Managed networks and ``nsxt`` in cloud configs: what is read from them, and every mistake with its line."""

import pytest

from director.manifest.load import check_cloud_text, load_cloud
from director.model.fabric import Topology
from director.model.network_wish import AddressWish
from director.model.problem import Severity
from tests.unit.manifest.fabric_samples import CLOUD

WARNING = Severity.WARNING


def problems(text, **how):
    return check_cloud_text(text, "cloud.yml", **how)


def line_of(part, text=CLOUD):
    return text[: text.index(part)].count("\n") + 1


def changed(old, new):
    assert old in CLOUD
    return CLOUD.replace(old, new, 1)


def test_a_good_config_has_no_faults_but_a_warning_for_a_key_that_only_vms_may_know():
    assert [(p.code, p.severity) for p in problems(CLOUD)] == [("manifest.unknown-key", WARNING)]


def test_what_a_subnet_asks_of_the_fabric_is_apart_from_what_its_vms_are_given():
    web, nodes, plain = load_cloud(CLOUD, "cloud.yml").networks
    (subnet,) = web.subnets
    assert (subnet.range, subnet.gateway, subnet.cloud_properties) == (
        "10.20.0.0/24",
        "10.20.0.254",
        {"folder": "kept"},
    )
    asked = subnet.managed
    assert (asked.tier0, asked.transport_zone, asked.edge_cluster) == ("tier0", "overlay", "edges")
    assert (asked.router, asked.segment, asked.topology) == ("router-of-web", "web-segment", Topology.NAT)
    assert (asked.snat, asked.no_snat) == (AddressWish(pool="floating"), ("10.0.0.0/8",))
    assert asked.routes == (("10.9.0.0/16", ("10.20.0.7",)),)
    (dnat,) = asked.dnat
    assert (dnat.address.ip, dnat.to, dnat.ports, dnat.to_ports) == ("1.2.3.4", "10.20.0.5", "22", "2222")
    assert (nodes.subnets[0].range, nodes.subnets[0].managed.block, nodes.subnets[0].managed.prefix) == (
        None,
        "nodes",
        26,
    )
    assert plain.subnets[0].managed.vlans == ("100", "200-210")


def test_a_balancer_is_read_with_its_defaults():
    balancer = load_cloud(CLOUD, "cloud.yml").networks[0].subnets[0].managed.balancer
    web, raw = balancer.pools
    assert (balancer.size, web.port, web.algorithm) == ("MEDIUM", 8080, "LEAST_CONNECTION")
    assert (web.monitor.type, web.monitor.path, web.monitor.port) == ("http", "/healthz", 8080)
    assert raw.monitor == "default-tcp-lb-monitor"
    (server,) = balancer.virtual_servers
    assert (server.ports, server.profile, server.persistence) == (("80", "8000-8010"), "tcp", "source_ip")


def test_a_network_that_is_not_managed_keeps_all_its_cloud_properties():
    text = changed("- name: web\n  managed: true", "- name: web")
    subnet = load_cloud(text, "cloud.yml").networks[0].subnets[0]
    assert subnet.managed is None
    assert subnet.cloud_properties["t0_router_id"] == "tier0"


MISTAKES = [
    ("      snat: {pool: floating}\n", "", "fabric.missing-need", "topology: nat"),
    ("      edge_cluster: edges\n", "", "fabric.missing-need", "cloud_properties:\n      t0"),
    ("      t0_router_id: tier0\n", "", "fabric.missing-need", "cloud_properties:\n      transport"),
    ("      transport_zone_id: overlay\n", "      tier0: other\n", "fabric.keys-exclude-each-other", "tier0: other"),
    ("server_pool: web,", "server_pool: wep,", "fabric.unknown-name", "server_pool: wep"),
    ("name: raw, monitor", "name: web, monitor", "fabric.duplicate-name", "name: web, monitor"),
    ("no_snat: [10.0.0.0/8]", "no_snat: [10.0.0.0/99]", "fabric.bad-address", "no_snat"),
    ("network: 10.9.1.0/16", "network: here", "fabric.bad-address", "network: here"),
    ("next_hops: [10.20.0.7]", "next_hops: [door]", "fabric.bad-address", "[door]"),
    ("ip: 1.2.3.4", "ip: 1.2.3", "fabric.bad-address", "ip: 1.2.3"),
    ("ip: 1.2.3.4", "ip: 1.2.3.4, pool: floating", "fabric.keys-exclude-each-other", "name: ssh"),
    ("to: 10.20.0.5", "to: 10.21.0.5", "fabric.bad-nat-rule", "to: 10.21.0.5"),
    ("port: 22,", "port: 0,", "fabric.bad-port", "port: 0"),
    ("port: 22, ", "", "fabric.missing-need", "to_port: 2222"),
    ("[80, 8000-8010]", "[80, 70000]", "fabric.bad-port", "70000"),
    ("persistence: source_ip", "persistence: cookie", "fabric.keys-exclude-each-other", "persistence: cookie"),
    ("type: http, path", "type: icmp, path", "fabric.keys-exclude-each-other", "type: icmp"),
    ("monitor: default-tcp-lb-monitor", "monitor: {type: tcp}", "fabric.missing-need", "name: raw"),
    ("topology: nat", "topology: natted", "manifest.invalid-value", "topology: natted"),
    ("      topology: nat", "      topolgy: nat", "manifest.unknown-key", "topolgy"),
    ("t0_router_id: tier0", "t0_router_id: ((t0))", "manifest.unfilled-placeholder", "((t0))"),
    ("gateway: 10.20.0.254", "gateway: 10.21.0.1", "cloud.bad-gateway", "10.21.0.1"),
    ("range: 10.20.0.0/24", "range: 10.20.0.0/33", "cloud.bad-range", "range: 10.20.0.0/33"),
    ("ip_block_id: nodes", "switch_name: nodes", "cloud.bad-range", "- az: z1\n    netmask_bits"),
    ("    netmask_bits: 26\n", "    gateway: 10.0.0.1\n", "fabric.address-in-unknown-range", "gateway: 10.0.0.1"),
    ("    netmask_bits: 26\n", "    static: [10.0.0.1]\n", "fabric.address-in-unknown-range", "static: [10.0.0.1]"),
    ("netmask_bits: 26", "netmask_bits: 31", "manifest.above-maximum", "netmask_bits: 31"),
    ("vlan_ids: [100", "vlan_ids: [5000", "fabric.bad-vlan", "vlan_ids: [5000"),
    ("transport_zone: vlans", "tier0: vlans", "fabric.keys-exclude-each-other", "tier0: vlans"),
    (
        "- name: web\n  managed: true\n",
        "- name: web\n  managed: true\n  type: dynamic\n",
        "fabric.not-manual",
        "managed",
    ),
    ("tier0: tier0,", "switch_name: web-segment,", "fabric.duplicate-name", "switch_name: web-segment,"),
    ("ns_groups: [existing group]", "ns_group: [existing]", "manifest.unknown-key", "ns_group: [existing]"),
    ("vif_type: PARENT", "vif_type: parent", "manifest.invalid-value", "vif_type: parent"),
    ("tcp/8080]", "tpc/8080]", "fabric.bad-service", "tpc/8080"),
    ("from: [any]", "from: [10.0.0.0/40]", "fabric.bad-address", "10.0.0.0/40"),
    ("groups: [web]", "groups: [web, web]", "fabric.duplicate-name", "groups: [web, web]"),
    ("action: allow", "action: permit", "manifest.invalid-value", "action: permit"),
]


@pytest.mark.parametrize("old, new, code, place", MISTAKES, ids=[f"{m[2]}:{m[1][:20].strip()}" for m in MISTAKES])
def test_a_mistake_is_told_with_its_line_and_a_fix(old, new, code, place):
    text = changed(old, new)
    told = [p for p in problems(text) if p.code == code and p.severity is Severity.ERROR]
    assert [p.mark.line for p in told if p.mark.line == line_of(place, text)], problems(text)
    assert all(p.fix.endswith((".", "?")) and p.detail.endswith(".") for p in told)


def test_everything_wrong_is_told_at_once():
    text = CLOUD
    for old, new in [("server_pool: web,", "server_pool: x,"), ("to: 10.20.0.5", "to: 9.9.9.9"), ("edges", "''")]:
        text = text.replace(old, new, 1)
    assert {p.code for p in problems(text) if p.severity is Severity.ERROR} >= {
        "fabric.unknown-name",
        "fabric.bad-nat-rule",
        "fabric.missing-need",
    }


def test_hiding_is_only_warned_about_where_the_topology_is_routed():
    told = problems(changed("topology: nat", "topology: routed"))
    assert [(p.code, p.severity) for p in told if "routed" in p.detail] == [("manifest.not-honoured", WARNING)] * 2
    assert not [p for p in told if p.severity is Severity.ERROR]


def test_a_block_beside_a_range_is_only_warned_about():
    text = changed("transport_zone: vlans, ", "ip_block: nodes, ").replace(", vlan_ids: [100, 200-210]", "")
    text = text.replace("ip_block: nodes, vlan_ids: [100, 200-210]", "ip_block: nodes")
    assert "manifest.not-honoured" in {p.code for p in problems(text)}
    assert load_cloud(text, "cloud.yml").networks[2].subnets[0].managed.block is None
