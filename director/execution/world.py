"""What performing needs: the ports, and what one task knows besides its plan."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from director.execution.fabrics import Fabrics
from director.execution.infrastructures import Infrastructures
from director.execution.looks import Looks
from director.model.names import DeploymentName, DiskName, InstanceId, TaskId, VmName
from director.model.record import DeploymentRecord, DiskRecord, InstanceRecord, Record, VmRecord
from director.model.release import Catalog, CompiledPackage, Package
from director.model.sighting import SeenAgent
from director.model.tree import Node, Tree
from director.model.wanted import Content, WantedInstance
from director.ports.agents import Agents, PackageSource
from director.ports.alerts import NO_ALERTS, Alerts
from director.ports.clock import Clock
from director.ports.failure import Failure
from director.ports.meter import NO_METER, Meter
from director.ports.secrets import Secrets
from director.ports.store import Store
from director.ports.tasklog import TaskLog
from director.ports.tracer import NO_TRACER, Tracer


def random_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """``new_id`` is the only chance there is in reconciling: the ids of plans, from which those of instances follow."""

    store: Store
    infrastructures: Infrastructures
    agents: Agents
    secrets: Secrets
    tasklog: TaskLog
    clock: Clock
    fabrics: Fabrics = field(default_factory=Fabrics)
    alerts: Alerts = NO_ALERTS
    meter: Meter = NO_METER
    tracer: Tracer = NO_TRACER
    new_id: Callable[[], str] = random_id


@dataclass(slots=True, kw_only=True)
class Run:
    """One task carrying out one plan. The rows it changes are kept here as they now are; nobody else writes them.

    ``contents`` and ``values`` hold secrets: they live only in memory, and only as long as the task.
    """

    task: TaskId
    plan_id: str
    user: str
    deployment: DeploymentRecord
    instances: dict[InstanceId, InstanceRecord]
    vms: dict[VmName, VmRecord]
    disks: dict[DiskName, DiskRecord]
    wanted: Mapping[InstanceId, WantedInstance]
    contents: Mapping[InstanceId, Content] = field(repr=False)
    values: Mapping[str, Node] = field(repr=False)
    compiled: dict[str, CompiledPackage]
    packages: Mapping[str, Package]
    manifest: str | None = None
    hints: dict[DiskName, Tree] = field(default_factory=dict)
    looks: Looks = field(default_factory=Looks)

    @property
    def name(self) -> DeploymentName:
        return self.deployment.name

    def source_of(self, name: str, key: str) -> PackageSource:
        """A compiled package as the agent is to fetch it. Raises Failure when nothing of that key was compiled."""
        found = self.compiled.get(key)
        if found is None:
            raise Failure(f"Package {name} has not been compiled, so it cannot be installed. Run the deploy again.")
        return PackageSource(name=name, key=key, blob=found.blob, digest=found.digest)

    def label_of(self, instance: InstanceId) -> str:
        known = self.instances.get(instance) or self.wanted.get(instance)
        return known.label if known else instance

    def disks_on(self, vm: VmName) -> tuple[DiskRecord, ...]:
        return tuple(disk for disk in self.disks.values() if disk.vm == vm)


def start_run(
    *,
    task: TaskId,
    plan_id: str,
    user: str,
    record: Record,
    wanted: Mapping[InstanceId, WantedInstance],
    contents: Mapping[InstanceId, Content],
    values: Mapping[str, Node],
    catalog: Catalog,
    manifest: str | None,
) -> Run:
    """A Run that begins with what is recorded."""
    return Run(
        task=task,
        plan_id=plan_id,
        user=user,
        deployment=record.deployment,
        instances={instance.id: instance for instance in record.instances},
        vms={vm.name: vm for vm in record.vms},
        disks={disk.name: disk for disk in record.disks},
        wanted=wanted,
        contents=contents,
        values=values,
        compiled=dict(catalog.compiled),
        packages=_sources(catalog),
        manifest=manifest,
    )


def _sources(catalog: Catalog) -> Mapping[str, Package]:
    """By fingerprint. What one release brought only compiled another may have brought with source."""
    packages = (package for release in catalog.releases for package in release.packages)
    return {package.fingerprint: package for package in packages if package.blob is not None}


def is_running_since(seen: SeenAgent, min_s: float) -> bool:
    """Every process is up and has been for ``min_s``; the agent reports the instance as running."""
    return seen.job_state.value == "running" and all(p.uptime_s >= min_s for p in seen.processes)
