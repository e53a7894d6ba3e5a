"""VMs that hypervisors report become known, their NICs become segment ports, and all of it goes with them."""

import pytest

from tests.nsxsim.clock import VirtualClock
from tests.nsxsim.cluster import Cluster
from tests.nsxsim.door import answer
from tests.nsxsim.machines import Machine, vif_of
from tests.nsxsim.problems import Refusal
from tests.support.nsx_inside import DB, ME, WEB, ask, ports, report, vm, with_segments
from tests.support.nsxmodels import problems_of

EP = "/infra/realized-state/enforcement-points/default"


@pytest.fixture
def cluster():
    return with_segments()


def test_a_vm_is_known_after_a_lag_and_its_ports_after_another(cluster):
    report(cluster, vm(), wait_s=0.1)
    assert ask(cluster, "GET", f"{EP}/virtual-machines")["results"] == []
    cluster.clock.advance(0.15)
    (known,) = ask(cluster, "GET", f"{EP}/virtual-machines")["results"]
    assert (known["external_id"], known["display_name"], known["power_state"]) == ("id-web-1", "web-1", "VM_RUNNING")
    assert "instanceUuid:id-web-1" in known["compute_ids"]
    assert ports(cluster) == []
    cluster.clock.advance(0.2)
    (port,) = ports(cluster)
    assert port["id"].startswith("default:")
    assert port["attachment"]["id"] == vif_of("id-web-1", 0)
    (vif,) = ask(cluster, "GET", f"{EP}/vifs")["results"]
    assert (vif["lport_attachment_id"], vif["owner_vm_id"]) == (port["attachment"]["id"], "id-web-1")
    assert vif["ip_address_info"] == [{"source": "VM_TOOLS", "ip_addresses": ["10.0.0.5"]}]


def test_ports_linger_when_the_vm_goes_and_hold_their_segment_until_then(cluster):
    report(cluster, vm())
    cluster.sim.rooms["inventory"].gone("id-web-1")
    cluster.clock.advance(0.3)
    assert ask(cluster, "GET", f"{EP}/virtual-machines")["results"] == []
    assert len(ports(cluster)) == 1
    with pytest.raises(Refusal) as refused:
        cluster.sim.delete(WEB, ME)
    assert refused.value.code == 503040
    cluster.clock.advance(0.5)
    assert ports(cluster) == []
    cluster.sim.delete(WEB, ME)


def test_a_nic_that_moves_leaves_its_port_for_another(cluster):
    report(cluster, vm("web-1", WEB))
    report(cluster, vm("web-1", DB))
    assert ports(cluster, WEB) == []
    assert [port["attachment"]["id"] for port in ports(cluster, DB)] == [vif_of("id-web-1", 0)]


def test_a_nic_that_comes_back_before_its_port_went_keeps_it(cluster):
    report(cluster, vm())
    (before,) = ports(cluster)
    cluster.sim.rooms["inventory"].gone("id-web-1")
    cluster.clock.advance(0.3)
    report(cluster, vm(), wait_s=3)
    assert [port["id"] for port in ports(cluster)] == [before["id"]]


def test_a_vm_without_a_nic_on_a_segment_is_none_of_nsx_s_business(cluster):
    report(cluster, Machine(external_id="id-x", name="x"))
    assert ask(cluster, "GET", f"{EP}/virtual-machines")["result_count"] == 0


def test_users_tag_automatic_ports_and_the_tags_stay(cluster):
    report(cluster, vm())
    (port,) = ports(cluster)
    ask(cluster, "PATCH", port["path"], {"tags": [{"scope": "env", "tag": "prod"}]})
    report(cluster, vm(power="VM_STOPPED"), wait_s=3)
    (port,) = ports(cluster)
    assert port["tags"] == [{"scope": "env", "tag": "prod"}]


def test_vms_are_found_by_name_and_tagged_by_either_api(cluster):
    report(cluster, vm("web-1"), vm("web-2"), vm("db-1", DB))
    found = ask(cluster, "GET", f"{EP}/virtual-machines", query="display_name:web-1")["results"]
    assert [each["display_name"] for each in found] == ["web-1"]
    many = ask(cluster, "GET", f"{EP}/virtual-machines", query="display_name:web*")
    assert many["result_count"] == 2
    tag = {"scope": "bosh/id", "tag": "x"}
    ask(
        cluster,
        "POST",
        f"{EP}/virtual-machines",
        {"virtual_machine_id": "id-web-1", "tags": [tag]},
        action="update_tags",
    )
    (known,) = ask(cluster, "GET", "/api/v1/fabric/virtual-machines", external_id="id-web-1")["results"]
    assert known["tags"] == [tag]
    other = {"external_id": "id-web-1", "tags": [{"scope": "a", "tag": "b"}]}
    ask(cluster, "POST", "/api/v1/fabric/virtual-machines", other, action="add_tags")
    assert len(ask(cluster, "GET", "/infra/realized-state/virtual-machines/id-web-1/tags")["results"]) == 2
    with pytest.raises(Refusal) as refused:
        ask(
            cluster, "POST", f"{EP}/virtual-machines", {"virtual_machine_id": "no", "tags": [tag]}, action="update_tags"
        )
    assert refused.value.status == 404


