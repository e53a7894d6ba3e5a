"""The agent gets onto a VM that has none, through the whole director: by SSH and by cloud-init."""

import base64
import contextlib
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyVim.connect import SmartConnect
from pyVmomi import vim

from tests.e2e.conftest import IS_ROOT, ROOT, Director, leftovers
from tests.support.machine import NIC, machine, own_network
from tests.support.simulated import write_infrastructure, write_stemcell
from tests.support.sshd import SSHD
from tests.support.vcsim import vcsim
from tests.support.vcsim_fixtures import need_vcsim

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.go,
    pytest.mark.root,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not IS_ROOT, reason="a machine to install on is made of namespaces, which needs root"),
]

DIRECTOR, TEMPLATE_S = "10.77.0.1", "10.77.0.200"
"""Where the director is, and the address a template's VM has before an agent gives it its own."""
SSH_PORT = 22
CLOUD = f"""
azs:
- {{name: z1, cloud_properties: {{datacenters: [{{name: DC0, clusters: [DC0_C0: {{}}]}}]}}}}
vm_types: [{{name: tiny, cloud_properties: {{cpu: 1, ram: 256, disk: 1024}}}}]
networks:
- name: default
  subnets:
  - range: 10.77.0.0/24
    gateway: {DIRECTOR}
    reserved: [{TEMPLATE_S}]
    az: z1
    cloud_properties: {{name: DC0_DVPG0}}
compilation: {{workers: 1, az: z1, network: default, vm_type: tiny}}
"""
MANIFEST = """
name: idle
releases: [{name: idle, version: create, url: "file://release"}]
stemcells: [{alias: default, os: local, version: latest}]
update: {canaries: 1, max_in_flight: 1, canary_watch_time: 0-60000, update_watch_time: 0-60000}
instance_groups:
- name: idle
  instances: 1
  azs: [z1]
  stemcell: default
  vm_type: tiny
  networks: [{name: default}]
  jobs: [{name: idle, release: idle}]
"""
FILES = {
    "cloud.yml": CLOUD,
    "idle.yml": MANIFEST,
    "release/config/final.yml": "name: idle\n",
    "release/jobs/idle/spec": "name: idle\ntemplates: {}\npackages: []\nproperties: {}\n",
    "release/jobs/idle/monit": "",
}


@pytest.fixture(scope="module")
def sim():
    """In a network where nobody else is; so is everything that this thread starts."""
    need_vcsim()
    with own_network(f"{DIRECTOR}/24"), vcsim() as sim:
        yield sim


@pytest.fixture
def site(sim):
    """A director that has nothing but its infrastructure file; its VMs are to be deleted by the test."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="director-install-")))
        director = Director(folder)
        director.env |= {f"DIRECTOR_{name}_HOST": DIRECTOR for name in ("API", "AGENTS")}
        director.env |= {"DIRECTOR_API_PORT": "25555", "DIRECTOR_AGENTS_PORT": "25581", "DIRECTOR_ENROL_PORT": "25580"}
        director.env["PIP_NO_INDEX"] = "1"  # wheels are this director's own
        for path, text in FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        service = SmartConnect(
            host=sim.host, port=sim.port, user=sim.user, pwd=sim.password, disableSslCertValidation=True
        )
        stack.callback(service._stub.DropConnections)
        stack.callback(lambda: director.run("-n", "local", "destroy", "--forget-elsewhere"))
        yield SimpleNamespace(director=director, sim=sim, center=service.content, folder=folder)
    assert leftovers(director) == []


def start(site, install, **properties):
    write_infrastructure(site.director.state, site.sim, **properties)
    site.director.run("local", "start")
    site.director.run("-n", "update-cloud-config", site.folder / "cloud.yml")
    site.director.run("-n", "upload-stemcell", write_stemcell(site.folder / "stemcell.tgz", install=install))


def running_vms(site):
    view = site.center.viewManager.CreateContainerView(site.center.rootFolder, [vim.VirtualMachine], True)
    found = [vm for vm in view.view if vm.runtime.powerState == "poweredOn"]
    view.DestroyView()
    return found


def powered_on(site, command):
    """The one VM, as soon as it is on."""
    deadline = time.monotonic() + 60
    while not (found := running_vms(site)):
        assert command.poll() is None, command.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (vm,) = found
    return vm


def mac_of(vm):
    (mac,) = [one.macAddress for one in vm.config.hardware.device if isinstance(one, vim.vm.device.VirtualEthernetCard)]
    return mac


def guestinfo(vm):
    return {option.key: option.value for option in vm.config.extraConfig if option.key.startswith("guestinfo.")}


def keys_in(folder):
    for name in ("host", "other", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized_keys").write_text((folder / "client.pub").read_text())
    (folder / "authorized_keys").chmod(0o600)
    (folder / "sshd_config").write_text(
        f"ListenAddress 0.0.0.0:{SSH_PORT}\nHostKey {folder}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nSubsystem sftp internal-sftp\n"
        f"SetEnv PATH={folder}/vm/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
    )
    return {name: (folder / f"{name}.pub").read_text() for name in ("host", "other")}


def access(site, host_key):
    return {"ssh": {"private_key": (site.folder / "client").read_text(), "host_key": host_key, "port": SSH_PORT}}


def finished(site, command, vm):
    """The deploy, well ended; and the agent is the VM's own."""
    out, err = command.communicate(timeout=100)
    assert command.returncode == 0, f"{out}\n{err}\n{vm.log}"
    (row,) = site.director.instances("idle").values()
    assert row["process_state"] == "running"
    assert (vm.vcap / "bosh/agent/current/agent/main.py").exists()
    assert not (vm.vcap / "bosh/enrolment.json").exists(), "it was used"
    assert "No changes" in site.director.run("-n", "deploy", site.folder / "idle.yml")
    return row


