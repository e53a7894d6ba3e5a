"""One simulator per module with the ground of ``cases.py`` laid in it."""

from collections.abc import Iterator

import pytest

from tests.conformance.nsx.cases import SITE, Case, Seed
from tests.conformance.nsx.checked import CheckedClient, basic
from tests.conformance.nsx.rows import cases, ground
from tests.support.nsxsim import Nsxsim
from tests.support.nsxsim_fixtures import nsx, shared_nsx

__all__ = ["nsx", "shared_nsx"]


@pytest.fixture(scope="module")
def client(shared_nsx: Nsxsim) -> Iterator[CheckedClient]:
    with basic(shared_nsx) as connected:
        yield connected


@pytest.fixture(scope="module")
def seed(client: CheckedClient) -> Seed:
    """What the simulator begins with, found as a client finds it: by lists."""
    clusters = client.call("GET", "/infra/sites/{}/enforcement-points/{}/edge-clusters", "default", "default").typed
    nodes = client.call(
        "GET", "/infra/sites/{}/enforcement-points/{}/edge-clusters/{}/edge-nodes", "default", "default",
        clusters.results[0].id,
    ).typed  # fmt: skip
    zones = client.call("GET", "/infra/sites/{}/enforcement-points/{}/transport-zones", "default", "default").typed
    by_kind = {zone.tz_type: zone for zone in zones.results}
    overlay = by_kind.get("OVERLAY_BACKED") or by_kind["OVERLAY_STANDARD"]
    assert clusters.results[0].path.startswith(f"{SITE}/edge-clusters/")
    return Seed(
        edge_cluster=clusters.results[0].path,
        edge_node=nodes.results[0].path,
        overlay=overlay.path,
        vlan=by_kind["VLAN_BACKED"].path,
    )


@pytest.fixture(scope="module")
def table(client: CheckedClient, seed: Seed) -> dict[str, Case]:
    """The rows by name, with what they refer to in place."""
    for case, name in ground(seed):
        client.call("PATCH", case.template, *case.parents, name, body={"id": name, **case.body})
    return {str(case): case for case in cases(seed)}
