"""What an operator sees when vCenter, or what he wrote, is wrong; and that nothing is left behind or made twice.

The agents are a swarm (``tests/support/swarm.py``): they enrol and do nothing, which is all that is asked for here.
"""

import contextlib
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("pyVmomi")

from pyVim.connect import SmartConnect
from pyVmomi import vim

from tests.e2e.conftest import Director
from tests.support.simulated import write_infrastructure, write_stemcell
from tests.support.swarm import swarm
from tests.support.vcproxy import vcproxy
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim

pytestmark = [pytest.mark.e2e, pytest.mark.go, pytest.mark.timeout(300)]

CLOUD = """
azs:
- {name: z1, cloud_properties: {datacenters: [{name: DC0, clusters: [CLUSTER: {}]}]}}
vm_types:
- {name: tiny, cloud_properties: {cpu: 1, ram: 256, disk: DISK}}
disk_types:
- {name: small, disk_size: 1024}
networks:
- name: default
  subnets: [{range: 10.9.0.0/24, gateway: 10.9.0.1, az: z1, cloud_properties: {name: NETWORK}}]
compilation: {workers: 1, az: z1, network: default, vm_type: tiny, reuse_compilation_vms: true}
"""
MANIFEST = """
name: idle
releases: [{name: idle, version: create, url: "file://release"}]
stemcells: [{alias: default, os: local, version: latest}]
update: {canaries: 0, max_in_flight: 3, canary_watch_time: 0-30000, update_watch_time: 0-30000}
instance_groups:
- name: idle
  instances: 3
  azs: [z1]
  stemcell: default
  vm_type: tiny
  networks: [{name: default}]
  jobs: [{name: idle, release: idle}]
"""
RELEASE = {
    "config/final.yml": "name: idle\n",
    "jobs/idle/spec": "name: idle\ntemplates: {}\npackages: []\nproperties: {}\n",
    "jobs/idle/monit": "",
}


class Site(SimpleNamespace):
    def cloud(self, *, cluster="DC0_C0", disk=1024, network="DC0_DVPG0", text=CLOUD):
        file = self.folder / "cloud.yml"
        file.write_text(text.replace("CLUSTER", cluster).replace("DISK", str(disk)).replace("NETWORK", network))
        self.director.run("-n", "update-cloud-config", file)

    def deploy(self, *, expect=0):
        return self.director.run("-n", "deploy", self.folder / "idle.yml", expect=expect, timeout=200)

    def refused(self):
        """What a deploy that fails says; never how the program looks inside, nor a password."""
        said = self.deploy(expect=1)
        assert "Traceback" not in said
        assert self.proxy.password not in said
        return " ".join(said.split())

    def vms(self):
        """Names of all VMs that are no stemcell's."""
        view = self.center.viewManager.CreateContainerView(self.center.rootFolder, [vim.VirtualMachine], True)
        found = sorted(vm.name for vm in view.view if not vm.name.startswith("sc-"))
        view.DestroyView()
        return found

    def recorded(self):
        return sorted(row["vm_cid"] for row in self.director.instances("idle").values() if row["vm_cid"])

    def agents(self):
        return swarm(self.proxy.sim, self.folder / "swarm")


@pytest.fixture(scope="module")
def site():
    need_vcsim()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="director-bad-")))
        proxy = stack.enter_context(vcproxy(stack.enter_context(vcsim(task_delay_ms=1000))))
        made = Director(folder)
        made.env["DIRECTOR_AGENT_WAIT_S"] = "15"
        write_infrastructure(made.state, proxy)
        stack.callback(lambda: made.run("-n", "local", "destroy"))
        made.run("local", "start")
        sim = proxy.sim
        service = SmartConnect(
            host=sim.host, port=sim.port, user=sim.user, pwd=sim.password, disableSslCertValidation=True
        )
        stack.callback(service._stub.DropConnections)
        for path, text in RELEASE.items():
            (folder / "release" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "release" / path).write_text(text)
        (folder / "idle.yml").write_text(MANIFEST)
        site = Site(director=made, proxy=proxy, center=service.content, folder=folder)
        site.cloud()
        made.run("-n", "upload-stemcell", write_stemcell(folder / "stemcell.tgz"))
        yield site