def addresses(vm):
    shown = subprocess.run(
        ["nsenter", "-t", str(vm.pid), "-n", "ip", "-4", "-o", "address"], capture_output=True, check=False
    )
    return shown.stdout.decode()


@pytest.mark.skipif(SSHD is None, reason="no sshd: install openssh-server")
def test_an_agent_is_brought_by_ssh_to_the_right_machine_only(site):
    keys = keys_in(site.folder)
    start(site, "ssh", agent_install=access(site, keys["other"]))
    daemon = f"{SSHD} -De -f {site.folder}/sshd_config"
    boot = f"ip address add {TEMPLATE_S}/24 dev {NIC}; ip link set {NIC} up; exec {daemon}"
    with site.director.start_command("-n", "deploy", site.folder / "idle.yml") as command:
        seen = powered_on(site, command)
        assert guestinfo(seen) == {}, "it is brought, not told"
        with machine(site.folder / "vm", mac_of(seen), "sh", "-c", boot) as vm:
            site.sim.guest(seen._moId, is_running=True, address=TEMPLATE_S)
            out, err = command.communicate(timeout=100)
            assert command.returncode == 1, out + err
            assert "shows another host key than agent_install.ssh has" in out + err
            assert list(vm.vcap.iterdir()) == []
            site.director.run("local", "stop")
            write_infrastructure(site.director.state, site.sim, agent_install=access(site, keys["host"]))
            site.director.run("local", "start")
            with site.director.start_command("-n", "deploy", site.folder / "idle.yml") as again:
                row = finished(site, again, vm)
            assert [one.name for one in running_vms(site)] == [row["vm_cid"]], "the same VM"
            assert f"{row['ips']}/24" in addresses(vm), vm.log
            site.director.run("-n", "-d", "idle", "delete-deployment")
    assert running_vms(site) == []


def test_a_stock_cloud_image_fetches_and_checks_its_agent_and_enrols(site):
    start(site, "cloud-init")
    with site.director.start_command("-n", "deploy", site.folder / "idle.yml") as command:
        seen = powered_on(site, command)
        told = guestinfo(seen)
        for name in ("metadata", "userdata"):
            assert told[f"guestinfo.{name}.encoding"] == "base64"
            (site.folder / name).write_bytes(base64.b64decode(told[f"guestinfo.{name}"]))
        program = [str(Path(os.path.realpath("/proc/self/exe"))), str(ROOT / "tests/support/cloudinit_guest.py")]
        told_in = [str(site.folder / name) for name in ("metadata", "userdata")]
        with machine(site.folder / "vm", mac_of(seen), *program, *told_in) as vm:
            row = finished(site, command, vm)
            assert f"{row['ips']}/24" in addresses(vm), vm.log
            left = guestinfo(running_vms(site)[0])
            assert json.loads(base64.b64decode(left["guestinfo.metadata"]))["local-hostname"].startswith("idle-0")
            assert not [key for key, value in left.items() if "userdata" in key and value]
            site.director.run("-n", "-d", "idle", "delete-deployment")
    assert running_vms(site) == []
