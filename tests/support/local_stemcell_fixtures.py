"""pytest's side of ``tests/support/local_stemcell.py``: import ``local_stemcell``."""

import os
from pathlib import Path

import pytest

from tests.support.local_stemcell import CannotBuild, stemcell


@pytest.fixture(scope="session")
def local_stemcell() -> Path:
    """A stemcell archive for local VMs with a real Debian in it. The first one on a machine takes minutes.

    Skips where it cannot be built, or fails where CI must not miss it.
    """
    if os.geteuid() != 0:
        pytest.skip("VMs of a stemcell of their own need root")
    try:
        return stemcell()
    except CannotBuild as why:
        without = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        without(str(why))