def test_what_cannot_be_placed_is_refused_before_anything_is_made(site):
    for wrong, words in {
        ("cluster", "DC0_C9"): 'asks for cluster "DC0_C9", which vCenter does not have there. To fix it: did you mean',
        ("network", "DC0_DVPG9"): 'asks for network "DC0_DVPG9", which vCenter does not have',
        ("disk", 9_000_000): "There is no room for idle/0 and 2 more of idle in z1: cluster DC0_C0: 8790 GB needed",
    }.items():
        site.cloud(**dict([wrong]))
        assert words in site.refused()
    assert site.vms() == []
    site.cloud()


def test_an_unknown_cloud_property_is_a_warning_in_the_plan(site):
    site.cloud(text=CLOUD.replace("cpu: 1,", "cpu: 1, sockets_per_rack: 4,"))
    said = " ".join(site.director.run("plan", site.folder / "idle.yml").split())
    assert 'Warning: idle in z1: cloud_properties has "sockets_per_rack", which the vSphere adapter does not' in said
    site.cloud()


def test_a_missing_privilege_is_named_and_nothing_is_left_of_the_try(site):
    privilege = "VirtualMachine.Provisioning.DeployTemplate"
    fields = f'<object type="Datastore">datastore-52</object><privilegeId>{privilege}</privilegeId>'
    site.proxy.fault(
        "CloneVM_Task", "NoPermission", "Permission to perform this operation was denied.", fields=fields, times=3
    )
    said = site.refused()
    assert 'clone VM "idle-' in said
    assert f"Give the director's account the privilege {privilege} on datastore-52 (`director doctor` lists" in said
    assert site.vms() == []


def test_vms_whose_agents_stay_silent_are_told_with_what_to_look_at(site):
    said = site.refused()
    assert "has not connected within 15 s. Its VM" in said, said
    assert "runs on DC0_C0 / DC0_C0_H" in said
    assert "VMware Tools do not run in it" in said
    assert "the template needs open-vm-tools" in said
    assert "Look at its console" in said
    with site.agents():
        site.director.run("-n", "deploy", site.folder / "idle.yml", "--fix", timeout=200)
    assert site.vms() == site.recorded()
    assert len(site.vms()) == 3
    site.director.run("-n", "-d", "idle", "delete-deployment", "--force")
    assert site.vms() == []


def test_a_datastore_that_is_full_when_the_clone_is_made_is_told_and_the_next_deploy_goes_on(site):
    words = "Insufficient disk space on datastore 'LocalDS_0'."
    site.proxy.sim.fail_task("CloneVM_Task", "NoDiskSpace", times=1, message=words)
    with site.agents():
        said = site.refused()
        assert "Insufficient disk space on datastore 'LocalDS_0'. Free space there" in said
        assert "deploy again" in said
        site.deploy()
        assert site.vms() == site.recorded()
        assert len(site.vms()) == 3
        site.director.run("-n", "-d", "idle", "delete-deployment", "--force")


def test_a_vcenter_that_is_away_for_a_moment_in_the_midst_of_clones_is_waited_for(site):
    with site.agents():
        with _away_at_clone(site, 3.0):
            site.deploy()
        assert site.vms() == site.recorded()
        assert len(site.vms()) == 3
        site.director.run("-n", "-d", "idle", "delete-deployment", "--force")
    assert site.vms() == []


def test_a_vcenter_that_comes_back_and_lets_nobody_in_leaves_a_task_that_the_same_deploy_finishes(site):
    with site.agents():
        with _away_at_clone(site, 1.0, is_closed=True):
            said = site.refused()
        assert 'clone VM "idle-' in said
        assert "once it is back" in said or "privilege" in said
        site.deploy()
        assert site.vms() == site.recorded()
        assert len(site.vms()) == 3
        assert "0 differences" in site.director.run("drift")
        site.director.run("-n", "-d", "idle", "delete-deployment", "--force")
    assert site.vms() == []


@contextlib.contextmanager
def _away_at_clone(site, seconds, *, is_closed=False):
    """VCenter goes away for so long at the next clone; back again, it refuses all until the end if ``is_closed``."""
    before, over = site.proxy.sim.counts().get("CloneVM_Task", 0), threading.Event()

    def watch():
        while site.proxy.sim.counts().get("CloneVM_Task", 0) == before and not over.is_set():
            time.sleep(0.02)
        site.proxy.go_away()
        over.wait(seconds)
        if is_closed:
            site.proxy.fault("*", "NoPermission", times=100_000)
        site.proxy.come_back()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        site.proxy.forget()
