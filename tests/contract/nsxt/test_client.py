"""The client against NSX simulators in processes of their own: sessions, limits, managers, faults of reference 5.4."""

import asyncio
import multiprocessing
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from director.adapters.nsxt.client import (
    LINGERING,
    Auth,
    Kind,
    NsxClient,
    NsxFault,
    NsxLogin,
    escaped,
    quoted,
)
from director.adapters.nsxt.client.budget import RATE_S
from tests.nsxsim.faults import ERRORS
from tests.support.certificate import write_certificate
from tests.support.nsxsim import Nsxsim, nsxsim
from tests.support.nsxsim_fixtures import nsx

__all__ = ["nsx"]


def login_of(sim: Nsxsim, **more: object) -> NsxLogin:
    return replace(NsxLogin(managers=sim.urls, user=sim.user, password=sim.password), **more)


@asynccontextmanager
async def client_of(sim: Nsxsim, *, allows_overwrite: bool = False, **more: object):
    client = NsxClient(login_of(sim, **more), allows_overwrite=allows_overwrite)
    try:
        yield client
    finally:
        await client.close()


GROUP = {"display_name": "of a test", "expression": []}


def group(name: str) -> str:
    return "/infra/domains/default/groups/" + quoted(name)


async def test_an_object_is_made_read_changed_and_removed(nsx):
    async with client_of(nsx) as client:
        path = group("web [1]")
        await client.patch(path, GROUP)
        seen = await client.get(path)
        assert (seen["id"], seen["_revision"]) == ("web [1]", 0)
        assert (await client.put(path, {**seen, "description": "changed"}))["_revision"] == 1
        with pytest.raises(NsxFault) as met:
            await client.put(path, {**seen, "description": "stale"})
        assert met.value.kind is Kind.STALE
        assert not met.value.may_have_happened
        await client.delete(path)
        await client.delete(path)
        with pytest.raises(NsxFault) as met:
            await client.get(path)
        assert met.value.kind is Kind.NOT_FOUND


async def test_what_lingers_after_a_delete_is_waited_for(nsx):
    nsx.settings(delete_lag_s=1.0)
    async with client_of(nsx) as client:
        await client.patch(group("a"), GROUP)
        await client.delete(group("a"))
        with pytest.raises(NsxFault) as met:
            await client.patch(group("a"), GROUP)
        assert met.value.kind is Kind.PENDING_DELETE
        await client.patch(group("a"), GROUP, also=LINGERING)
        assert (await client.get(group("a")))["_revision"] == 0


async def test_a_tree_is_written_whole_or_not_at_all_and_the_cause_is_named(nsx):
    def children(*names: str, expression: object) -> list:
        groups = [
            {"resource_type": "ChildGroup", "Group": {"resource_type": "Group", "id": name, "expression": expression}}
            for name in names
        ]
        return [
            {"resource_type": "ChildResourceReference", "id": "default", "target_type": "Domain", "children": groups}
        ]

    async with client_of(nsx) as client:
        await client.patch_tree(children("a", "b", expression=[]), enforce_revisions=True)
        assert (await client.get(group("b")))["id"] == "b"
        missing = [{"resource_type": "PathExpression", "paths": ["/infra/segments/none"]}]
        with pytest.raises(NsxFault) as met:
            await client.patch_tree(children("c", expression=missing), enforce_revisions=False)
        assert met.value.related
        assert "/infra/segments/none" in str(met.value)
        changed = [{"resource_type": "PathExpression", "paths": ["/infra/segments/strangers-segment"]}]
        with pytest.raises(NsxFault) as met:
            await client.patch_tree(children("a", expression=changed), enforce_revisions=True)
        assert met.value.kind is Kind.STALE


async def test_pages_are_followed_and_search_finds_what_was_escaped(nsx):
    nsx.settings(rate_per_s=0, search_lag_s=0.05)
    async with client_of(nsx) as client:
        names = [f"g:{number:03} (x)" for number in range(120)]
        await asyncio.gather(*(client.patch(group(name), {"display_name": name}) for name in names))
        listed = await client.list("/infra/domains/default/groups", page_size=7)
        assert set(names) < {each["display_name"] for each in listed}
        assert len({each["path"] for each in listed}) == len(listed)
        await asyncio.sleep(0.5)
        found = await client.search(f"resource_type:Group AND display_name:{escaped(names[5])}")
        assert [each["id"] for each in found] == [names[5]]
        found = await client.search("resource_type:Group AND display_name:g*")
        assert len(found) == 120


