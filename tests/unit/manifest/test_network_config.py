"""Network configs: what is read from them, and every mistake with its line."""

import pytest

from director.manifest.load import check_network_text, load_networks
from director.model.fabric import Ref
from director.model.network_wish import AddressWish
from director.model.problem import Refused, Severity
from tests.unit.manifest.fabric_samples import NETWORKS


def told(text, **how):
    return [(p.code, p.mark.line) for p in check_network_text(text, "net.yml", **how)]


def test_a_good_config_becomes_its_wishes():
    assert told(NETWORKS) == []
    (config,) = load_networks([("main", NETWORKS)])
    assert (config.name, config.cpi) == ("main", "")
    assert config.pools[0].ranges == (("192.168.1.10", "192.168.1.20"),)
    out, into = config.nat_rules
    assert (out.router, out.translated) == (Ref(to="shared"), AddressWish(pool="floating"))
    assert (into.router, into.destination, into.ports) == (
        Ref(to="t0", is_ours=False),
        AddressWish(ip="1.2.3.4"),
        "443",
    )
    (rule,) = config.policies[0].rules
    assert rule.destinations == (Ref(to="tagged"), Ref(to="theirs", is_ours=False))


def test_configs_come_by_name_and_may_name_each_others_routers():
    other = "networks:\n  segments:\n  - {name: more, router: shared, gateway: 10.41.0.1/24}\n"
    assert told(other) == [("fabric.unknown-name", 3)]
    assert told(other, others=[("main", NETWORKS)]) == []
    assert [c.name for c in load_networks([("main", NETWORKS), ("also", other)])] == ["also", "main"]


def test_what_others_miss_after_a_change_is_warned_about_now_and_refused_when_applied():
    other = "networks:\n  segments:\n  - {name: more, router: gone}\n"
    (problem,) = check_network_text("networks: {}\n", "net.yml", others=[("also", other)])
    assert (problem.severity, problem.mark.file) == (Severity.WARNING, "network-config/also")
    with pytest.raises(Refused):
        load_networks([("also", other), ("main", "networks: {}\n")])


MISTAKES = [
    ("cidr: 10.30.0.0/16", "cidr: everywhere", "fabric.bad-address", 3),
    ("[192.168.1.10-192.168.1.20]", "[192.168.2.10]", "fabric.bad-address", 5),
    ("[192.168.1.10-192.168.1.20]", "[192.168.1.10, 192.168.1.8-192.168.1.12]", "fabric.bad-address", 5),
    ("gateway: 192.168.1.1}", "gateway: 192.168.2.1}", "fabric.bad-address", 5),
    ("edge_cluster: edges, ", "", "fabric.missing-need", 11),
    ("advertise: [nat, connected]", "advertise: [nats]", "manifest.invalid-value", 7),
    ("{name: ops, router: shared", "{name: ops, router: share", "fabric.unknown-name", 9),
    ("gateway: 10.40.0.1/24", "gateway: 10.40.0.1", "fabric.bad-address", 9),
    ("source: 10.40.0.0/24, ", "", "fabric.bad-nat-rule", 11),
    ("action: snat", "action: no_snat", "fabric.bad-nat-rule", 11),
    ("translated: 10.40.0.9", "translated: {pool: floating}", "fabric.bad-nat-rule", 12),
    ("translated: 10.40.0.9", "translated: nowhere", "fabric.bad-address", 12),
    ("{name: in,", "{name: out,", "fabric.duplicate-name", 12),
    ("next_hops: [10.40.0.2]", "next_hops: []", "manifest.empty-list", 14),
    ("server_pool: api", "server_pool: app", "fabric.unknown-name", 19),
    ("addresses: [10.1.0.0/16]", "addresses: [here]", "fabric.bad-address", 21),
    ("addresses: [10.1.0.0/16]", "addresses: [10.1.0.0/16], port_tag: {tag: x}", "fabric.keys-exclude-each-other", 21),
    ("scope: [tagged]", "scope: [taged]", "fabric.unknown-name", 25),
    ("from: admins", "from: admin", "fabric.unknown-name", 26),
    ("static_routes:", "static_route:", "manifest.unknown-key", 13),
]


@pytest.mark.parametrize("old, new, code, line", MISTAKES, ids=[f"{m[2]}:{m[1][:24]}" for m in MISTAKES])
def test_a_mistake_is_told_with_its_line(old, new, code, line):
    assert old in NETWORKS
    found = told(NETWORKS.replace(old, new, 1))
    assert (code, line) in found, found


def test_no_sections_is_a_wish_but_no_key_is_a_mistake():
    assert told("networks: {}\n") == []
    assert ("manifest.missing-key", 1) in told("cpi: x\n")
