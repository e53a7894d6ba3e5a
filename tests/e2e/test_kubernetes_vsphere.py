"""The cluster of manifests/kubernetes.yml in a vCenter: simulated, but what runs in its VMs is real.

Each simulated VM is a machine here, of the stemcell for ``local`` (tests/support/hypervisor.py): so etcd, the API
server and kubelets run, in VMs that the director made, and knows, as vSphere's.
"""

import contextlib
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyVim.connect import SmartConnect
from pyVmomi import vim

from director.settings import default_run_dir
from tests.e2e.conftest import ROOT, Director, leftovers, own_net
from tests.e2e.kubernetes_fixtures import WITH_A_CLUSTER, local_stemcell, programs  # noqa: F401  fixtures
from tests.support.hypervisor import hypervisor
from tests.support.kubernetes_deployed import DEPLOYMENT, MANIFEST, NETWORKS, cluster, ops
from tests.support.simulated import write_infrastructure, write_stemcell
from tests.support.vcproxy import vcproxy
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim

pytestmark = [*WITH_A_CLUSTER, pytest.mark.go]
DEPLOY_S = 400


@pytest.fixture(scope="module")
def site(programs, local_stemcell):  # noqa: F811  fixtures
    """The cluster with a pool of large nodes, deployed into the simulator; all of it is gone afterwards."""
    need_vcsim()
    release = programs()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="director-kubernetes-vsphere-")))
        proxy = stack.enter_context(vcproxy(stack.enter_context(vcsim(log=folder / "vcsim.log"))))
        made = Director(folder)
        write_infrastructure(made.state, proxy)
        stack.callback(lambda: made.run("-n", "local", "destroy", "--forget-elsewhere"))
        made.run("local", "start")
        place = folder / "guests", default_run_dir(made.state)
        stack.enter_context(hypervisor(proxy.sim, *place, log=folder / "guests.log", root=local_stemcell))
        made.run("-n", "update-cloud-config", cloud_config(folder))
        made.run("-n", "upload-stemcell", write_stemcell(folder / "stemcell.tgz", system="debian-bookworm"))

        def deploy(*more):
            return made.run("-n", "deploy", MANIFEST, *release.words, *more, timeout=DEPLOY_S)

        said = deploy(*ops("node-pools"))
        found = cluster(made.run, folder, release.directory)
        yield SimpleNamespace(director=made, sim=proxy.sim, cluster=found, said=said, deploy=deploy)
    assert leftovers(made) == []


def cloud_config(folder):
    """With networks of this test run's own: another cluster may run beside it."""
    own = folder / "cloud-config.yml"
    text = (ROOT / "manifests/cloud-config-kubernetes-vsphere.yml").read_text()
    own.write_text(text.replace(NETWORKS, f"{own_net()}."))
    return own


@contextlib.contextmanager
def vms(sim):
    """By name, every VM in vCenter that is no template."""
    service = SmartConnect(host=sim.host, port=sim.port, user=sim.user, pwd=sim.password, disableSslCertValidation=True)
    try:
        content = service.content
        view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
        yield {vm.name: vm for vm in view.view if not vm.name.startswith("sc-")}
    finally:
        service._stub.DropConnections()


def disks(vm):
    """Sizes in MB of its disks but the root disk."""
    found = [one for one in vm.config.hardware.device if isinstance(one, vim.vm.device.VirtualDisk)]
    return sorted(disk.capacityInKB >> 10 for disk in found)[1:]


def test_every_node_is_a_vm_of_the_vcenter_and_ready(site):
    assert "Instances: create 4\n" in site.said
    nodes = {node["metadata"]["name"]: node for node in site.cluster.items("nodes")}
    assert sorted(nodes) == ["large-0", "worker-0", "worker-1"]
    rows = site.director.instances(DEPLOYMENT)
    with vms(site.sim) as found:
        for label in ("large/0", "worker/0", "worker/1"):
            node, vm = nodes[label.replace("/", "-")], found[rows[label]["vm_cid"]]
            assert next(c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready") == "True"
            assert vm.guest.ipAddress == rows[label]["ips"] == node["status"]["addresses"][0]["address"]
            zone = node["metadata"]["labels"]["topology.kubernetes.io/zone"]
            assert vm.runtime.host.parent.name == f"DC0_C{int(zone[1]) - 1}"
            assert node["status"]["capacity"]["memory"] == f"{vm.config.hardware.memoryMB >> 10}Gi"


def test_all_nodes_are_on_one_port_group_and_have_the_disks_of_the_cloud_config(site):
    rows = site.director.instances(DEPLOYMENT)
    with vms(site.sim) as found:
        each = {label: found[row["vm_cid"]] for label, row in rows.items() if row["vm_cid"]}
        assert {network.name for vm in each.values() for network in vm.network} == {"DC0_DVPG0"}
        assert {label: disks(vm) for label, vm in each.items()} == {
            "master/0": [5120, 8192],
            "worker/0": [16384],
            "worker/1": [16384],
            "large/0": [32768],
        }


def test_a_worker_more_is_a_vm_and_a_node_more_and_goes_again(site):
    site.deploy(*ops("node-pools", "workers"), "-v", "workers=3")
    assert "worker-2" in [node["metadata"]["name"] for node in site.cluster.items("nodes")]
    with vms(site.sim) as found:
        assert len(found) == 5
    site.deploy(*ops("node-pools"))
    assert "worker-2" not in [node["metadata"]["name"] for node in site.cluster.items("nodes")]
    with vms(site.sim) as found:
        assert len(found) == 4
