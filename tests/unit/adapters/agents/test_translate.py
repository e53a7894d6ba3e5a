"""Every request reaches the wire whole; what comes back is made harmless."""

import math
from typing import get_args

import pytest

from agent.wire import agent_pb2 as pb
from director.adapters.agents.translate import blobs_of, error_of, heard_of, request_of, tree_of
from director.model.names import BlobId, DeploymentName, Digest, DiskName
from director.model.sighting import JobState
from director.model.wanted import Content, RenderedFile, RenderedJob
from director.ports.agents import (
    AgentRequest,
    AgentSpec,
    Apply,
    Compile,
    DrainJobs,
    Errand,
    FetchLogs,
    Migrate,
    Mount,
    PackageSource,
    Prepare,
    Script,
    Start,
    Stop,
    Unmount,
)

PACKAGE = PackageSource(name="ruby", key="ruby-1", blob=BlobId("b1"), digest=Digest("sha256:1"))
SPEC = AgentSpec(
    deployment=DeploymentName("blog"),
    instance={
        "group": "web",
        "index": 2,
        "id": "i-1",
        "az": "z1",
        "name": "web/2",
        "bootstrap": True,
        "networks": {
            "private": {"type": "manual", "ip": "10.0.0.2", "netmask": "255.255.255.0", "gateway": "10.0.0.1"},
            "dynamic": {"type": "dynamic"},
        },
    },
    content=Content(
        jobs=(
            RenderedJob(
                name="nginx",
                files=(RenderedFile(path="bin/run", content=b"\x00\xff", mode=0o750),),
                monit="check process nginx",
                digest="sha256:2",
            ),
        )
    ),
    packages=(PACKAGE,),
    configuration_hash="hash",
    persistent_disk_mb=1024,
)
WIRED = pb.Spec(
    deployment="blog",
    group="web",
    index=2,
    id="i-1",
    az="z1",
    name="web/2",
    bootstrap=True,
    jobs=[
        pb.Job(
            name="nginx",
            digest="sha256:2",
            monit="check process nginx",
            files=[pb.File(path="bin/run", content=b"\x00\xff", mode=0o750)],
        )
    ],
    packages=[pb.Package(name="ruby", key="ruby-1", blob="b1", digest="sha256:1")],
    configuration_hash="hash",
    persistent_disk_mb=1024,
    networks=[
        pb.NetworkAddress(network="dynamic"),
        pb.NetworkAddress(network="private", ip="10.0.0.2", netmask="255.255.255.0", gateway="10.0.0.1"),
    ],
)
CASES: list[tuple[AgentRequest, dict[str, object]]] = [
    (Prepare(spec=SPEC), {"prepare": pb.Prepare(spec=WIRED)}),
    (Apply(spec=SPEC), {"apply": pb.Apply(spec=WIRED)}),
    (Start(), {"start": pb.Start()}),
    (Stop(), {"stop": pb.Stop()}),
    (
        DrainJobs(kind="update", changed_packages=("a", "b"), is_configuration_changed=True, next_disk_mb=0),
        {
            "drain": pb.Drain(
                kind=pb.Drain.KIND_UPDATE, changed_packages=["a", "b"], configuration_changed=True, next_disk_mb=0
            )
        },
    ),
    (DrainJobs(kind="shutdown"), {"drain": pb.Drain(kind=pb.Drain.KIND_SHUTDOWN)}),
    (Script(name="pre-stop", env={"A": "1"}), {"run_script": pb.RunScript(name="pre-stop", env={"A": "1"})}),
    (Errand(job="smoke", env={"A": "1"}), {"run_errand": pb.RunErrand(job="smoke", env={"A": "1"})}),
    (
        Compile(name="p", fingerprint="f", source=BlobId("s"), digest=Digest("d"), dependencies=(PACKAGE,)),
        {
            "compile_package": pb.CompilePackage(
                name="p", fingerprint="f", source="s", digest="d", dependencies=WIRED.packages
            )
        },
    ),
    (Mount(disk=DiskName("d1"), hint={"path": "/dev/x"}), {"mount_disk": pb.MountDisk(disk="d1", path="/dev/x")}),
    (Unmount(disk=DiskName("d1")), {"unmount_disk": pb.UnmountDisk(disk="d1")}),
    (
        Migrate(old=DiskName("d1"), new=DiskName("d2"), hint={"path": "/p"}),
        {"migrate_disk": pb.MigrateDisk(old="d1", new="d2", path="/p")},
    ),
    (FetchLogs(kinds=("job",), filters=("*.log",)), {"fetch_logs": pb.FetchLogs(kinds=["job"], filters=["*.log"])}),
]


