"""Plans compilation: which packages must be built, on which workers, before who may use them (section 4.3).

Workers are instances of the pseudo-group ``compilation``: recorded while they live, so that a crash leaves
none behind unseen, and removed as soon as their packages are built, however that ended.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from director.model.cloud import CloudConfig, Network, NetworkType
from director.model.deployment import Lifecycle
from director.model.names import AgentId, DeploymentName, GroupName, InstanceId, PlanId, StepKey
from director.model.plan import Limit, PlannedStep, Unit
from director.model.problem import Problem, Refused
from director.model.record import InstanceRecord
from director.model.release import Catalog, Stemcell
from director.model.step import AwaitAgent, ClearEnrolment, CompilePackage, CreateVm, DeleteVm, ForgetInstance
from director.model.tree import Tree
from director.model.wanted import Address, VmShape, WantedInstance
from director.planning.address import free_addresses, subnets_in
from director.planning.attach import vm_properties
from director.planning.chain import Rules, VmIdentity, identity_of
from director.planning.limit import limits_of
from director.planning.network import settings_of
from director.planning.package import Compilation
from director.planning.resolve import Sizes

COMPILATION = GroupName("compilation")
WORKERS = "compilation workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Builds:
    """Steps that compile, and which step makes which key."""

    steps: tuple[PlannedStep, ...] = ()
    units: tuple[Unit, ...] = ()
    limits: tuple[Limit, ...] = ()
    reserve: tuple[InstanceRecord, ...] = ()
    by_key: Mapping[str, StepKey]

    def keys_for(self, wanted: WantedInstance) -> tuple[StepKey, ...]:
        """The compile steps this instance's packages wait for."""
        return tuple(sorted({self.by_key[p.key] for p in wanted.packages if p.key in self.by_key}))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Worker:
    """``is_single``: made for one package and bound by the number of workers, instead of reused."""

    is_single: bool
    record: InstanceRecord
    identity: VmIdentity
    shape: VmShape
    builds: tuple[Compilation, ...]


def build_steps(
    missing: tuple[Compilation, ...],
    deployment: DeploymentName,
    catalog: Catalog,
    clouds: CloudConfig | None,
    *,
    taken: frozenset[str],
    plan_id: PlanId,
    rules: Rules,
    first_index: int,
    sizes: Sizes,
) -> Builds:
    """Every step of compiling what is missing; none when nothing is. Workers are numbered from ``first_index``.

    Raises Refused when the compilation network has no address left for a worker (130011).
    """
    if not missing:
        return Builds(by_key={})
    assert clouds is not None, "a deployment with packages has a cloud config"
    on_place = tuple(replace(one, stemcell=_at_place(one.stemcell, clouds, catalog)) for one in missing)
    workers = [
        _without_fabric(worker, rules)
        for worker in _workers(on_place, clouds, taken, deployment, plan_id, first_index, sizes)
    ]
    by_key = {build.key: _key_of(build) for build in missing}
    return Builds(
        steps=tuple(step for worker in workers for step in _steps(worker, by_key, rules)),
        units=tuple(unit for worker in workers for unit in _units(worker)),
        limits=(Limit(name=WORKERS, max=clouds.compilation.workers),),
        reserve=tuple(worker.record for worker in workers),
        by_key=by_key,
    )


def _workers(
    builds: tuple[Compilation, ...],
    clouds: CloudConfig,
    taken: frozenset[str],
    deployment: DeploymentName,
    plan_id: PlanId,
    first_index: int,
    sizes: Sizes,
) -> list[_Worker]:
    """With reuse at most ``workers`` VMs per stemcell, packages dealt out in turn; else one VM per package."""
    by_stemcell: dict[tuple[str, str], list[Compilation]] = defaultdict(list)
    for build in builds:
        by_stemcell[build.stemcell.name, build.stemcell.version].append(build)
    hands: list[tuple[Compilation, ...]] = []
    for _, of_stemcell in sorted(by_stemcell.items()):
        count = min(clouds.compilation.workers, len(of_stemcell))
        count = count if clouds.compilation.reuse_compilation_vms else len(of_stemcell)
        hands += [tuple(of_stemcell[n::count]) for n in range(count)]
    network = next(n for n in clouds.networks if n.name == clouds.compilation.network)
    addresses = _addresses(network, clouds, taken, len(hands))
    return [
        _worker(number, hand, address, network, clouds, deployment, plan_id, sizes)
        for number, (hand, address) in enumerate(zip(hands, addresses, strict=True), start=first_index)
    ]


