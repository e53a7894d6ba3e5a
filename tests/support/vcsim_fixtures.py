"""pytest's side of ``tests/support/vcsim.py``: import ``sim`` (one per test) or ``shared_sim`` (one per module)."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.go_fixtures import built
from tests.support.ordinary_user import USER
from tests.support.vcsim import PROGRAM, Vcsim, vcsim


def need_vcsim() -> None:
    """Skips the test where the simulator cannot be built, or fails it where CI must not miss it."""
    built(PROGRAM)


def give_vcsim(home: Path) -> None:
    """To an ordinary user, who would compile it anew: what is built is looked for below the user's home."""
    cache = home / ".cache/director-tests"
    cache.mkdir(parents=True)
    program = Path(shutil.copy(built(PROGRAM), cache))
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
