"""A network fabric in dicts, with faults on demand. What it promises is what ``NsxtFabric`` promises.

Faults strike by the names of the port's methods (``ensure``, ``announce``); the world can be changed by strangers
between any two calls (``FabricWorld``).
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network

from director.adapters.memory.fabric_world import IMMUTABLE, FabricWorld, Made, VmPorts, refs_of
from director.adapters.memory.infrastructure import Fault, FaultKind
from director.model.fabric import (
    Carving,
    FabricSighting,
    IpBlock,
    IpPool,
    Member,
    NetworkObject,
    ObjectState,
    PoolAddress,
    Ports,
    Ref,
    Room,
    SeenMember,
    SeenObject,
)
from director.model.names import ObjectId, VmCid, VmName
from director.model.problem import Problem
from director.ports.fabric import FabricFailure, FabricWish, StackChange, Stale, Taken
from director.ports.infrastructure import Finding


class MemoryFabric:
    def __init__(
        self,
        world: FabricWorld | None = None,
        *,
        faults: Iterable[Fault] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.world = world or FabricWorld()
        self.faults = list(faults)
        self._sleep = sleep
        self._counts: Counter[str] = Counter()

    async def diagnose(self) -> Sequence[Finding]:
        return (Finding(subject="memory", is_well=True, detail="It is always there."),)

    async def rooms(self, names: Sequence[str]) -> tuple[Mapping[str, Room], Sequence[Problem]]:
        async with self._call("rooms", ",".join(names)):
            found = {name: self._room(name) for name in names}
            missing = [_missing(*name.split(":", 1)) for name, room in found.items() if room is None]
            return {name: room for name, room in found.items() if room is not None}, missing

    async def look(self, wish: FabricWish) -> FabricSighting:
        async with self._call("look", ",".join(stack.name for stack in wish.stacks)):
            wished = {thing.id: thing for stack in wish.stacks for thing in stack.objects}
            ids = sorted({*wished, *(thing.id for thing in wish.recorded)})
            seen = [self.world.seen(key, wished.get(key)) for key in ids]
            return FabricSighting(
                objects=tuple(each for each in seen if each is not None),
                members=tuple(self._members(wish.pools)),
                problems=(*self._missing(wish, wished), *self._immutable(wished)),
            )

    async def ensure(self, change: StackChange) -> None:
        async with self._call("ensure", change.stack.name) as is_real:
            stack = change.stack
            missing = self.world.names_missing(stack.objects)
            if missing:
                kind, name = missing[0]
                raise FabricFailure(f'There is no {kind} "{name}", which {stack.name} needs.')
            self._refuse_stale(change)
            self._refuse_taken(stack.objects)
            kept = {thing.id for thing in stack.objects}
            gone = [thing for thing in change.gone if thing.id not in kept]
            self._refuse_needed(gone, stack.objects)
            if is_real:
                self._write(change, gone)
                self._refuse_unrealised(stack.objects)

    async def remove(self, objects: Sequence[NetworkObject]) -> None:
        async with self._call("remove", ",".join(thing.id for thing in objects)) as is_real:
            there = [thing for thing in objects if thing.id in self.world.objects]
            for thing in there:
                if self.world.objects[thing.id].owner is None:
                    raise FabricFailure(f'The {thing.kind} "{thing.id}" is somebody else\'s, and stays.')
            self._refuse_needed(there, ())
            for thing in there if is_real else ():
                self.world.objects.pop(thing.id, None)
                self.world.members.pop(thing.id, None)

    async def find_all(self) -> Sequence[SeenObject]:
        async with self._call("find_all", ""):
            seen = [self.world.seen(key) for key in sorted(self.world.objects)]
            return tuple(each for each in seen if each is not None and not each.is_foreign)

    async def attach(self, ports: Ports) -> None:
        async with self._call("attach", ports.vm) as is_real:
            if ports.vm in self.world.portless:
                raise FabricFailure(f'VM "{ports.vm}" has no port yet.')
            missing = [name for name in ports.attachment.groups if name not in self.world.names["group"]]
            if missing:
                raise FabricFailure(f'There is no group "{missing[0]}" for VM "{ports.vm}" to join.')
            if is_real:
                self.world.ports[ports.vm] = VmPorts(
                    tags=ports.attachment.tags, groups=ports.attachment.groups, segments=ports.segments
                )

    async def detach(self, vm: VmName, cid: VmCid | None, groups: Sequence[str]) -> None:
        del cid, groups
        async with self._call("detach", vm) as is_real:
            if is_real:
                self.world.ports.pop(vm, None)

    async def announce(self, members: Sequence[Member]) -> None:
        async with self._call("announce", _labels(members)) as is_real:
            for member in members:
                there = self._pool(member.pool)
                kept = [each for each in there if each.label != member.label or each.port != member.port]
                if is_real:
                    there[:] = [*kept, member]

    async def withdraw(self, members: Sequence[Member]) -> None:
        async with self._call("withdraw", _labels(members)) as is_real:
            for member in members if is_real else ():
                there = self.world.members.get(member.pool.to, [])
                there[:] = [each for each in there if (each.label, each.ip) != (member.label, member.ip)]

    async def close(self) -> None:
        """The world stays."""

    def _room(self, name: str) -> Room | None:
        kind, _, what = name.partition(":")
        ranges = self._ranges(kind, what)
        if ranges is None:
            return None
        ours = {thing.id for thing in (made.object for made in self.world.objects.values()) if thing.name == what}
        taken = [*self.world.taken.get(what, ()), *self._held({what, *ours})]
        return Room(name=what, ranges=ranges, taken=tuple(sorted(taken)))

    def _ranges(self, kind: str, what: str) -> tuple[tuple[int, int], ...] | None:
        for made in self.world.objects.values():
            match made.object:
                case IpBlock(name=name, cidr=cidr) if kind == "block" and what in {name, made.object.id}:
                    return (_span(cidr),)
                case IpPool(name=name, ranges=ranges) if kind == "pool" and what in {name, made.object.id}:
                    return tuple((int(ip_address(first)), int(ip_address(last))) for first, last in ranges)
                case _:
                    pass
        if kind == "block":
            return (_span(self.world.blocks[what]),) if what in self.world.blocks else None
        return self.world.pools.get(what)

    def _held(self, names: set[str], *, but: set[ObjectId] | None = None) -> list[tuple[int, int]]:
        """What our own objects take out of the block or pool of these names."""
        found = []
        for key, made in self.world.objects.items():
            match made.object:
                case Carving(block=block, cidr=cidr) if block.to in names and key not in (but or ()):
                    found.append(_span(cidr))
                case PoolAddress(pool=pool, ip=ip) if pool.to in names and key not in (but or ()):
                    found.append((int(ip_address(ip)), int(ip_address(ip))))
                case _:
                    pass
        return found

    def _members(self, pools: Iterable[Ref]) -> list[SeenMember]:
        found = [
            SeenMember(pool=name, label=each.label, ip=each.ip, port=each.port)
            for name in {ref.to for ref in pools}
            for each in self.world.members.get(name, ())
        ]
        return sorted(found, key=lambda each: (each.pool, each.label, each.ip, each.port or 0))

    def _missing(self, wish: FabricWish, wished: Mapping[ObjectId, NetworkObject]) -> list[Problem]:
        missing = set(self.world.names_missing(wished.values()))
        missing |= {("group", name) for name in wish.groups if name not in self.world.names["group"]}
        ours = {*wished, *self.world.objects}
        missing |= {
            ("server pool", ref.to)
            for ref in wish.pools
            if ref.to not in (ours if ref.is_ours else self.world.names["server pool"])
        }
        return [_missing(kind, name) for kind, name in sorted(missing)]

    def _immutable(self, wished: Mapping[ObjectId, NetworkObject]) -> list[Problem]:
        return [
            _cannot_change(thing, name)
            for key, thing in sorted(wished.items())
            if key in self.world.objects and type(self.world.objects[key].object) is type(thing)
            for name in IMMUTABLE.get(thing.kind, ())
            if getattr(self.world.objects[key].object, name) != getattr(thing, name)
        ]

    def _refuse_stale(self, change: StackChange) -> None:
        for thing in change.stack.objects:
            made, looked = self.world.objects.get(thing.id), change.revisions.get(thing.id, "")
            if made is not None and made.owner is None:
                raise FabricFailure(f'Somebody else\'s {made.object.kind} has the id "{thing.id}".')
            is_as_wished = made is not None and made.object == thing
            mark = made.mark if made is not None else ""
            if not is_as_wished and mark != looked.partition(":")[2]:
                raise Stale(f'Somebody changed the {thing.kind} "{thing.name}" ({thing.id}) after it was looked at.')

    def _refuse_taken(self, objects: Sequence[NetworkObject]) -> None:
        mine = {thing.id for thing in objects}
        for thing in objects:
            match thing:
                case Carving(block=ref, cidr=cidr):
                    first, last = _span(cidr)
                case PoolAddress(pool=ref, ip=ip):
                    first = last = int(ip_address(ip))
                case _:
                    continue
            others = [*self.world.taken.get(ref.to, ()), *self._held({ref.to}, but=mine)]
            if any(first <= end and start <= last for start, end in others):
                raise Taken(f'What {thing.id} wants of "{ref.to}" is taken by somebody else.', thing)

    def _refuse_needed(self, leaving: Sequence[NetworkObject], coming: Sequence[NetworkObject]) -> None:
        """What others hang on, or ports of VMs are on, does not go."""
        going = {thing.id for thing in leaving}
        pointing = {key: made.object for key, made in self.world.objects.items() if key not in going}
        pointing |= {thing.id: thing for thing in coming}
        for thing in leaving:
            hangers = list(self.world.hangers.get(thing.id, ()))
            hangers += [f'VM "{vm}"' for vm, ports in self.world.ports.items() if thing.id in ports.segments]
            hangers += [key for key, each in pointing.items() if any(ref.to == thing.id for _, ref in refs_of(each))]
            if hangers:
                names = ", ".join(sorted(hangers))
                raise FabricFailure(f'The {thing.kind} "{thing.name}" cannot go: {names} still needs it.')

    def _write(self, change: StackChange, gone: Sequence[NetworkObject]) -> None:
        stack, objects = change.stack, self.world.objects
        for each in gone:
            objects.pop(each.id, None)
        for thing in stack.objects:
            made = objects.get(thing.id)
            if made is None:
                objects[thing.id] = Made(object=thing, owner=stack.owner, stack=stack.name, cpi=stack.cpi)
            elif made.object != thing:
                objects[thing.id] = replace(
                    made, object=thing, revision=made.revision + 1, state=ObjectState.REALISED, error=""
                )

    def _refuse_unrealised(self, objects: Sequence[NetworkObject]) -> None:
        for made in (self.world.objects[thing.id] for thing in objects):
            if made.error:
                raise FabricFailure(f'The {made.object.kind} "{made.object.name}" failed: {made.error}')

    def _pool(self, ref: Ref) -> list[Member]:
        known = self.world.objects if ref.is_ours else self.world.names["server pool"]
        if ref.to not in known:
            raise FabricFailure(f'There is no server pool "{ref.to}".')
        return self.world.members.setdefault(ref.to, [])

    @asynccontextmanager
    async def _call(self, call: str, name: str) -> AsyncIterator[bool]:
        """Counts and records the call and strikes it with its fault. Gives whether it is to be done at all."""
        self._counts[call] += 1
        self.world.calls.append((call, name))
        fault = next((f for f in self.faults if f.call == call and f.nth in {None, self._counts[call]}), None)
        kind = fault.kind if fault else None
        if fault and kind is FaultKind.DELAY:
            await self._sleep(fault.delay_s)
        if fault and kind is FaultKind.FAIL:
            raise FabricFailure(f"{call} of {name} failed, as was asked for.", retry=fault.retry)
        yield kind is not FaultKind.FORGET
        if fault and kind is FaultKind.LOSE_REPLY:
            raise FabricFailure(f"The connection was lost during {call} of {name}.", retry=fault.retry)


def _labels(members: Sequence[Member]) -> str:
    return ",".join(sorted({member.label for member in members}))


def _span(cidr: str) -> tuple[int, int]:
    network = ip_network(cidr)
    return int(network.network_address), int(network.broadcast_address)


def _missing(kind: str, name: str) -> Problem:
    return Problem(
        code="fabric.unknown-name",
        summary="Unknown name in the network fabric",
        detail=f'There is no {kind} "{name}" in the network fabric.',
        fix="correct the name, or make it there first.",
    )


def _cannot_change(thing: NetworkObject, name: str) -> Problem:
    return Problem(
        code="fabric.immutable",
        summary="Cannot be changed in place",
        detail=f'The {name} of {thing.kind} "{thing.name}" would have to change, which the network fabric refuses.',
        fix="give the network another name, so that it is made anew, or set back what was changed.",
    )
