"""Several managers, limits and adaptation. On fake time."""

import asyncio
import ssl
from collections import Counter
from itertools import pairwise

import httpx
import pytest

from director.adapters.nsxt.client import Auth, Kind, NsxFault

pytestmark = pytest.mark.looptime

THREE = ("a", "b", "c")


def down(*names, how):
    """Each call as the manager it goes to is: down as ``how`` says, or well."""
    return lambda request: how() if request.url.host in names else {}


def untrusted() -> Exception:
    error = ssl.SSLCertVerificationError("bad")
    error.verify_message = "self-signed certificate"
    outer = httpx.ConnectError("bad")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    "how",
    [
        lambda: httpx.ConnectError("refused"),
        lambda: httpx.ConnectTimeout("slow"),
        lambda: httpx.ReadError("reset"),
        lambda: httpx.Response(503),
        lambda: httpx.Response(500, json={"error_code": 98}),
        lambda: httpx.Response(504, text="a proxy's page"),
        untrusted,
    ],
)
async def test_a_call_goes_on_at_another_manager_at_once(client, wire, how):
    there = wire(*(down("a", "b", how=how) for _ in range(9)))
    nsx = client(there, managers=THREE)
    await nsx.get("/infra")
    assert there.hosts() == ["a", "b", "c"]
    assert asyncio.get_running_loop().time() < 0.1
    await nsx.get("/infra")
    assert there.hosts()[3:] == ["c"]


async def test_calls_spread_over_the_managers(client, wire):
    there = wire(delay_s=1)
    nsx = client(there, managers=THREE, auth=Auth.BASIC)
    await asyncio.gather(*(nsx.get("/infra") for _ in range(30)))
    assert max(Counter(there.hosts()).values()) <= 12


async def test_a_manager_that_is_back_is_asked_again_and_one_that_is_not_now_and_then(client, wire):
    away = {"a"}
    there = wire()
    there.answers = [lambda request: httpx.ConnectError("x") if request.url.host in away else {}] * 5000
    nsx = client(there, managers=("a", "b"), auth=Auth.BASIC)
    for _ in range(100):
        await nsx.get("/infra")
        await asyncio.sleep(0.5)
    assert Counter(there.hosts())["a"] == 6  # at 0, 1, 3, 7, 15, 30 s
    away.clear()
    await asyncio.sleep(60)
    await nsx.get("/infra")
    assert there.hosts()[-1] == "a"


async def test_a_single_manager_that_starts_again_is_waited_for(client, wire):
    there = wire(*(httpx.ConnectError("refused") for _ in range(4)), httpx.Response(503))
    await client(there, auth=Auth.BASIC).get("/infra")


async def test_a_cluster_that_stays_away_fails_in_half_a_minute(client, wire):
    there = wire(*(httpx.ConnectError("connection refused") for _ in range(99)))
    with pytest.raises(NsxFault, match="connection refused") as met:
        await client(there, managers=THREE, auth=Auth.BASIC).patch("/infra/segments/a", {})
    assert met.value.kind is Kind.UNREACHABLE
    assert not met.value.may_have_happened
    assert asyncio.get_running_loop().time() < 35


async def test_an_untrusted_certificate_is_told_without_further_tries(client, wire):
    there = wire(untrusted())
    with pytest.raises(NsxFault, match="self-signed certificate") as met:
        await client(there, auth=Auth.BASIC).get("/infra")
    assert met.value.kind is Kind.CERTIFICATE
    assert len(there.calls()) == 1
    assert "ca_cert" in str(met.value)


async def test_a_429_is_never_the_callers_and_slows_all_of_that_user_down(client, wire, refusal):
    there = wire(*(refusal(429, "102") for _ in range(20)))
    nsx, other = client(there, auth=Auth.BASIC), client(there, auth=Auth.BASIC)
    await asyncio.gather(*(nsx.get("/infra") for _ in range(40)))
    assert nsx.faults[Kind.THROTTLED] == 20
    assert other.share == nsx.share < 1
    assert client(there, user="another").share == 1


async def test_after_a_429_that_wants_peace_nobody_of_that_user_asks(client, wire, refusal):
    there = wire(refusal(429, headers={"Retry-After": "4"}))
    nsx, other = client(there, auth=Auth.BASIC), client(there, auth=Auth.BASIC)
    first = asyncio.ensure_future(nsx.get("/infra"))
    await asyncio.sleep(0.1)
    await other.get("/infra")
    assert asyncio.get_running_loop().time() >= 4
    await first


async def test_a_503_with_much_in_flight_slows_down_and_one_with_little_does_not(client, wire):
    there = wire(httpx.Response(503))
    nsx = client(there, auth=Auth.BASIC)
    await nsx.get("/infra")
    assert nsx.share == 1
    there.delay_s, there.answers = 0.2, [httpx.Response(503) for _ in range(8)]
    await asyncio.gather(*(nsx.get("/infra") for _ in range(40)))
    assert nsx.share < 1


async def test_two_clients_of_one_user_share_one_budget(client, wire):
    there = wire()
    clients = [client(there, auth=Auth.BASIC) for _ in range(2)]
    await asyncio.gather(*(each.get("/infra") for each in clients for _ in range(400)))
    times = there.times()
    assert max(sum(start <= when < start + 1 for when in times) for start in times) <= 88
    assert all(earlier <= later for earlier, later in pairwise(times))


async def test_a_manager_that_ends_the_handshake_for_a_certificate_is_not_asked_again(client, wire):
    error = ssl.SSLError(1, "alert")
    error.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    outer = httpx.ReadError("")
    outer.__cause__ = error
    there = wire(outer)
    with pytest.raises(NsxFault, match="alert certificate required") as met:
        await client(there, auth=Auth.BASIC).patch("/infra/segments/a", {})
    assert met.value.kind is Kind.CERTIFICATE
    assert not met.value.may_have_happened
    assert len(there.calls()) == 1
