"""Search, its language and its lag. Reference 5.3."""

import pytest

from tests.nsxsim import lucene
from tests.nsxsim.problems import Refusal

WEB = {
    "resource_type": "Segment",
    "display_name": "web (one)",
    "path": "/infra/segments/web",
    "marked_for_delete": False,
    "vlan": 12,
    "tags": [{"scope": "bosh/id", "tag": "abc"}, {"scope": "team", "tag": "a:b"}],
    "attachment": {"id": "default:17"},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("resource_type:Segment", True),
        ("resource_type:segment", True),
        ("resource_type:Tier1", False),
        ("resource_type:Seg*", True),
        ("resource_type:Segmen?", True),
        ('display_name:"web (one)"', True),
        (r"display_name:web\ \(one\)", True),
        ('resource_type:Segment AND display_name:("a" OR "web (one)")', True),
        ('resource_type:Segment AND display_name:("a" OR "b")', False),
        ("resource_type:Segment AND NOT marked_for_delete:true", True),
        ("resource_type:Segment AND -marked_for_delete:false", False),
        ("marked_for_delete:false", True),
        (r"tags.scope:bosh\/id AND tags.tag:abc", True),
        (r'tags.scope:"bosh/id" AND tags.tag:xyz', False),
        (r"tags.tag:a\:b", True),
        (r"attachment.id:default\:17", True),
        (r"path:\/infra\/segments\/*", True),
        ('path:"/infra/segments/web"', True),
        ("(resource_type:Tier1 OR resource_type:Segment) AND vlan:[10 TO 20]", True),
        ("vlan:[13 TO *]", False),
        ("vlan:>11", True),
        ("vlan:<12", False),
        ("vlan:<=12", True),
        ("resource_type:Segment display_name:web*", True),
        ("resource_type:Tier1 OR resource_type:Segment AND vlan:12", True),
        ("web*", True),
        ("one", True),
        ("_missing:x", False),
        ("NOT _missing:*", True),
    ],
)
def test_a_query_holds_or_not(text, holds):
    assert lucene.holds(lucene.parse(text), WEB) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "path:/infra/segments/web",
        "attachment.id:default:17",
        "display_name:(a OR b",
        "a AND",
        "display_name:)",
        'display_name:"open',
        "vlan:[1 2]",
        "a ]",
        ":x",
    ],
)
def test_what_cannot_be_parsed_is_refused(text):
    with pytest.raises(Refusal) as caught:
        lucene.parse(text)
    assert caught.value.status == 400


async def _found(world, query, **more):
    return [each["id"] for each in (await world.get("/search/query", query=query, **more))["results"]]


async def test_the_index_lags_behind(world):
    await world.patch("/infra/tier-1s/t")
    query = "resource_type:Tier1 AND id:t"
    assert await _found(world, query) == []
    world.clock.advance(0.3)
    assert await _found(world, query) == ["t"]
    await world.delete("/infra/tier-1s/t")
    assert await _found(world, f"{query} AND marked_for_delete:false") == ["t"]
    world.clock.advance(0.3)
    assert await _found(world, f"{query} AND marked_for_delete:false") == []
    assert await _found(world, query) == ["t"]
    world.clock.advance(0.3)
    assert await _found(world, query) == []


async def test_a_frozen_index_stands_still(world):
    await world.ask("POST", "/_sim/faults", {"effect": "stale-search", "path": "/tier-1s/t$", "delay_s": 10})
    await world.patch("/infra/tier-1s/t")
    world.clock.advance(9)
    assert await _found(world, "resource_type:Tier1 AND id:t") == []
    world.clock.advance(2)
    assert await _found(world, "resource_type:Tier1 AND id:t") == ["t"]


async def test_results_come_in_pages_within_bounds(world):
    for number in range(60):
        await world.patch(f"/infra/ip-pools/p{number:02}")
    world.clock.advance(1)
    page = await world.get("/search/query", query="resource_type:IpAddressPool", page_size=50)
    assert (len(page["results"]), page["result_count"]) == (50, 61)
    rest = await world.get("/search/query", query="resource_type:IpAddressPool", page_size=50, cursor=page["cursor"])
    assert len(rest["results"]) == 11
    assert "cursor" not in rest
    assert (await world.refused("GET", "/search/query", query="x", page_size=10))[0] == 400


async def test_gateways_and_clusters_are_found_as_clients_do(world):
    assert await _found(world, "resource_type:Tier0 AND marked_for_delete:false") == ["tier-0"]
    assert await _found(world, 'resource_type:PolicyEdgeCluster AND display_name:"edge-cluster-1"') == [
        "edge-cluster-1"
    ]
    assert (await world.refused("GET", "/search/query", query="display_name:(a"))[:2] == (400, 60506)


async def test_the_other_language_finds_too(world):
    said = await world.get("/search/dsl", query="Tier0 where display_name = 'Provider'")
    assert [each["id"] for each in said["results"]] == ["tier-0"]
    assert (await world.get("/search/dsl", query="Tier0 where id != tier-0"))["result_count"] == 0