def _addresses(network: Network, clouds: CloudConfig, taken: frozenset[str], count: int) -> tuple[str | None, ...]:
    if network.type is not NetworkType.MANUAL:
        return (None,) * count
    found = free_addresses(subnets_in(network, clouds.compilation.az), taken, count)
    if len(found) < count:
        raise Refused([_no_address(network, count, len(found))])
    return found


def _worker(
    number: int,
    hand: tuple[Compilation, ...],
    address: str | None,
    network: Network,
    clouds: CloudConfig,
    deployment: DeploymentName,
    plan_id: PlanId,
    sizes: Sizes,
) -> _Worker:
    instance = InstanceId(str(uuid.uuid5(uuid.NAMESPACE_URL, f"director:compilation:{plan_id}:{number}")))
    reserved = Address(network=network.name, ip=address)
    record = InstanceRecord(
        id=instance,
        deployment=deployment,
        group=COMPILATION,
        index=number,
        az=clouds.compilation.az,
        lifecycle=Lifecycle.SERVICE,
        is_compilation=True,
        addresses=(reserved,),
        generation=1,
    )
    stemcell = hand[0].stemcell
    shape = VmShape(
        stemcell_name=stemcell.name,
        stemcell_version=stemcell.version,
        stemcell_cid=stemcell.cid,
        cpi=stemcell.cpi,
        cloud_properties=_cloud_properties(clouds, sizes, stemcell.cpi),
        networks={network.name: settings_of(network, reserved, clouds.compilation.az, ("dns", "gateway"))},
        env=clouds.compilation.env,
    )
    is_single = not clouds.compilation.reuse_compilation_vms
    return _Worker(
        is_single=is_single, record=record, identity=identity_of(instance, record.label, 1), shape=shape, builds=hand
    )


def _without_fabric(worker: _Worker, rules: Rules) -> _Worker:
    """Who compiles serves nobody: it joins no groups or pools."""
    shape = worker.shape
    properties = vm_properties(shape.cloud_properties, shape.cpi, rules.fabrics)
    return replace(worker, shape=replace(shape, cloud_properties=properties))


def _cloud_properties(clouds: CloudConfig, sizes: Sizes, cpi: str) -> Tree:
    """Zone, then VM type, resources or properties, then extensions; the right one wins (section 2.1)."""
    asked = clouds.compilation
    az = next((a.cloud_properties for a in clouds.azs if a.name == asked.az), {})
    vm_type = next((t.cloud_properties for t in clouds.vm_types if t.name == asked.vm_type), {})
    extensions = [e.cloud_properties for e in clouds.vm_extensions if e.name in asked.vm_extensions]
    merged: dict[str, object] = {}
    sized = sizes[cpi, asked.vm_resources] if asked.vm_resources else {}
    for tree in (az, vm_type, sized, asked.cloud_properties, *extensions):
        merged |= tree
    return merged  # type: ignore[return-value]  # trees merged are a tree


def compiles_on(clouds: CloudConfig) -> str:
    """The CPI of the zone that compiles; empty for the director's own infrastructure."""
    return next((az.cpi for az in clouds.azs if az.name == clouds.compilation.az), None) or ""


def _at_place(stemcell: Stemcell, clouds: CloudConfig, catalog: Catalog) -> Stemcell:
    """The stemcell as it was uploaded to the infrastructure of the zone that compiles. Raises Refused."""
    cpi = compiles_on(clouds)
    for one in (stemcell, *catalog.stemcells):
        if (one.name, one.version, one.cpi) == (stemcell.name, stemcell.version, cpi):
            return one
    raise Refused([_no_stemcell(stemcell, clouds.compilation.az or "", cpi)])


def _key_of(build: Compilation) -> StepKey:
    return StepKey(f"compile {build.package.name}/{build.key[:12]}:compile")


