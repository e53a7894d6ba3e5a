"""The sample on networks of its own: a vCenter and an NSX-T, both simulated, real agents behind a load balancer.

The tests of this module are one life of a deployment, in the order of the file.
"""

import contextlib
import os
import signal
import tempfile
import time
import urllib.request
from pathlib import Path

import httpx
import pytest
from pyVim.connect import SmartConnect
from pyVmomi import vim, vmodl

from director.settings import default_run_dir
from tests.e2e.conftest import IS_ROOT, Director, leftovers
from tests.support.hypervisor import hypervisor
from tests.support.nsxlanes import API, ours, strangers
from tests.support.nsxsim import nsxsim
from tests.support.simulated import nsxt_properties, vcenter_flags, write_infrastructure, write_stemcell
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim

pytestmark = [pytest.mark.e2e, pytest.mark.go, pytest.mark.timeout(300)]

NUMBER = 100 + os.getpid() % 100
OWN = f"10.{NUMBER}." if IS_ROOT else f"127.{NUMBER}."
"""Of this test run's own: somebody may be running the demo beside it."""
VIP = f"127.{NUMBER}.0.80"
ROUTED = "manifests/ops/nsxt-routed.yml"
ADDRESSES = """
- {{type: replace, path: /networks/name=default/subnets/0/range, value: {own}1.0/24}}
- {{type: replace, path: /networks/name=default/subnets/0/gateway, value: {own}1.1}}
- {{type: replace, path: /networks/name=default/subnets/0/static, value: [{own}1.10-{own}1.19]}}
- type: replace
  path: /networks/name=default/subnets/0/cloud_properties/load_balancer/virtual_servers/name=web/ip
  value: {vip}
"""
TOPOLOGIES = """
- type: replace
  path: /networks/-
  value:
    name: plain
    type: manual
    subnets:
    - {{range: {own}2.0/24, gateway: {own}2.1, azs: [z1, z2, z3], cloud_properties: {{name: DC0_DVPG0}}}}
- type: replace
  path: /networks/-
  value:
    name: routed
    type: manual
    managed: true
    subnets:
    - range: {own}3.0/24
      gateway: {own}3.1
      azs: [z1, z2, z3]
      cloud_properties: {{t0_router_id: tier-0, transport_zone_id: overlay-tz, topology: routed}}
"""
TRIVIAL = {
    "config/final.yml": "name: trivial\n",
    "jobs/idle/spec": "name: idle\ntemplates: {}\npackages: []\nproperties: {}\n",
    "jobs/idle/monit": "",
}
THREE = """
name: three
releases: [{name: trivial, version: create, url: "file://trivial"}]
stemcells: [{alias: default, os: local, version: latest}]
update: {canaries: 1, max_in_flight: 3, canary_watch_time: 0-60000, update_watch_time: 0-60000, serial: false}
instance_groups:
- {name: on-plain, instances: 1, azs: [z1], stemcell: default, vm_type: small, networks: [{name: plain}],
   jobs: [{name: idle, release: trivial}]}
- {name: on-nat, instances: 1, azs: [z2], stemcell: default, vm_type: small, networks: [{name: default}],
   jobs: [{name: idle, release: trivial}]}
- {name: on-routed, instances: 1, azs: [z3], stemcell: default, vm_type: small, networks: [{name: routed}],
   jobs: [{name: idle, release: trivial}]}
"""


@pytest.fixture(scope="module")
def site():
    """A director whose infrastructure is both simulators; all of it is gone afterwards, and that is asserted."""
    need_vcsim()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="director-nsxt-")))
        center = stack.enter_context(vcsim(log=folder / "vcsim.log"))
        nsx = stack.enter_context(nsxsim(*vcenter_flags(center), "--forward", log=folder / "nsxsim.log"))
        made = Director(folder)
        write_infrastructure(made.state, center, nsxt=nsxt_properties(nsx))
        stack.callback(lambda: made.run("-n", "local", "destroy", "--forget-elsewhere"))
        made.run("local", "start")
        guests = hypervisor(center, folder / "guests", default_run_dir(made.state), log=folder / "guests.log")
        stack.enter_context(guests)
        service = SmartConnect(
            host=center.host, port=center.port, user=center.user, pwd=center.password, disableSslCertValidation=True
        )
        stack.callback(service._stub.DropConnections)
        found = Site(made, nsx, service.content, folder)
        found.set_cloud()
        made.run("-n", "upload-stemcell", write_stemcell(folder / "stemcell.tgz"))
        yield found
    assert leftovers(made) == []


