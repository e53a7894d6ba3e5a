"""Stemcells of a CPI. It cannot be asked for one by name, so each upload is remembered by its key."""

from director.adapters.cpi.client import Ask
from director.adapters.cpi.memory import StemcellFile
from director.adapters.cpi.redact import secrets_in
from director.adapters.cpi.room import Room, text_of
from director.model.names import StemcellCid
from director.model.tree import Node
from director.ports.infrastructure import StemcellRequest


class Stemcells:
    def __init__(self, room: Room) -> None:
        self._room = room

    async def create(self, request: StemcellRequest) -> StemcellCid:
        async with self._room.turns.of(f"stemcell {request.key}"):
            known = self._room.memory.get(StemcellFile, request.key)
            if known is not None and known.call is not None:
                known = await self._room.settle(known, text_of, _what(request.key))
            if known is None or known.cid is None:
                known = await self._create(request)
            request.progress(100)
            assert known.cid is not None, "it was made or known"
            return StemcellCid(known.cid)

    async def delete(self, cid: StemcellCid) -> None:
        """Missing is well; several keys may have been given the same stemcell."""
        await self._room.cpi.call("delete_stemcell", cid)
        for known in self._room.memory.all(StemcellFile):
            if known.cid == cid:
                await self._room.memory.drop(known)

    async def _create(self, request: StemcellRequest) -> StemcellFile:
        arguments: list[Node] = [str(request.image), request.properties]
        if (await self._room.cpi.abilities()).api_version >= 3:
            arguments.append({"tags": {"director": self._room.director}})
        ask = Ask(method="create_stemcell", arguments=arguments, secrets=tuple(secrets_in(request.properties)))
        return await self._room.create(ask, StemcellFile(name=request.key), text_of, _what(request.key))


def _what(key: str) -> str:
    return f'a stemcell of the upload "{key}", which the director does not know'
