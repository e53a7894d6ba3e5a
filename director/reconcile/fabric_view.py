"""Tells operators what their networks are like: from the record and, when asked, from one look at every fabric.

Changes nothing. A fabric that cannot be looked at is shown as recorded, and says why.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from director.execution.world import World
from director.model.deployment import Lifecycle
from director.model.fabric import Member, Ref, ServerPool, StackRecord
from director.model.names import DeploymentName
from director.model.record import InstanceRecord, Record, VmRecord
from director.model.wanted import Want
from director.planning.fabric_drift import unrecorded_of
from director.ports.fabric import FabricFailure
from director.reconcile.drift import Refresh, nothing_to_refresh
from director.reconcile.fabric_look import SeenFabric, look_at
from director.reconcile.fabric_report import FabricView, InstanceView, NetworksReport, PlainNetworkView
from director.reconcile.fabric_tree import Facts, Placed, tree_of
from director.reconcile.show import job_state

NO_VM: Final = "no VM"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The whole record: stacks, and every deployment with its instances."""

    stacks: Sequence[StackRecord]
    records: Sequence[Record]

    def members(self) -> Iterator[tuple[DeploymentName, str, Member]]:
        return ((i.deployment, i.label, member) for r in self.records for i in r.instances for member in i.members)


async def show_networks(
    world: World, deployment: DeploymentName | None, looks: bool, *, refresh: Refresh = nothing_to_refresh
) -> NetworksReport:
    """Of every deployment, or what one of them uses. With ``looks`` every fabric is asked, side by side."""
    await refresh()
    known = await _read(world)
    cpis = sorted({*world.fabrics.by_cpi, *(record.stack.cpi for record in known.stacks)})
    answers = await asyncio.gather(*(_look(world, cpi, known) for cpi in cpis)) if looks else [None] * len(cpis)
    fabrics = [_view(world, cpi, known, answer, deployment) for cpi, answer in zip(cpis, answers, strict=True)]
    return NetworksReport(fabrics=tuple(fabrics), plain=_plain(world, known, fabrics, deployment))


async def _read(world: World) -> _Known:
    stacks, deployments = await asyncio.gather(world.store.stacks(), world.store.deployments())
    records = await asyncio.gather(*(world.store.record(one.name) for one in deployments))
    return _Known(stacks=stacks, records=[record for record in records if record is not None])


async def _look(world: World, cpi: str, known: _Known) -> SeenFabric | str:
    stacks = [record for record in known.stacks if record.stack.cpi == cpi]
    try:
        fabric = world.fabrics.of(cpi)
    except FabricFailure as failure:
        return str(failure)
    return await look_at(fabric, stacks, _pools(cpi, stacks, known))


def _pools(cpi: str, stacks: Sequence[StackRecord], known: _Known) -> list[Ref]:
    """Our own pools, and those of others that instances were put into."""
    own = {Ref(to=o.id) for record in stacks for o in record.stack.objects if isinstance(o, ServerPool)}
    theirs = {member.pool for _, _, member in known.members() if member.cpi == cpi and not member.pool.is_ours}
    return sorted(own | theirs, key=lambda ref: (ref.is_ours, ref.to))


def _view(
    world: World, cpi: str, known: _Known, answer: SeenFabric | str | None, deployment: DeploymentName | None
) -> FabricView:
    stacks = [record for record in known.stacks if record.stack.cpi == cpi]
    members = [one for one in known.members() if deployment in {None, one[0]} and one[2].cpi == cpi]
    pools = {member.pool.to for _, _, member in members}
    shown = [record for record in stacks if deployment is None or _is_of(record, deployment, pools)]
    seen, found = (answer.sighting, answer.found) if isinstance(answer, SeenFabric) else (None, ())
    strangers = [o for o in unrecorded_of(found, known.stacks) if deployment in {None, o.owner}]
    return tree_of(
        Facts(
            cpi=cpi,
            stacks=stacks,
            shown=frozenset(record.stack.name for record in shown),
            nics=list(_nics(world, known, deployment)),
            members=members,
            seen=seen,
            unrecorded=strangers,
            unseen=answer if isinstance(answer, str) else "",
        )
    )


def _is_of(record: StackRecord, deployment: DeploymentName, pools: set[str]) -> bool:
    """Used by it, or with a pool that its instances are in."""
    return deployment in record.users or any(o.id in pools for o in record.stack.objects if isinstance(o, ServerPool))


def _nics(world: World, known: _Known, deployment: DeploymentName | None) -> Iterator[Placed]:
    agents = world.agents.seen()
    for record in known.records:
        if deployment not in {None, record.deployment.name}:
            continue
        for instance in record.instances:
            vm = next(iter(record.vms_of(instance.id)), None)
            state = job_state(agents.get(vm.agent), has_vm=True) if vm else None
            yield from _of_instance(instance, vm, state or _without_vm(instance))


def _without_vm(instance: InstanceRecord) -> str:
    if instance.lifecycle is Lifecycle.ERRAND:
        return "errand at rest"
    return instance.want.value if instance.want is Want.DETACHED else NO_VM


def _of_instance(instance: InstanceRecord, vm: VmRecord | None, state: str) -> Iterator[Placed]:
    for address in instance.addresses:
        view = InstanceView(deployment=instance.deployment, label=instance.label, ip=address.ip or "", state=state)
        yield Placed(network=address.network, view=view, plugged_into=_plug(vm, address.network))


def _plug(vm: VmRecord | None, network: str) -> str:
    settings = vm.shape.networks.get(network, {}) if vm else {}
    properties = settings.get("cloud_properties")
    return str(properties.get("name", "")) if isinstance(properties, dict) else ""


def _plain(
    world: World, known: _Known, fabrics: Sequence[FabricView], deployment: DeploymentName | None
) -> tuple[PlainNetworkView, ...]:
    """Everybody who is on no segment that was shown, by the name of the network."""
    shown = {instance for fabric in fabrics for instance in _on_segments(fabric)}
    left: dict[str, list[InstanceView]] = {}
    for nic in _nics(world, known, deployment):
        if nic.view not in shown:
            left.setdefault(nic.network, []).append(nic.view)
    order = sorted(left.items())
    return tuple(
        PlainNetworkView(name=name, instances=tuple(sorted(views, key=lambda i: (i.deployment, i.label, i.ip))))
        for name, views in order
    )


def _on_segments(fabric: FabricView) -> Iterator[InstanceView]:
    routers = list(fabric.routers)
    for router in routers:
        routers.extend(router.routers)
    segments = [*fabric.segments, *(segment for router in routers for segment in router.segments)]
    return (instance for segment in segments for instance in segment.instances)
