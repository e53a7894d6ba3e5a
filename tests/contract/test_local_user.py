"""Runs the suites on local VMs once more, as an ordinary user, on a machine where the tests run as root."""

import pytest

from tests.contract.local_vm import IS_ROOT
from tests.support.ordinary_user import home_of_a_user, pytest_as_user
from tests.support.vcsim_fixtures import give_vcsim

SUITES = ("tests/contract/test_infrastructure.py", "tests/contract/test_local.py", "tests/unit/adapters/local")
TIMEOUT_S = 300


@pytest.mark.root
@pytest.mark.timeout(TIMEOUT_S + 30)
@pytest.mark.skipif(not IS_ROOT, reason="only root can become an ordinary user")
def test_what_holds_for_root_holds_for_an_ordinary_user():
    with home_of_a_user() as home:
        give_vcsim(home)
        assert "passed" in pytest_as_user(home, SUITES, TIMEOUT_S)
