"""How instances are, what that rests on, and what is to be done about it, as values."""

from dataclasses import dataclass, field
from enum import Enum

from director.model.names import DeploymentName, InstanceId, TaskId, VmName
from director.model.plan import Hold
from director.model.record import InstanceRecord, VmRecord
from director.model.sighting import SeenAgent


class Condition(Enum):
    """What one instance is found in; ``planning/health.py`` tells them apart."""

    RUNNING = "running"
    STARTING = "starting"
    """Its processes come up, and still have time to."""
    FAILING = "failing"
    """Its processes have failed for longer than its agent was given to mend them."""
    STOPPED = "stopped"
    """Its agent answers; its processes are stopped."""
    EMPTY = "without its disk"
    """It runs, but its persistent disk is not mounted."""
    SUSPECT = "not answering"
    """Silent, but not for long enough, or nobody else has been asked yet."""
    UNRESPONSIVE = "unresponsive agent"
    """Silent too long; its infrastructure says that its VM is there and on."""
    OFF = "off"
    MISSING = "missing VM"
    """Its infrastructure answered, and does not know its VM."""
    UNKNOWN = "unknown"
    """Silent too long, and its infrastructure cannot be asked."""
    NO_VM = "no VM"
    SETTLING = "being changed"
    """A task creates or deletes its VM, or broke off doing so."""

    @property
    def is_well(self) -> bool:
        return self is Condition.RUNNING

    @property
    def is_loss(self) -> bool:
        """Nothing of it serves, as far as anybody can tell."""
        return self in {Condition.UNRESPONSIVE, Condition.OFF, Condition.MISSING, Condition.UNKNOWN}


class Remedy(Enum):
    """In the order of how much each takes away."""

    NOTHING = "nothing"
    RESTART = "restart its jobs"
    REBOOT = "reboot its VM"
    RECREATE = "recreate its VM"

    @property
    def is_action(self) -> bool:
        return self is not Remedy.NOTHING


class Presence(Enum):
    """What an infrastructure says of one VM. UNTOLD: it could not be asked, or cannot tell."""

    ON = "on"
    OFF = "off"
    ABSENT = "absent"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """The second opinion of one VM, asked at ``at`` (monotonic seconds); ``words`` say why it is UNTOLD."""

    at: float
    presence: Presence
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One recorded instance with all that was seen of it. ``task`` is the one that may change it now."""

    instance: InstanceRecord
    vm: VmRecord | None = None
    has_disk: bool = False
    agent: SeenAgent | None = None
    witness: Witness | None = None
    task: TaskId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One instance's condition. ``since`` is monotonic seconds of when it was first found so, ``evidence`` what it
    rests on in words. By time alone it may become another one at ``next_at``, not before.
    """

    deployment: DeploymentName
    instance: InstanceId
    label: str
    group: str
    az: str | None
    vm: VmName | None
    condition: Condition
    since: float
    evidence: tuple[str, ...] = ()
    next_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A repair that was begun, in wall clock seconds. ``error`` is empty while it runs and when it worked. One that
    ``has_helped`` was followed by a while in which the instance ran, whatever came after.
    """

    at: float
    remedy: Remedy
    task: TaskId | None = None
    ended_at: float | None = None
    error: str = ""
    has_helped: bool = False


def attempts_name(deployment: DeploymentName) -> str:
    """The setting of the store that holds a deployment's attempts."""
    return f"repairs:{deployment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is to be done about one finding. With ``hold`` it is not done now, and why; ``not_before`` (monotonic) is
    when a hold of time ends by itself. ``rides``: it is of a task of many, and begins when one of them has ended.
    """

    finding: Finding
    remedy: Remedy
    hold: Hold | None = None
    not_before: float | None = None
    rides: bool = False

    @property
    def is_due(self) -> bool:
        return self.remedy.is_action and self.hold is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairing:
    """A repair under way: what is being done, by which task, since when (monotonic). Its task does ``at_once`` of its
    repairs at a time; 0: all of them.
    """

    finding: Finding
    remedy: Remedy
    task: TaskId
    since: float
    at_once: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """All that the watch knows at ``at`` (monotonic; ``wall`` is the same moment in wall clock seconds).

    ``counts`` are instances by condition, ``verdicts`` those not well or held, ``repairing`` repairs under way.
    ``doubts`` are why the director trusts its own eyes less than usual, in words. Until it ``has_looked`` once it knows
    nothing, of nobody.
    """

    at: float
    wall: float
    is_on: bool = True
    counts: tuple[tuple[Condition, int], ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    repairing: tuple[Repairing, ...] = ()
    doubts: tuple[str, ...] = field(default=())
    has_looked: bool = True