async def test_a_session_that_ended_between_two_calls_is_one_new_login(nsx):
    nsx.settings(rate_per_s=0)
    async with client_of(nsx) as client:
        await client.get("/infra")
        nsx.control("POST", "sessions")
        await asyncio.gather(*(client.patch(group(str(number)), GROUP) for number in range(32)))
        assert client.logins == 2


async def test_sessions_that_end_by_being_idle_are_not_noticed(nsx):
    nsx.settings(session_idle_s=0.2)
    async with client_of(nsx) as client:
        for _ in range(3):
            await client.get("/infra")
            await asyncio.sleep(0.4)
        assert client.logins == 3


async def test_a_session_is_ended_by_closing(nsx):
    async with client_of(nsx) as client:
        await client.get("/infra")
    assert [call["path"] for call in nsx.calls()][-1].startswith("/api/session/destroy")


async def test_a_wrong_password_does_not_lock_the_account(nsx):
    async with client_of(nsx, password="wrong") as client:
        met = await asyncio.gather(*(client.get("/infra") for _ in range(20)), return_exceptions=True)
        assert {each.kind for each in met} == {Kind.CREDENTIALS}
    assert sum("session/create" in call["path"] for call in nsx.calls()) == 1
    async with client_of(nsx) as client:
        await client.get("/infra")


async def test_basic_authentication_needs_no_login(nsx):
    async with client_of(nsx, auth=Auth.BASIC) as client:
        assert (await client.get("/api/v1/node/version"))["product_version"]
        assert (client.requests, client.logins) == (1, 0)


@pytest.mark.parametrize("auth", [Auth.SESSION, Auth.BASIC])
async def test_three_hundred_requests_at_once_stay_under_nsx_own_limits(nsx, auth):
    async with client_of(nsx, auth=auth) as client, client_of(nsx, auth=auth) as other:
        began = time.monotonic()
        await asyncio.gather(*(each.patch(group(f"{n}"), GROUP) for n in range(150) for each in (client, other)))
        took_s = time.monotonic() - began
        assert client.faults + other.faults == {}
    assert took_s < 1.3 * 300 / RATE_S, "far from the bound, even for a busy machine"
    assert max(_by_second(nsx)) <= 100


def _by_second(sim: Nsxsim) -> list[int]:
    times = sorted(call["at"] for call in sim.calls())
    return [sum(start <= when < start + 1 for when in times) for start in times]


def _director(login: NsxLogin, name: str, results: multiprocessing.Queue) -> None:
    async def work() -> None:
        client = NsxClient(login)
        try:
            met = await asyncio.gather(
                *(client.patch(group(f"{name}-{number}"), GROUP) for number in range(700)), return_exceptions=True
            )
            errors = [str(each) for each in met if each is not None]
            results.put((errors, client.faults[Kind.THROTTLED], client.requests))
        finally:
            await client.close()

    asyncio.run(work())


def test_two_directors_with_one_user_settle_without_an_error_for_anybody(nsx):
    nsx.settings(latency_s=0.02)
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue = context.Queue()
    began = time.monotonic()
    directors = [context.Process(target=_director, args=(login_of(nsx), name, results)) for name in ("one", "two")]
    for each in directors:
        each.start()
    told = [results.get(timeout=90) for _ in directors]
    took_s = time.monotonic() - began
    for each in directors:
        each.join(10)
    assert [errors for errors, _, _ in told] == [[], []]
    refused = sum(throttled for _, throttled, _ in told)
    assert refused < 0.1 * 1400
    assert took_s < 60


@pytest.fixture(scope="module")
def three():
    with nsxsim(managers=3, settings={"rate_per_s": 0}) as running:
        yield running


async def test_a_manager_that_refuses_connections_is_replaced_within_the_call(three):
    first, second, third = three.urls
    try:
        async with client_of(three, managers=(second, third, first)) as client:
            await client.get("/infra")
            three.control("PATCH", "managers/1", {"up": False})
            await asyncio.gather(*(client.patch(group(f"away-{number}"), GROUP) for number in range(40)))
            three.control("PATCH", "managers/1", {"up": True})
            await asyncio.sleep(1.2)
            three.reset_calls()
            await client.get("/infra")
            assert Counter(call["manager"] for call in three.calls() if call["path"].endswith("/infra")) == {1: 1}
    finally:
        three.control("PATCH", "managers/1", {"up": True})


async def test_a_manager_that_answers_503_is_replaced_within_the_call(three):
    three.fault(effect="error", error="overloaded", manager=0, count=0, path="/policy/")
    try:
        async with client_of(three) as client:
            began = time.monotonic()
            await client.patch(group("overloaded"), GROUP)
            assert time.monotonic() - began < 2
            assert client.logins == 2
    finally:
        three.clear_faults()


