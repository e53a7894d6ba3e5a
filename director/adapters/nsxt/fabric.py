"""``NsxtFabric``: the fabric port on NSX-T's Policy API. Re-types failures; how things are done stands elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from director.adapters.nsxt import diagnose, everything, groups, look, rooms
from director.adapters.nsxt.bodies import Body
from director.adapters.nsxt.change import write
from director.adapters.nsxt.client import Kind, NsxClient, NsxFault
from director.adapters.nsxt.leaving import Leaving
from director.adapters.nsxt.pace import Pace
from director.adapters.nsxt.paths import What, root
from director.adapters.nsxt.pools import Edit, Pools, announced, withdrawn
from director.adapters.nsxt.ports import (
    await_no_ports,
    await_ports,
    external_ids,
    groups_wanted,
    instance_uuid,
    mark_ports,
)
from director.adapters.nsxt.realise import Unrealised, await_realised
from director.adapters.nsxt.refs import Names, Refs
from director.adapters.nsxt.remove import discard, remove
from director.adapters.nsxt.settings import read_settings
from director.adapters.nsxt.site import Site
from director.adapters.nsxt.there import together
from director.model.fabric import (
    Carving,
    FabricSighting,
    Member,
    NetworkObject,
    PoolAddress,
    Ports,
    Room,
    SeenObject,
)
from director.model.names import VmCid, VmName
from director.model.problem import Problem
from director.model.tree import Tree
from director.ports.fabric import FabricFailure, FabricWish, StackChange, Stale, Taken
from director.ports.infrastructure import Finding

_POOL: Final[Body] = {"resource_type": "IpAddressPool"}
_ALLOCATION: Final[Body] = {"resource_type": "IpAddressAllocation"}


class NsxtFabric:
    """``properties`` are those below ``nsxt`` (Refused when they are wrong). Opens nothing until the first call."""

    def __init__(self, properties: Tree, *, director_uuid: str, name: str = "") -> None:
        self.settings = read_settings(properties)
        self.name = name
        self._director = director_uuid
        self._site: Site | None = None
        self._leaving: Leaving | None = None
        self._pools: Pools | None = None
        self._pace = Pace()

    @property
    def client(self) -> NsxClient:
        """For whoever counts its requests."""
        return self._open().client

    async def diagnose(self) -> Sequence[Finding]:
        with _told():
            return await diagnose.diagnose(self._open())

    async def rooms(self, names: Sequence[str]) -> tuple[Mapping[str, Room], Sequence[Problem]]:
        with _told():
            return await rooms.rooms(self._open(), names)

    async def look(self, wish: FabricWish) -> FabricSighting:
        with _told():
            return await look.look(self._open(), wish)

    async def ensure(self, change: StackChange) -> None:
        with _told():
            site = self._open()
            made = await write(site, change, self._leave(site))
            try:
                await await_realised(site.client, made, self._pace, site.settings.realisation_s)
            except Unrealised as failure:
                raise await self._refused(site, failure) from failure

    async def remove(self, objects: Sequence[NetworkObject]) -> None:
        with _told():
            site = self._open()
            await remove(site, objects, self._leave(site))

    async def find_all(self) -> Sequence[SeenObject]:
        with _told():
            return await everything.find_all(self._open())

    async def attach(self, ports: Ports) -> None:
        with _told():
            site = self._open()
            names = await _resolved(site, ports)
            await mark_ports(site, ports, await await_ports(site, ports))
            for group in ports.attachment.groups:
                for external_id in (await external_ids(site, ports.vm))[:1]:
                    await groups.join(site, names.paths[What.GROUP, group], external_id)

    async def detach(self, vm: VmName, cid: VmCid | None, groups: Sequence[str]) -> None:
        del cid  # ports and groups know a VM by its name and its instance uuid
        with _told():
            site = self._open()
            if groups:
                await _leave_groups(site, vm, groups)
            await await_no_ports(site, vm)

    async def announce(self, members: Sequence[Member]) -> None:
        with _told():
            await self._edit([(member, announced(member)) for member in members], must_exist=True)

    async def withdraw(self, members: Sequence[Member]) -> None:
        with _told():
            await self._edit([(member, withdrawn(member)) for member in members], must_exist=False)

    async def close(self) -> None:
        site, self._site = self._site, None
        if site is not None:
            with _told():
                await site.client.close()

    def _open(self) -> Site:
        """The client belongs to the loop that runs at the first call."""
        if self._site is None:
            client = NsxClient(self.settings.login, allows_overwrite=self.settings.allows_overwrite)
            self._site = Site(
                client=client, refs=Refs(client), settings=self.settings, director=self._director, name=self.name
            )
            self._leaving, self._pools = Leaving(client), Pools(client)
        return self._site

    def _leave(self, site: Site) -> Leaving:
        if self._leaving is None:
            self._leaving = Leaving(site.client)
        return self._leaving

    async def _refused(self, site: Site, failure: Unrealised) -> FabricFailure:
        """What was not given as chosen is let go, so that it keeps nobody's place."""
        thing = failure.made.thing
        if isinstance(thing, Carving):
            await discard(site.client, root(failure.made.path), _POOL)
        elif isinstance(thing, PoolAddress):
            await discard(site.client, failure.made.path, _ALLOCATION)
            await site.released.note(site.refs, await site.refs.places([thing]), [thing])
        else:
            return failure
        return Taken(str(failure), thing) if failure.is_taken else failure

    async def _edit(self, edits: Sequence[tuple[Member, Edit]], *, must_exist: bool) -> None:
        site = self._open()
        assert self._pools is not None
        wanted = {(What.SERVER_POOL, member.pool) for member, _ in edits}
        names, problems = await site.refs.names((), wanted)
        if problems and must_exist:
            raise FabricFailure(" ".join(str(problem) for problem in problems))
        by_path: dict[str, list[Edit]] = {}
        for member, edit in edits:
            if member.pool.is_ours or (What.SERVER_POOL, member.pool.to) in names.paths:
                by_path.setdefault(names(What.SERVER_POOL, member.pool), []).append(edit)
        pools = self._pools
        await together(pools.change(path, mine, must_exist=must_exist) for path, mine in sorted(by_path.items()))


async def _resolved(site: Site, ports: Ports) -> Names:
    names, problems = await site.refs.names((), groups_wanted(ports.attachment.groups))
    if problems:
        raise FabricFailure(" ".join(str(problem) for problem in problems))
    return names


async def _leave_groups(site: Site, vm: VmName, names: Sequence[str]) -> None:
    """Those it was put into, under whatever name they go now."""
    known, _ = await site.refs.names((), groups_wanted(names))
    derived = instance_uuid(site.director, vm)
    ids = sorted({*await external_ids(site, vm), *((derived,) if derived else ())})
    paths = {known.paths[key] for key in known.paths if key[0] is What.GROUP and key[1] in names}
    for external_id in ids:
        paths.update(await groups.associated(site, external_id))
    await groups.leave(site, paths, ids)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except NsxFault as fault:
        if fault.kind is Kind.STALE:
            raise Stale(str(fault)) from fault
        raise FabricFailure(str(fault), retry=fault.retry) from fault