@pytest.mark.parametrize(("request_", "action"), CASES, ids=lambda value: type(value).__name__)
def test_a_request_reaches_the_wire_whole(request_, action):
    assert request_of(request_, "k") == pb.Request(key="k", **action)


def test_every_kind_of_request_has_a_case():
    assert {type(case) for case, _ in CASES} == set(get_args(AgentRequest))


def test_a_drain_without_a_next_disk_says_nothing_of_it():
    assert not request_of(DrainJobs(kind="shutdown"), "k").drain.HasField("next_disk_mb")
    assert request_of(DrainJobs(kind="update", next_disk_mb=0), "k").drain.HasField("next_disk_mb")


def test_a_request_names_the_blobs_it_needs():
    compile_package = CASES[8][0]
    assert blobs_of(compile_package) == {"s", "b1"}
    assert blobs_of(Apply(spec=SPEC)) == {"b1"}
    assert blobs_of(Start()) == frozenset()


def test_a_result_becomes_plain_data():
    errand = pb.ErrandResult(exit_code=-1, stdout="ä".encode(), stderr=b"\xff")
    assert tree_of(pb.Result(errand=errand)) == {"exit_code": -1, "stdout": "ä", "stderr": "\N{REPLACEMENT CHARACTER}"}
    assert tree_of(pb.Result(blob=pb.StoredBlob(id="b", digest="d"))) == {"blob": "b", "digest": "d"}
    assert tree_of(pb.Result()) == {}
    assert len(error_of(pb.Result(error="x" * 1_000_000))) == 16_384


def test_vitals_have_the_shape_of_boshs_heartbeat():
    vitals = pb.Vitals(
        cpu_user=1.25,
        cpu_sys=0.5,
        cpu_wait=0,
        load=[0.5, 0.25, 0.125],
        mem_kb=2048,
        mem_percent=40.4,
        disks=[pb.DiskUse(name="system", percent=12.4, inode_percent=3)],
        uptime_s=77.9,
    )
    assert heard_of(pb.Report(vitals=vitals)).vitals == {
        "cpu": {"user": "1.2", "sys": "0.5", "wait": "0.0"},
        "load": ["0.50", "0.25", "0.12"],
        "mem": {"kb": "2048", "percent": "40"},
        "swap": {"kb": "0", "percent": "0"},
        "disk": {"system": {"percent": "12", "inode_percent": "3"}},
        "uptime": {"secs": 77},
    }
    assert heard_of(pb.Report()).vitals == {}


def test_a_report_becomes_values():
    report = pb.Report(job_state=pb.JOB_STATE_RUNNING, disks=["d2", "d1"], running=["k"], configuration_hash="h")
    heard = heard_of(report)
    assert (heard.job_state, heard.disks, heard.running) == (JobState.RUNNING, ("d1", "d2"), {"k"})
    assert heard.configuration_hash == "h"


def test_nonsense_in_a_report_is_made_harmless():
    process = pb.Process(name="p", state="dancing", uptime_s=math.nan, mem_percent=math.inf)
    heard = heard_of(pb.Report(processes=[process], vitals=pb.Vitals(uptime_s=math.inf, load=[math.nan])))
    assert heard.job_state is JobState.UNKNOWN
    assert (heard.processes[0].state, heard.processes[0].uptime_s, heard.processes[0].mem_percent) == ("failing", 0, 0)
    assert heard.vitals["uptime"] == {"secs": 0}
    assert heard.vitals["load"] == ["0.00"]
