"""Logging in: once, again when it ends, and never with a password that was just refused. On fake time."""

import asyncio
from base64 import b64encode

import httpx
import pytest

from director.adapters.nsxt.client import Auth, Kind, NsxFault

pytestmark = pytest.mark.looptime


async def test_thirty_two_callers_make_one_login(client, wire):
    there = wire(delay_s=0.1)
    nsx = client(there)
    await asyncio.gather(*(nsx.get("/infra") for _ in range(32)))
    assert there.entered() == nsx.logins == 1
    assert {call.headers["Cookie"] for call in there.calls()} == {"JSESSIONID=s1"}
    assert {call.headers["X-XSRF-TOKEN"] for call in there.calls()} == {"t1"}


def of_session(number, refusal, status, code):
    """As a manager that forgot all sessions before that one."""
    return lambda request: {} if request.headers["X-XSRF-TOKEN"] == f"t{number}" else refusal(status, code)


@pytest.mark.parametrize(("status", "code"), [(403, 98), (401, None), (403, 403)])
async def test_an_ended_session_is_followed_by_one_new_login_for_all(client, wire, refusal, status, code):
    there = wire(*(of_session(2, refusal, status, code) for _ in range(64)), delay_s=0.1)
    nsx = client(there)
    await asyncio.gather(*(nsx.get("/infra") for _ in range(32)))
    assert there.entered() == 2
    assert 33 <= len(there.calls()) <= 64


async def test_a_write_met_by_an_ended_session_goes_out_again_even_a_post(client, wire, refusal):
    there = wire(refusal(403, 98), {"ok": 1})
    assert await client(there).post("/infra/x", {}) == {"ok": 1}


async def test_sessions_that_end_at_once_again_and_again_are_told(client, wire, refusal):
    there = wire(*(refusal(403, 98, "bad XSRF token") for _ in range(50)))
    with pytest.raises(NsxFault, match="bad XSRF token") as met:
        await client(there).get("/infra")
    assert met.value.kind is Kind.SESSION
    assert there.entered() == 3


async def test_a_wrong_password_is_sent_once_a_minute_however_many_ask(client, wire):
    there = wire(password="other", delay_s=0.1)
    nsx = client(there, managers=("a", "b", "c"))
    met = await asyncio.gather(*(nsx.get("/infra") for _ in range(32)), return_exceptions=True)
    assert {fault.kind for fault in met} == {Kind.CREDENTIALS}
    assert there.entered() == 1
    await asyncio.sleep(30)
    with pytest.raises(NsxFault, match="Correct user and password"):
        await client(there, managers=("a", "b", "c")).get("/infra")  # another client, the same account
    assert there.entered() == 1
    await asyncio.sleep(31)
    there.password = "right"
    await nsx.get("/infra")


async def test_a_corrected_password_is_tried_at_once(client, wire):
    there = wire(password="new")
    with pytest.raises(NsxFault):
        await client(there).get("/infra")
    await client(there, password="new").get("/infra")


async def test_a_refused_login_names_the_user_and_never_the_password(client, wire):
    with pytest.raises(NsxFault) as met:
        await client(wire(password="other"), password="hunter2-secret").get("/infra")
    assert "logging in as director at NSX manager one" in str(met.value)
    for error in (met.value, met.value.__cause__, met.value.__context__):
        assert "hunter2" not in f"{error} {error!r} {vars(error) if error else ''}"


async def test_one_flight_that_fails_fails_for_all_who_waited_for_it_and_they_go_on_together(client, wire, refusal):
    there = wire(delay_s=1)
    there.logins = [refusal(503), httpx.ConnectError("refused")]
    nsx = client(there)
    await asyncio.gather(*(nsx.get("/infra") for _ in range(20)))
    assert there.entered() == 3


async def test_a_caller_who_gives_up_the_login_leaves_it_to_the_next(client, wire):
    there = wire(delay_s=5)
    nsx = client(there)
    first, second = (asyncio.ensure_future(nsx.get("/infra")) for _ in range(2))
    await asyncio.sleep(1)
    first.cancel()
    await second
    assert nsx.logins == 1


async def test_a_login_that_gives_no_session_is_told(client, wire):
    there = wire()
    there.logins = [httpx.Response(200) for _ in range(3)]
    with pytest.raises(NsxFault, match="gave no session"):
        await client(there).get("/infra")


async def test_basic_authentication_goes_with_every_call_and_a_refused_one_is_not_sent_again(client, wire, refusal):
    there = wire({}, refusal(403, 403, "locked"))
    nsx = client(there, auth=Auth.BASIC)
    await nsx.get("/infra")
    assert there.calls()[0].headers["Authorization"] == "Basic " + b64encode(b"director:right").decode()
    for _ in range(3):
        with pytest.raises(NsxFault, match="locked") as met:
            await nsx.get("/infra")
        assert met.value.kind is Kind.CREDENTIALS
    assert (len(there.calls()), there.entered()) == (2, 0)


async def test_a_401_to_basic_authentication_is_wrong_credentials(client, wire, refusal):
    with pytest.raises(NsxFault) as met:
        await client(wire(refusal(401)), auth=Auth.BASIC).get("/infra")
    assert met.value.kind is Kind.CREDENTIALS


async def test_with_a_certificate_nothing_is_shown(client, wire):
    there = wire()
    await client(there, auth=Auth.CERTIFICATE).get("/infra")
    (call,) = there.calls()
    assert not {"authorization", "cookie", "x-xsrf-token"} & set(call.headers)


async def test_closing_ends_the_sessions_and_waits_for_no_silent_manager(client, wire):
    there = wire()
    nsx = client(there)
    await nsx.get("/infra")
    there.delay_s = 1000
    began = asyncio.get_running_loop().time()
    await nsx.close()
    assert there.asked[-1][1].url.path == "/api/session/destroy"
    assert there.asked[-1][1].headers["Cookie"] == "JSESSIONID=s1"
    assert asyncio.get_running_loop().time() - began < 5
