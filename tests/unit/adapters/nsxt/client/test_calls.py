"""What goes over the wire, and what comes of it. On fake time."""

import asyncio
import json
from itertools import pairwise

import httpx
import pytest

from director.adapters.nsxt.client import LINGERING, Kind, NsxFault
from director.ports.failure import Retry

pytestmark = pytest.mark.looptime


async def test_a_get_asks_for_just_that(client, wire):
    there = wire({"id": "a"})
    assert await client(there).get("/infra/segments/a%20b", include_mark_for_delete_objects=True) == {"id": "a"}
    (call,) = there.calls()
    assert call.url.raw_path == b"/policy/api/v1/infra/segments/a%20b?include_mark_for_delete_objects=true"
    assert (call.method, call.content) == ("GET", b"")
    assert "X-Allow-Overwrite" not in call.headers


async def test_a_write_carries_its_body_and_may_overwrite_when_it_was_allowed(client, wire):
    there = wire(httpx.Response(200))
    nsx = client(there, allows_overwrite=True)
    await nsx.patch("/infra/segments/a", {"display_name": "ä"})
    (call,) = there.calls()
    assert json.loads(call.content) == {"display_name": "ä"}
    assert call.headers["X-Allow-Overwrite"] == "true"
    assert call.headers["Content-Type"] == "application/json"


async def test_a_tree_goes_out_as_one_call(client, wire):
    there = wire(httpx.Response(200))
    children = [{"resource_type": "ChildTier1", "Tier1": {"id": "a"}}]
    await client(there).patch_tree(children, enforce_revisions=True)
    (call,) = there.calls()
    assert call.url.raw_path == b"/policy/api/v1/infra?enforce_revision_check=true"
    assert json.loads(call.content) == {"resource_type": "Infra", "children": children}


async def test_deleting_what_is_gone_is_done(client, wire, refusal):
    await client(wire(refusal(404, 202))).delete("/infra/segments/a")
    with pytest.raises(NsxFault) as met:
        await client(wire(refusal(404, 500090))).delete("/infra/segments/a")
    assert met.value.kind is Kind.STALE


async def test_deleting_what_is_on_its_way_out_is_done_or_waited_for(client, wire, refusal):
    there = wire(refusal(400, 500045))
    await client(there).delete("/infra/segments/a")
    assert len(there.calls()) == 1
    there = wire(refusal(400, 500045), refusal(404))
    await client(there).delete("/infra/segments/a", also=LINGERING)
    assert len(there.calls()) == 2


async def test_a_delete_can_be_forced(client, wire):
    there = wire()
    await client(there).delete("/infra/segments/a", force=True)
    assert there.calls()[0].url.query == b"force=true"


async def test_a_list_follows_its_cursors_to_the_end(client, wire):
    there = wire({"results": [{"id": "a"}], "cursor": "1"}, {"results": [{"id": "b"}], "cursor": "2"}, {"results": []})
    assert [each["id"] for each in await client(there).list("/infra/segments", page_size=1)] == ["a", "b"]
    assert [call.url.query for call in there.calls()] == [
        b"page_size=1",
        b"page_size=1&cursor=1",
        b"page_size=1&cursor=2",
    ]


async def test_a_list_that_goes_in_circles_ends(client, wire):
    page = {"results": [{"id": "a"}], "cursor": "1"}
    with pytest.raises(NsxFault, match="no end after 2 objects"):
        await client(wire(page, page, page)).list("/infra/segments")


async def test_a_list_has_a_bound_and_a_deadline(client, wire):
    there = wire(*({"results": [{"id": "a"}], "cursor": str(number)} for number in range(100)))
    with pytest.raises(NsxFault, match="no end after 6"):
        await client(there).list("/infra/segments", objects_max=5)
    there.delay_s = 3
    with pytest.raises(NsxFault):
        await client(there).list("/infra/segments", timeout_s=10)
    assert asyncio.get_running_loop().time() <= 14


async def test_a_search_leaves_out_what_is_on_its_way_out_and_names_a_path_once(client, wire):
    results = [
        {"path": "/a", "marked_for_delete": False},
        {"path": "/b", "marked_for_delete": True},
        {"path": "/a", "id": "newer"},
    ]
    there = wire({"results": results})
    assert await client(there).search("resource_type:Segment AND id:a") == [{"path": "/a", "id": "newer"}]
    assert dict(there.calls()[0].url.params) == {"query": "resource_type:Segment AND id:a", "page_size": "50"}


@pytest.mark.parametrize("code", [60508, 60514, 60515])
async def test_a_busy_search_is_asked_again(client, wire, refusal, code):
    there = wire(*(refusal(400, code) for _ in range(5)), {"results": [{"path": "/a"}]})
    assert await client(there).search("id:a") == [{"path": "/a"}]
    assert len(there.calls()) == 6


async def test_pauses_between_tries_grow(client, wire, refusal):
    there = wire(*(refusal(500, 607) for _ in range(6)))
    await client(there).patch("/infra/segments/a", {})
    times = there.times()
    pauses = [round(later - earlier, 2) for earlier, later in pairwise(times)]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]


async def test_tries_have_an_end_and_the_last_word_says_that_again_is_no_use(client, wire, refusal):
    there = wire(*(refusal(500, 607, "aborted") for _ in range(50)))
    with pytest.raises(NsxFault) as met:
        await client(there).patch("/infra/segments/a", {})
    assert len(there.calls()) == 8
    assert met.value.kind is Kind.ABORTED
    assert met.value.retry is Retry.NEVER


