"""The part of a pass that is about networks: ranges chosen before, stacks derived after a deployment is resolved,
and one look at every fabric they lie in.

A deployment without managed networks and NSX-T properties passes through untouched, at the price of reading its record.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from director.execution.world import World
from director.manifest.load import load_networks
from director.model.cloud import CloudConfig
from director.model.deployment import Deployment
from director.model.fabric import FabricSighting, Ref, Room, Stack, StackRecord
from director.model.names import StackName
from director.model.network_config import NetworkConfig
from director.model.problem import Problem, Refused
from director.model.record import Record
from director.model.wanted import Wanted
from director.planning.fabric_names import Namer
from director.planning.fabric_ranges import Use, choose_ranges, managed_clouds, rooms_wanted, uses_of
from director.planning.fabric_stacks import Fabrics, stacks_of
from director.ports.fabric import FabricWish
from director.ports.failure import Conflict
from director.reconcile.seed import director_uuid

CONFIG_TYPE = "network"


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """What one pass knows of networks. ``clouds`` have every range; ``recorded`` are the stacks of all deployments."""

    clouds: CloudConfig
    known: Fabrics
    recorded: tuple[StackRecord, ...] = ()
    stacks: tuple[Stack, ...] = field(default=())

    def concerned(self, record: Record) -> Mapping[StackName, StackRecord]:
        """Recorded stacks that are wanted, or that this deployment used so far."""
        wanted = {stack.name for stack in self.stacks}
        mine = {one.stack.name for one in record.stacks}
        return {r.stack.name: r for r in self.recorded if r.stack.name in wanted | mine}


async def networks_of(deployment: Deployment, clouds: CloudConfig, world: World) -> Networks:
    """Chooses ranges and addresses where the record has none yet, and derives the stacks.

    Raises Refused with everything that is wrong, FabricFailure when a fabric that must be asked does not answer.
    """
    cpis = frozenset(world.fabrics.by_cpi)
    names = Namer(director=await director_uuid(world.store))
    problems: list[Problem] = []
    uses = uses_of(deployment, clouds, problems)
    problems += [_no_fabric(use) for use in uses if not world.fabrics.has(use.cpi)]
    _refuse(problems)
    if not cpis:
        return Networks(clouds=clouds, known=Fabrics(names=names, deployment=deployment, clouds=clouds))
    recorded, configs = await asyncio.gather(world.store.stacks(), network_configs(world))
    rooms = await rooms_of(rooms_wanted(uses, recorded, configs, names), world)
    choices = choose_ranges(uses, recorded, rooms, configs, names, problems)
    _refuse(problems)
    ranged = managed_clouds(clouds, choices, names)
    known = Fabrics(
        names=names, deployment=deployment, clouds=ranged, choices=choices, configs=tuple(configs), cpis=cpis
    )
    stacks = stacks_of(known, recorded, problems)
    _refuse(problems)
    return Networks(clouds=ranged, known=known, recorded=recorded, stacks=stacks)


async def network_configs(world: World) -> Sequence[NetworkConfig]:
    """Raises Refused when a stored one is not usable (it was checked when it came)."""
    configs = await world.store.configs(CONFIG_TYPE)
    return load_networks([(config.name, config.content) for config in configs]) if configs else ()


async def rooms_of(wanted: Mapping[str, Sequence[str]], world: World) -> Mapping[str, Mapping[str, Room]]:
    """By CPI and name. Raises Refused for names that nobody there has."""
    answers = await asyncio.gather(*(world.fabrics.of(cpi).rooms(names) for cpi, names in wanted.items()))
    _refuse([problem for _, problems in answers for problem in problems])
    return {cpi: rooms for cpi, (rooms, _) in zip(wanted, answers, strict=True)}


async def look_at_fabrics(
    stacks: Sequence[Stack],
    recorded: Iterable[StackRecord],
    world: World,
    pools: Iterable[tuple[str, Ref]] = (),
    groups: Iterable[tuple[str, str]] = (),
) -> Mapping[str, FabricSighting]:
    """One look at each fabric that holds or is to hold any of this, side by side. ``pools`` and ``groups`` by CPI."""
    former = list(recorded)
    cpis = sorted(
        {s.cpi for s in stacks} | {r.stack.cpi for r in former} | {cpi for cpi, _ in pools} | {cpi for cpi, _ in groups}
    )
    wishes = [_wish(cpi, stacks, former, pools, groups) for cpi in cpis]
    seen = await asyncio.gather(*(world.fabrics.of(cpi).look(wish) for cpi, wish in zip(cpis, wishes, strict=True)))
    return dict(zip(cpis, seen, strict=True))


def _wish(
    cpi: str,
    stacks: Sequence[Stack],
    recorded: Sequence[StackRecord],
    pools: Iterable[tuple[str, Ref]],
    groups: Iterable[tuple[str, str]],
) -> FabricWish:
    wished = tuple(stack for stack in stacks if stack.cpi == cpi)
    wanted = {one for stack in wished for one in stack.objects}
    former = (one for r in recorded if r.stack.cpi == cpi for one in r.stack.objects if one not in wanted)
    return FabricWish(
        stacks=wished,
        recorded=tuple(former),
        pools=tuple(dict.fromkeys(ref for of, ref in pools if of == cpi)),
        groups=tuple(sorted({name for of, name in groups if of == cpi})),
    )


async def look_for(wanted: Wanted, record: Record, networks: Networks, world: World) -> Mapping[str, FabricSighting]:
    """What a plan for this deployment has to know of its fabrics; nothing where it has nothing there.

    Raises Conflict when what was seen does not fit because another task has changed the networks meanwhile.
    """
    instances = [instance for group in wanted.groups for instance in group.instances]
    members = [m for i in instances for m in i.members] + [m for i in record.instances for m in i.members]
    groups = [(i.shape.cpi, name) for i in instances for name in i.attachment.groups]
    seen = await look_at_fabrics(
        networks.stacks,
        networks.concerned(record).values(),
        world,
        pools=list(dict.fromkeys((m.cpi, m.pool) for m in members)),
        groups=groups,
    )
    if any(sighting.problems for sighting in seen.values()) and await world.store.stacks() != networks.recorded:
        raise Conflict("Another task has changed these networks since the record was read.")
    return seen


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise Refused(dict.fromkeys(problems))


def _no_fabric(use: Use) -> Problem:
    where = f'CPI "{use.cpi}"' if use.cpi else "the director's own infrastructure"
    return Problem(
        code="network.no-fabric",
        summary="No NSX-T to manage a network in",
        detail=f'Network "{use.network}" is managed, but no NSX-T is configured for {where}.',
        fix="name one with `director configure nsx-t`, or leave `managed` out and name an existing port group.",
        mark=use.subnet.mark,
    )