class Site:
    """One director with its two simulators, and all that the tests ask of them."""

    def __init__(self, director, nsx, center, folder):
        self.director, self.nsx, self.center, self.folder = director, nsx, center, folder
        self.before = nsx.state()
        self.networks_before = self.networks()

    def set_cloud(self, *ops):
        own = self.folder / "own.yml"
        own.write_text(ADDRESSES.format(own=OWN, vip=VIP))
        edits = [word for file in ("manifests/ops/nsxt-simulated.yml", own, *ops) for word in ("-o", file)]
        self.director.run("-n", "update-cloud-config", "manifests/cloud-config-nsxt.yml", *edits)

    def deploy(self, web=5, **options):
        scale = self.folder / "scale.yml"
        scale.write_text(f"- {{type: replace, path: /instance_groups/name=web/instances, value: {web}}}\n")
        return self.director.deploy("-o", "manifests/ops/behind-lb.yml", "-o", scale, **options)

    def delete(self):
        self.director.run("-n", "-d", "guestbook", "delete-deployment")

    def page(self):
        with urllib.request.urlopen(f"http://{VIP}:8080/", timeout=10) as answer:
            return answer.read().decode().lower()

    def named(self, kind):
        """Names; without those that go while they are asked for."""
        view = self.center.viewManager.CreateContainerView(self.center.rootFolder, [kind], True)
        found = []
        for each in view.view:
            with contextlib.suppress(vmodl.fault.ManagedObjectNotFound):
                found.append(each.name)
        view.DestroyView()
        return sorted(found)

    def networks(self):
        """Of the vCenter; strangers' segments come to it some time after the simulator's start."""
        theirs = {body["display_name"] for body in self.before.values() if body["resource_type"] == "Segment"}
        return [name for name in self.named(vim.Network) if name not in theirs]

    def vms(self):
        return [name for name in self.named(vim.VirtualMachine) if not name.startswith("sc-")]

    def cids(self):
        return {name: row["vm_cid"] for name, row in self.director.instances().items() if row["vm_cid"]}

    def ips(self, group):
        rows = self.director.instances()
        return sorted(row["ips"] for name, row in rows.items() if name.startswith(f"{group}/"))

    def made(self, kind):
        """Bodies of this director's objects of one type."""
        state = self.nsx.state()
        return [state[path] for path in sorted(ours(state)) if state[path]["resource_type"] == kind]

    def one(self, kind):
        (found,) = self.made(kind)
        return found

    def members(self):
        return sorted(member["ip_address"] for pool in self.made("LBPool") for member in pool.get("members", []))

    def ask(self, method, path, body=None):
        """As somebody else who works in NSX-T."""
        login = (self.nsx.user, self.nsx.password)
        answer = httpx.request(method, f"{self.nsx.url}{API}{path}", json=body, auth=login, timeout=10)
        answer.raise_for_status()
        return answer

    def is_untouched(self):
        """Nothing of ours is left in either, and nothing of others' has changed."""
        state = self.nsx.state()
        assert ours(state) == {}
        assert strangers(state) == strangers(self.before)
        assert self.vms() == []
        with contextlib.suppress(AssertionError):
            until(lambda: self.networks() == self.networks_before, 10)
        assert self.networks() == self.networks_before


