"""Everything a plan is made from, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from director.model.cloud import CloudConfig
from director.model.deployment import Count
from director.model.fabric import Stack, StackRecord
from director.model.names import InstanceId, PlanId, StackName
from director.model.record import Applied, Record
from director.model.release import Catalog
from director.model.sighting import Sighting
from director.model.wanted import Wanted, WantedInstance
from director.planning.diff import Forced
from director.planning.resolve import Sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the operator bent for this run. ``forced`` is by instance, ``undrained`` holds those to skip drain for."""

    forced: Mapping[InstanceId, Forced] = field(default_factory=dict)
    undrained: frozenset[InstanceId] = frozenset()
    canaries: Count | None = None
    max_in_flight: Count | None = None
    calls_in_flight: int = 32
    agent_wait_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything a plan is made from. ``specs`` is what each wanted instance should have applied.

    ``growers`` are the CPIs whose disks grow in place, ``leavers`` those that leave enrolments to be cleared,
    ``fabrics`` those with a network fabric. ``stacks`` are wanted; ``recorded_stacks`` those and all it used so far.
    """

    id: PlanId
    wanted: Wanted
    specs: Mapping[InstanceId, Applied]
    record: Record
    seen: Sighting
    catalog: Catalog
    clouds: CloudConfig | None = None
    taken: Mapping[str, InstanceId] = field(default_factory=dict)
    config_ids: tuple[int, ...] = ()
    growers: frozenset[str] = frozenset()
    leavers: frozenset[str] = frozenset()
    fabrics: frozenset[str] = frozenset()
    stacks: tuple[Stack, ...] = ()
    recorded_stacks: Mapping[StackName, StackRecord] = field(default_factory=dict)
    sizes: Sizes = field(default_factory=dict)
    asked: Asked = Asked()


def applied_of(instance: WantedInstance, configuration_hash: str) -> Applied:
    """What the instance's agent should report once all is applied."""
    return Applied(
        jobs=tuple((job.job.name, job.job.fingerprint) for job in instance.jobs),
        packages=tuple(sorted((package.name, package.key) for package in instance.packages)),
        configuration_hash=configuration_hash,
    )
