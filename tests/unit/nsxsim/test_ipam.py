"""Networks out of blocks, addresses out of pools. Reference 5.6, 5.7 and 5.9."""

import pytest

from tests.nsxsim import spans, store
from tests.nsxsim.clock import VirtualClock
from tests.nsxsim.cluster import Cluster
from tests.support.nsxmodels import problems_of

BLOCK = "/infra/ip-blocks/b"
POOL = "/infra/ip-pools/p"
RELEASE_S = 120.0


async def entity(world, path):
    (found,) = (await world.get("/infra/realized-state/realized-entities", intent_path=path))["results"]
    assert problems_of("GenericPolicyRealizedResource", found) == []
    return found


async def attributes(world, path):
    found = await entity(world, path)
    assert found["state"] == "REALIZED", found["alarms"]
    return {each["key"]: each["values"][0] for each in found["extended_attributes"]}


async def alarm(world, path):
    found = await entity(world, path)
    assert found["state"] == "ERROR"
    listed = (await world.get("/infra/realized-state/alarms"))["results"]
    assert found["alarms"][0] in listed
    return found["alarms"][0]["error_details"]["error_code"]


async def blocks(world, cidr="10.0.0.0/26", **more):
    await world.patch(BLOCK, {"cidr": cidr, **more})
    await world.patch(POOL)


async def carve(world, name, size=16, **more):
    path = f"{POOL}/ip-subnets/{name}"
    body = {"resource_type": "IpAddressPoolBlockSubnet", "ip_block_path": BLOCK, "size": size, **more}
    await world.patch(path, body)
    world.clock.advance(1)
    return path


async def static(world, first="192.0.2.10", last="192.0.2.12", **more):
    await world.patch(POOL)
    path = f"{POOL}/ip-subnets/s"
    body = {"cidr": "192.0.2.0/24", "allocation_ranges": [{"start": first, "end": last}], **more}
    await world.patch(path, {"resource_type": "IpAddressPoolStaticSubnet", **body})
    world.clock.advance(1)
    return path


async def allocate(world, name, **more):
    path = f"{POOL}/ip-allocations/{name}"
    await world.patch(path, more)
    world.clock.advance(1)
    return path


async def usage(world, pool=POOL):
    return (await world.get(pool))["pool_usage"]


async def test_subnets_take_the_first_network_that_fits(world):
    await blocks(world)
    found = [await attributes(world, await carve(world, name, size)) for name, size in (("a", 8), ("b", 32), ("c", 16))]
    assert [each["cidr"] for each in found] == ["10.0.0.0/29", "10.0.0.32/27", "10.0.0.16/28"]
    assert found[0]["gateway_ip"] == "10.0.0.1"


async def test_a_subnet_shows_its_network_and_gateway(world):
    await blocks(world)
    body = await world.get(await carve(world, "a"))
    assert problems_of("IpAddressPoolBlockSubnet", body) == []
    assert (body["cidr"], body["gateway_address"]) == ("10.0.0.0/28", "10.0.0.1/28")
    assert (body["network_address"], body["broadcast_address"]) == ("10.0.0.0", "10.0.0.15")
    assert body["_revision"] == 0


async def test_older_versions_show_a_network_only_as_realised(world):
    world.sim.settings.change({"ipam_fills_objects": False})
    await blocks(world)
    path = await carve(world, "a")
    assert "cidr" not in await world.get(path)
    assert (await attributes(world, path))["cidr"] == "10.0.0.0/28"


async def test_a_network_stays_over_changes_and_replacements(world):
    await blocks(world)
    await carve(world, "gone", 16)
    path = await carve(world, "a")
    await world.delete(f"{POOL}/ip-subnets/gone")
    world.clock.advance(1)
    body = await world.get(path)
    await world.put(path, {key: value for key, value in body.items() if key != "cidr"} | {"description": "x"})
    world.clock.advance(1)
    assert (await attributes(world, path))["cidr"] == (await world.get(path))["cidr"] == "10.0.0.16/28"


