"""A client with the habits of Terraform's provider, in plain HTTP: objects made, read, changed and deleted its way.

It logs in once and still sends the password along, puts ``{}`` into every request without a body, writes through the
hierarchical API, and finds what it did not make by search.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.conformance.nsx.checked import check_error
from tests.support.nsxmodels import problems_of
from tests.support.nsxsim import Nsxsim

API = "/policy/api/v1"
BINDING_MAPS = (
    "segment-discovery-profile-binding-maps",
    "segment-qos-profile-binding-maps",
    "segment-security-profile-binding-maps",
)


class Provider:
    """What one run of the provider holds: a session, its token, and the password just in case."""

    def __init__(self, nsx: Nsxsim) -> None:
        self.http = httpx.Client(base_url=nsx.url, timeout=30, verify=False)
        login = self.http.post("/api/session/create", data={"j_username": nsx.user, "j_password": nsx.password})
        assert login.status_code == 200, login.text
        self.http.headers["X-XSRF-TOKEN"] = login.headers["X-XSRF-TOKEN"]
        self.http.auth = (nsx.user, nsx.password)
        assert self.http.cookies["JSESSIONID"]

    def ask(self, method: str, path: str, body: object = None, **query: str) -> httpx.Response:
        answer = self.http.request(
            method, path if path.startswith("/api/") else API + path, json={} if body is None else body, params=query
        )
        if answer.is_error:
            check_error(answer.json())
        return answer

    def get(self, path: str, **query: str) -> dict[str, Any]:
        answer = self.ask("GET", path, **query)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def write(self, *children: Mapping[str, Any], enforced: str = "false") -> httpx.Response:
        tree = {"resource_type": "Infra", "children": list(children)}
        assert problems_of("Infra", tree) == []
        return self.ask("PATCH", "/infra", tree, enforce_revision_check=enforced)

    def found(self, query: str) -> list[dict[str, Any]]:
        page = self.get("/search/query", query=query)
        results = list(page["results"])
        while cursor := page.get("cursor"):
            page = self.get("/search/query", query=query, cursor=cursor)
            results += page["results"]
        return results


@pytest.fixture
def provider(nsx: Nsxsim) -> Iterator[Provider]:
    nsx.settings(search_lag_s=0.0, delete_lag_s=0.05)
    made = Provider(nsx)
    yield made
    made.http.close()


def child(model: str, *, gone: bool = False, **body: Any) -> dict[str, Any]:
    wrapper = f"Child{model}"
    return {"resource_type": wrapper, "marked_for_delete": gone, model: {"resource_type": model, **body}}


def below(kind: str, id_: str, *children: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "resource_type": "ChildResourceReference", "id": id_, "target_type": kind, "children": list(children),
    }  # fmt: skip


def router(provider: Provider, **body: Any) -> dict[str, Any]:
    """A tier-1 with its services on the edge cluster that search finds, in one request."""
    (t0, *_) = provider.found("resource_type:Tier0 AND marked_for_delete:false")
    (cluster, *_) = provider.found("resource_type:PolicyEdgeCluster AND marked_for_delete:false")
    services = child("LocaleServices", id="default", edge_cluster_path=cluster["path"])
    answer = provider.write(child("Tier1", id="tf-t1", tier0_path=t0["path"], children=[services], **body))
    assert answer.status_code == 200, answer.text
    return provider.get("/infra/tier-1s/tf-t1")


def test_it_opens_with_a_session_and_the_nodes_version(provider: Provider) -> None:
    version = provider.get("/api/v1/node/version")
    assert problems_of("NodeVersion", version) == []
    assert [part.isdigit() for part in version["product_version"].split(".")[:2]] == [True, True]


def test_tier_0s_and_edge_clusters_are_found_by_search(provider: Provider) -> None:
    (t0, *_) = provider.found("resource_type:Tier0 AND marked_for_delete:false")
    by_name = provider.found(f"resource_type:Tier0 AND display_name:{t0['display_name']}* AND marked_for_delete:false")
    by_id = provider.found(f"resource_type:Tier0 AND id:{t0['id']}")
    assert t0["path"] in [one["path"] for one in by_name]
    assert [one["path"] for one in by_id] == [t0["path"]]
    assert problems_of("Tier0", provider.get(t0["path"])) == []
    (cluster, *_) = provider.found("resource_type:PolicyEdgeCluster AND marked_for_delete:false")
    assert problems_of("PolicyEdgeCluster", provider.get(cluster["path"])) == []


def test_a_router_with_its_services_is_written_as_one_tree(provider: Provider) -> None:
    made = router(provider, failover_mode="PREEMPTIVE")
    assert (made["failover_mode"], made["_revision"]) == ("PREEMPTIVE", 0)
    services = provider.get("/infra/tier-1s/tf-t1/locale-services")["results"]
    assert [one["id"] for one in services] == ["default"]


def test_put_with_a_revision_changes_and_a_stale_one_does_not(provider: Provider) -> None:
    first = router(provider)
    second = provider.ask("PUT", "/infra/tier-1s/tf-t1", first | {"description": "changed"})
    assert (second.status_code, second.json()["_revision"]) == (200, 1)
    assert provider.ask("PUT", "/infra/tier-1s/tf-t1", first).status_code == 412


def test_revisions_are_held_to_in_trees_only_when_asked(provider: Provider) -> None:
    first = router(provider)
    stale = child("Tier1", id="tf-t1", tier0_path=first["tier0_path"], description="stale", _revision=9)
    assert provider.write(stale, enforced="true").status_code in (400, 409, 412)
    assert "description" not in provider.get("/infra/tier-1s/tf-t1")
    assert provider.write(stale, enforced="false").status_code == 200
    assert provider.get("/infra/tier-1s/tf-t1")["description"] == "stale"


def test_a_segments_ports_and_binding_maps_are_listed_before_it_goes(provider: Provider) -> None:
    zone = provider.found("resource_type:PolicyTransportZone AND tz_type:OVERLAY_BACKED")[0]["path"]
    router(provider)
    segment = child(
        "Segment", id="tf-seg", transport_zone_path=zone, connectivity_path="/infra/tier-1s/tf-t1",
        subnets=[{"gateway_address": "10.88.0.1/24"}],
    )  # fmt: skip
    assert provider.write(segment).status_code == 200
    profile = provider.ask("PATCH", f"/infra/segments/tf-seg/{BINDING_MAPS[0]}/default", {"display_name": "default"})
    assert profile.status_code == 200, profile.text
    counts = {kind: len(provider.get(f"/infra/segments/tf-seg/{kind}")["results"]) for kind in ("ports", *BINDING_MAPS)}
    assert counts == {"ports": 0, BINDING_MAPS[0]: 1, BINDING_MAPS[1]: 0, BINDING_MAPS[2]: 0}
    assert provider.write(child("Segment", id="tf-seg", gone=True)).status_code == 200
    assert provider.ask("GET", "/infra/segments/tf-seg").status_code == 404


def test_deletion_by_force_and_of_what_is_gone(provider: Provider) -> None:
    router(provider)
    assert provider.ask("DELETE", "/infra/tier-1s/tf-t1/locale-services/default").status_code == 200
    assert provider.ask("DELETE", "/infra/tier-1s/tf-t1", force="true").status_code == 200
    assert provider.ask("GET", "/infra/tier-1s/tf-t1").status_code == 404
    again = provider.ask("DELETE", "/infra/tier-1s/tf-t1")
    assert again.status_code in (200, 404) or again.json()["error_code"] == 500045


def test_groups_policies_and_their_rules_live_below_the_domain(provider: Provider) -> None:
    group = child("Group", id="tf-group", expression=[])
    rule = child(
        "Rule", id="tf-rule", action="DROP", source_groups=["ANY"], services=["ANY"], scope=["ANY"], sequence_number=1,
        destination_groups=["/infra/domains/default/groups/tf-group"],
    )  # fmt: skip
    policy = child("SecurityPolicy", id="tf-policy", category="Application", children=[rule])
    assert provider.write(below("Domain", "default", group, policy)).status_code == 200
    told = provider.get("/infra/domains/default/security-policies/tf-policy")
    assert [one["id"] for one in told["rules"]] == ["tf-rule"]
    assert problems_of("SecurityPolicy", told) == []
    gone = below(
        "Domain",
        "default",
        child("SecurityPolicy", id="tf-policy", gone=True),
        child("Group", id="tf-group", gone=True),
    )
    assert provider.write(gone).status_code == 200
    assert provider.ask("GET", "/infra/domains/default/groups/tf-group").status_code == 404


def test_a_tree_with_one_bad_branch_changes_nothing(provider: Provider) -> None:
    bad = child("Tier1", id="tf-bad", tier0_path="/infra/tier-0s/nowhere")
    answer = provider.write(child("Tier1", id="tf-good"), bad)
    assert answer.status_code in (400, 404)
    assert "nowhere" in answer.text
    assert provider.ask("GET", "/infra/tier-1s/tf-good").status_code == 404
