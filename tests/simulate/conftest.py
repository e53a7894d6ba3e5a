"""What the tests of simulated worlds share."""

import os

import pytest
import structlog

SEEDS_CI, SEEDS_HERE = 1000, 100


@pytest.fixture(autouse=True)
def _quiet():
    """Killed handlers and failed looks are logged each time, and there are thousands."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture
def seeds(request):
    """How many worlds: ``--seeds N``, else 1 000 in CI and 100 elsewhere."""
    asked = request.config.getoption("--seeds")
    return asked or (SEEDS_CI if os.environ.get("CI") else SEEDS_HERE)


@pytest.fixture
def one_seed(request):
    """The seed to replay with its whole trace, from ``--seed N``."""
    return request.config.getoption("--seed")
