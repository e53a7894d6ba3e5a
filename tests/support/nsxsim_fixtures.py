"""pytest's side of ``tests/support/nsxsim.py``: import ``nsx`` (one per test) or ``shared_nsx`` (one per module)."""

from collections.abc import Iterator

import pytest

from tests.support.nsxsim import Nsxsim, nsxsim


@pytest.fixture
def nsx() -> Iterator[Nsxsim]:
    """One manager with the built-in seed: a tier-0, an edge cluster, transport zones, predefined services, …"""
    with nsxsim() as running:
        yield running


@pytest.fixture(scope="module")
def shared_nsx() -> Iterator[Nsxsim]:
    """The same for a whole module whose tests keep out of each other's way; no limit on the rate of requests."""
    with nsxsim(settings={"rate_per_s": 0, "delete_lag_s": 0.05}) as running:
        yield running
