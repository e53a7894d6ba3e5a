"""Objects behave as reference 5.3 says."""

import pytest

from tests.nsxsim.write import Who


async def test_patch_creates_and_merges_and_says_nothing(world):
    await world.patch("/infra/tier-1s/t", {"tier0_path": "/infra/tier-0s/tier-0", "tags": [{"scope": "a", "tag": "b"}]})
    await world.patch("/infra/tier-1s/t", {"description": "d"})
    body = await world.get("/infra/tier-1s/t")
    assert (body["tier0_path"], body["description"]) == ("/infra/tier-0s/tier-0", "d")
    assert (body["_revision"], body["display_name"], body["resource_type"]) == (1, "t", "Tier1")
    assert (body["path"], body["parent_path"]) == ("/infra/tier-1s/t", "/infra")


async def test_patch_replaces_lists_as_a_whole(world):
    await world.patch("/infra/tier-1s/t", {"tags": [{"scope": "a", "tag": "1"}, {"scope": "b", "tag": "2"}]})
    await world.patch("/infra/tier-1s/t", {"tags": [{"scope": "c", "tag": "3"}]})
    assert (await world.get("/infra/tier-1s/t"))["tags"] == [{"scope": "c", "tag": "3"}]


async def test_put_replaces_and_answers_the_object(world):
    made = await world.put("/infra/tier-1s/t", {"description": "d", "failover_mode": "PREEMPTIVE"})
    assert made["_revision"] == 0
    again = await world.put("/infra/tier-1s/t", {"_revision": 0})
    assert again["_revision"] == 1
    assert "description" not in again
    assert again["failover_mode"] == "NON_PREEMPTIVE"
    assert again["unique_id"] == made["unique_id"]


async def test_a_write_that_changes_nothing_is_no_revision(world):
    made = await world.put("/infra/tier-1s/t", {"description": "d"})
    assert (await world.put("/infra/tier-1s/t", made))["_revision"] == 0
    await world.patch("/infra/tier-1s/t", {"description": "d"})
    assert (await world.get("/infra/tier-1s/t"))["_revision"] == 0


@pytest.mark.parametrize("revision", [None, 0, 7])
async def test_a_stale_or_missing_revision_is_refused(world, revision):
    await world.put("/infra/tier-1s/t", {"description": "1"})
    await world.put("/infra/tier-1s/t", {"description": "2", "_revision": 0})
    body = {"description": "3"} if revision is None else {"description": "3", "_revision": revision}
    assert (await world.refused("PUT", "/infra/tier-1s/t", body))[:2] == (412, 604)


async def test_the_stale_answer_can_be_that_of_other_versions(world):
    world.cluster.settings.change({"stale_status": 400, "stale_code": 500087})
    await world.put("/infra/tier-1s/t")
    assert (await world.refused("PUT", "/infra/tier-1s/t", {"_revision": 5}))[:2] == (400, 500087)


async def test_a_put_with_a_revision_where_nothing_is_is_stale(world):
    assert (await world.refused("PUT", "/infra/tier-1s/t", {"_revision": 0}))[0] == 412


async def test_a_plain_patch_needs_no_revision_even_beside_a_wrong_one(world):
    await world.put("/infra/tier-1s/t")
    await world.patch("/infra/tier-1s/t", {"description": "x", "_revision": 17})
    assert (await world.get("/infra/tier-1s/t"))["_revision"] == 1


async def test_a_deleted_object_hides_lingers_and_goes(world):
    await world.patch("/infra/tier-1s/t")
    await world.delete("/infra/tier-1s/t")
    assert (await world.refused("GET", "/infra/tier-1s/t"))[:2] == (404, 600)
    names = [each["id"] for each in (await world.get("/infra/tier-1s"))["results"]]
    assert "t" not in names
    shown = await world.get("/infra/tier-1s", include_mark_for_delete_objects="true")
    assert [each["marked_for_delete"] for each in shown["results"] if each["id"] == "t"] == [True]
    assert (await world.refused("PATCH", "/infra/tier-1s/t", {}))[:2] == (400, 500045)
    world.clock.advance(0.3)
    assert (await world.refused("DELETE", "/infra/tier-1s/t"))[:2] == (404, 600)
    await world.patch("/infra/tier-1s/t")
    assert (await world.get("/infra/tier-1s/t"))["_revision"] == 0