async def test_a_subnet_begins_where_it_asked_to(world):
    await blocks(world)
    path = await carve(world, "a", start_ip="10.0.0.32")
    assert (await attributes(world, path))["cidr"] == "10.0.0.32/28"
    assert (await attributes(world, await carve(world, "b", 32)))["cidr"] == "10.0.0.0/27"


@pytest.mark.parametrize(
    ("start", "code"), [("10.0.0.0", 500105), ("10.0.0.24", 500013), ("10.0.0.64", 500013), ("10.9.0.0", 500013)]
)
async def test_a_beginning_that_cannot_be_had_is_an_alarm(world, start, code):
    await blocks(world)
    await carve(world, "first", 16)
    assert await alarm(world, await carve(world, "a", start_ip=start)) == code


async def test_a_full_block_is_an_alarm_until_it_is_asked_again(world):
    await blocks(world)
    await carve(world, "all", 64)
    path = await carve(world, "a")
    assert await alarm(world, path) == 8212
    await world.delete(f"{POOL}/ip-subnets/all")
    world.clock.advance(1)
    assert await alarm(world, path) == 8212
    await world.patch(path, {"description": "again"})
    world.clock.advance(1)
    assert (await attributes(world, path))["cidr"] == "10.0.0.0/28"


async def test_a_network_is_held_until_its_subnet_is_really_gone(world):
    world.sim.settings.change({"delete_lag_s": 30.0})
    await blocks(world)
    await world.delete(await carve(world, "all", 64))
    assert await alarm(world, await carve(world, "early")) == 8212
    world.clock.advance(30)
    assert (await attributes(world, await carve(world, "late")))["cidr"] == "10.0.0.0/28"


async def test_excluded_addresses_are_never_given(world):
    await blocks(world, excluded_ips=[{"start": "10.0.0.3", "end": "10.0.0.3"}])
    assert (await attributes(world, await carve(world, "a")))["cidr"] == "10.0.0.16/28"


async def test_a_block_does_not_shrink_below_its_subnets_nor_goes_before_them(world):
    await blocks(world)
    path = await carve(world, "a", start_ip="10.0.0.32")
    status, code, text = await world.refused("PATCH", BLOCK, {"cidr": "10.0.0.0/27"})
    assert (status, code) == (400, 500013)
    assert path in text
    assert (await world.refused("DELETE", BLOCK))[:2] == (400, 500030)
    await world.patch(BLOCK, {"cidr": "10.0.0.0/25"})
    await world.delete(path)
    await world.delete(BLOCK)


async def test_a_block_tells_what_is_used_and_free(world):
    await blocks(world, cidrs=["10.1.0.0/28"])
    path = await carve(world, "a", start_ip="10.0.0.16")
    said = await world.get(f"{BLOCK}/usage")
    assert problems_of("IpAddressBlockUsage", said) == []
    assert said["used_ip_ranges"] == ["10.0.0.16-10.0.0.31"]
    assert said["available_ip_ranges"] == ["10.0.0.0-10.0.0.15", "10.0.0.32-10.0.0.63", "10.1.0.0-10.1.0.15"]
    assert (said["used_ips_count"], said["available_ips_count"], said["overall_ips_count"]) == ("16", "64", "80")
    assert [each["available_ips_count"] for each in said["cidr_usage"]] == ["48", "16"]
    assert (await world.get(f"{BLOCK}/available-subnets", mask=28)) == {"free_subnets": "4"}
    state = await world.get(f"{BLOCK}/allocation-state")
    assert problems_of("IpAddressBlockAllocationState", state) == []
    assert state["allocation_states"] == [{"cidr": "10.0.0.16/28", "allocation_path": path}]
    assert said in (await world.get("/infra/ip-blocks/usage"))["results"]
    assert state in (await world.get("/infra/ip-blocks/allocation-state"))["results"]


