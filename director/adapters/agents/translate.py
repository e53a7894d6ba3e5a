"""The one place where the wire's messages and the model's values meet. Pure: decides nothing, keeps nothing.

What an agent sends is bounded and made harmless here: numbers that are none become 0, unknown words a known one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from agent.wire import agent_pb2 as pb
from director.model.names import BlobId, DiskName
from director.model.sighting import JobState, SeenProcess
from director.model.tree import Node, Tree
from director.model.wanted import RenderedJob
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

_ERROR_CHARACTERS_MAX: Final = 16_384  # it ends in a task's error, which a person reads
_JOB_STATES: Final[Mapping[int, JobState]] = {
    pb.JOB_STATE_RUNNING: JobState.RUNNING,
    pb.JOB_STATE_STARTING: JobState.STARTING,
    pb.JOB_STATE_FAILING: JobState.FAILING,
    pb.JOB_STATE_STOPPED: JobState.STOPPED,
}
_PROCESS_STATES: Final = frozenset({"running", "starting", "failing", "stopped"})
_DRAIN_KINDS: Final = {"update": pb.Drain.KIND_UPDATE, "shutdown": pb.Drain.KIND_SHUTDOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A report, as values. ``running`` are the keys of the requests the agent is carrying out."""

    job_state: JobState = JobState.UNKNOWN
    processes: tuple[SeenProcess, ...] = ()
    configuration_hash: str = ""
    disks: tuple[DiskName, ...] = ()
    vitals: Tree = field(default_factory=dict)
    running: frozenset[str] = frozenset()


def request_of(request: AgentRequest, key: str) -> pb.Request:
    """The request as sent; its ``timeout_s`` is set when it is."""
    match request:
        case Prepare():
            return pb.Request(key=key, prepare=pb.Prepare(spec=_spec(request.spec)))
        case Apply():
            return pb.Request(key=key, apply=pb.Apply(spec=_spec(request.spec)))
        case Start():
            return pb.Request(key=key, start=pb.Start())
        case Stop():
            return pb.Request(key=key, stop=pb.Stop())
        case DrainJobs():
            return pb.Request(key=key, drain=_drain(request))
        case Script():
            return pb.Request(key=key, run_script=pb.RunScript(name=request.name, env=request.env))
        case Errand():
            return pb.Request(key=key, run_errand=pb.RunErrand(job=request.job, env=request.env))
        case Compile():
            return pb.Request(key=key, compile_package=_compile(request))
        case Mount():
            return pb.Request(key=key, mount_disk=pb.MountDisk(disk=request.disk, path=_path(request.hint)))
        case Unmount():
            return pb.Request(key=key, unmount_disk=pb.UnmountDisk(disk=request.disk))
        case Migrate():
            path = _path(request.hint)
            return pb.Request(key=key, migrate_disk=pb.MigrateDisk(old=request.old, new=request.new, path=path))
        case FetchLogs():
            return pb.Request(key=key, fetch_logs=pb.FetchLogs(kinds=request.kinds, filters=request.filters))
        case _:
            assert_never(request)


def blobs_of(request: AgentRequest) -> frozenset[BlobId]:
    """What the agent must fetch to carry it out."""
    match request:
        case Prepare() | Apply():
            return frozenset(package.blob for package in request.spec.packages)
        case Compile():
            return frozenset({request.source, *(package.blob for package in request.dependencies)})
        case _:
            return frozenset()


def heard_of(report: pb.Report) -> Heard:
    return Heard(
        job_state=_JOB_STATES.get(report.job_state, JobState.UNKNOWN),
        processes=tuple(_process(process) for process in report.processes),
        configuration_hash=report.configuration_hash,
        disks=tuple(DiskName(disk) for disk in sorted(report.disks)),
        vitals=_vitals(report.vitals) if report.HasField("vitals") else {},
        running=frozenset(report.running),
    )


def error_of(result: pb.Result) -> str:
    """What went wrong on the VM, or empty."""
    return result.error[:_ERROR_CHARACTERS_MAX]


def tree_of(result: pb.Result) -> Tree:
    """exit_code, stdout, stderr of an errand; blob and digest of what was uploaded; else nothing."""
    match result.WhichOneof("value"):
        case "errand":
            errand = result.errand
            return {"exit_code": errand.exit_code, "stdout": _text(errand.stdout), "stderr": _text(errand.stderr)}
        case "blob":
            return {"blob": result.blob.id, "digest": result.blob.digest}
        case _:
            return {}