async def test_a_parent_is_not_deleted_before_its_children(world):
    path = await world.gateway()
    status, code, message = await world.refused("DELETE", path)
    assert (status, code) == (400, 500030)
    assert path in message
    assert f"{path}/locale-services/default" in message


async def test_what_is_referred_to_is_not_deleted(world):
    path = await world.gateway()
    await world.patch("/infra/segments/s", {"connectivity_path": path, "subnets": [{"gateway_address": "10.0.0.1/24"}]})
    await world.delete(f"{path}/locale-services/default")
    status, code, message = await world.refused("DELETE", path)
    assert (status, code) == (400, 500030)
    assert "/infra/segments/s" in message
    await world.delete("/infra/segments/s")
    await world.delete(path)


async def test_a_reference_to_nothing_is_refused_and_so_is_one_to_the_wrong_thing(world):
    for target in ("/infra/tier-0s/none", "/infra/segments/uplink-vlan", "tier-0"):
        status, code, message = await world.refused("PATCH", "/infra/tier-1s/t", {"tier0_path": target})
        assert (status, code) == (400, 500012)
        assert target in message
    assert (await world.refused("GET", "/infra/tier-1s/t"))[0] == 404


async def test_a_segment_with_ports_stays_unless_forced(world):
    await world.patch("/infra/segments/s")
    await world.patch("/infra/segments/s/ports/p", {"attachment": {"id": "vif-1"}})
    assert (await world.refused("DELETE", "/infra/segments/s"))[:2] == (400, 503040)
    await world.delete("/infra/segments/s", force="true")
    world.clock.advance(1)
    assert (await world.refused("GET", "/infra/segments/s/ports/p"))[0] == 404


async def test_a_child_needs_its_parent(world):
    assert (await world.refused("PATCH", "/infra/tier-1s/no/locale-services/l", {}))[0] == 404
    assert (await world.refused("GET", "/infra/tier-1s/no/locale-services"))[0] == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"bogus": 1}, 220),
        ({"tier0_path": 5}, 220),
        ({"route_advertisement_types": "TIER1_NAT"}, 220),
        ({"failover_mode": "SOMETIMES"}, 255),
        ({"route_advertisement_types": ["TIER1_EVERYTHING"]}, 255),
        ({"arp_limit": 1}, 255),
        ({"display_name": "x" * 256}, 255),
        ({"tags": [{"scope": "s", "tag": str(n)} for n in range(31)]}, 500059),
        ({"id": "other"}, 500013),
        ({"resource_type": "Tier0"}, 255),
    ],
)
async def test_a_bad_body_is_refused_by_field(world, body, code):
    assert (await world.refused("PATCH", "/infra/tier-1s/t", body))[:2] == (400, code)
    assert (await world.refused("GET", "/infra/tier-1s/t"))[0] == 404


async def test_read_only_fields_sent_back_are_ignored(world):
    body = await world.put("/infra/tier-1s/t")
    body |= {"path": "/elsewhere", "unique_id": "mine", "_create_user": "me", "marked_for_delete": False}
    after = await world.put("/infra/tier-1s/t", {**body, "description": "d"})
    assert (after["path"], after["_create_user"]) == ("/infra/tier-1s/t", "admin")


async def test_a_type_is_needed_where_there_are_several(world):
    path = "/infra/lb-monitor-profiles/m"
    assert (await world.refused("PATCH", path, {"interval": 5}))[:2] == (400, 255)
    await world.patch(path, {"resource_type": "LBTcpMonitorProfile", "monitor_port": 80})
    await world.patch(path, {"interval": 7})
    assert (await world.refused("PATCH", path, {"resource_type": "LBHttpMonitorProfile"}))[:2] == (400, 255)


