"""Hierarchical writes are one transaction. Reference 5.8."""

from tests.unit.nsxsim.conftest import EDGES


def _gateway(name="t", **more):
    services = {"id": "default", "resource_type": "LocaleServices", "edge_cluster_path": EDGES}
    inner = {"resource_type": "ChildLocaleServices", "LocaleServices": services}
    body = {"id": name, "resource_type": "Tier1", "tier0_path": "/infra/tier-0s/tier-0", "children": [inner], **more}
    return {"resource_type": "ChildTier1", "Tier1": body}


def _segment(name="s", gateway="/infra/tier-1s/t", address="10.0.0.1/24"):
    body = {"id": name, "connectivity_path": gateway, "subnets": [{"gateway_address": address}]}
    return {"resource_type": "ChildSegment", "Segment": body}


def _infra(*children):
    return {"resource_type": "Infra", "children": list(children)}


def _doomed(wrapper):
    return {**wrapper, "marked_for_delete": True}


async def test_a_tree_is_written_at_once_in_any_order(world):
    await world.patch("/infra", _infra(_segment(), _gateway()))
    assert (await world.get("/infra/segments/s"))["connectivity_path"] == "/infra/tier-1s/t"
    assert (await world.get("/infra/tier-1s/t/locale-services/default"))["edge_cluster_path"] == EDGES


async def test_a_failure_leaves_nothing_and_names_the_path(world):
    before = set(world.sim.tree.nodes)
    reply = await world.ask("PATCH", "/infra", _infra(_gateway(), _segment(gateway="/infra/tier-1s/no")))
    assert reply.status_code == 400
    related = reply.json()["related_errors"]
    assert related[0]["error_code"] == 500012
    assert "/infra/segments/s" in related[0]["details"]
    assert set(world.sim.tree.nodes) == before
    assert world.sim.tree.users(EDGES) == {"/infra/tier-0s/tier-0/locale-services/default"}


async def test_a_marked_branch_goes_with_all_below_it(world):
    await world.patch("/infra", _infra(_gateway(), _segment()))
    rule = {"action": "SNAT", "source_network": "10.0.0.0/24", "translated_network": "192.0.2.9"}
    await world.patch("/infra/tier-1s/t/nat/USER/nat-rules/r", rule)
    await world.patch("/infra", _infra(_doomed(_gateway()), _doomed(_segment())))
    world.clock.advance(1)
    assert not [path for path in world.sim.tree.nodes if path.startswith(("/infra/tier-1s/t/", "/infra/segments/s/"))]
    assert (await world.refused("GET", "/infra/tier-1s/t"))[0] == 404


async def test_a_branch_in_use_outside_the_request_stays(world):
    await world.patch("/infra", _infra(_gateway(), _segment()))
    reply = await world.ask("PATCH", "/infra", _infra(_doomed(_gateway())))
    assert reply.status_code == 400
    assert reply.json()["related_errors"][0]["error_code"] == 500030
    assert (await world.get("/infra/tier-1s/t"))["marked_for_delete"] is False


async def test_a_marked_absent_branch_is_done(world):
    await world.patch("/infra", _infra(_doomed(_gateway("never"))))


async def test_a_reference_descends_without_touching(world):
    group = {"resource_type": "ChildGroup", "Group": {"id": "g", "resource_type": "Group"}}
    down = {"resource_type": "ChildResourceReference", "id": "default", "target_type": "Domain", "children": [group]}
    before = world.sim.tree.get("/infra/domains/default")
    await world.patch("/infra", _infra(down))
    assert world.sim.tree.get("/infra/domains/default") is before
    assert (await world.get("/infra/domains/default/groups/g"))["id"] == "g"
    reply = await world.ask("PATCH", "/infra", _infra({**down, "id": "nowhere"}))
    assert reply.status_code == 400


async def test_revisions_are_looked_at_when_asked(world):
    await world.patch("/infra", _infra(_gateway()))
    body = _infra(_gateway(description="x"))
    reply = await world.ask("PATCH", "/infra", body, enforce_revision_check="true")
    assert reply.status_code == 412
    body["children"][0]["Tier1"]["_revision"] = 0
    body["children"][0]["Tier1"]["children"] = []
    await world.patch("/infra", body, enforce_revision_check="true")
    body["children"][0]["Tier1"]["description"] = "y"
    await world.patch("/infra", body)


async def test_a_tree_is_read_back_by_type(world):
    await world.patch("/infra", _infra(_gateway()))
    tree = await world.get("/infra", type_filter="LocaleServices", base_path="/infra/tier-1s/t")
    (gateway,) = tree["children"]
    assert [each["LocaleServices"]["id"] for each in gateway["Tier1"]["children"]] == ["default"]
    tree = await world.get("/infra", type_filter="Tier1")
    assert "ChildTier1" in {each["resource_type"] for each in tree["children"]}
    assert "ChildSegment" not in {each["resource_type"] for each in tree["children"]}


async def test_too_many_intents_are_refused(world):
    world.cluster.settings.change({"hapi_intents_max": 1})
    reply = await world.ask("PATCH", "/infra", _infra(_gateway()))
    assert reply.status_code == 400


async def test_nonsense_wrappers_are_refused(world):
    for wrapper in ({"resource_type": "ChildNothing"}, {"resource_type": "ChildTier1"}, {"Tier1": {}}, 5):
        reply = await world.ask("PATCH", "/infra", _infra(wrapper))
        assert reply.status_code == 400