async def test_static_subnets_of_a_pool_do_not_overlap(world):
    await static(world)
    body = {"cidr": "192.0.2.128/25", "allocation_ranges": [{"start": "192.0.2.200", "end": "192.0.2.201"}]}
    refused = await world.refused(
        "PATCH", f"{POOL}/ip-subnets/t", {"resource_type": "IpAddressPoolStaticSubnet", **body}
    )
    assert refused[:2] == (400, 500105)


async def test_a_pool_that_minds_others_is_an_alarm_where_it_overlaps_them(world):
    await world.patch(POOL, {"check_overlap_with_existing_pools": True})
    body = {"cidr": "198.51.100.0/25", "allocation_ranges": [{"start": "198.51.100.2", "end": "198.51.100.3"}]}
    await world.patch(f"{POOL}/ip-subnets/s", {"resource_type": "IpAddressPoolStaticSubnet", **body})
    world.clock.advance(1)
    assert await alarm(world, f"{POOL}/ip-subnets/s") == 500105
    assert (await usage(world))["total_ips"] == 0


async def test_an_allocation_gets_the_first_free_address(world):
    await static(world, gateway_ip="192.0.2.10")
    path = await allocate(world, "a")
    assert await attributes(world, path) == {"allocation_ip": "192.0.2.11"}
    body = await world.get(path)
    assert problems_of("IpAddressAllocation", body) == []
    assert (body["allocation_ip"], body["allocated_ip"], body["_revision"]) == ("192.0.2.11", "192.0.2.11", 0)
    assert problems_of("PolicyPoolUsage", await usage(world)) == []
    assert await usage(world) == {
        "total_ips": 2, "requested_ip_allocations": 1, "allocated_ip_allocations": 1, "available_ips": 1,
    }  # fmt: skip


async def test_an_allocation_gets_the_address_it_asked_for_and_keeps_it(world):
    await static(world)
    path = await allocate(world, "a", allocation_ip="192.0.2.12")
    assert await attributes(world, path) == {"allocation_ip": "192.0.2.12"}
    assert (await world.refused("PATCH", path, {"allocation_ip": "192.0.2.11"}))[:2] == (400, 500016)
    await world.patch(path, {"description": "x"})
    world.clock.advance(1)
    assert await attributes(world, path) == {"allocation_ip": "192.0.2.12"}


async def test_a_taken_or_foreign_address_is_an_alarm(world):
    await static(world)
    await allocate(world, "a", allocation_ip="192.0.2.12")
    assert await alarm(world, await allocate(world, "b", allocation_ip="192.0.2.12")) == 5141
    assert await alarm(world, await allocate(world, "c", allocation_ip="192.0.2.77")) == 500013
    assert (await usage(world))["requested_ip_allocations"] == 3


async def test_an_exhausted_pool_is_an_alarm(world):
    await static(world)
    for name in "abc":
        await attributes(world, await allocate(world, name))
    assert await alarm(world, await allocate(world, "d")) == 8212


async def test_a_released_address_is_not_given_again_at_once(world):
    await static(world, last="192.0.2.10")
    path = await allocate(world, "a")
    await world.delete(path)
    world.clock.advance(1)
    assert await alarm(world, await allocate(world, "b")) == 8212
    assert await alarm(world, await allocate(world, "c", allocation_ip="192.0.2.10")) == 5141
    assert (await usage(world))["allocated_ip_allocations"] == 1
    world.clock.advance(RELEASE_S)
    assert await usage(world) == {
        "total_ips": 1, "requested_ip_allocations": 2, "allocated_ip_allocations": 0, "available_ips": 1,
    }  # fmt: skip
    assert await attributes(world, await allocate(world, "d")) == {"allocation_ip": "192.0.2.10"}


async def test_the_release_delay_is_the_pools_or_the_settings(world):
    await static(world, last="192.0.2.10")
    await world.patch(POOL, {"ip_release_delay": 0})
    await world.delete(await allocate(world, "a"))
    world.clock.advance(1)
    await attributes(world, await allocate(world, "b"))
    world.sim.settings.change({"ip_release_s": 5.0})
    await world.delete(f"{POOL}/ip-allocations/b")
    world.clock.advance(1)
    assert await alarm(world, await allocate(world, "c")) == 8212
    world.clock.advance(5)
    await attributes(world, await allocate(world, "d"))


