"""Limits, and faults on demand. Reference 5.4."""

import asyncio

import pytest

from tests.nsxsim.faults import ERRORS


async def _fault(world, **said):
    reply = await world.ask("POST", "/_sim/faults", said)
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


async def test_a_users_requests_above_the_rate_are_refused_and_fill_up_again(world):
    world.cluster.settings.change({"rate_per_s": 3})
    for _ in range(3):
        await world.get("/infra/tier-1s")
    assert (await world.refused("GET", "/infra/tier-1s"))[0] == 429
    assert (await world.as_user("ncp").get("/policy/api/v1/infra/tier-1s")).status_code == 200
    world.clock.advance(0.4)
    await world.get("/infra/tier-1s")
    assert (await world.refused("GET", "/infra/tier-1s"))[0] == 429


async def test_too_many_at_once_are_refused(world):
    world.cluster.settings.change({"in_flight_max": 2, "latency_s": 0.02})
    replies = await asyncio.gather(*(world.ask("GET", "/infra/tier-1s") for _ in range(5)))
    assert sorted(each.status_code for each in replies) == [200, 200, 429, 429, 429]


async def test_an_overloaded_cluster_says_503(world):
    world.cluster.settings.change({"overload_in_flight_max": 1, "latency_s": 0.02})
    replies = await asyncio.gather(*(world.ask("GET", "/infra/tier-1s") for _ in range(2)))
    assert sorted(each.status_code for each in replies) == [200, 503]


@pytest.mark.parametrize("name", sorted(ERRORS))
async def test_each_error_of_the_list_comes_before_anything_is_done(world, name):
    await _fault(world, method="PATCH", path="/tier-1s/t$", error=name)
    status, code, _ = await world.refused("PATCH", "/infra/tier-1s/t", {})
    assert (status, code) == ERRORS[name][:2]
    assert (await world.refused("GET", "/infra/tier-1s/t"))[0] == 404
    await world.patch("/infra/tier-1s/t")


async def test_a_fault_waits_for_its_turn_and_ends(world):
    await _fault(world, path="/tier-1s$", error="overloaded", nth=2, count=2)
    statuses = [(await world.ask("GET", "/infra/tier-1s")).status_code for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    assert (await world.ask("GET", "/_sim/faults")).json()["faults"][0]["fired"] == 2


async def test_a_fault_can_be_taken_back_and_can_be_for_ever(world):
    made = await _fault(world, path="/tier-1s$", error="aborted", count=0)
    for _ in range(3):
        assert (await world.refused("GET", "/infra/tier-1s"))[:2] == (500, 607)
    await world.ask("DELETE", f"/_sim/faults/{made}")
    await world.get("/infra/tier-1s")


async def test_a_lost_reply_is_of_a_request_that_was_carried_out(world):
    await _fault(world, method="PUT", effect="lost")
    with pytest.raises(ConnectionResetError):
        await world.ask("PUT", "/infra/tier-1s/t", {})
    assert (await world.get("/infra/tier-1s/t"))["_revision"] == 0
    assert [each["lost"] for each in world.cluster.calls.kept] == [True, False]


async def test_related_errors_and_retry_after_can_be_asked_for(world):
    await _fault(world, status=400, code=287, related=[{"status": 400, "code": 500045}], retry_after_s=2)
    reply = await world.ask("GET", "/infra/tier-1s")
    assert reply.json()["related_errors"][0]["error_code"] == 500045
    assert reply.headers["retry-after"] == "2"


async def test_sessions_expire_on_demand(world):
    client = world.as_user(None)
    reply = await client.post("/api/session/create", data={"j_username": "admin", "j_password": "admin"})
    headers = {"X-XSRF-TOKEN": reply.headers["x-xsrf-token"]}
    await _fault(world, effect="expire-sessions", path="/tier-1s$")
    refused = await client.get("/policy/api/v1/infra/tier-1s", headers=headers)
    assert (refused.status_code, refused.json()["error_code"]) == (403, 98)


async def test_a_manager_can_be_down_while_another_serves(world):
    other = world.as_user("admin", manager=1)
    await world.ask("PATCH", "/_sim/managers/0", {"up": False})
    with pytest.raises(ConnectionResetError):
        await world.get("/infra/tier-1s")
    assert (await other.get("/policy/api/v1/infra/tier-1s")).status_code == 200
    await world.ask("PATCH", "/_sim/managers/0", {"up": True})
    await world.get("/infra/tier-1s")


@pytest.mark.parametrize("said", [{"effect": "earthquake"}, {"error": "unheard"}, {"path": "("}, {"colour": "red"}])
async def test_a_senseless_fault_is_refused(world, said):
    assert (await world.ask("POST", "/_sim/faults", said)).status_code == 400


async def test_calls_are_counted_and_reset(world):
    await world.get("/infra/tier-1s", page_size=5)
    await world.refused("GET", "/infra/tier-1s/none")
    said = (await world.ask("GET", "/_sim/calls")).json()
    assert said["by_status"] == {"200": 1, "404": 1}
    first = said["calls"][0]
    assert (first["method"], first["path"], first["query"], first["user"], first["manager"]) == (
        "GET",
        "/policy/api/v1/infra/tier-1s",
        "page_size=5",
        "admin",
        0,
    )
    await world.ask("DELETE", "/_sim/calls")
    assert (await world.ask("GET", "/_sim/calls")).json()["count"] == 0


async def test_settings_are_shown_changed_and_kept_sensible(world):
    assert (await world.ask("PATCH", "/_sim/settings", {"delete_lag_s": 2})).json()["delete_lag_s"] == 2.0
    for wrong in ({"delete_lag_s": "long"}, {"unheard": 1}, {"rate_per_s": True}):
        assert (await world.ask("PATCH", "/_sim/settings", wrong)).status_code == 400
    assert (await world.ask("GET", "/_sim/settings")).json()["delete_lag_s"] == 2.0


async def test_the_state_is_shown(world):
    assert "/infra/tier-0s/tier-0" in (await world.ask("GET", "/_sim/state")).json()["objects"]
