"""One value of every stored kind, each field set to something that would show if it were lost."""

from director.model.deployment import Lifecycle, Watch
from director.model.placement import Placement
from director.model.plan import Change, Hold, Limit, Move, Plan, PlannedStep, Unit
from director.model.problem import Mark, Problem, Severity
from director.model.record import (
    AgentRecord,
    Applied,
    DeploymentRecord,
    DiskRecord,
    DiskState,
    Event,
    InstanceRecord,
    Intent,
    PlanRecord,
    Task,
    TaskState,
    VmRecord,
    VmState,
)
from director.model.release import (
    CompiledPackage,
    Job,
    LinkConsumed,
    LinkProvided,
    Package,
    PropertySpec,
    Release,
    Stemcell,
)
from director.model.step import (
    ApplySpec,
    AttachDisk,
    AwaitAgent,
    AwaitRunning,
    ClearEnrolment,
    CompilePackage,
    CreateDisk,
    CreateVm,
    DeleteVm,
    DetachDisk,
    Drain,
    ForgetDeployment,
    ForgetInstance,
    Gate,
    GrowDisk,
    MigrateDisk,
    MountDisk,
    OrphanDisk,
    PrepareInstance,
    RecordDeployment,
    RecordInstance,
    RunErrand,
    RunScript,
    StartJobs,
    StopJobs,
    UnmountDisk,
)
from director.model.wanted import Address, VmShape, Want

APPLIED = Applied(jobs=(("web", "j1"),), packages=(("tool", "p1"),), configuration_hash="c1")

SHAPE = VmShape(
    stemcell_name="noble",
    stemcell_version="1.2",
    stemcell_cid="sc-1",
    cloud_properties={"cpu": 2, "ratio": 0.5, "flags": [True, None, "ü"]},
    networks={"default": {"type": "manual", "ip": "10.0.0.4", "dns": ["10.0.0.2"]}},
    env={"bosh": {"password": "((pw))"}},
)

INSTANCE = InstanceRecord(
    id="i-1",
    deployment="shop",
    group="web",
    index=3,
    az="z1",
    is_bootstrap=True,
    lifecycle=Lifecycle.ERRAND,
    is_compilation=True,
    want=Want.STOPPED,
    is_ignored=True,
    addresses=(
        Address(network="default", ip="10.0.0.4", is_static=True),
        Address(network="loose", ip=None),
    ),
    applied=APPLIED,
    is_settled=True,
    generation=7,
)

PLACED = Placement(where={"datastore": "ds-1"}, why="most free space")
STEPS = (
    CreateVm(
        instance="i-1",
        vm="v-1",
        agent="a-1",
        generation=1,
        shape=SHAPE,
        az="z1",
        disks=("d-1",),
        tags={"team": "x"},
        placement=PLACED,
    ),
    AwaitAgent(instance="i-1", agent="a-1", timeout_s=600.0),
    ClearEnrolment(instance="i-1", vm="v-1"),
    DeleteVm(instance="i-1", vm="v-0", agent="a-0"),
    CreateDisk(
        instance="i-1",
        disk="d-1",
        size_mb=1024,
        cloud_properties={"type": "ssd"},
        az=None,
        vm="v-1",
        cpi="east",
        placement=PLACED,
    ),
    GrowDisk(instance="i-1", disk="d-1", size_mb=2048),
    AttachDisk(instance="i-1", vm="v-1", disk="d-1"),
    MountDisk(instance="i-1", agent="a-1", disk="d-1"),
    MigrateDisk(instance="i-1", agent="a-1", old="d-0", new="d-1"),
    UnmountDisk(instance="i-1", agent="a-1", disk="d-0"),
    DetachDisk(instance="i-1", vm="v-1", disk="d-0"),
    OrphanDisk(instance="i-1", disk="d-0"),
    PrepareInstance(instance="i-1", agent="a-1", spec=APPLIED),
    RunScript(instance="i-1", agent="a-1", script="pre-start", env={"BOSH_VM_NEXT_STATE": "keep"}),
    Drain(instance="i-1", agent="a-1", kind="update", spec=APPLIED),
    StopJobs(instance="i-1", agent="a-1"),
    ApplySpec(instance="i-1", agent="a-1", spec=APPLIED),
    StartJobs(instance="i-1", agent="a-1"),
    AwaitRunning(instance="i-1", agent="a-1", watch=Watch(min_ms=1000, max_ms=30000)),
    RunErrand(instance="i-1", agent="a-1", job="smoke", timeout_s=3600.0),
    CompilePackage(
        instance="i-1",
        agent="a-1",
        package="tool",
        fingerprint="f1",
        key="k1",
        stemcell_os="ubuntu-noble",
        stemcell_version="1.2",
        needs=(("lib", "k0"),),
    ),
    RecordInstance(record=INSTANCE),
    ForgetInstance(instance="i-2"),
    Gate(name="canaries of web passed"),
    RecordDeployment(releases=(("app", "1"),), stemcells=(("noble", "1.2"),), config_ids=(1, 2), tags={"a": "b"}),
    ForgetDeployment(),
)

