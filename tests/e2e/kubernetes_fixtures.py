"""A director that is ready to deploy Kubernetes, for all tests of a module: import ``kubernetes`` and ``programs``.

As root, with real programs: from the cache, or compiled where that is asked for (see ``kubernetes_programs``).
"""

import time
from types import SimpleNamespace

import pytest

from tests.e2e.conftest import IS_ROOT, leftovers, own_net
from tests.support import kubernetes_programs
from tests.support.kubernetes_deployed import VERSION, Release, ready_director
from tests.support.local_stemcell_fixtures import local_stemcell

__all__ = ["WITH_A_CLUSTER", "kubernetes", "local_stemcell", "programs"]
GONE_S = 10
needs_root = pytest.mark.skipif(not IS_ROOT, reason="nodes are VMs that only root can make")
WITH_A_CLUSTER = (
    pytest.mark.e2e,
    pytest.mark.root,
    pytest.mark.kubernetes,
    needs_root,
    pytest.mark.timeout(3600),  # Kubernetes and the stemcell may have to be built first
)
"""Marks of a module of tests."""


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """``programs("1.35.4")`` is the release with that version's. Skips where they would have to be compiled."""
    folder = tmp_path_factory.mktemp("kubernetes")

    def of(version=VERSION):
        return Release(version=version, directory=kubernetes_programs.release(folder, version))

    return of


@pytest.fixture(scope="module")
def kubernetes(programs, request):
    """A ``Deployed`` that has deployed nothing yet; everything of it is gone afterwards, and that is asserted."""
    programs()  # skips before anything is begun, the stemcell too
    request.getfixturevalue("local_stemcell")
    with ready_director(f"{own_net()}.") as made:
        yield made
    mine = SimpleNamespace(state=made.director.state)
    deadline = time.monotonic() + GONE_S
    while leftovers(mine) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert leftovers(mine) == []
