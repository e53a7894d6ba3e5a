"""The managers over real sockets, TLS and the command itself."""

import json
import signal
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.nsxsim import server, tls
from tests.nsxsim.cluster import Cluster
from tests.nsxsim.settings import Settings

BASE = "/policy/api/v1"
ADMIN = ("admin", "admin")
HERE = ("127.0.0.1", 0)


@asynccontextmanager
async def managers(count=1, context=None):
    cluster = Cluster(settings=Settings(delete_lag_s=0.0), tls=context)
    running = await server.serve(cluster, [HERE] * count, context)
    try:
        yield cluster, [each.url for each in running]
    finally:
        for each in running:
            await each.end()


async def test_managers_of_a_cluster_share_their_state():
    async with managers(2) as (_, (one, two)), httpx.AsyncClient(auth=ADMIN) as client:
        assert (await client.patch(f"{one}{BASE}/infra/tier-1s/t", json={})).status_code == 200
        assert (await client.get(f"{two}{BASE}/infra/tier-1s/t")).status_code == 200


async def test_a_manager_switched_off_refuses_connections_until_it_is_on_again():
    async with managers(2) as (_, (one, two)), httpx.AsyncClient(auth=ADMIN) as client:
        assert (await client.patch(f"{two}/_sim/managers/0", json={"up": False})).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{one}{BASE}/infra/tier-1s")
        assert (await client.get(f"{two}{BASE}/infra/tier-1s")).status_code == 200
        await client.patch(f"{two}/_sim/managers/0", json={"up": True})
        assert (await client.get(f"{one}{BASE}/infra/tier-1s")).status_code == 200


async def test_a_lost_reply_is_a_dropped_connection():
    async with managers() as (cluster, (url,)), httpx.AsyncClient(auth=ADMIN) as client:
        cluster.faults.add({"effect": "lost", "method": "PATCH"})
        with pytest.raises(httpx.RemoteProtocolError):
            await client.patch(f"{url}{BASE}/infra/tier-1s/t", json={})
        assert (await client.get(f"{url}{BASE}/infra/tier-1s/t")).status_code == 200


async def test_a_refusing_manager_comes_back_by_itself():
    async with managers() as (cluster, (url,)), httpx.AsyncClient(auth=ADMIN) as client:
        cluster.faults.add({"effect": "refuse", "path": "/tier-1s$", "delay_s": 0.05})
        with pytest.raises(httpx.TransportError):
            await client.get(f"{url}{BASE}/infra/tier-1s")
        transport = httpx.AsyncHTTPTransport(retries=5)
        async with httpx.AsyncClient(auth=ADMIN, transport=transport) as again:
            assert (await again.get(f"{url}{BASE}/infra/tier-1s")).status_code == 200


@pytest.fixture
def certified(tmp_path):
    """A server's context, a client's that trusts it, and a client certificate."""
    pairs = {name: tls.self_signed(["127.0.0.1"]) for name in ("server", "client")}
    for name, (pem, key) in pairs.items():
        (tmp_path / f"{name}.pem").write_bytes(pem)
        (tmp_path / f"{name}.key").write_bytes(key)
    mine = tls.context(tmp_path / "server.pem", tmp_path / "server.key", None)
    theirs = ssl.create_default_context(cafile=tmp_path / "server.pem")
    theirs.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return mine, theirs, tmp_path


async def test_a_registered_certificate_logs_its_principal_in(certified):
    mine, theirs, folder = certified
    async with managers(context=mine) as (_, (url,)):
        async with httpx.AsyncClient(auth=ADMIN, verify=theirs) as admin:
            body = {"name": "pks", "node_id": "n", "certificate_pem": (folder / "client.pem").read_text()}
            made = await admin.post(f"{url}/api/v1/trust-management/principal-identities/with-certificate", json=body)
            assert made.status_code == 201
            cookie = await admin.post(f"{url}/api/session/create", data={"j_username": "admin", "j_password": "admin"})
            assert "Secure" in cookie.headers["set-cookie"]
        theirs.load_cert_chain(folder / "client.pem", folder / "client.key")
        async with httpx.AsyncClient(verify=theirs) as principal:
            await principal.patch(f"{url}{BASE}/infra/tier-1s/t", json={})
            assert (await principal.get(f"{url}{BASE}/infra/tier-1s/t")).json()["_create_user"] == "pks"


async def test_an_unknown_certificate_does_not_get_through(certified):
    mine, theirs, folder = certified
    theirs.load_cert_chain(folder / "client.pem", folder / "client.key")
    async with managers(context=mine) as (_, (url,)), httpx.AsyncClient(verify=theirs, auth=ADMIN) as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"{url}{BASE}/infra/tier-1s")


def _start(*args):
    made = subprocess.Popen(
        [sys.executable, "-m", "tests.nsxsim", "--stdin-exit", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return made, json.loads(made.stdout.readline())


def _end(made, *, by_signal):
    if by_signal:
        made.send_signal(signal.SIGTERM)
    _, errors = made.communicate(timeout=10)
    assert errors == b""
    assert made.returncode == 0


def test_state_outlives_the_command_and_so_do_its_deletes(tmp_path):
    args = ("--state", str(tmp_path / "state.json"), "--set", "delete_lag_s=30", "--user", "me:secret")
    made, ready = _start(*args)
    with httpx.Client(base_url=ready["urls"][0] + BASE, auth=("me", "secret")) as client:
        for name in ("stays", "goes"):
            assert client.patch(f"/infra/tier-1s/{name}", json={"description": name}).status_code == 200
        assert client.delete("/infra/tier-1s/goes").status_code == 200
        before = client.get("/infra/tier-1s/stays").json()
    _end(made, by_signal=True)
    assert (tmp_path / "state.json").stat().st_mode & 0o77 == 0
    made, ready = _start(*args)
    with httpx.Client(base_url=ready["urls"][0] + BASE, auth=("me", "secret")) as client:
        assert client.get("/infra/tier-1s/stays").json() == before
        assert client.get("/infra/tier-1s/goes").status_code == 404
        assert client.patch("/infra/tier-1s/goes", json={}).json()["error_code"] == 500045
    _end(made, by_signal=False)


def test_the_command_refuses_what_it_cannot_do(tmp_path):
    (tmp_path / "state.json").write_text('{"format": 99}')
    for args in (["--set", "unheard=1"], ["--state", str(tmp_path / "state.json")], ["--cert", "only.pem"]):
        made = subprocess.run([sys.executable, "-m", "tests.nsxsim", *args], capture_output=True, check=False)
        assert made.returncode != 0
        assert made.stderr.count(b"\n") == 1, made.stderr
