"""What a new director must have before its first task: a uuid, and the stemcell that is this host."""

import uuid

from director.execution.infrastructures import DEFAULT
from director.execution.world import World
from director.model.names import Digest, StemcellCid
from director.model.release import Stemcell
from director.ports.store import DropStemcell, PutSetting, PutStemcell, Store

HOST = Stemcell(name="local", os="local", version="1", cid=StemcellCid("host"), digest=Digest(""), api_version=3)
"""VMs of the local infrastructure see this machine's own programs; nothing is to be uploaded for them."""


async def director_uuid(store: Store) -> str:
    """The director's uuid, made at its first start."""
    known = await store.setting("director")
    if known is not None:
        return str(known["uuid"])
    made = str(uuid.uuid4())
    await store.commit(PutSetting(name="director", value={"uuid": made}))
    return made


async def seed(world: World) -> None:
    """The host is a stemcell exactly where the director's own infrastructure takes it for one."""
    info = await world.infrastructures.of(DEFAULT).info()
    if "local" in info.stemcell_formats:
        await world.store.commit(PutStemcell(stemcell=HOST))
    else:
        await world.store.commit(DropStemcell(name=HOST.name, version=HOST.version, cpi=HOST.cpi))
