"""Drives a manager with OpenStack's ``vmware-nsxlib`` and prints what came of it, one JSON line a step.

Run by a Python that has that library (``test_nsxlib.py`` makes one), never imported: ``nsxlib_walk.py HOST:PORT… USER``
with the password on standard input.
"""

import json
import sys
from typing import Any

from vmware_nsxlib.v3 import config, exceptions, policy  # type: ignore[import-not-found]  # in its own environment
from vmware_nsxlib.v3.policy import core_defs, transaction  # type: ignore[import-not-found]  # the same


def told(step: str, **facts: Any) -> None:
    print(json.dumps({"step": step, **facts}), flush=True)


def refused(step: str, call: Any, *arguments: Any, **named: Any) -> None:
    """The library's name of the exception a call ends in."""
    try:
        call(*arguments, **named)
    except exceptions.NsxLibException as refusal:
        told(step, refused=type(refusal).__name__)
    else:
        told(step, refused=None)


def connected(managers: list[str], user: str, password: str) -> Any:
    return policy.NsxPolicyLib(
        config.NsxLibConfig(
            nsx_api_managers=managers,
            username=user,
            password=password,
            insecure=True,
            max_attempts=3,
            realization_max_attempts=50,
            realization_wait_sec=0.2,
            allow_passthrough=True,
        )
    )


def routing(nsx: Any) -> None:
    edge = nsx.edge_cluster.list()[0]
    tier0 = nsx.tier0.list()[0]
    told("found", edge=edge["id"], tier0=tier0["id"])
    nsx.tier1.create_or_overwrite(
        "lib t1", tier1_id="lib-t1", tier0=tier0["id"],
        route_advertisement=nsx.tier1.build_route_advertisement(nat=True, lb_vip=True),
    )  # fmt: skip
    nsx.tier1.set_edge_cluster_path("lib-t1", edge["path"])
    told("router", cluster=nsx.tier1.get_edge_cluster_path("lib-t1") == edge["path"])
    told("advertised", types=sorted(nsx.tier1.get("lib-t1")["route_advertisement_types"]))
    nsx.tier1.update_route_advertisement("lib-t1", subnets=True, nat=False)
    told("advertised again", types=sorted(nsx.tier1.get("lib-t1")["route_advertisement_types"]))
    told("realized", state=nsx.tier1.wait_until_realized("lib-t1")["state"])
    nsx.tier1_nat_rule.create_or_overwrite(
        "lib nat", "lib-t1", nat_rule_id="lib-nat", action="SNAT", source_network="10.77.0.0/24",
        translated_network="203.0.113.77",
    )  # fmt: skip
    nsx.tier1_static_route.create_or_overwrite(
        "lib route", "lib-t1", static_route_id="lib-route", network="198.51.100.0/24", next_hop="10.77.0.9"
    )
    told("rules", nat=[one["id"] for one in nsx.tier1_nat_rule.list("lib-t1")],
         routes=[one["id"] for one in nsx.tier1_static_route.list("lib-t1")])  # fmt: skip


def segments(nsx: Any) -> None:
    zones = [zone["id"] for zone in nsx.transport_zone.list() if zone["tz_type"].startswith("OVERLAY")]
    nsx.segment.create_or_overwrite(
        "lib seg", segment_id="lib-seg", tier1_id="lib-t1", transport_zone_id=zones[0],
        subnets=[core_defs.Subnet(gateway_address="10.77.0.1/24")],
    )  # fmt: skip
    told("segment", state=nsx.segment.wait_until_realized("lib-seg")["state"],
         gateway=nsx.segment.get("lib-seg")["subnets"][0]["gateway_address"])  # fmt: skip
    nsx.segment_port.create_or_overwrite(
        "lib port", "lib-seg", port_id="lib-port", attachment_type="PARENT",
        vif_id="a7a7a7a7-0000-4000-8000-000000000001",
    )  # fmt: skip
    told("port", vif=nsx.segment_port.get("lib-seg", "lib-port")["attachment"]["id"])
    # Not nsx.segment.delete, which tries for a minute and a half before it says so.
    refused("segment with a port", nsx.policy_api.delete, core_defs.SegmentDef(segment_id="lib-seg", tenant="infra"))