def _steps(worker: _Worker, by_key: Mapping[str, StepKey], rules: Rules) -> list[PlannedStep]:
    """Worker up, its packages one after another, worker gone.

    A worker for one package is made only once what that package needs is there: it holds a slot, so it must not wait.
    """
    label, identity, instance = worker.record.label, worker.identity, worker.record.id
    up, ready = StepKey(f"{label}:create-vm"), StepKey(f"{label}:await-agent")
    gone, forgotten = StepKey(f"{label}:delete-vm"), StepKey(f"{label}:forget")
    create = CreateVm(
        instance=instance,
        vm=identity.name,
        agent=identity.agent,
        generation=1,
        shape=worker.shape,
        az=worker.record.az,
        tags={"instance_group": COMPILATION, "id": instance},
    )
    wait = AwaitAgent(instance=instance, agent=identity.agent, timeout_s=rules.agent_wait_s)
    clear = ClearEnrolment(instance=instance, vm=identity.name)
    delete = DeleteVm(instance=instance, vm=identity.name, agent=identity.agent)
    forget = ForgetInstance(instance=instance)
    first = _needs(worker.builds[0], by_key) if worker.is_single else ()
    compiles = _compile_steps(worker, ready, {} if worker.is_single else by_key)
    clears = [_beside(clear, label, ready)] if worker.shape.cpi in rules.leavers else []
    ended = (up, ready, *(step.key for step in (*clears, *compiles)))
    steps = [
        PlannedStep(key=up, step=create, subject=label, needs=first, unit=f"create {label}", limits=limits_of(create)),
        PlannedStep(key=ready, step=wait, subject=label, needs=(up,), unit=f"create {label}"),
        *clears,
        *compiles,
        PlannedStep(
            key=gone, step=delete, subject=label, after=ended, unit=f"delete {label}", limits=limits_of(delete)
        ),
        PlannedStep(key=forgotten, step=forget, subject=label, needs=(gone,), unit=f"delete {label}"),
    ]
    return [replace(step, unit=f"create {label}") for step in steps] if worker.is_single else steps


def _beside(clear: ClearEnrolment, label: str, ready: StepKey) -> PlannedStep:
    """Compiling need not wait for it."""
    key, unit = StepKey(f"{label}:clear-enrolment"), f"create {label}"
    return PlannedStep(key=key, step=clear, subject=label, needs=(ready,), unit=unit, limits=limits_of(clear))


def _needs(build: Compilation, by_key: Mapping[str, StepKey]) -> tuple[StepKey, ...]:
    return tuple(by_key[key] for _, key in build.needs if key in by_key)


def _compile_steps(worker: _Worker, ready: StepKey, by_key: Mapping[str, StepKey]) -> list[PlannedStep]:
    """One at a time on one worker: a later package also waits for the earlier to have ended."""
    steps: list[PlannedStep] = []
    for build in worker.builds:
        before = (steps[-1].key,) if steps else ()
        step = _compile(build, worker.record.id, worker.identity.agent)
        key = _key_of(build)
        needed = tuple(dict.fromkeys((ready, *_needs(build, by_key), *before)))
        steps.append(PlannedStep(key=key, step=step, subject=build.package.name, needs=needed, unit=key))
    return steps


def _compile(build: Compilation, instance: InstanceId, agent: AgentId) -> CompilePackage:
    return CompilePackage(
        instance=instance,
        agent=agent,
        package=build.package.name,
        fingerprint=build.package.fingerprint,
        key=build.key,
        stemcell_os=build.stemcell.os,
        stemcell_version=build.stemcell.version,
        needs=build.needs,
    )


def _units(worker: _Worker) -> list[Unit]:
    label = worker.record.label
    task = f"compilation/{worker.record.id} ({worker.record.index})"
    names = [(_key_of(b), f"{b.package.name}/{b.package.fingerprint}") for b in worker.builds]
    if worker.is_single:
        return [Unit(name=f"create {label}", stage="Compiling packages", task=names[0][1], limits=(WORKERS,))]
    return [
        Unit(name=f"create {label}", stage="Creating compilation vms", task=task),
        *(Unit(name=key, stage="Compiling packages", task=shown) for key, shown in names),
        Unit(name=f"delete {label}", stage="Deleting compilation vms", task=task),
    ]


def _no_stemcell(stemcell: Stemcell, az: str, cpi: str) -> Problem:
    place = f'CPI "{cpi}"' if cpi else "the director's own infrastructure"
    return Problem(
        code="plan.no-compilation-stemcell",
        summary="Stemcell is not uploaded where packages are compiled",
        detail=f'Packages are compiled in zone "{az}": {place} has no stemcell {stemcell.name}/{stemcell.version}.',
        fix="upload it again with `director upload-stemcell --fix`, or compile in another zone.",
        number=50003,
    )


def _no_address(network: Network, count: int, found: int) -> Problem:
    return Problem(
        code="plan.no-compilation-address",
        summary="No address for a compilation VM",
        detail=f'Network "{network.name}" has {found} free addresses, but {count} compilation VMs need one each.',
        fix="lower compilation.workers, set reuse_compilation_vms, or widen the network's range.",
        number=130011,
    )
