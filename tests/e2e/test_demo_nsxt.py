"""``make demo-nsxt`` does what it shows, and leaves nothing, however it ends."""

import pytest

from tests.e2e.conftest import IS_ROOT
from tests.support.demo import (
    NUMBER,
    demo_of,
    is_doubled_and_interrupted,
    is_killed_and_cleaned_up,
    parted,
    said_by,
    works_for_an_ordinary_user,
)
from tests.support.vcsim_fixtures import need_vcsim

pytestmark = [pytest.mark.e2e, pytest.mark.go, pytest.mark.timeout(150)]
BALANCER = """
- type: replace
  path: /networks/name=default/subnets/0/cloud_properties/load_balancer/virtual_servers/name=web/ip
  value: {address}
"""


@pytest.fixture
def demo(monkeypatch, tmp_path):
    need_vcsim()
    address = f"127.{NUMBER}.0.80"
    monkeypatch.setenv("DEMO_NETWORK_MAP", str(tmp_path / "map.svg"))
    balancer = BALANCER.format(address=address)
    with demo_of("demo-nsxt", "nsxt-unprivileged.yml", "127.18.", balancer) as made:
        made.page, made.drawing = f"http://{address}:8080/", tmp_path / "map.svg"
        yield made


def test_the_demo_deploys_behind_a_load_balancer_goes_from_nat_to_routed_and_cleans_up(demo):
    said = said_by(demo)
    plan, deployed, tree, drawn, routed, after, left = parted(
        said,
        "$ director plan",
        "$ director -n deploy",
        "$ director networks",
        "$ director network-map --text",
        "From NAT to routed",
        "$ director networks",
        "$ director -n -d guestbook delete-deployment",
    )
    assert "+ router default" in plan
    assert "+ virtual server default" in plan
    assert "Instances: create 5" in deployed
    assert f"$ curl {demo.page}\nThe guestbook answers." in deployed
    assert tree.count("announced") == 3
    assert "SNAT" in tree
    assert "┌─ ● load balancer default" in drawn
    assert "Networks: update 1" in routed
    assert "Instances:" not in routed
    assert f"$ curl {demo.page}\nThe guestbook answers." in routed
    assert "SNAT" not in after
    assert "Nothing of it is left in NSX-T, and nothing of others is missing." in left
    assert "<svg" in demo.drawing.read_text()


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
    works_for_an_ordinary_user("tests/e2e/test_demo_nsxt.py", needs_vcsim=True)
