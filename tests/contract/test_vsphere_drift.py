"""Drift and doctor over a real adapter: what somebody does in vCenter by hand is seen there and told."""

import time
from dataclasses import replace

import pytest

pytest.importorskip("pyVmomi")

from pyVim.connect import SmartConnect
from pyVmomi import vim

from director.adapters.clock import SystemClock
from director.adapters.memory.agents import MemoryAgents
from director.adapters.memory.store import MemoryStore
from director.adapters.vsphere.infrastructure import VsphereInfrastructure
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.model.record import (
    DeploymentRecord,
    DiskRecord,
    DiskState,
    InstanceRecord,
    VmRecord,
    VmState,
)
from director.model.release import Stemcell
from director.planning.drift import DriftKind
from director.ports.store import PutDeployment, PutDisk, PutInstance, PutStemcell, PutVm
from director.reconcile.doctor import Doctor
from director.reconcile.drift import look_for_drift
from tests.contract.local_vm import disk_request, vm_request
from tests.support import vcsim_fixtures
from tests.support.vsphere_cloud import PlacedVsphere, properties

sim = vcsim_fixtures.sim
UUID = "6f1d3f64-0000-4000-8000-000000000009"
CLOUD = """
azs:
- name: z1
  cloud_properties: {datacenters: [{name: DC0, clusters: [DC0_C0: {}]}]}
vm_types:
- {name: small, cloud_properties: {cpu: 1, ram: 512, disk: 1024}}
- {name: huge, cloud_properties: {cpu: 1, ram: 900000, disk: 1024}}
disk_types: []
networks:
- name: good
  subnets: [{range: 10.0.0.0/24, gateway: 10.0.0.1, azs: [z1], cloud_properties: {name: DC0_DVPG0}}]
- name: bad
  subnets: [{range: 10.1.0.0/24, gateway: 10.1.0.1, azs: [z1], cloud_properties: {name: no-such-network}}]
compilation: {workers: 1, az: z1, network: good, vm_type: small}
"""


@pytest.fixture
async def world(sim):
    infrastructure = PlacedVsphere(properties(sim), director_uuid=UUID)
    clock = SystemClock()
    yield World(
        store=MemoryStore(),
        infrastructures=Infrastructures(infrastructure),
        agents=MemoryAgents(clock),
        secrets=None,
        tasklog=None,
        clock=clock,
    )
    await infrastructure.close()


@pytest.fixture
def center(sim):
    service = SmartConnect(host=sim.host, port=sim.port, user=sim.user, pwd=sim.password, disableSslCertValidation=True)
    yield service.content
    service._stub.DropConnections()


async def deployed(world):
    """One VM with one disk, as made and recorded."""
    cloud = world.infrastructures.of("")
    request = vm_request("web-1")
    request = replace(request, tags={**request.tags, "env": "prod", "name": "web/0"})
    cid = await cloud.create_vm(request)
    disk = await cloud.create_disk(disk_request("disk-1"))
    await cloud.attach_disk(cid, disk)
    seen, seen_disk = await cloud.find_vm(request.name), await cloud.find_disk("disk-1")
    vm = VmRecord(
        tags={**request.tags, "deployment": request.deployment, "id": request.instance, "env": "prod"},
        name=request.name,
        instance=request.instance,
        deployment=request.deployment,
        agent="a",
        generation=1,
        shape=replace(request.shape, cloud_properties=dict(seen.sizes)),
        state=VmState.CREATED,
        created_at=0.0,
        cid=cid,
    )
    await world.store.commit(
        PutDeployment(record=DeploymentRecord(name=request.deployment)),
        PutInstance(record=InstanceRecord(id=request.instance, deployment=request.deployment, group="web", index=0)),
        PutVm(record=vm),
        PutDisk(
            record=DiskRecord(
                name="disk-1",
                deployment=request.deployment,
                label="web/0",
                size_mb=seen_disk.size_mb,
                state=DiskState.ATTACHED,
                instance=request.instance,
                cid=disk,
                vm=request.name,
            )
        ),
    )


def find(center, name):
    view = center.viewManager.CreateContainerView(center.rootFolder, [vim.VirtualMachine], True)
    (found,) = [vm for vm in view.view if vm.name == name]
    view.DestroyView()
    return found


def done(task):
    while task.info.state in {"queued", "running"}:
        time.sleep(0.01)
    assert task.info.state == "success", task.info.error


async def kinds(world):
    report = await look_for_drift(world)
    assert report.unseen == ()
    return {(one.kind, one.subject, one.seen) for one in report.drifts}


async def test_what_is_changed_in_vcenter_by_hand_is_seen(world, center):
    await deployed(world)
    assert await kinds(world) == set()
    vm = find(center, "web-1")
    done(vm.PowerOffVM_Task())
    done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(memoryMB=2048, numCPUs=4)))
    assert await kinds(world) == {
        (DriftKind.VM_OFF, "web-1", "switched off"),
        (DriftKind.VM_SIZE, "web-1", "cpu 4, ram 2048 MB"),
    }


