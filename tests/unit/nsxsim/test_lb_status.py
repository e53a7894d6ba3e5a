"""Load balancers tell how their virtual servers, pools and members are. Reference 5.2."""

import asyncio
import socket
from contextlib import suppress

from tests.nsxsim.forward import Forwarder
from tests.support.nsxmodels import problems_of

LB = "/infra/lb-services/lb"
POOL = "/infra/lb-pools/p"
SERVER = "/infra/lb-virtual-servers/v"
TCP = "/infra/lb-app-profiles/default-tcp-lb-app-profile"
BOTH = ({"ip_address": "10.0.0.5", "port": "80"}, {"ip_address": "10.0.0.6", "port": "80"})


async def balancer(world, members=BOTH, **pool):
    await world.patch(LB, {"connectivity_path": await world.gateway()})
    await world.patch(POOL, pool or {"members": list(members)})
    server = {"ip_address": "10.9.9.9", "ports": ["8080"], "application_profile_path": TCP}
    await world.patch(SERVER, {**server, "lb_service_path": LB, "pool_path": POOL})
    world.clock.advance(1)


async def pool(world):
    said = await world.get(f"{LB}/lb-pools/p/detailed-status")
    assert problems_of("AggregateLBPoolStatus", said) == []
    assert said["intent_path"] == POOL
    (found,) = said["results"]
    assert problems_of("LBPoolStatus", found) == []
    return found["status"], [each["status"] for each in found["members"]]


async def server(world):
    said = await world.get(f"{LB}/lb-virtual-servers/v/detailed-status")
    assert problems_of("AggregateLBVirtualServerStatus", said) == []
    (found,) = said["results"]
    assert problems_of("LBVirtualServerStatus", found) == []
    return found["status"]


async def service(world):
    said = await world.get(f"{LB}/detailed-status")
    assert problems_of("AggregateLBServiceStatus", said) == []
    (found,) = said["results"]
    assert problems_of("LBServiceStatus", found) == []
    return found


async def say(world, address, *, up):
    assert (await world.ask("PATCH", f"/_sim/members/{address}", {"up": up})).status_code == 200


async def test_enabled_members_are_up(world):
    await balancer(world)
    assert await pool(world) == ("UP", ["UP", "UP"])
    assert await server(world) == "UP"
    found = await service(world)
    assert (found["service_status"], found["active_transport_nodes"]) == ("UP", ["edge-1"])
    assert [each["status"] for each in (*found["virtual_servers"], *found["pools"])] == ["UP", "UP"]


async def test_a_member_that_is_down_makes_the_pool_partially_up_and_then_down(world):
    await balancer(world)
    await say(world, "10.0.0.5:80", up=False)
    assert await pool(world) == ("PARTIALLY_UP", ["DOWN", "UP"])
    assert await server(world) == "PARTIALLY_UP"
    await say(world, "10.0.0.6", up=False)
    assert await pool(world) == ("DOWN", ["DOWN", "DOWN"])
    assert (await service(world))["service_status"] == "UP"
    await say(world, "10.0.0.5:80", up=True)
    assert await pool(world) == ("PARTIALLY_UP", ["UP", "DOWN"])


async def test_backups_stand_in_for_primary_members(world):
    await balancer(world, members=(BOTH[0], BOTH[1] | {"backup_member": True}))
    assert await pool(world) == ("UP", ["UP", "UP"])
    await say(world, "10.0.0.5", up=False)
    assert await pool(world) == ("PRIMARY_DOWN", ["DOWN", "UP"])


async def test_disabled_members_do_not_count(world):
    await balancer(world, members=(BOTH[0] | {"admin_state": "DISABLED"}, BOTH[1]))
    assert await pool(world) == ("UP", ["DISABLED", "UP"])
    await say(world, "10.0.0.6", up=False)
    assert await pool(world) == ("DOWN", ["DISABLED", "DOWN"])


async def test_what_is_off_or_unattached_says_so(world):
    await balancer(world)
    await world.patch(SERVER, {"enabled": False})
    assert await server(world) == "DISABLED"
    assert (await pool(world))[1] == ["UNKNOWN", "UNKNOWN"]
    body = await world.get(SERVER)
    await world.put(SERVER, {key: value for key, value in body.items() if key != "lb_service_path"})
    assert await server(world) == "DETACHED"
    assert (await pool(world))[0] == "DETACHED"
    await world.patch(LB, {"enabled": False})
    assert (await service(world))["service_status"] == "DISABLED"


async def test_a_load_balancer_without_edges_is_in_error(world):
    await world.patch("/infra/tier-1s/bare", {"tier0_path": "/infra/tier-0s/tier-0"})
    await world.patch(LB, {"connectivity_path": "/infra/tier-1s/bare"})
    world.clock.advance(1)
    found = await service(world)
    assert found["service_status"] == "ERROR"
    assert "edge cluster" in found["error_message"]


async def test_members_of_a_group_are_its_addresses_up_to_the_limit(world):
    group = "/infra/domains/default/groups/g"
    addresses = [{"resource_type": "IPAddressExpression", "ip_addresses": ["10.0.0.7", "10.0.0.5", "10.0.0.6"]}]
    await world.patch(group, {"expression": addresses})
    await balancer(world, member_group={"group_path": group, "port": 80, "max_ip_list_size": 2})
    assert await pool(world) == ("UP", ["UP", "UP", "UNUSED"])
    (found,) = (await world.get(f"{LB}/lb-pools/p/detailed-status"))["results"]
    assert [each["ip_address"] for each in found["members"]] == ["10.0.0.5", "10.0.0.6", "10.0.0.7"]


async def test_usage_is_the_fullest_of_servers_pools_and_members(world):
    await balancer(world, members=[{"ip_address": f"10.0.{n // 250}.{n % 250}", "port": "80"} for n in range(270)])
    said = await world.get(f"{LB}/service-usage")
    assert problems_of("AggregateLBServiceUsage", said) == []
    (found,) = said["results"]
    assert problems_of("LBServiceUsage", found) == []
    assert (found["current_pool_member_count"], found["pool_member_capacity"]) == (270, 300)
    assert (found["usage_percentage"], found["severity"]) == (90.0, "RED")


async def test_a_forwarder_knows_which_members_it_could_not_reach(world):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shut = str(free.getsockname()[1])
    await balancer(world, members=({"ip_address": "127.0.0.1", "port": shut},))
    await world.patch(SERVER, {"ip_address": "127.77.0.1", "ports": [shut]})
    forwarder = Forwarder(world.sim)
    await forwarder.start()
    try:
        assert await pool(world) == ("UP", ["UP"])
        reader, writer = await asyncio.open_connection("127.77.0.1", int(shut))
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert await pool(world) == ("DOWN", ["DOWN"])
    finally:
        await forwarder.close()


async def test_absent_ones_are_not_found(world):
    await balancer(world)
    for path in ("/infra/lb-services/x/detailed-status", f"{LB}/lb-pools/x/detailed-status", f"{LB}x/service-usage"):
        assert (await world.refused("GET", path))[:2] == (404, 600)
