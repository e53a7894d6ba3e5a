"""The sample's life for somebody who is not root: VMs in user namespaces, addresses of 127.0.0.0/8."""

import urllib.parse
import urllib.request

import pytest

from tests.e2e.conftest import IS_ROOT, leftovers
from tests.support.ordinary_user import ROOT, home_of_a_user, pytest_as_user

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]
THIS = "tests/e2e/test_as_user.py"
OPS_FILE = "manifests/ops/unprivileged.yml"
TIMEOUT_S = 170


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="only root can become an ordinary user; the tests below are then run directly")
def test_all_of_this_holds_for_an_ordinary_user():
    with home_of_a_user() as home:
        said = pytest_as_user(home, [THIS], TIMEOUT_S)
    assert "5 passed" in said, said


as_user = pytest.mark.skipif(IS_ROOT, reason="run as an ordinary user by the test above")


@as_user
def test_it_is_deployed_and_answers_on_a_loopback_address(director):
    director.deploy()
    running = {row["process_state"] for label, row in director.instances().items() if "smoke" not in label}
    assert running == {"running"}
    assert director.url().startswith("http://127.16.")
    _sign(director, "written before the recreate")


@as_user
def test_its_errand_passes(director):
    assert "Exit Code  0" in director.run("-n", "-d", "guestbook", "run-errand", "smoke-tests")


@as_user
def test_a_recreated_store_keeps_its_entries(director):
    before = director.instances()["store/0"]
    director.run("-n", "-d", "guestbook", "recreate", "store")
    after = director.instances()["store/0"]
    assert after["vm_cid"] != before["vm_cid"]
    assert after["disks"] == before["disks"] != ""
    assert "written before the recreate" in director.page()


@as_user
def test_deleting_leaves_nothing_but_the_disk(director):
    director.run("-n", "-d", "guestbook", "delete-deployment")
    assert leftovers(director) == []
    assert [row["instance"] for row in director.rows("disks", "--orphaned")] == ["store/0"]


@as_user
def test_addresses_that_need_root_are_refused_with_the_ops_file_to_use(director):
    director.run("-n", "update-cloud-config", ROOT / "manifests/cloud-config.yml")
    said = director.deploy(expect=1)
    assert "without root" in said
    assert OPS_FILE in said
    assert leftovers(director) == []


def _sign(director, text):
    body = urllib.parse.urlencode({"name": "test", "text": text}).encode()
    urllib.request.urlopen(director.url(), data=body, timeout=10).read()
