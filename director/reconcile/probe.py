"""Asks each infrastructure whether a VM of every type would find a place in every AZ: reads only, creates nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Final

from director.execution.infrastructures import DEFAULT
from director.execution.world import World
from director.model.cloud import Az, CloudConfig, Network, NetworkType, VmType
from director.model.names import AzName, DeploymentName, VmName
from director.model.placement import DiskWish, Placements, VmWish
from director.model.release import Catalog, Stemcell
from director.model.tree import Tree
from director.model.wanted import Address, VmShape
from director.planning.address import free_addresses, subnets_in
from director.planning.attach import vm_properties
from director.planning.network import settings_of
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import Finding

PLACE_S: Final = 25.0
"""For all questions together, each of about a dozen bulk requests; clients wait a minute for the whole answer."""
AT_ONCE: Final = 4
TYPES_MAX: Final = 20
"""So that a cloud config of hundreds of sizes does not turn a look into load."""

Place = Callable[[Sequence[VmWish], Sequence[DiskWish]], Awaitable[Placements]]

_DEPLOYMENT: Final = DeploymentName("doctor")


async def probe(clouds: CloudConfig, catalog: Catalog, world: World, cpis: set[str]) -> Sequence[Finding]:
    """One finding for each VM type and each network on each infrastructure of ``cpis``.

    Types are tried without networks and networks with one type, so that each finding has one cause.
    """
    taken = await world.store.addresses_taken()
    stemcells = {one.cpi: one for one in catalog.stemcells}
    fabrics = frozenset(world.fabrics.by_cpi)
    types = [one for one in clouds.vm_types if _is_plain(one.cloud_properties)][:TYPES_MAX]
    # A managed network is made by the first deployment that needs it: until then a VM has no place there.
    networks = [one for one in clouds.networks if not any(subnet.managed for subnet in one.subnets)]
    asking: list[Awaitable[Finding]] = []
    few = asyncio.Semaphore(AT_ONCE)
    for cpi, azs in _by_cpi(clouds):
        if cpi not in cpis or cpi not in stemcells:
            continue
        where = "" if cpi == DEFAULT else f" on CPI {cpi}"
        place = world.infrastructures.of(cpi).place
        for vm_type in types:
            wishes = [_wish(vm_type, az, {}, stemcells[cpi], fabrics) for az in azs]
            asking.append(_ask(f'VM type "{vm_type.name}"{where}', wishes, place, few))
        for network in networks if types else ():
            joined = [(az, _settings(network, az.name if az else None, taken)) for az in azs]
            wishes = [_wish(types[0], az, {network.name: tree}, stemcells[cpi], fabrics) for az, tree in joined if tree]
            if wishes:
                asking.append(_ask(f'network "{network.name}"{where}', wishes, place, few))
    return await asyncio.gather(*asking)


async def _ask(subject: str, wishes: Sequence[VmWish], place: Place, few: asyncio.Semaphore) -> Finding:
    """Every AZ of an infrastructure in one question."""
    try:
        async with asyncio.timeout(PLACE_S), few:
            answer = await place(wishes, ())
    except InfrastructureFailure as failure:
        fix = "Put right what it says, then ask again."
        return Finding(subject=subject, is_well=False, detail=str(failure), fix=fix)
    except TimeoutError:
        detail = f"Nothing was said about a place for it within {PLACE_S:g} s."
        return Finding(
            subject=subject, is_well=False, detail=detail, fix="Ask again; see how busy the infrastructure is."
        )
    if answer.problems:
        detail = " ".join(dict.fromkeys(problem.detail for problem in answer.problems))
        fix = " ".join(dict.fromkeys(problem.fix for problem in answer.problems))
        return Finding(subject=subject, is_well=False, detail=detail, fix=fix)
    places = [f"{wish.label}: {answer.vms[wish.name].why or 'yes'}" for wish in wishes if wish.name in answer.vms]
    return Finding(subject=subject, is_well=True, detail="; ".join(places) or "It has a place.")


def _by_cpi(clouds: CloudConfig) -> Iterator[tuple[str, Sequence[Az | None]]]:
    azs: Mapping[str, list[Az | None]] = {az.cpi or DEFAULT: [] for az in clouds.azs} or {DEFAULT: [None]}
    for az in clouds.azs:
        azs[az.cpi or DEFAULT].append(az)
    yield from sorted(azs.items())


def _wish(
    vm_type: VmType, az: Az | None, networks: Mapping[str, Tree], stemcell: Stemcell, fabrics: frozenset[str]
) -> VmWish:
    name = az.name if az else None
    merged = {**(az.cloud_properties if az else {}), **vm_type.cloud_properties}
    return VmWish(
        name=VmName(f"doctor-{vm_type.name}-{name or 'any'}"),
        deployment=_DEPLOYMENT,
        label=str(name or "any"),
        shape=VmShape(
            stemcell_name=stemcell.name,
            stemcell_version=stemcell.version,
            stemcell_cid=stemcell.cid,
            cloud_properties=vm_properties(merged, stemcell.cpi, fabrics),
            networks=networks,
            cpi=stemcell.cpi,
        ),
        az=name,
    )


def _settings(network: Network, az: AzName | None, taken: Mapping[str, object]) -> Tree | None:
    """With an address that a deploy might choose next: one that a stranger answers for is worth knowing."""
    subnets = subnets_in(network, az)
    free = free_addresses(subnets, taken, 1) if network.type is NetworkType.MANUAL else ()
    if network.type is NetworkType.VIP or not subnets or (network.type is NetworkType.MANUAL and not free):
        return None
    return settings_of(network, Address(network=network.name, ip=free[0] if free else None), az, ("dns", "gateway"))


def _is_plain(properties: Tree) -> bool:
    """Values that variables of a deployment give are known only there."""
    return "((" not in str(properties)