async def test_ids_with_odd_characters_need_escaping(world):
    await world.patch("/infra/segments/a%20%5Bb%5D")
    assert (await world.get("/infra/segments/a%20%5Bb%5D"))["id"] == "a [b]"
    assert (await world.refused("PATCH", "/infra/segments/a%2Fb", {}))[0] == 400


async def test_predefined_and_inventory_objects_are_fixed(world):
    for path in ("/infra/services/HTTP", "/infra/sites/default", "/infra/tier-1s/strangers-gateway/nat/USER"):
        assert (await world.refused("PATCH", path, {"description": "mine"}))[0] == 400
        assert (await world.refused("DELETE", path))[0] == 400


async def test_every_gateway_has_its_nat_sections(world):
    path = await world.gateway()
    sections = (await world.get(f"{path}/nat"))["results"]
    assert {each["nat_type"] for each in sections} >= {"USER", "INTERNAL", "DEFAULT"}
    assert (await world.refused("PATCH", f"{path}/nat/MINE", {}))[0] == 400


async def test_no_such_url_is_not_found_and_a_wrong_method_not_allowed(world):
    assert (await world.refused("GET", "/infra/no-such-things"))[0] == 404
    assert (await world.refused("POST", "/infra/tier-1s/strangers-gateway", {}))[0] == 405


async def test_an_empty_body_beside_get_and_delete_is_accepted(world):
    await world.patch("/infra/tier-1s/t")
    assert (await world.ask("GET", "/infra/tier-1s/t", {})).status_code == 200
    assert (await world.ask("DELETE", "/infra/tier-1s/t", {})).status_code == 200


async def test_what_is_not_json_is_refused(world):
    reply = await world.client.patch("/policy/api/v1/infra/tier-1s/t", content=b"{")
    assert reply.status_code == 400


async def test_what_cannot_be_changed_need_not_be_said_again(world):
    path = "/infra/ip-pools/floating-pool/ip-subnets/s"
    body = {"resource_type": "IpAddressPoolBlockSubnet", "ip_block_path": "/infra/ip-blocks/nodes-block", "size": 16}
    await world.patch(path, body)
    after = await world.put(path, {"resource_type": body["resource_type"], "_revision": 0, "description": "x"})
    assert (after["size"], after["description"]) == (16, "x")
    assert (await world.refused("PATCH", path, {**body, "size": 32}))[:2] == (400, 500016)


async def test_what_lingers_can_be_made_to_block(world):
    path = await world.gateway()
    world.cluster.settings.change({"lingering_blocks": True})
    await world.delete(f"{path}/locale-services/default")
    assert (await world.refused("DELETE", path))[:2] == (400, 500030)
    world.clock.advance(0.3)
    await world.delete(path)


async def test_a_list_of_services_holds_their_entries_and_one_of_policies_not_their_rules(world):
    services = (await world.get("/infra/services"))["results"]
    assert all(each["service_entries"] for each in services)
    policies = (await world.get("/infra/domains/default/security-policies"))["results"]
    assert policies
    assert not any("rules" in each for each in policies)


async def test_what_only_the_manager_sets_is_ignored_from_clients_and_kept(world):
    path = "/infra/ip-pools/floating-pool/ip-subnets/s"
    body = {"resource_type": "IpAddressPoolBlockSubnet", "ip_block_path": "/infra/ip-blocks/nodes-block", "size": 16}
    await world.patch(path, {**body, "broadcast_address": "9.9.9.9"})
    assert (await world.get(path)).get("broadcast_address") != "9.9.9.9"
    world.sim.write(path, {"broadcast_address": "172.20.0.15"}, Who("nsx_policy"))
    now = await world.get(path)
    after = await world.put(path, {**body, "_revision": now["_revision"], "broadcast_address": "9.9.9.9"})
    assert after["broadcast_address"] == "172.20.0.15"
