"""What is accepted is realised a while later. Reference 5.6."""

PATH = "/infra/segments/s"


async def _entities(world, path=PATH):
    return (await world.get("/infra/realized-state/realized-entities", intent_path=path))["results"]


async def _status(world, path=PATH):
    said = await world.get("/infra/realized-state/status", intent_path=path)
    return said["consolidated_status"]["consolidated_status"], said["publish_status"]


async def test_realisation_begins_empty_goes_on_and_is_done(world):
    await world.patch(PATH)
    assert await _entities(world) == []
    assert await _status(world) == ("UNINITIALIZED", "UNREALIZED")
    world.clock.advance(0.06)
    (entity,) = await _entities(world)
    assert (entity["state"], entity["entity_type"], entity["intent_paths"]) == (
        "UNREALIZED",
        "RealizedLogicalSwitch",
        [PATH],
    )
    assert await _status(world) == ("IN_PROGRESS", "UNREALIZED")
    world.clock.advance(0.2)
    (entity,) = await _entities(world)
    assert (entity["state"], entity["publish_status"], entity["alarms"]) == ("REALIZED", "REALIZED", [])
    assert await _status(world) == ("SUCCESS", "REALIZED")
    assert (await world.get(f"{PATH}/state"))["state"] == "success"


async def test_a_change_is_realised_anew_as_the_same_entity(world):
    await world.patch(PATH)
    world.clock.advance(1)
    (before,) = await _entities(world)
    await world.patch(PATH, {"description": "x"})
    (during,) = await _entities(world)
    assert during["state"] == "UNREALIZED"
    world.clock.advance(1)
    (after,) = await _entities(world)
    assert (after["state"], after["id"]) == ("REALIZED", before["id"])


async def test_an_error_on_demand_is_an_alarm_until_the_next_change(world):
    fault = {"effect": "realization-error", "path": "^/infra/segments/s$", "code": 8212, "message": "no more"}
    await world.ask("POST", "/_sim/faults", fault)
    await world.patch(PATH)
    world.clock.advance(1)
    (entity,) = await _entities(world)
    assert entity["state"] == "ERROR"
    assert entity["alarms"][0]["error_details"]["error_code"] == 8212
    assert await _status(world) == ("ERROR", "ERROR")
    assert (await world.get(f"{PATH}/state"))["state"] == "failed"
    await world.patch(PATH, {"description": "again"})
    world.clock.advance(1)
    assert await _status(world) == ("SUCCESS", "REALIZED")


async def test_synchronous_realisation_is_done_at_once(world):
    await world.patch("/infra/ip-pools/p", {"sync_realization": True})
    assert [each["state"] for each in await _entities(world, "/infra/ip-pools/p")] == ["REALIZED"]


async def test_the_gone_has_no_entities_and_the_unheard_none_either(world):
    await world.patch(PATH)
    world.clock.advance(1)
    await world.delete(PATH)
    assert len(await _entities(world)) == 1
    world.clock.advance(1)
    assert await _entities(world) == []
    assert (await world.refused("GET", "/infra/realized-state/status", intent_path=PATH))[0] == 404
    assert (await world.refused("GET", "/infra/realized-state/realized-entities"))[0] == 400


async def test_no_lag_means_realised_and_gone_at_once(world):
    lags = ("realize_start_lag_s", "realize_lag_s", "delete_lag_s", "search_lag_s")
    world.cluster.settings.change(dict.fromkeys(lags, 0.0))
    await world.patch(PATH)
    await world.patch(f"{PATH}/ports/p")
    assert (await _entities(world))[0]["state"] == "REALIZED"
    await world.delete(PATH, force="true")
    assert PATH not in world.sim.tree.nodes
    assert f"{PATH}/ports/p" not in world.sim.tree.nodes
    assert (await world.get("/search/query", query="resource_type:SegmentPort"))["result_count"] == 0
    await world.patch(PATH)


async def test_a_gateways_state_follows_its_realisation(world):
    path = await world.gateway()
    assert (await world.get(f"{path}/state"))["tier1_state"]["state"] == "pending"
    world.clock.advance(1)
    assert (await world.get(f"{path}/state"))["tier1_state"]["state"] == "success"


async def test_nat_without_an_edge_cluster_is_not_ready_until_there_is_one(world):
    await world.patch("/infra/tier-1s/t")
    rule = "/infra/tier-1s/t/nat/USER/nat-rules/r"
    await world.patch(rule, {"action": "SNAT", "source_network": "10.0.0.0/24", "translated_network": "192.0.2.9"})
    world.clock.advance(1)
    (entity,) = await _entities(world, rule)
    assert (entity["state"], entity["alarms"][0]["error_details"]["error_code"]) == ("ERROR", 500042)
    alarms = (await world.get("/infra/realized-state/alarms"))["results"]
    assert [each["source_reference"] for each in alarms] == [rule]
    await world.gateway("t")
    world.clock.advance(1)
    assert [each["state"] for each in await _entities(world, rule)] == ["REALIZED"]
    assert (await world.get("/infra/realized-state/alarms"))["results"] == []
