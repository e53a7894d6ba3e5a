"""pytest's side of ``tests/support/vcsim.py``: import ``sim`` (one per test) or ``shared_sim`` (one per module)."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ordinary_user import USER
from tests.support.vcsim import NoGo, Vcsim, build, vcsim


def need_vcsim() -> None:
    """Skips the test where the simulator cannot be built, or fails it where CI must not miss it."""
    try:
        build()
    except NoGo as without_go:
        without = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        without(str(without_go))


def give_vcsim(home: Path) -> None:
    """To an ordinary user, who would compile it anew: what is built is looked for below the user's home."""
    need_vcsim()
    cache = home / ".cache/director-tests"
    cache.mkdir(parents=True)
    program = Path(shutil.copy(build(), cache))
    for path in (program, cache, cache.parent):
        os.chown(path, int(USER), int(USER))


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
