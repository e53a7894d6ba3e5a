"""The agents on the VMs, seen from the director: what they report, and what can be asked of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from director.model.names import AgentId, BlobId, DeploymentName, Digest, DiskName, InstanceId
from director.model.sighting import SeenAgent
from director.model.tree import Tree
from director.model.wanted import Content
from director.ports.infrastructure import Enrolment


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSource:
    """A blob to fetch and unpack under ``/var/vcap/packages/<name>``. ``key`` tells one build from another."""

    name: str
    key: str
    blob: BlobId
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """All an instance is to be. ``instance`` is what goes to /var/vcap/instance: id, name, az, …"""

    deployment: DeploymentName
    instance: Tree
    content: Content
    packages: tuple[PackageSource, ...]
    configuration_hash: str
    persistent_disk_mb: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    spec: AgentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    spec: AgentSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainJobs:
    """``changed_packages`` and ``is_configuration_changed`` become the arguments of drain scripts (1.14)."""

    kind: str
    changed_packages: tuple[str, ...] = ()
    is_configuration_changed: bool = False
    next_disk_mb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    name: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """The reply has exit_code, stdout, stderr."""

    job: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compile:
    """The reply has blob and digest of the compiled package, uploaded by the agent."""

    name: str
    fingerprint: str
    source: BlobId
    digest: Digest
    dependencies: tuple[PackageSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    disk: DiskName
    hint: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmount:
    disk: DiskName


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrate:
    old: DiskName
    new: DiskName
    hint: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLogs:
    """``kinds`` of job, agent, system; ``filters`` are globs below each log directory. The reply: blob, digest."""

    kinds: tuple[str, ...] = ("job",)
    filters: tuple[str, ...] = ()


AgentRequest: TypeAlias = (
    Prepare | Apply | Start | Stop | DrainJobs | Script | Errand | Compile | Mount | Unmount | Migrate | FetchLogs
)


class Agents(Protocol):
    def seen(self) -> Mapping[AgentId, SeenAgent]:
        """Every agent heard of since this director started, connected or not."""
        ...

    def seen_of(self, agent: AgentId) -> SeenAgent | None:
        """The same of one, at the cost of one; None when it was not heard of."""
        ...

    async def changed(self) -> None:
        """Returns when an agent came, left, or reports other states of its jobs or disks than before; at once when one
        has since this returned last. For one who waits, and looks at ``seen`` then.
        """
        ...

    async def enrolment_for(
        self, agent: AgentId, instance: InstanceId, deployment: DeploymentName, generation: int
    ) -> Enrolment:
        """A fresh token, recorded before it is returned; an earlier unused token for this agent stops working."""
        ...

    async def await_connected(self, agent: AgentId, timeout_s: float) -> None:
        """Raises AgentSilent when it has not dialled in by then."""
        ...

    async def await_away(self, agent: AgentId) -> None:
        """Returns when its stream is not open: at once for one that is away or has never come. Raises AgentSilent once
        its VM was given up.
        """
        ...

    async def await_seen(self, agent: AgentId, is_enough: Callable[[SeenAgent], bool], timeout_s: float) -> SeenAgent:
        """Waits, pushed by the agent's reports, until ``is_enough``; raises AgentSilent after ``timeout_s``.

        ``is_enough`` is asked again at every report and whenever an uptime it may wait for has passed.
        """
        ...

    async def ask(self, agent: AgentId, request: AgentRequest, *, key: str, timeout_s: float) -> Tree:
        """Has the agent carry out ``request`` and gives its result.

        ``key`` makes it repeatable: an agent that has done, or is doing, that key answers with that result,
        also over a reconnect or its own restart, until it is told to ``forget``. Cancelling the await cancels errands
        and drains on the agent, which then forgets them.
        Raises AgentFailure with what went wrong on the VM, AgentSilent when no answer came in time.
        """
        ...

    def forget(self, agent: AgentId, key: str) -> None:
        """The result of ``key`` is recorded, or will never be asked for again: the agent need not keep it.

        Every ``ask`` is followed by one, after what came of it is durable: asked before that by the next director, the
        agent would do it once more. One that is away is told when it is back; one that was given up is not told.
        """
        ...

    async def revoke(self, agent: AgentId) -> None:
        """Its certificate and token stop working; its stream is closed. For VMs that are gone."""
        ...