async def test_a_carved_subnet_gives_addresses_but_not_its_own_three(world):
    await blocks(world)
    await carve(world, "a", 4)
    await carve(world, "b", 4, auto_assign_gateway=False)
    found = [(await attributes(world, await allocate(world, name)))["allocation_ip"] for name in "abc"]
    assert found == ["10.0.0.2", "10.0.0.5", "10.0.0.6"]
    assert await alarm(world, await allocate(world, "d")) == 8212


async def test_pool_subnet_and_allocation_may_come_in_one_request(world):
    ranges = [{"start": "192.0.2.10", "end": "192.0.2.10"}]
    subnet = {
        "resource_type": "IpAddressPoolStaticSubnet", "id": "s", "cidr": "192.0.2.0/24", "allocation_ranges": ranges
    }  # fmt: skip
    children = [
        {"resource_type": "ChildIpAddressAllocation", "IpAddressAllocation": {"id": "a"}},
        {"resource_type": "ChildIpAddressPoolSubnet", "IpAddressPoolSubnet": subnet},
    ]
    pool = {"id": "p", "resource_type": "IpAddressPool", "children": children}
    wrapper = {"resource_type": "ChildIpAddressPool", "IpAddressPool": pool}
    await world.patch("/infra", {"resource_type": "Infra", "children": [wrapper]})
    world.clock.advance(1)
    assert await attributes(world, f"{POOL}/ip-allocations/a") == {"allocation_ip": "192.0.2.10"}
    await world.patch("/infra", {"resource_type": "Infra", "children": [wrapper | {"marked_for_delete": True}]})
    world.clock.advance(1)
    assert (await world.ask("GET", POOL)).status_code == 404


async def test_an_impatient_manager_exhausts_what_comes_before_its_subnet(world):
    world.sim.settings.change({"allocations_wait": False})
    await world.patch(POOL)
    assert await alarm(world, await allocate(world, "a")) == 8212


async def test_pools_and_subnets_stay_while_addresses_are_held(world):
    subnet = await static(world)
    path = await allocate(world, "a")
    assert (await world.refused("DELETE", POOL))[:2] == (400, 500030)
    status, code, text = await world.refused("DELETE", subnet)
    assert (status, code) == (400, 500030)
    assert path in text
    shrunk = {"allocation_ranges": [{"start": "192.0.2.11", "end": "192.0.2.12"}]}
    assert (await world.refused("PATCH", subnet, shrunk))[:2] == (400, 500013)
    await world.delete(path)
    await world.delete(subnet)
    await world.delete(POOL)


async def test_what_is_held_survives_a_restart(world):
    await blocks(world)
    carved = await carve(world, "a", start_ip="10.0.0.16")
    first = await allocate(world, "first")
    kept = await allocate(world, "kept")
    await world.delete(first)
    world.clock.advance(1)
    clock = VirtualClock(world.clock.now())
    again = Cluster(clock=clock, seeds=store.NOTHING)
    store.restore(again, store.state(world.cluster))
    clock.advance(1)
    ipam = again.sim.rooms["ipam"]
    assert {path: spans.cidr_of(span) for path, span in ipam.carved.items()} == {carved: "10.0.0.16/28"}
    assert again.sim.realisation.entities(kept)[0]["extended_attributes"][0]["values"] == ["10.0.0.19"]
    assert ipam.usage(POOL)["allocated_ip_allocations"] == 2
    clock.advance(RELEASE_S)
    assert ipam.usage(POOL)["allocated_ip_allocations"] == 1


def test_networks_of_large_blocks_are_found_at_once():
    space = spans.of_cidr("2001:db8::/32")
    taken = [spans.of_cidr("2001:db8::/64")]
    (first, count), *_ = spans.fits(spans.without([space], taken), 1 << 64)
    assert (spans.cidr_of(first), count) == ("2001:db8:0:1::/64", (1 << 32) - 1)