async def test_a_silent_manager_is_replaced_within_the_call(three):
    three.fault(effect="delay", delay_s=4, manager=0, count=1, path="/groups/silent")
    try:
        async with client_of(three) as client:
            await client.patch(group("silent"), GROUP, timeout_s=4)
    finally:
        three.clear_faults()


PASSING = ("search-indexing", "search-timeout", "search-out-of-sync", "bad-session", "throttled", "backend-down")
PASSING = (*PASSING, "aborted", "overloaded", "gateway-timeout")


@pytest.fixture(scope="module")
def steady():
    with nsxsim(settings={"rate_per_s": 0, "delete_lag_s": 0.05}) as running:
        yield running


@pytest.mark.parametrize("error", sorted(ERRORS))
@pytest.mark.parametrize("method", ["PATCH", "GET", "DELETE"])
async def test_what_passes_by_itself_is_not_the_callers_and_the_rest_is_told(steady, error, method):
    steady.fault(effect="error", error=error, method=method, path="/groups/")
    path = group(f"{error}-{method}")
    async with client_of(steady) as client:
        try:
            if method != "PATCH":
                await client.patch(path, GROUP)
            calls = {"PATCH": lambda: client.patch(path, GROUP), "GET": lambda: client.get(path)}
            call = calls.get(method, lambda: client.delete(path))
            status, code, _ = ERRORS[error]
            is_gone = method == "DELETE" and error in {"not-found", "backend-not-found", "pending-delete"}
            if error in {*PASSING, "wrong-credentials"} or is_gone:
                await call()
            else:
                with pytest.raises(NsxFault) as met:
                    await call()
                assert (met.value.status, met.value.code) == (status, code)
                await call()
        finally:
            steady.clear_faults()


async def test_lost_answers_are_made_up_for(steady):
    async with client_of(steady) as client:
        for method in ("PATCH", "PUT", "DELETE", "GET"):
            steady.fault(effect="lost", method=method, path="/groups/lost")
        try:
            path = group("lost")
            await client.patch(path, GROUP)
            seen = await client.get(path)
            with pytest.raises(NsxFault) as met:
                await client.put(path, {**seen, "description": "ours"})
            assert met.value.kind is Kind.STALE
            assert met.value.may_have_happened
            assert (await client.get(path))["description"] == "ours"
            await client.delete(path)
            assert client.faults[Kind.UNREACHABLE] == 4
        finally:
            steady.clear_faults()


@pytest.fixture
def files(tmp_path):
    (tmp_path / "client").mkdir()
    (tmp_path / "server").mkdir()
    return write_certificate(tmp_path / "server", "127.0.0.1"), write_certificate(tmp_path / "client", "127.0.0.2")


async def test_a_principal_identity_owns_what_it_makes_and_an_admin_may_overwrite_it_when_allowed(files):
    (certificate, key), (own, own_key) = files
    with nsxsim("--cert", str(certificate), "--key", str(key), "--client-ca", str(own)) as sim:
        async with (
            client_of(sim, ca=str(certificate)) as admin,
            client_of(sim, ca=str(certificate), allows_overwrite=True) as master,
            client_of(
                sim, ca=str(certificate), auth=Auth.CERTIFICATE, certificate=str(own), key=str(own_key), password=""
            ) as identity,
        ):
            body = {"name": "director", "node_id": "d", "role": "enterprise_admin", "is_protected": "true"}
            made = {**body, "certificate_pem": own.read_text()}
            await admin.post("/api/v1/trust-management/principal-identities/with-certificate", made)
            await identity.patch(group("own"), GROUP)
            assert (await identity.get(group("own")))["_create_user"] == "director"
            with pytest.raises(NsxFault) as met:
                await admin.patch(group("own"), {"description": "admin's"})
            assert met.value.kind is Kind.FORBIDDEN
            await master.patch(group("own"), {"description": "admin's"})


async def test_a_certificate_that_nobody_registered_is_told_as_wrong_credentials(files):
    (certificate, key), (own, own_key) = files
    with nsxsim("--cert", str(certificate), "--key", str(key), "--client-ca", str(own)) as sim:
        identity = {"auth": Auth.CERTIFICATE, "certificate": str(own), "key": str(own_key)}
        async with client_of(sim, ca=str(certificate), **identity) as client:
            with pytest.raises(NsxFault) as met:
                await client.get("/infra")
            assert met.value.kind is Kind.CREDENTIALS