def _spec(spec: AgentSpec) -> pb.Spec:
    """``instance`` has group, index, id, az, name (group/index), bootstrap, and networks by name."""
    instance = spec.instance
    return pb.Spec(
        deployment=spec.deployment,
        group=_word(instance, "group"),
        index=_number(instance, "index"),
        id=_word(instance, "id"),
        az=_word(instance, "az"),
        name=_word(instance, "name"),
        bootstrap=bool(instance.get("bootstrap", False)),
        jobs=[_job(job) for job in spec.content.jobs],
        packages=[_package(package) for package in spec.packages],
        configuration_hash=spec.configuration_hash,
        persistent_disk_mb=spec.persistent_disk_mb,
        networks=_networks(instance.get("networks")),
    )


def _networks(networks: Node) -> list[pb.NetworkAddress]:
    if not isinstance(networks, Mapping):
        return []
    return [_network(name, settings) for name, settings in sorted(networks.items()) if isinstance(settings, Mapping)]


def _network(name: str, settings: Tree) -> pb.NetworkAddress:
    return pb.NetworkAddress(
        network=name,
        ip=_word(settings, "ip"),
        netmask=_word(settings, "netmask"),
        gateway=_word(settings, "gateway"),
    )


def _job(job: RenderedJob) -> pb.Job:
    files = [pb.File(path=file.path, content=file.content, mode=file.mode) for file in job.files]
    return pb.Job(name=job.name, digest=job.digest, monit=job.monit, files=files)


def _package(package: PackageSource) -> pb.Package:
    return pb.Package(name=package.name, key=package.key, blob=package.blob, digest=package.digest)


def _compile(request: Compile) -> pb.CompilePackage:
    return pb.CompilePackage(
        name=request.name,
        fingerprint=request.fingerprint,
        source=request.source,
        digest=request.digest,
        dependencies=[_package(package) for package in request.dependencies],
    )


def _drain(request: DrainJobs) -> pb.Drain:
    assert request.kind in _DRAIN_KINDS, f"drain is update or shutdown, not {request.kind}"
    return pb.Drain(
        kind=_DRAIN_KINDS[request.kind],
        changed_packages=request.changed_packages,
        configuration_changed=request.is_configuration_changed,
        next_disk_mb=request.next_disk_mb,
    )


def _process(process: pb.Process) -> SeenProcess:
    return SeenProcess(
        name=process.name,
        job=process.job,
        state=process.state if process.state in _PROCESS_STATES else "failing",
        uptime_s=_finite(process.uptime_s),
        restarts=process.restarts,
        mem_kb=process.mem_kb,
        mem_percent=_finite(process.mem_percent),
        cpu_percent=_finite(process.cpu_percent),
        last_log=tuple(process.last_log),
    )


def _vitals(vitals: pb.Vitals) -> Tree:
    """As BOSH's heartbeat has them: strings, but for the uptime (agent-cpi-vsphere.md 1.17)."""
    return {
        "cpu": {
            "user": f"{_finite(vitals.cpu_user):.1f}",
            "sys": f"{_finite(vitals.cpu_sys):.1f}",
            "wait": f"{_finite(vitals.cpu_wait):.1f}",
        },
        "load": [f"{_finite(load):.2f}" for load in vitals.load],
        "mem": {"kb": str(vitals.mem_kb), "percent": f"{_finite(vitals.mem_percent):.0f}"},
        "swap": {"kb": str(vitals.swap_kb), "percent": f"{_finite(vitals.swap_percent):.0f}"},
        "disk": {disk.name: _disk(disk) for disk in vitals.disks},
        "uptime": {"secs": int(_finite(vitals.uptime_s))},
    }


def _disk(disk: pb.DiskUse) -> Tree:
    return {"percent": f"{_finite(disk.percent):.0f}", "inode_percent": f"{_finite(disk.inode_percent):.0f}"}


def _finite(number: float) -> float:
    return number if math.isfinite(number) else 0.0


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _path(hint: Tree) -> str:
    """One word for where a disk is in its VM: ``id:…`` (the surest), a path, or a SCSI unit number."""
    if "id" in hint:
        return f"id:{_word(hint, 'id')}"
    return _word(hint, "path") or _word(hint, "volume_id")


def _word(tree: Tree, key: str) -> str:
    value = tree.get(key)
    return "" if value is None else str(value)


def _number(tree: Tree, key: str) -> int:
    value = tree.get(key, 0)
    assert isinstance(value, int), f"{key} is {value!r}, not a whole number"
    return value
