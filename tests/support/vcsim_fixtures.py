"""pytest's side of ``tests/support/vcsim.py``: import ``sim`` (one per test) or ``shared_sim`` (one per module)."""

import os
from collections.abc import Iterator

import pytest

from tests.support.vcsim import NoGo, Vcsim, build, vcsim


def need_vcsim() -> None:
    """Skips the test where the simulator cannot be built, or fails it where CI must not miss it."""
    try:
        build()
    except NoGo as without_go:
        without = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        without(str(without_go))


@pytest.fixture
def sim() -> Iterator[Vcsim]:
    """Three clusters of three hosts, two datastores, two distributed and one NSX-backed port group, no VMs."""
    need_vcsim()
    with vcsim() as running:
        yield running


@pytest.fixture(scope="module")
def shared_sim() -> Iterator[Vcsim]:
    """The same for a whole module whose tests keep out of each other's way."""
    need_vcsim()
    with vcsim() as running:
        yield running