async def test_an_address_is_compared_on_the_cards_the_vm_was_made_with_once_its_tools_tell(world, center, sim):
    await deployed(world)
    request = vm_request("web-1")
    ip = str(request.shape.networks["default"]["ip"])
    vm = find(center, "web-1")
    moid = vm._GetMoId()
    sim.guest(moid, is_running=True, address=ip, hostname="web-1")
    assert await kinds(world) == set()
    sim.guest(moid, is_running=True, address="192.0.2.9", hostname="web-1")
    assert await kinds(world) == {(DriftKind.VM_ADDRESS, "web-1", "default 192.0.2.9")}
    sim.guest(moid, is_running=True, address="fe80::1", hostname="web-1")
    assert await kinds(world) == set(), "it has told no address of its own yet"
    sim.guest(moid, is_running=False, address="192.0.2.9", hostname="web-1")
    assert await kinds(world) == set(), "whose tools do not run tells nothing that holds"


async def test_tags_changed_in_the_annotation_or_the_extra_configuration_are_seen(world, center):
    await deployed(world)
    vm = find(center, "web-1")
    done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(annotation=vm.config.annotation + "\nbackup: nightly\n\nsaid: by me")))
    assert await kinds(world) == set()
    done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(annotation=vm.config.annotation.replace("env: prod", "env: test"))))
    assert await kinds(world) == {(DriftKind.VM_TAGS, "web-1", "env: test")}
    options = [vim.option.OptionValue(key="director.deployment", value="theirs")]
    done(vm.ReconfigVM_Task(vim.vm.ConfigSpec(annotation="gone", extraConfig=options)))
    found = {(kind, seen) for kind, _, seen in await kinds(world)}
    assert found == {(DriftKind.VM_TAGS, "deployment: theirs, no env, no job")}


async def test_details_take_one_request_however_many_vms_and_a_plain_look_none(world, sim):
    cloud = world.infrastructures.of("")
    for number in range(3):
        await cloud.create_vm(vm_request(f"web-{number}", number=11 + number))
    await cloud.find_vms()
    before = sim.counts().get("RetrievePropertiesEx", 0)
    plain = await cloud.find_vms()
    assert sim.counts().get("RetrievePropertiesEx", 0) == before
    assert {(one.addresses, one.tags) for one in plain.values()} == {(None, None)}
    seen = await cloud.find_vms(in_detail=True)
    assert sim.counts()["RetrievePropertiesEx"] == before + 1
    assert all(one.tags["job"] == "web" for one in seen.values())


async def test_a_vm_deleted_and_one_made_in_our_folder_are_seen(world, center):
    await deployed(world)
    await world.infrastructures.of("").create_vm(vm_request("made-by-hand"))
    vm = find(center, "web-1")
    done(vm.PowerOffVM_Task())
    await world.infrastructures.of("").detach_disk("web-1", "disk-1")
    done(vm.Destroy_Task())
    found = {kind: subject for kind, subject, _ in await kinds(world)}
    assert found == {DriftKind.VM_MISSING: "web-1", DriftKind.VM_UNRECORDED: "made-by-hand"}


async def test_a_vcenter_that_is_gone_is_told_and_nothing_is_called_drift(world, sim):
    await deployed(world)
    wrong = properties(sim) | {"port": 1}
    gone = PlacedVsphere(wrong, director_uuid=UUID)
    report = await look_for_drift(replace(world, infrastructures=Infrastructures(gone)))
    await gone.close()
    assert report.drifts == ()
    assert "cannot be reached" in report.unseen[0].reason


async def test_the_doctor_finds_sizes_and_networks_without_a_place(world, sim):
    cid = await world.infrastructures.of("").stemcell()
    plain = VsphereInfrastructure(properties(sim), director_uuid=UUID)
    world = replace(world, infrastructures=Infrastructures(plain))
    await world.store.add_config("cloud", "default", CLOUD, 0.0)
    await world.store.commit(
        PutStemcell(stemcell=Stemcell(name="tiny", os="linux", version="1", cid=cid, digest="sha256:0"))
    )

    async def reach(_):
        return ""

    findings = await Doctor(world=world, targets=lambda: ("192.0.2.1:25581",), reach=reach).examine()
    await plain.close()
    wrong = {one.subject: one.detail for one in findings if not one.is_well}
    assert set(wrong) == {'VM type "huge"', 'network "bad"'}
    assert "memory" in wrong['VM type "huge"']
    assert "no-such-network" in wrong['network "bad"']
    well = " ".join(f"{one.subject} {one.detail}" for one in findings if one.is_well)
    assert "privileges on datacenter DC0" in well
    assert "DC0_C0" in well