def test_thirty_one_tags_are_too_many(cluster):
    report(cluster, vm())
    body = {"virtual_machine_id": "id-web-1", "tags": [{"scope": "s", "tag": str(n)} for n in range(31)]}
    with pytest.raises(Refusal, match="31 tags"):
        ask(cluster, "POST", f"{EP}/virtual-machines", body, action="update_tags")


def test_vms_and_ports_are_found_by_search_after_its_lag(cluster):
    report(cluster, vm())
    cluster.clock.advance(1)
    (found,) = ask(cluster, "GET", "/search/query", query="resource_type:VirtualMachine AND display_name:web-1")[
        "results"
    ]
    assert found["external_id"] == "id-web-1"
    vif = vif_of("id-web-1", 0)
    (port,) = ask(cluster, "GET", "/search/query", query=f"attachment.id:{vif}")["results"]
    assert port["resource_type"] == "SegmentPort"


async def test_vms_are_made_up_and_taken_away_by_the_control_door(cluster):
    made = await answer(cluster, "POST", "/_sim/vms", b'{"name": "a", "nics": [{"segment": "/infra/segments/web"}]}')
    assert made.status == 201
    cluster.clock.advance(1)
    assert len(ports(cluster)) == 1
    (known,) = ask(cluster, "GET", f"{EP}/virtual-machines")["results"]
    await answer(cluster, "DELETE", f"/_sim/vms/{known['external_id']}", b"")
    cluster.clock.advance(2)
    assert ports(cluster) == []
    wrong = await answer(cluster, "POST", "/_sim/vms", b'{"nics": []}')
    assert wrong.status == 400


def test_what_is_known_survives_a_restart_and_orphans_go(cluster):
    report(cluster, vm("web-1"), vm("web-2"))
    cluster.sim.rooms["inventory"].tag("id-web-1", [{"scope": "a", "tag": "b"}])
    saved = cluster.sim.rooms["inventory"].saved()
    bodies = {node.path: node.body for node in cluster.sim.tree.of_kind("SegmentPort")}
    other = Cluster(clock=VirtualClock())
    other.sim.write(WEB, {}, ME)
    for path, body in bodies.items():
        other.sim.write(path, {"attachment": body["attachment"]}, ME)
    saved["machines"] = [one for one in saved["machines"] if one["name"] == "web-1"]
    other.sim.rooms["inventory"].restore(saved)
    assert len(ports(other)) == 2
    other.sim.rooms["inventory"].drop_orphans()
    other.clock.advance(1)
    assert [port["attachment"]["id"] for port in ports(other)] == [vif_of("id-web-1", 0)]
    assert other.sim.rooms["inventory"].tags_of("id-web-1") == [{"scope": "a", "tag": "b"}]


def test_what_is_shown_is_what_the_official_models_say(cluster):
    report(cluster, vm(computer_name="w", os_name="linux"))
    (known,) = ask(cluster, "GET", f"{EP}/virtual-machines")["results"]
    (vif,) = ask(cluster, "GET", f"{EP}/vifs")["results"]
    (port,) = ports(cluster)
    assert problems_of("VirtualMachine", known) == []
    assert problems_of("VirtualNetworkInterface", vif) == []
    assert problems_of("SegmentPort", port) == []


def test_a_segment_with_vms_stays_also_when_it_is_removed_with_a_whole_tree(cluster):
    report(cluster, vm())
    gone = {"resource_type": "ChildSegment", "marked_for_delete": True, "Segment": {"id": "web"}}
    with pytest.raises(Refusal) as refused:
        ask(cluster, "PATCH", "/infra", {"resource_type": "Infra", "children": [gone]})
    assert [each.code for each in refused.value.related] == [503040]
    assert len(ports(cluster)) == 1
    cluster.sim.rooms["inventory"].gone("id-web-1")
    cluster.clock.advance(2)
    ask(cluster, "PATCH", "/infra", {"resource_type": "Infra", "children": [gone]})
    assert cluster.sim.tree.get(WEB) is None