async def test_a_wait_asked_for_is_kept_in_seconds_or_by_date(client, wire, refusal):
    date = {"Date": "Sat, 21 Nov 2026 10:00:00 GMT", "Retry-After": "Sat, 21 Nov 2026 10:00:07 GMT"}
    there = wire(refusal(503, headers={"Retry-After": "5"}), refusal(503, headers=date))
    await client(there).get("/infra")
    assert [round(when) for when in there.times()] == [0, 5, 12]


async def test_a_wait_longer_than_the_deadline_is_not_begun(client, wire, refusal):
    there = wire(refusal(503, headers={"Retry-After": "3600"}))
    with pytest.raises(NsxFault) as met:
        await client(there).get("/infra")
    assert met.value.kind is Kind.OVERLOADED
    assert asyncio.get_running_loop().time() < 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 1), (400, 500030), (400, 500045), (400, 503040), (403, 505), (403, 289), (412, 1), (404, 1)],
)
async def test_what_the_same_call_cannot_mend_is_told_at_once(client, wire, refusal, status, code):
    there = wire(refusal(status, code))
    with pytest.raises(NsxFault) as met:
        await client(there).put("/infra/segments/a", {"_revision": 3})
    assert len(there.calls()) == 1
    assert (met.value.status, met.value.code, met.value.path) == (status, code, "/infra/segments/a")


async def test_what_lingers_is_waited_out_when_asked_for(client, wire, refusal):
    there = wire(*(refusal(400, code) for code in (500030, 503040, 500045) * 8))
    await client(there).delete("/infra/segments/a", also=LINGERING, timeout_s=120)
    assert len(there.calls()) == 25
    assert asyncio.get_running_loop().time() < 60


async def test_what_lingers_too_long_is_told_by_the_deadline(client, wire, refusal):
    there = wire(*(refusal(400, 503040, "segment a has ports") for _ in range(200)))
    with pytest.raises(NsxFault, match="segment a has ports") as met:
        await client(there).delete("/infra/segments/a", also=LINGERING, timeout_s=30)
    assert met.value.kind is Kind.HAS_PORTS
    assert 27 < asyncio.get_running_loop().time() <= 30


LOST = httpx.RemoteProtocolError("Server disconnected without sending a response.")


async def test_a_lost_put_that_comes_back_stale_says_that_it_may_have_been_our_own(client, wire, refusal):
    with pytest.raises(NsxFault) as met:
        await client(wire(LOST, refusal(412, 604))).put("/infra/segments/a", {"_revision": 3})
    assert met.value.kind is Kind.STALE
    assert met.value.may_have_happened
    assert "may have done it" in str(met.value)


async def test_a_lost_delete_or_patch_is_done_again(client, wire, refusal):
    nsx = client(wire(LOST, refusal(404), LOST))
    await nsx.delete("/infra/segments/a")
    await nsx.patch("/infra/segments/b", {})
    assert nsx.faults[Kind.UNREACHABLE] == 2


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_post_that_may_have_happened_goes_out_again_only_when_it_may(client, wire, refusal, status):
    for loss in (lambda: LOST, lambda: refusal(status)):
        there = wire(loss(), {})
        with pytest.raises(NsxFault) as met:
            await client(there).post("/infra/x", query={"action": "add"})
        assert met.value.may_have_happened
        assert len(there.calls()) == 1
        assert await client(wire(loss(), {"ok": 1})).post("/infra/x", {}, is_repeatable=True) == {"ok": 1}


async def test_a_post_that_was_refused_or_never_left_goes_out_again(client, wire, refusal):
    there = wire(httpx.ConnectError("refused"), refusal(429), refusal(503), refusal(500, 607), {"ok": 1})
    assert await client(there).post("/infra/x", {}) == {"ok": 1}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>a proxy's page</html>", headers={"Content-Type": "text/html"}),
        httpx.Response(200, json=["a"]),
        httpx.Response(302, headers={"Location": "https://login.example/"}),
    ],
)
async def test_what_is_no_answer_of_nsx_is_told_as_such(client, wire, answer):
    with pytest.raises(NsxFault, match="instead of JSON") as met:
        await client(wire(answer, answer, answer)).get("/infra")
    assert met.value.kind is Kind.UNREADABLE


async def test_a_silent_manager_does_not_hold_a_call_beyond_its_deadline(client, wire):
    there = wire(delay_s=0)
    nsx = client(there)
    await nsx.get("/infra")
    there.delay_s = 1000
    began = asyncio.get_running_loop().time()
    with pytest.raises(NsxFault, match="no answer within") as met:
        await nsx.patch("/infra/segments/a", {}, timeout_s=20)
    assert asyncio.get_running_loop().time() - began <= 20.5
    assert met.value.may_have_happened


async def test_waiting_in_our_own_line_is_not_the_managers_delay(client, wire):
    there = wire()
    nsx = client(there)
    await asyncio.gather(*(nsx.get("/infra", timeout_s=2) for _ in range(800)))
    assert asyncio.get_running_loop().time() > 9


async def test_cancelling_a_call_leaves_nothing_behind(client, wire):
    there = wire(delay_s=100)
    nsx = client(there)
    calls = [asyncio.ensure_future(nsx.get("/infra")) for _ in range(50)]
    await asyncio.sleep(1)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    there.delay_s = 0
    await asyncio.gather(*(nsx.get("/infra") for _ in range(50)))


async def test_requests_are_counted_by_kind(client, wire, refusal):
    there = wire(refusal(503), {}, {})
    nsx = client(there)
    await nsx.patch("/infra/segments/a", {})
    await nsx.get("/infra/tier-1s/b")
    assert nsx.by_kind == {"PATCH segments": 2, "GET tier-1s": 1}
    assert nsx.requests == 4
    assert nsx.faults == {Kind.OVERLOADED: 1}
