"""A deployment called shop: manifest, software, instances, VMs, disks, and what their agents say."""

from director.model.names import (
    AgentId,
    AzName,
    BlobId,
    DeploymentName,
    Digest,
    DiskCid,
    DiskName,
    GroupName,
    InstanceId,
    JobName,
    NetworkName,
    PackageName,
    ReleaseName,
    StemcellCid,
    VmCid,
    VmName,
)
from director.model.record import (
    DeploymentRecord,
    DiskRecord,
    DiskState,
    InstanceRecord,
    Record,
    VmRecord,
    VmState,
)
from director.model.release import Catalog, CompiledPackage, Job, LinkProvided, Package, Release, Stemcell
from director.model.sighting import JobState, SeenAgent, SeenProcess
from director.model.wanted import Address, VmShape
from tests.unit.api.room import NOW, Room

NAME = DeploymentName("shop")

CLOUD = """
azs: [{name: z1}]
vm_types: [{name: small}]
networks:
- name: private
  subnets: [{range: 10.0.0.0/24, gateway: 10.0.0.1, azs: [z1]}]
compilation: {workers: 1, az: z1, network: private, vm_type: small}
"""

MANIFEST = """
name: shop
instance_groups:
- name: web
  instances: 2
  jobs: [{name: server, release: app}]
- name: smoke
  lifecycle: errand
  instances: 1
  jobs: [{name: tests, release: app}]
addons:
- name: extras
  jobs: [{name: status, release: app}]
"""


def job(name: str, **more) -> Job:
    return Job(name=JobName(name), fingerprint=f"f-{name}", blob=BlobId(f"b-{name}"), digest=Digest("sha256:1"), **more)


def release(version: str = "1.0.0") -> Release:
    return Release(
        name=ReleaseName("app"),
        version=version,
        jobs=(
            job("server", provides=(LinkProvided(name="http", type="http"),)),
            job("tests", templates={"run": "bin/run"}),
            job("status", templates={"run": "bin/run"}),
        ),
        packages=(Package(name=PackageName("ruby"), fingerprint="fp-ruby", blob=BlobId("b-ruby"), digest=Digest("d")),),
    )


def compiled() -> CompiledPackage:
    return CompiledPackage(
        key="k",
        name=PackageName("ruby"),
        fingerprint="fp-ruby",
        stemcell_os="local",
        stemcell_version="1",
        blob=BlobId("c-ruby"),
        digest=Digest("d"),
    )


def stemcell(version: str = "1") -> Stemcell:
    return Stemcell(
        name="local-stemcell", os="local", version=version, cid=StemcellCid("sc-1"), digest=Digest("d"), api_version=3
    )


def instance(index: int, group: str = "web", **more) -> InstanceRecord:
    return InstanceRecord(
        id=InstanceId(f"{group}-id-{index}"),
        deployment=NAME,
        group=GroupName(group),
        index=index,
        az=AzName("z1"),
        is_bootstrap=index == 0,
        addresses=(Address(network=NetworkName("private"), ip=f"10.0.0.{10 + index}"),),
        **more,
    )


SHAPE = VmShape(
    stemcell_name="local-stemcell",
    stemcell_version="1",
    stemcell_cid=StemcellCid("sc-1"),
    cloud_properties={"cpu": 1},
    networks={},
)


def vm(of: InstanceRecord, generation: int = 1, state: VmState = VmState.CREATED) -> VmRecord:
    return VmRecord(
        name=VmName(f"vm-{of.id}-{generation}"),
        instance=of.id,
        deployment=NAME,
        agent=AgentId(f"agent-{of.id}-{generation}"),
        generation=generation,
        shape=SHAPE,
        state=state,
        created_at=NOW,
        cid=VmCid(f"cid-{of.id}-{generation}"),
    )


def disk(of: InstanceRecord, name: str = "d1", state: DiskState = DiskState.ATTACHED, **more) -> DiskRecord:
    return DiskRecord(
        name=DiskName(name),
        deployment=NAME,
        label=f"{of.group}/{of.id}",
        size_mb=1024,
        state=state,
        instance=None if state is DiskState.ORPHANED else of.id,
        az=of.az,
        cid=DiskCid(f"cid-{name}"),
        **more,
    )


def seen(of: VmRecord, **more) -> SeenAgent:
    values = {
        "is_connected": True,
        "silent_s": 1.0,
        "job_state": JobState.RUNNING,
        "processes": (SeenProcess(name="server", job="server", state="running", uptime_s=12.5, mem_kb=2048),),
        "vitals": {
            "cpu": {"user": "1.0", "sys": "0.5", "wait": "0.0"},
            "load": ["0.1", "0.2", "0.3"],
            "mem": {"kb": "1024", "percent": "10"},
            "swap": {"kb": "0", "percent": "0"},
            "disk": {"system": {"percent": "5", "inode_percent": "1"}},
            "uptime": {"secs": 99},
        },
        **more,
    }
    return SeenAgent(id=of.agent, **values)


def shop(room: Room, count: int = 2) -> Record:
    """The deployment ``shop``: some web instances, each with a VM and a running agent."""
    instances = tuple(instance(index) for index in range(count))
    vms = tuple(vm(i) for i in instances)
    record = Record(
        deployment=DeploymentRecord(
            name=NAME,
            serial=1,
            manifest=MANIFEST,
            config_ids=(),
            releases=(("app", "1.0.0"),),
            stemcells=(("local-stemcell", "1"),),
        ),
        instances=instances,
        vms=vms,
        disks=(disk(instances[0]),) if instances else (),
    )
    room.store.records[NAME] = record
    room.store.software = Catalog(
        releases=(release("1.0.0"), release("1.10.0"), release("1.9.0")),
        stemcells=(stemcell(),),
        compiled={"k": compiled()},
    )
    room.agents.known = {v.agent: seen(v) for v in vms}
    return record