PLAN = Plan(
    id="plan-1",
    deployment="shop",
    parent=4,
    steps=tuple(
        PlannedStep(
            key=f"i-1:{type(step).__name__}",
            step=step,
            subject="web/3",
            needs=("i-1:before",) if number else (),
            after=("i-1:other",),
            unit="web/3",
            limits=("compile",),
        )
        for number, step in enumerate(STEPS)
    ),
    units=(Unit(name="web/3", stage="Updating instance web", task="web/i-1 (3) (canary)", limits=("web:max",)),),
    limits=(Limit(name="web:max", max=2, stops_on_failure=True),),
    changes=(Change(instance="i-1", label="web/3", move=Move.RUN_ERRAND, reasons=("asked",)),),
    holds=(Hold(code="hold.ignored", subject="web/4", reason="It is ignored."),),
    warnings=(
        Problem(
            code="manifest.unknown-key",
            summary="Unknown key",
            detail='Key "jbos" is not known.',
            fix="write jobs.",
            mark=Mark(file="m.yml", line=2, column=3),
            severity=Severity.WARNING,
            number=40004,
        ),
    ),
    reserve=(INSTANCE,),
)

RELEASE = Release(
    name="app",
    version="1+dev.2",
    jobs=(
        Job(
            name="web",
            fingerprint="f2",
            blob="b2",
            digest="sha256:b2",
            templates={"ctl.erb": "bin/ctl"},
            packages=("tool",),
            properties={
                "port": PropertySpec(default=8080, description="Where it listens", type="integer"),
                "users": PropertySpec(default=[{"name": "admin", "groups": ["a"]}]),
            },
            provides=(LinkProvided(name="web", type="http", properties=("port",)),),
            consumes=(LinkConsumed(name="db", type="sql", optional=True),),
            properties_schema={"type": "object"},
        ),
    ),
    packages=(
        Package(name="tool", fingerprint="f1", dependencies=("lib",), blob="b1", digest="sha256:b1"),
        Package(name="lib", fingerprint="f0"),
    ),
    commit_hash="abc123",
    uncommitted_changes=True,
)

STORED = {
    "agent": AgentRecord(
        id="a-1",
        instance="i-1",
        deployment="shop",
        generation=7,
        token_hash="t",
        key_hash="k",
        is_revoked=True,
    ),
    "compiled_package": CompiledPackage(
        key="k1",
        name="tool",
        fingerprint="f1",
        stemcell_os="ubuntu-noble",
        stemcell_version="1.2",
        blob="b3",
        digest="sha256:b3",
    ),
    "deployment": DeploymentRecord(
        name="shop",
        serial=4,
        manifest="name: shop\n",
        config_ids=(1, 2),
        releases=(("app", "1+dev.2"),),
        stemcells=(("noble", "1.2"),),
        tags={"team": "x"},
        teams=("ops",),
    ),
    "disk": DiskRecord(
        name="d-1",
        deployment="shop",
        label="web/3",
        size_mb=1024,
        state=DiskState.ATTACHED,
        instance="i-1",
        az="z1",
        cid="disk-cid",
        vm="v-1",
        cloud_properties={"type": "ssd"},
        orphaned_at=5.5,
    ),
    "event": Event(
        at=12.5,
        user="admin",
        action="create",
        object_type="vm",
        object_name="v-1",
        parent=3,
        error="no room",
        task=9,
        deployment="shop",
        instance="web/i-1",
        context={"cpu": 2},
    ),
    "instance": INSTANCE,
    "intent": Intent(task=9, step="i-1:create", effect="create_vm", target="v-1", deployment="shop", opened_at=11.25),
    "plan": PLAN,
    "plan_record": PlanRecord(
        id="plan-1", deployment="shop", task=9, parent=4, created_at=10.5, body={"id": "plan-1", "steps": []}
    ),
    "release": RELEASE,
    "stemcell": Stemcell(
        name="noble", os="ubuntu-noble", version="1.2", cid="sc-1", digest="sha256:s", cpi="east", api_version=3
    ),
    "task": Task(
        id=9,
        type="update_deployment",
        state=TaskState.CANCELLING,
        description="deploy shop",
        user="admin",
        options={"deployment": "shop", "overrides": {"fix": True}},
        deployment="shop",
        context_id="ctx",
        created_at=1.0,
        started_at=2.0,
        changed_at=3.0,
        result="half",
    ),
    "vm": VmRecord(
        name="v-1",
        instance="i-1",
        deployment="shop",
        agent="a-1",
        generation=7,
        shape=SHAPE,
        state=VmState.DELETING,
        created_at=8.5,
        cid="vm-cid",
    ),
}
"""By the name of its golden file. Sealed variables, configs and settings are plain columns: the tables show them."""
