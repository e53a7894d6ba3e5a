"""The sample's life in a vCenter: real agents answer for the simulator's VMs, and the manifest is the local one's."""

import contextlib
import os
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyVim.connect import SmartConnect
from pyVmomi import vim

from director.settings import default_run_dir
from tests.e2e.conftest import IS_ROOT, ROOT, Director, leftovers
from tests.support.hypervisor import hypervisor
from tests.support.simulated import write_infrastructure, write_stemcell
from tests.support.vcproxy import vcproxy
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim

pytestmark = [pytest.mark.e2e, pytest.mark.go, pytest.mark.timeout(300)]


def cloud_config(folder):
    """With networks of this test run's own: somebody may be running the demo beside it."""
    if not IS_ROOT:
        return ["manifests/cloud-config-vsphere.yml", "-o", "manifests/ops/vsphere-unprivileged.yml"]
    own = folder / "cloud-config.yml"
    text = (ROOT / "manifests/cloud-config-vsphere.yml").read_text()
    own.write_text(text.replace("10.245.", f"10.{100 + os.getpid() % 100}."))
    return [own]


@pytest.fixture(scope="module")
def site():
    """A director whose infrastructure is the simulator; all of it is gone afterwards, and that is asserted."""
    need_vcsim()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="director-vsphere-")))
        proxy = stack.enter_context(vcproxy(stack.enter_context(vcsim(log=folder / "vcsim.log"))))
        made = Director(folder)
        write_infrastructure(made.state, proxy)
        stack.callback(lambda: made.run("-n", "local", "destroy"))
        made.run("local", "start")
        guests = hypervisor(proxy.sim, folder / "guests", default_run_dir(made.state), log=folder / "guests.log")
        stack.enter_context(guests)
        made.run("-n", "update-cloud-config", *cloud_config(folder))
        made.run("-n", "upload-stemcell", write_stemcell(folder / "stemcell.tgz"))
        service = SmartConnect(
            host=proxy.sim.host,
            port=proxy.sim.port,
            user=proxy.user,
            pwd=proxy.password,
            disableSslCertValidation=True,
        )
        stack.callback(service._stub.DropConnections)
        yield SimpleNamespace(director=made, proxy=proxy, center=service.content, folder=folder)
    assert leftovers(made) == []


def vms(site):
    """By name, every VM that is no template."""
    view = site.center.viewManager.CreateContainerView(site.center.rootFolder, [vim.VirtualMachine], True)
    found = {vm.name: vm for vm in view.view if not vm.name.startswith("sc-")}
    view.DestroyView()
    return found


def extra(vm):
    return {option.key: option.value for option in vm.config.extraConfig}


def done(task):
    deadline = time.monotonic() + 20
    while task.info.state in {"queued", "running"} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert task.info.state == "success", task.info.error


def test_the_same_manifest_deploys_into_a_vcenter(site):
    assert "Instances: create 5\n" in site.director.deploy()
    assert "guestbook" in site.director.page().lower()
    found = vms(site)
    rows = site.director.instances()
    web = [found[rows[f"web/{index}"]["vm_cid"]] for index in range(3)]
    assert {vm.runtime.host.parent.name for vm in web} == {"DC0_C0", "DC0_C1", "DC0_C2"}


def test_no_enrolment_is_left_in_vcenter(site):
    for name, vm in vms(site).items():
        assert not [key for key, value in extra(vm).items() if key.startswith("guestinfo") and value], name


def test_deploying_again_changes_nothing_and_asks_little(site):
    site.proxy.reset_counts()
    assert "No changes" in site.director.deploy()
    changing = {name: count for name, count in site.proxy.counts.items() if name.endswith("_Task")}
    assert changing == {}
    assert site.proxy.connections.at_once_max <= 8


def test_web_is_scaled_up_and_down_and_a_clone_whose_reply_was_lost_is_adopted(site):
    site.proxy.lose_reply("CloneVM_Task")
    site.director.deploy("-o", "manifests/ops/scale-web.yml")
    assert sum(name.startswith("web-") for name in vms(site)) == 5
    site.director.deploy()
    assert sum(name.startswith("web-") for name in vms(site)) == 3


def test_a_vm_killed_behind_the_directors_back_is_seen_and_made_again(site):
    lost = site.director.instances()["web/1"]["vm_cid"]
    vm = vms(site)[lost]
    done(vm.PowerOffVM_Task())
    done(vm.Destroy_Task())
    assert "web/1" in site.director.run("-d", "guestbook", "drift", expect=1)
    site.director.deploy()
    assert site.director.instances()["web/1"]["process_state"] == "running"
    assert "guestbook" in site.director.page().lower()


def test_a_disk_grows_and_keeps_what_is_on_it(site):
    before = _persistent(site)
    note(site.director, "kept while growing")
    site.director.deploy("-o", grown(site.folder))
    after = _persistent(site)
    assert [disk.capacityInKB >> 10 for disk in before] == [1024]
    assert [disk.capacityInKB >> 10 for disk in after] == [10240]
    assert "kept while growing" in site.director.page()


def test_a_new_stemcell_makes_every_vm_anew(site):
    before = {row["vm_cid"] for row in site.director.instances().values()}
    write_stemcell(site.folder / "stemcell-2.tgz", version="2")
    site.director.run("-n", "upload-stemcell", site.folder / "stemcell-2.tgz")
    site.director.deploy("-o", grown(site.folder))
    after = {row["vm_cid"] for row in site.director.instances().values()}
    assert before & after == {""}, "an errand has none"
    assert "kept while growing" in site.director.page()


def test_nothing_is_left_of_a_deleted_deployment(site):
    site.director.run("-n", "-d", "guestbook", "delete-deployment")
    site.director.run("-n", "clean-up", "--all")
    assert vms(site) == {}
    assert _templates(site) == []
    assert _disk_files(site) == []


def grown(folder):
    file = folder / "large-disk.yml"
    file.write_text(
        "- {type: replace, path: /instance_groups/name=store/persistent_disk_type, value: large}\n"
    )  # fmt: skip
    return file


def note(director, text):
    form = urllib.parse.urlencode({"name": "a test", "text": text}).encode()
    with urllib.request.urlopen(director.url(), data=form, timeout=10) as answer:
        assert answer.status == 200


def _persistent(site):
    store = vms(site)[site.director.instances()["store/0"]["vm_cid"]]
    every = [one for one in store.config.hardware.device if isinstance(one, vim.vm.device.VirtualDisk)]
    return [disk for disk in every if disk.backing.diskMode == "independent_persistent"]


def _templates(site):
    view = site.center.viewManager.CreateContainerView(site.center.rootFolder, [vim.VirtualMachine], True)
    found = [vm.name for vm in view.view]
    view.DestroyView()
    return found


def _disk_files(site):
    found = []
    spec = vim.host.DatastoreBrowser.SearchSpec(matchPattern=["*.vmdk"])
    for store in site.center.rootFolder.childEntity[0].datastore:
        task = store.browser.SearchDatastoreSubFolders_Task(f"[{store.name}]", spec)
        done(task)
        found += [file.path for folder in task.info.result for file in folder.file]
    return found