def addresses(nsx: Any) -> None:
    nsx.ip_block.create_or_overwrite("lib block", ip_block_id="lib-block", cidr="172.29.0.0/16")
    nsx.ip_pool.create_or_overwrite("lib pool", ip_pool_id="lib-pool")
    nsx.ip_pool.allocate_block_subnet("lib-pool", "lib-block", 16, ip_subnet_id="lib-net")
    info = nsx.ip_pool.get_ip_block_subnet("lib-pool", "lib-net")
    told("subnet", kind=info["resource_type"], listed=len(nsx.ip_pool.list_block_subnets("lib-pool")))
    nsx.ip_pool.allocate_ip("lib-pool", ip_allocation_id="lib-ip")
    address = nsx.ip_pool.get_realized_allocated_ip("lib-pool", "lib-ip", wait=True)
    told("address", inside=str(address).startswith("172.29.0."),
         subnet=nsx.ip_pool.get_ip_subnet_realization_info("lib-pool", "lib-net", wait=True)["state"])  # fmt: skip
    nsx.ip_pool.release_ip("lib-pool", "lib-ip")
    nsx.ip_pool.release_block_subnet("lib-pool", "lib-net")
    nsx.ip_pool.delete("lib-pool")
    nsx.ip_block.delete("lib-block")


def security(nsx: Any) -> None:
    with transaction.NsxPolicyTransaction():
        nsx.group.create_or_overwrite(
            "lib group", "default", group_id="lib-group", cond_val="bosh/job|web", cond_member_type="VirtualMachine"
        )
        nsx.service.create_or_overwrite("lib web", service_id="lib-web", protocol="TCP", dest_ports=["80"])
    told("transaction", value=nsx.group.get("default", "lib-group")["expression"][0]["value"],
         ports=nsx.service.get("lib-web")["service_entries"][0]["destination_ports"])  # fmt: skip
    nsx.comm_map.create_or_overwrite(
        "lib policy", "default", map_id="lib-policy", category="Application", service_ids=["lib-web"],
        dest_groups=["lib-group"], action="ALLOW",
    )  # fmt: skip
    told("policy", rules=len(nsx.comm_map.get("default", "lib-policy")["rules"]))
    refused("group in use", nsx.group.delete, "default", "lib-group")
    nsx.comm_map.delete("default", "lib-policy")
    nsx.group.delete("default", "lib-group")
    nsx.service.delete("lib-web")


def balancing(nsx: Any) -> None:
    lb = nsx.load_balancer
    lb.lb_service.create_or_overwrite(
        "lib lb", lb_service_id="lib-lb", size="SMALL", connectivity_path=nsx.tier1.get_path("lib-t1")
    )
    lb.lb_monitor_profile_tcp.create_or_overwrite(lb_monitor_profile_id="lib-mon", name="lib mon", interval=5)
    lb.lb_pool.create_or_overwrite(
        "lib pool", lb_pool_id="lib-lbpool",
        active_monitor_paths=[lb.lb_monitor_profile_tcp.get_path("lib-mon")],
    )  # fmt: skip
    lb.lb_pool.create_pool_member_and_add_to_pool("lib-lbpool", "10.77.0.11", port="80", display_name="web0")
    lb.lb_pool.create_pool_member_and_add_to_pool("lib-lbpool", "10.77.0.12", port="80", display_name="web1")
    lb.lb_pool.remove_pool_member("lib-lbpool", "10.77.0.11", "80")
    lb.lb_fast_tcp_profile.create_or_overwrite("lib app", lb_app_profile_id="lib-app", idle_timeout=100)
    lb.virtual_server.create_or_overwrite(
        "lib vs", virtual_server_id="lib-vs", application_profile_id="lib-app", ip_address="203.0.113.78",
        pool_id="lib-lbpool", lb_service_id="lib-lb", ports=["80"],
    )  # fmt: skip
    told("balancer", members=[one["ip_address"] for one in lb.lb_pool.get("lib-lbpool")["members"]],
         pool=lb.virtual_server.get("lib-vs")["pool_path"])  # fmt: skip
    lb.virtual_server.delete("lib-vs")
    lb.lb_pool.delete("lib-lbpool")
    lb.lb_fast_tcp_profile.delete("lib-app")
    lb.lb_monitor_profile_tcp.delete("lib-mon")
    lb.lb_service.delete("lib-lb")


def ending(nsx: Any) -> None:
    nsx.segment_port.delete("lib-seg", "lib-port")
    nsx.segment.delete("lib-seg")
    nsx.tier1_nat_rule.delete("lib-t1", "lib-nat")
    nsx.tier1_static_route.delete("lib-t1", "lib-route")
    nsx.tier1.remove_edge_cluster("lib-t1")
    nsx.tier1.delete_locale_service("lib-t1")
    nsx.tier1.delete("lib-t1")
    refused("gone", nsx.tier1.get, "lib-t1")
    told(
        "found by search", names=[one["id"] for one in nsx.search_by_tags([{"scope": "no", "tag": "such"}])["results"]]
    )


def main() -> None:
    *managers, user = sys.argv[1:]
    nsx = connected(managers, user, sys.stdin.readline().rstrip("\n"))
    told("version", version=nsx.get_version())
    for part in (routing, segments, addresses, security, balancing, ending):
        part(nsx)


if __name__ == "__main__":
    main()
