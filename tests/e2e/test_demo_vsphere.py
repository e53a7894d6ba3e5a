"""``make demo-vsphere`` does what it shows, and leaves nothing, however it ends."""

import pytest

from tests.e2e.conftest import IS_ROOT
from tests.support.demo import (
    demo_of,
    is_doubled_and_interrupted,
    is_killed_and_cleaned_up,
    parted,
    said_by,
    works_for_an_ordinary_user,
)
from tests.support.vcsim_fixtures import need_vcsim

pytestmark = [pytest.mark.e2e, pytest.mark.go, pytest.mark.timeout(150)]


@pytest.fixture
def demo():
    need_vcsim()
    with demo_of("demo-vsphere", "vsphere-unprivileged.yml", "127.17.") as made:
        yield made


def test_the_demo_deploys_breaks_finds_and_repairs(demo):
    said = said_by(demo)
    plan, deployed, tree, broken, repaired = parted(
        said,
        "$ director plan",
        "$ director -n deploy",
        "What vCenter shows",
        "Somebody destroys",
        "$ director -n update-resurrection on",
    )
    assert "on cluster DC0_C1" in plan
    assert "Instances: create 5" in deployed
    assert "The guestbook answers." in deployed
    assert "all good" in deployed
    assert "├─ DC0_C0_H1" in tree
    assert ": 1024 MB, attached to store-0-" in tree
    assert "\n1 difference" in broken
    assert "repair deployment guestbook" in repaired
    assert "0 differences" in repaired
    assert "Deployed, broken, found, repaired" in repaired


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="what is cleared up is the same for everybody")
def test_an_interrupted_demo_leaves_nothing_and_a_second_one_beside_it_disturbs_nothing(demo):
    is_doubled_and_interrupted(demo, "Creating missing vms")


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="what is cleared up is the same for everybody")
def test_what_a_killed_demo_left_is_removed_by_the_next_one(demo):
    is_killed_and_cleaned_up(demo, "Updating instance web")


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="only root can become an ordinary user; the first test is then run directly")
def test_it_works_for_an_ordinary_user():
    works_for_an_ordinary_user("tests/e2e/test_demo_vsphere.py", needs_vcsim=True)
