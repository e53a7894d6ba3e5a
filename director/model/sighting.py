"""What was seen, with its age: VMs as the infrastructure shows them, agents as they report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from director.model.fabric import FabricSighting
from director.model.names import AgentId, DiskCid, DiskName, InstanceId, VmCid, VmName
from director.model.tree import Tree


class Power(Enum):
    ON = "on"
    OFF = "off"


class JobState(Enum):
    """State of all processes of an instance together, as BOSH's agent reports it (agent-cpi-vsphere.md 1.13)."""

    RUNNING = "running"
    STARTING = "starting"
    FAILING = "failing"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVm:
    """``sizes`` has those of cpu, ram and disk (MB) that can be seen. ``place`` says where it runs, for people, and
    ``guest`` what is seen of the system inside it, as the end of a sentence. One that is not ``is_whole`` is on
    although ``create_vm`` has not done all for it: it must be asked again.

    ``addresses`` are those of each network card, in the order of its networks' names, none where none is shown. They
    and ``tags`` are None where the infrastructure cannot tell, or was not asked for details.
    """

    name: VmName
    cid: VmCid
    power: Power
    instance: InstanceId | None = None
    disks: tuple[DiskCid, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    place: str = ""
    guest: str = ""
    is_whole: bool = True
    addresses: tuple[tuple[str, ...], ...] | None = None
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenDisk:
    name: DiskName
    cid: DiskCid
    size_mb: int
    vm: VmCid | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenProcess:
    """``state`` is running, starting, failing or stopped. ``last_log`` holds the end of a failed process's log."""

    name: str
    job: str
    state: str
    uptime_s: float = 0.0
    restarts: int = 0
    mem_kb: int = 0
    mem_percent: float = 0.0
    cpu_percent: float = 0.0
    last_log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAgent:
    """``silent_s`` counts from the last message. ``vitals`` has the shape of BOSH's heartbeat (1.17)."""

    id: AgentId
    is_connected: bool
    silent_s: float
    job_state: JobState = JobState.UNKNOWN
    processes: tuple[SeenProcess, ...] = ()
    configuration_hash: str = ""
    disks: tuple[DiskName, ...] = ()
    vitals: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One look at the world. ``at`` is the wall clock in seconds since the epoch.

    ``fabrics`` has what the fabric of each CPI shows of the stacks and pools that a plan is about.
    """

    at: float
    vms: Mapping[VmName, SeenVm] = field(default_factory=dict)
    agents: Mapping[AgentId, SeenAgent] = field(default_factory=dict)
    disks: Mapping[DiskName, SeenDisk] = field(default_factory=dict)
    fabrics: Mapping[str, FabricSighting] = field(default_factory=dict)