def until(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_one_deploy_makes_router_segment_nat_balancer_vms_and_members(site):
    said = site.deploy(web=5)
    assert "Instances: create 7; Networks: create 2\n" in said
    assert "guestbook" in site.page()
    assert site.members() == site.ips("web")
    assert len(site.members()) == 5
    assert all(ip.startswith(f"{OWN}1.") for ip in site.members())
    assert site.one("PolicyNatRule")["action"] == "SNAT"
    assert site.one("LBVirtualServer")["ip_address"] == VIP
    segment, ports = site.one("Segment"), site.made("SegmentPort")
    assert segment["connectivity_path"] == site.one("Tier1")["path"]
    assert len(ports) == 7, "a port for each VM, tagged as ours"
    assert {port["parent_path"] for port in ports} == {segment["path"]}
    (group,) = site.made("Group")
    seen = site.ask("GET", f"{group['path']}/members/segment-ports").json()["results"]
    assert len(seen) == 5, "its own group has the web instances, by the tag on their ports"


def test_deploying_again_changes_nothing_and_writes_nothing(site):
    site.nsx.reset_calls()
    assert "No changes" in site.deploy(web=5)
    calls = [call for call in site.nsx.calls() if call["path"].startswith(API)]
    assert {call["method"] for call in calls} == {"GET"}
    assert len(calls) <= 20
    assert "0 differences" in site.director.run("-d", "guestbook", "drift")


def test_members_follow_when_web_grows_to_eight_and_shrinks_again(site):
    site.deploy(web=8)
    assert len(site.members()) == 8
    assert site.members() == site.ips("web")
    site.deploy(web=5)
    assert len(site.members()) == 5
    assert site.members() == site.ips("web")
    assert len(site.made("SegmentPort")) == 7
    assert "guestbook" in site.page()


def test_from_nat_to_routed_and_back_no_vm_is_replaced(site):
    before, segment = site.cids(), site.one("Segment")["path"]
    site.set_cloud(ROUTED)
    assert "Networks: update 1" in site.deploy(web=5)
    assert site.made("PolicyNatRule") == []
    assert site.made("IpAddressAllocation") == []
    assert "TIER1_CONNECTED" in site.one("Tier1")["route_advertisement_types"]
    assert (site.cids(), site.one("Segment")["path"]) == (before, segment)
    assert "guestbook" in site.page()
    site.set_cloud()
    assert "Networks: update 1" in site.deploy(web=5)
    assert site.one("PolicyNatRule")["translated_network"] == site.one("IpAddressAllocation")["allocation_ip"]
    assert "TIER1_CONNECTED" not in site.one("Tier1")["route_advertisement_types"]
    assert site.cids() == before


def test_what_a_stranger_changed_is_told_and_put_right_and_what_is_theirs_is_kept(site):
    segment, pool = site.one("Segment"), site.one("LBPool")
    mine = {"display_name": "a stranger's server", "ip_address": "192.0.2.9", "port": "7102"}
    gateway = segment["subnets"][0]["gateway_address"]
    site.ask("PATCH", segment["path"], {"subnets": [{"gateway_address": f"{OWN}1.254/24"}], "description": "mine"})
    site.ask("PUT", pool["path"], {**pool, "members": [*pool["members"][1:], mine]})
    found = site.director.run("-d", "guestbook", "drift", expect=1)
    assert f"{OWN}1.254/24" in found
    assert "server pool" in found
    plan = site.director.run("plan", "manifests/guestbook.yml", "-o", "manifests/ops/behind-lb.yml", "-o",
                             site.folder / "scale.yml")  # fmt: skip
    assert "~ segment" in plan
    before = site.cids()
    site.deploy(web=5)
    after = site.one("Segment")
    assert after["subnets"][0]["gateway_address"] == gateway
    assert after["description"] == "mine"
    assert site.members() == sorted([*site.ips("web"), "192.0.2.9"])
    assert site.cids() == before
    assert "0 differences" in site.director.run("-d", "guestbook", "drift")
    assert "guestbook" in site.page()
    pool = site.one("LBPool")
    site.ask("PUT", pool["path"], {**pool, "members": [one for one in pool["members"] if one != mine]})


def test_what_a_stranger_removed_is_made_again(site):
    server = site.one("LBVirtualServer")
    site.ask("DELETE", server["path"])
    until(lambda: site.made("LBVirtualServer") == [])
    assert "virtual server" in site.director.run("-d", "guestbook", "drift", expect=1)
    before = site.cids()
    assert "set back as last deployed" in site.director.run("-n", "-d", "guestbook", "drift", "--fix")
    assert "0 differences" in site.director.run("-d", "guestbook", "drift")
    assert site.cids() == before
    assert site.one("LBVirtualServer")["ip_address"] == VIP
    until(lambda: answers(site))


def answers(site):
    try:
        return "guestbook" in site.page()
    except OSError:
        return False


def test_a_deleted_deployment_leaves_nothing_in_either_and_strangers_as_they_were(site):
    site.delete()
    site.is_untouched()


SEEN = {
    "three VMs are there": lambda site: len(site.vms()) >= 3,
    "a member was announced": lambda site: site.members(),
}


@pytest.mark.parametrize("moment", SEEN)
def test_a_director_killed_in_the_middle_of_a_deploy_is_followed_by_one_that_settles(site, moment):
    with site.director.start_command(
        "-n", "deploy", "manifests/guestbook.yml", "-o", "manifests/ops/behind-lb.yml"
    ) as command:
        until(lambda: SEEN[moment](site))
        os.kill(site.director.facts["pid"], signal.SIGKILL)
        command.communicate(timeout=60)
    site.director.run("local", "start")
    site.deploy(web=3)
    assert site.members() == site.ips("web")
    assert sorted(site.vms()) == sorted(site.cids().values())
    assert len(site.made("Tier1")) == len(site.made("Segment")) == 1
    assert len(site.made("SegmentPort")) == 5
    until(lambda: answers(site))
    with site.director.start_command("-n", "-d", "guestbook", "delete-deployment") as command:
        until(lambda: len(site.vms()) <= 3)
        os.kill(site.director.facts["pid"], signal.SIGKILL)
        command.communicate(timeout=60)
    site.director.run("local", "start")
    until(lambda: site.director.rows("tasks") == [])  # the new director goes on with it by itself
    if site.director.rows("deployments"):
        site.delete()
    site.is_untouched()


def test_a_plain_port_group_a_hidden_and_a_routed_segment_in_one_deployment(site):
    ops = site.folder / "topologies.yml"
    ops.write_text(TOPOLOGIES.format(own=OWN))
    site.set_cloud(ops)
    for path, text in TRIVIAL.items():
        target = site.folder / "trivial" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    manifest = site.folder / "three.yml"
    manifest.write_text(THREE)
    site.director.run("-n", "deploy", manifest)
    rows = site.director.instances("three")
    nets = {name: row["ips"].rsplit(".", 2)[1] for name, row in rows.items()}
    assert nets == {"on-plain/0": "2", "on-nat/0": "1", "on-routed/0": "3"}
    routers = {router["display_name"].rsplit("-", 1)[0]: router for router in site.made("Tier1")}
    assert sorted(routers) == ["default", "routed"]
    assert "TIER1_CONNECTED" not in routers["default"]["route_advertisement_types"]
    assert "TIER1_CONNECTED" in routers["routed"]["route_advertisement_types"]
    assert len(site.made("SegmentPort")) == 2, "the plain one is none of NSX-T's"
    site.director.run("-n", "-d", "three", "delete-deployment")
    site.is_untouched()
