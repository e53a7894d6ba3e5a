"""How a manager behaves between requests, seen through vcf-nsx's typed clients (reference 5.3, 5.6, 5.8)."""

import time
from typing import Any

import pytest

from tests.conformance.nsx.cases import T0, Case, condition
from tests.conformance.nsx.checked import CheckedClient
from tests.support.nsxsim import Nsxsim
from tests.support.nsxtyped import Refusal

pytestmark = pytest.mark.usefixtures("table")
GROUPS = "/infra/domains/{}/groups"
ENTITIES = "/infra/realized-state/realized-entities"
WAIT_S = 10


def until(told: Any, wanted: Any) -> None:
    """Asks again and again; a real manager offers nothing to wait on either."""
    deadline = time.monotonic() + WAIT_S
    while (said := told()) != wanted:
        assert time.monotonic() < deadline, said
        time.sleep(0.02)


def refused(client: CheckedClient, method: str, template: str, *ids: str, **arguments: Any) -> tuple[int, int]:
    with pytest.raises(Refusal) as refusal:
        client.call(method, template, *ids, **arguments)
    return refusal.value.status, refusal.value.code


def test_a_long_list_comes_in_pages_by_cursor(client: CheckedClient) -> None:
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        client.call("PATCH", GROUPS + "/{}", "default", name, body={})
    seen, cursor, pages = [], None, 0
    while cursor or not pages:
        page = client.call("GET", GROUPS, "default", page_size=2, **({"cursor": cursor} if cursor else {})).typed
        seen += [group.id for group in page.results]
        cursor, pages = page.cursor, pages + 1
        assert len(page.results) <= 2
    assert set(names) <= set(seen)
    assert (len(seen), pages) == (len(set(seen)), (len(seen) + 1) // 2)


def test_a_page_size_out_of_range_is_refused(client: CheckedClient) -> None:
    assert refused(client, "GET", GROUPS, "default", page_size=1001)[0] == 400


def test_what_was_just_deleted_cannot_be_made_again_until_it_is_gone(client: CheckedClient, shared_nsx: Nsxsim) -> None:
    shared_nsx.settings(delete_lag_s=0.5)
    client.call("PATCH", "/infra/tier-1s/{}", "lingers", body={})
    client.call("DELETE", "/infra/tier-1s/{}", "lingers")
    shared_nsx.settings(delete_lag_s=0.05)
    assert refused(client, "PATCH", "/infra/tier-1s/{}", "lingers", body={}) == (400, 500045)
    marked = client.call("GET", "/infra/tier-1s", include_mark_for_delete_objects=True).body["results"]
    assert [one["marked_for_delete"] for one in marked if one["id"] == "lingers"] == [True]
    until(lambda: done(client, 500045, "PATCH", "/infra/tier-1s/{}", "lingers", body={}), wanted=True)


def test_a_router_with_services_is_not_deleted_and_names_what_is_left(
    client: CheckedClient, table: dict[str, Case]
) -> None:
    with pytest.raises(Refusal) as in_use:
        client.call("DELETE", "/infra/tier-1s/{}", "ground-t1")
    assert (in_use.value.status, in_use.value.code) == (400, 500030)
    assert "/infra/tier-1s/ground-t1/locale-services/ground-ls" in str(in_use.value.body)


def test_a_group_that_a_policy_names_is_not_deleted(client: CheckedClient, table: dict[str, Case]) -> None:
    client.call("PATCH", GROUPS + "/{}", "default", "named", body={})
    policy = {"category": "Application", "scope": ["/infra/domains/default/groups/named"]}
    client.call("PATCH", "/infra/domains/{}/security-policies/{}", "default", "names-it", body=policy)
    assert refused(client, "DELETE", GROUPS + "/{}", "default", "named") == (400, 500030)
    client.call("DELETE", "/infra/domains/{}/security-policies/{}", "default", "names-it")
    until(lambda: done(client, 500030, "DELETE", GROUPS + "/{}", "default", "named"), wanted=True)


def done(client: CheckedClient, code: int, method: str, template: str, *ids: str, **arguments: Any) -> bool:
    """Whether it went through; what it is refused with meanwhile is ``code`` and nothing else."""
    try:
        client.call(method, template, *ids, **arguments)
    except Refusal as refusal:
        if refusal.code != code:
            raise
        return False
    return True


def test_a_segment_with_a_port_is_not_deleted(client: CheckedClient, table: dict[str, Case]) -> None:
    overlay = table["overlay segment"].body["transport_zone_path"]
    client.call("PATCH", "/infra/segments/{}", "busy", body={"transport_zone_path": overlay})
    client.call("PATCH", "/infra/segments/{}/ports/{}", "busy", "p", body={})
    assert refused(client, "DELETE", "/infra/segments/{}", "busy") == (400, 503040)
    client.call("DELETE", "/infra/segments/{}/ports/{}", "busy", "p")
    until(lambda: done(client, 503040, "DELETE", "/infra/segments/{}", "busy"), wanted=True)


@pytest.mark.parametrize("name", ["overlay segment", "Tier1", "LBVirtualServer", "SNAT", "Rule"])
def test_a_path_to_nowhere_is_refused(client: CheckedClient, table: dict[str, Case], name: str) -> None:
    field = {
        "overlay segment": "connectivity_path", "Tier1": "tier0_path", "LBVirtualServer": "pool_path",
        "SNAT": "service", "Rule": "services",
    }[name]  # fmt: skip
    nowhere = "/infra/" + ("services" if name in ("SNAT", "Rule") else "tier-0s") + "/nowhere"
    case = table[name]
    body = {**case.body, field: [nowhere] if name == "Rule" else nowhere}
    assert refused(client, "PATCH", case.template, *case.parents, "to-nowhere", body=body)[0] in (400, 404)


def test_intent_is_realized_a_while_after_it_was_taken(client: CheckedClient, shared_nsx: Nsxsim) -> None:
    shared_nsx.settings(realize_start_lag_s=0.3)
    client.call("PATCH", "/infra/tier-1s/{}", "realizing", body={"tier0_path": T0})
    assert client.call("GET", ENTITIES, intent_path="/infra/tier-1s/realizing").typed.results == []
    shared_nsx.settings(realize_start_lag_s=0.05)

    def states() -> set[str]:
        return {one.state for one in client.call("GET", ENTITIES, intent_path="/infra/tier-1s/realizing").typed.results}

    until(states, wanted={"REALIZED"})
    status = client.call("GET", "/infra/realized-state/status", intent_path="/infra/tier-1s/realizing").typed
    assert status.consolidated_status.consolidated_status == "SUCCESS"


@pytest.mark.parametrize(
    "template, ids",
    [
        ("/infra/segments/{}/state", ("ground-overlay",)),
        ("/infra/tier-1s/{}/state", ("ground-t1",)),
        ("/infra/domains/{}/groups/{}/members/virtual-machines", ("default", "ground-group")),
        ("/infra/domains/{}/groups/{}/members/ip-addresses", ("default", "ground-group")),
        ("/infra/domains/{}/groups/{}/members/segments", ("default", "ground-group")),
        ("/infra/domains/{}/groups/{}/members/segment-ports", ("default", "ground-group")),
        ("/infra/realized-state/enforcement-points/{}/virtual-machines", ("default",)),
        ("/infra/sites/{}/enforcement-points/{}/transport-zones", ("default", "default")),
        ("/infra/sites/{}/enforcement-points/{}/edge-clusters", ("default", "default")),
        ("/infra/domains", ()),
        ("/infra/services", ()),
        ("/infra/tier-1s/{}/nat", ("ground-t1",)),
        ("/infra/lb-app-profiles", ()),
        ("/infra/lb-monitor-profiles", ()),
        ("/infra/lb-persistence-profiles", ()),
        ("/infra/tags", ()),
        ("/infra/realized-state/alarms", ()),
    ],
)
def test_what_is_worked_out_and_what_was_there_reads_back_typed(
    client: CheckedClient, table: dict[str, Case], template: str, ids: tuple[str, ...]
) -> None:
    answer = client.call("GET", template, *ids)
    assert answer.status == 200
    assert answer.body is not None


def test_a_load_balancers_status_reads_back_typed(client: CheckedClient, table: dict[str, Case]) -> None:
    service = {"connectivity_path": "/infra/tier-1s/ground-t1-lb"}
    client.call("PATCH", "/infra/lb-services/{}", "status-lb", body=service)
    server = dict(table["LBVirtualServer"].body) | {"lb_service_path": "/infra/lb-services/status-lb"}
    client.call("PATCH", "/infra/lb-virtual-servers/{}", "status-vs", body=server)
    client.call("GET", "/infra/lb-services/{}/detailed-status", "status-lb")
    client.call("GET", "/infra/lb-services/{}/lb-pools/{}/detailed-status", "status-lb", "ground-lbpool")
    client.call("GET", "/infra/lb-services/{}/lb-virtual-servers/{}/detailed-status", "status-lb", "status-vs")
    client.call("DELETE", "/infra/lb-virtual-servers/{}", "status-vs")
    until(lambda: done(client, 500030, "DELETE", "/infra/lb-services/{}", "status-lb"), wanted=True)


def test_predefined_services_are_read_only(client: CheckedClient) -> None:
    found = client.call("GET", "/infra/services/{}", "HTTPS").typed
    assert found.is_default is True
    assert refused(client, "PATCH", "/infra/services/{}", "HTTPS", body={"description": "mine"})[0] in (400, 403)


def test_a_whole_subtree_is_written_and_read_in_one_request(client: CheckedClient, table: dict[str, Case]) -> None:
    tree = _tree({"id": "tree-t1", "resource_type": "Tier1", "tier0_path": T0, "children": [_services(table)]})
    assert client.call("PATCH", "/infra", body=tree).body is None
    read = client.call("GET", "/infra", type_filter="Tier1;LocaleServices", base_path="/infra/tier-1s/tree-t1").body
    assert "tree-t1" in str(read)
    gone = tree | {"children": [tree["children"][0] | {"marked_for_delete": True}]}
    client.call("PATCH", "/infra", body=gone)
    assert refused(client, "GET", "/infra/tier-1s/{}", "tree-t1")[0] == 404


def _tree(tier1: dict[str, Any]) -> dict[str, Any]:
    child = {"resource_type": "ChildTier1", "marked_for_delete": False, "Tier1": tier1}
    return {"resource_type": "Infra", "children": [child]}


def _services(table: dict[str, Case]) -> dict[str, Any]:
    body = {"id": "ls", "resource_type": "LocaleServices", **table["Tier1 LocaleServices"].body}
    return {"resource_type": "ChildLocaleServices", "LocaleServices": body}


def test_a_subtree_with_one_mistake_changes_nothing_and_names_it(client: CheckedClient) -> None:
    good = _tree({"id": "half-good", "resource_type": "Tier1"})["children"]
    bad = _tree({"id": "half-bad", "resource_type": "Tier1", "tier0_path": "/infra/tier-0s/nowhere"})["children"]
    with pytest.raises(Refusal) as refusal:
        client.call("PATCH", "/infra", body={"resource_type": "Infra", "children": good + bad})
    assert refusal.value.status in (400, 404)
    assert "half-bad" in str(refusal.value.body) or "nowhere" in str(refusal.value.body)
    assert refused(client, "GET", "/infra/tier-1s/{}", "half-good")[0] == 404


def test_revisions_count_in_a_subtree_only_when_enforced(client: CheckedClient) -> None:
    client.call("PATCH", "/infra/tier-1s/{}", "counted", body={})
    stale = _tree({"id": "counted", "resource_type": "Tier1", "description": "stale", "_revision": 7})
    assert refused(client, "PATCH", "/infra", body=stale, enforce_revision_check=True)[0] in (409, 412)
    client.call("PATCH", "/infra", body=stale, enforce_revision_check=False)
    assert client.call("GET", "/infra/tier-1s/{}", "counted").typed.description == "stale"


def test_expressions_gain_and_lose_members_without_a_revision(client: CheckedClient) -> None:
    ids = {"resource_type": "ExternalIDExpression", "id": "vms", "member_type": "VirtualMachine", "external_ids": ["a"]}
    client.call("PATCH", GROUPS + "/{}", "default", "grows", body={"expression": [ids]})
    expression = client.call("GET", GROUPS + "/{}", "default", "grows").body["expression"][0]
    for action, members, after in (("add", ["b", "c"], ["a", "b", "c"]), ("remove", ["a"], ["b", "c"])):
        client.call(
            "POST", GROUPS + "/{}/external-id-expressions/{}", "default", "grows", expression["id"],
            action=action, body={"members": members},
        )  # fmt: skip
        found = client.call("GET", GROUPS + "/{}", "default", "grows").body["expression"][0]
        assert sorted(found["external_ids"]) == after


def test_a_policy_is_moved_before_another(client: CheckedClient) -> None:
    template = "/infra/domains/{}/security-policies/{}"
    for name in ("move-a", "move-b"):
        client.call("PATCH", template, "default", name, body={"category": "Application", "sequence_number": 9})
    moved = client.call("GET", template, "default", "move-b").body
    client.call(
        "POST", template, "default", "move-b", fixed="action=revise", body=moved, operation="insert_before",
        anchor_path="/infra/domains/default/security-policies/move-a",
    )  # fmt: skip
    a, b = (client.call("GET", template, "default", name).typed.sequence_number for name in ("move-a", "move-b"))
    assert b < a


def test_search_finds_what_was_written_a_moment_ago(client: CheckedClient) -> None:
    tags = [{"scope": "director/deployment", "tag": "sought"}]
    body = {"tags": tags, "expression": [condition("a|b")]}
    client.call("PATCH", GROUPS + "/{}", "default", "sought", body=body)
    query = "resource_type:Group AND tags.scope:director\\/deployment AND tags.tag:sought"

    def found() -> list[str]:
        return [one["id"] for one in client.call("GET", "/search/query", query=query).body["results"]]

    until(found, wanted=["sought"])


@pytest.mark.parametrize("query", ["resource_type:(", "tags.tag:a AND", "", "resource_type:Tier1 AND ["])
def test_a_query_that_makes_no_sense_is_refused(client: CheckedClient, query: str) -> None:
    assert refused(client, "GET", "/search/query", query=query)[0] == 400
