"""``make demo-heal`` heals what it breaks, says so, and leaves nothing, however it ends."""

import re

import pytest

from tests.e2e.conftest import IS_ROOT
from tests.support.demo import (
    demo_of,
    is_doubled_and_interrupted,
    is_killed_and_cleaned_up,
    said_by,
    works_for_an_ordinary_user,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]
ROW = re.compile(r"  (\S.*?) {2,}([0-9.]+) s {2,}([0-9.]+) s   (.*)")


@pytest.fixture
def demo():
    with demo_of("demo-heal", "unprivileged.yml", "127.16.") as made:
        yield made


def test_what_dies_in_the_demo_comes_back_and_how_is_told(demo):
    said = said_by(demo)
    rows = {
        match[1]: (float(match[2]), float(match[3]), match[4])
        for match in map(ROW.fullmatch, said.splitlines())
        if match
    }
    cut = ["store/0's network"] if IS_ROOT else []
    assert list(rows) == ["store/0's process", "proxy/0's VM", *cut, "web/2's VM meanwhile", "the director"]
    assert rows["store/0's process"][2].startswith("left to its agent")
    assert re.match("reboot its VM, by task [0-9]+; off", rows["proxy/0's VM"][2])
    assert rows["proxy/0's VM"][0] < 5
    if IS_ROOT:
        noticed_s, served_s, how = rows["store/0's network"]
        assert 4 < noticed_s < 12
        assert served_s > noticed_s
        assert re.match("recreate its VM, by task [0-9]+; unresponsive agent", how)
        assert "was removed before its disk and address went to" in said
    else:
        assert "No network was cut: only root's VMs have networks of their own." in said
    assert "nothing is lost" in said
    assert "Deployed, killed, healed, removed" in said


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="what is cleared up is the same for everybody")
def test_an_interrupted_demo_leaves_nothing_and_a_second_one_beside_it_disturbs_nothing(demo):
    is_doubled_and_interrupted(demo, "A VM dies: the proxy's")


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="what is cleared up is the same for everybody")
def test_what_a_killed_demo_left_is_removed_by_the_next_one(demo):
    is_killed_and_cleaned_up(demo, "Updating instance web")


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="only root can become an ordinary user; the first test is then run directly")
def test_it_works_for_an_ordinary_user():
    works_for_an_ordinary_user("tests/e2e/test_demo_heal.py")
