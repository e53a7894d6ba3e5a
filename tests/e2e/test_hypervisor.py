"""What plays the guests of simulated VMs does as a hypervisor would: power, disks, and the end of a VM."""

import base64
import json
import os
import tempfile
import time
from pathlib import Path

import pytest
from pyVim.connect import SmartConnect
from pyVmomi import vim

from tests.support.hypervisor import hypervisor
from tests.support.ordinary_user import home_of_a_user, pytest_as_user
from tests.support.vcsim_fixtures import give_vcsim, sim

__all__ = ["sim"]
pytestmark = [pytest.mark.e2e, pytest.mark.go]
SUBNET = f"10.{100 + os.getpid() % 100}.9" if os.geteuid() == 0 else "127.16.9"


def done(task):
    deadline = time.monotonic() + 20
    while task.info.state in {"queued", "running"} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert task.info.state == "success", task.info.error
    return task.info.result


def until(is_so):
    deadline = time.monotonic() + 20
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_so()


def enrolment(folder):
    network = {"type": "manual", "ip": f"{SUBNET}.2", "netmask": "255.255.255.0", "gateway": f"{SUBNET}.1"}
    tree = {
        "agent_id": "a",
        "token": "once",
        "ca_certificate": "none",
        "enrol_targets": [f"unix:{folder}/enrol.sock"],
        "agent_targets": [f"unix:{folder}/agents.sock"],
        "networks": {"default": network},
    }
    return base64.b64encode(json.dumps(tree).encode()).decode()


@pytest.fixture
def center(sim):
    service = SmartConnect(host=sim.host, port=sim.port, user=sim.user, pwd=sim.password, disableSslCertValidation=True)
    yield service.content.rootFolder.childEntity[0], service.content
    service._stub.DropConnections()


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix="hypervisor-") as path:
        yield Path(path)


def make_vm(datacenter, options):
    controller = vim.vm.device.ParaVirtualSCSIController(key=1000, busNumber=0, sharedBus="noSharing")
    spec = vim.vm.ConfigSpec(
        name="guest",
        numCPUs=1,
        memoryMB=256,
        files=vim.vm.FileInfo(vmPathName="[LocalDS_0]"),
        deviceChange=[vim.vm.device.VirtualDeviceSpec(operation="add", device=controller)],
        extraConfig=[vim.option.OptionValue(key=key, value=value) for key, value in options.items()],
    )
    return done(datacenter.vmFolder.CreateVM_Task(spec, datacenter.hostFolder.childEntity[0].resourcePool))


def attach(vm, path):
    backing = vim.vm.device.VirtualDisk.FlatVer2BackingInfo(diskMode="independent_persistent", fileName=path)
    disk = vim.vm.device.VirtualDisk(
        key=-1, controllerKey=1000, unitNumber=3, capacityInKB=1 << 20, backing=backing
    )  # fmt: skip
    change = vim.vm.device.VirtualDeviceSpec(operation="add", device=disk)
    done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))
    return next(device for device in vm.config.hardware.device if isinstance(device, vim.vm.device.VirtualDisk))


def test_a_guest_lives_as_its_simulated_vm_does(sim, center, folder):
    datacenter, content = center
    state, sockets = folder / "state", folder / "run"
    sockets.mkdir()
    local = state / "vms/guest"
    with hypervisor(sim, state, sockets, log=folder / "log"):
        vm = make_vm(datacenter, {"guestinfo.director.enrolment": enrolment(sockets)})
        done(vm.PowerOnVM_Task())
        until(lambda: vm.guest.toolsRunningStatus == "guestToolsRunning")
        assert vm.guest.ipAddress == f"{SUBNET}.2"
        assert json.loads((local / "vcap/bosh/enrolment.json").read_text())["token"] == "once"
        first = json.loads((local / "vm.json").read_text())["process"]

        content.fileManager.MakeDirectory("[LocalDS_1] disks", datacenter, True)
        spec = vim.VirtualDiskManager.FileBackedVirtualDiskSpec(
            diskType="thin", adapterType="lsiLogic", capacityKb=1 << 20
        )
        done(content.virtualDiskManager.CreateVirtualDisk_Task("[LocalDS_1] disks/d.vmdk", datacenter, spec))
        disk = attach(vm, "[LocalDS_1] disks/d.vmdk")
        place = local / "disks" / disk.backing.uuid.lower()
        until(place.is_dir)
        (place / "kept").touch()

        vm.RebootGuest()
        until(lambda: json.loads((local / "vm.json").read_text())["process"] != first)
        assert (place / "kept").exists()

        change = vim.vm.device.VirtualDeviceSpec(operation="remove", device=disk)
        done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(deviceChange=[change])))
        until(lambda: not place.exists())
        assert (state / "disks" / disk.backing.uuid.lower() / "kept").exists()

        done(vm.PowerOffVM_Task())
        until(lambda: vm.guest.toolsRunningStatus == "guestToolsNotRunning")
        done(vm.PowerOnVM_Task())
        until(lambda: vm.guest.toolsRunningStatus == "guestToolsRunning")
        done(vm.PowerOffVM_Task())
        done(vm.Destroy_Task())
        until(lambda: not local.exists())
    assert not (state / "vms").exists()
    assert (folder / "log").read_text() == ""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user; the test above is run directly")
def test_this_holds_for_an_ordinary_user():
    with home_of_a_user() as home:
        give_vcsim(home)
        said = pytest_as_user(home, ["tests/e2e/test_hypervisor.py"], 100)
    assert "1 passed" in said, said
