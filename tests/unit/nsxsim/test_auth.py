"""Who may ask, and whose things they are. Reference 5.5."""

import httpx
import pytest

from tests.nsxsim import tls
from tests.nsxsim.app import App
from tests.nsxsim.auth import der_of

VERSION = "/api/v1/node/version"


async def _login(client, name="admin", password="admin"):
    return await client.post("/api/session/create", data={"j_username": name, "j_password": password})


async def test_without_credentials_nothing_is_said(world):
    assert (await world.as_user(None).get(VERSION)).status_code == 401


async def test_a_session_needs_its_cookie_and_its_token(world):
    client = world.as_user(None)
    reply = await _login(client)
    token = reply.headers["x-xsrf-token"]
    assert (await client.get(VERSION, headers={"X-XSRF-TOKEN": token})).status_code == 200
    for headers in ({}, {"X-XSRF-TOKEN": "wrong"}):
        refused = await client.get(VERSION, headers=headers)
        assert (refused.status_code, refused.json()["error_code"]) == (403, 98)


async def test_an_idle_session_expires_and_use_keeps_it(world):
    client = world.as_user(None)
    headers = {"X-XSRF-TOKEN": (await _login(client)).headers["x-xsrf-token"]}
    for _ in range(3):
        world.clock.advance(1700)
        assert (await client.get(VERSION, headers=headers)).status_code == 200
    world.clock.advance(1801)
    refused = await client.get(VERSION, headers=headers)
    assert (refused.status_code, refused.json()["error_code"]) == (403, 98)


async def test_a_destroyed_session_is_gone(world):
    client = world.as_user(None)
    headers = {"X-XSRF-TOKEN": (await _login(client)).headers["x-xsrf-token"]}
    assert (await client.post("/api/session/destroy", headers=headers)).status_code == 200
    assert (await client.get(VERSION, headers=headers)).status_code == 403


async def test_basic_beside_a_session_works(world):
    client = world.as_user("admin")
    await _login(client)
    assert (await client.get(VERSION)).status_code == 200
    world.cluster.auth.expire_all()
    assert (await client.get(VERSION)).status_code == 200


async def test_wrong_passwords_lock_an_account_for_a_while(world):
    client = world.as_user(None)
    for _ in range(5):
        refused = await _login(client, password="guess")
        assert (refused.status_code, refused.json()["error_code"]) == (403, 403)
    assert (await _login(client)).status_code == 403
    assert (await world.as_user("ncp").get(VERSION)).status_code == 200
    world.clock.advance(901)
    assert (await _login(client)).status_code == 200


async def test_an_auditor_only_reads(world):
    client = world.as_user("reader")
    assert (await client.get("/policy/api/v1/infra/tier-1s")).status_code == 200
    assert (await client.patch("/policy/api/v1/infra/tier-1s/t", json={})).status_code == 403


@pytest.fixture
async def principal(world):
    """A client with a registered certificate; the pair of its id and the client."""
    pem, _ = tls.self_signed(["ncp"])
    reply = await world.ask(
        "POST",
        "/api/v1/trust-management/principal-identities/with-certificate",
        {"name": "pks", "node_id": "n", "role": "enterprise_admin", "certificate_pem": pem.decode()},
    )
    assert reply.status_code == 201
    app = App(world.cluster)

    async def with_certificate(scope, receive, send):
        await app({**scope, "nsxsim.peercert": der_of(pem.decode())}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_certificate), base_url="http://nsx") as client:
        yield reply.json()["id"], client


async def test_a_principals_objects_are_changed_by_others_only_with_the_header(world, principal):
    _, client = principal
    path = "/policy/api/v1/infra/tier-1s/t"
    assert (await client.patch(path, json={})).status_code == 200
    assert (await client.get(path)).json()["_protection"] == "NOT_PROTECTED"
    assert (await client.get(path)).json()["_create_user"] == "pks"
    assert (await world.get("/infra/tier-1s/t"))["_protection"] == "REQUIRE_OVERRIDE"
    assert (await world.refused("PATCH", "/infra/tier-1s/t", {"description": "x"}))[:2] == (403, 289)
    assert (await world.refused("DELETE", "/infra/tier-1s/t"))[:2] == (403, 289)
    above = world.as_user("admin", **{"X-Allow-Overwrite": "true"})
    assert (await above.patch(path, json={"description": "x"})).status_code == 200
    assert (await client.patch(path, json={"description": "y"})).status_code == 200
    assert (await above.delete(path)).status_code == 200


async def test_a_removed_principal_is_a_stranger(world, principal):
    made, client = principal
    base = "/api/v1/trust-management/principal-identities"
    assert (await world.ask("GET", f"{base}/{made}")).json()["name"] == "pks"
    assert (await world.ask("DELETE", f"{base}/{made}")).status_code == 200
    assert (await client.get(VERSION)).status_code == 401
    assert (await world.ask("GET", base)).json()["result_count"] == 0


async def test_one_certificate_serves_one_principal(world):
    pem = tls.self_signed(["x"])[0].decode()
    base = "/api/v1/trust-management"
    imported = (await world.ask("POST", f"{base}/certificates", {"pem_encoded": pem}, action="import")).json()
    body = {"name": "a", "node_id": "1", "certificate_id": imported["results"][0]["id"]}
    assert (await world.ask("POST", f"{base}/principal-identities", body)).status_code == 201
    again = await world.ask("POST", f"{base}/principal-identities", {**body, "name": "b"})
    assert again.status_code == 400
    assert (await world.ask("DELETE", f"{base}/certificates/{body['certificate_id']}")).status_code == 400
