"""Every adapter of a director, made and opened from its settings, and closed again in the other order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from director.adapters.agents.authority import Authority
from director.adapters.agents.gateway import Gateway, GatewayOptions
from director.adapters.agents.listen import Listen
from director.adapters.blobs import DirectoryBlobs
from director.adapters.bundles import PATH, AgentBundle
from director.adapters.clock import SystemClock
from director.adapters.secrets import SecretKeeper
from director.adapters.store import SqlStore
from director.adapters.tasklog import FileTaskLog
from director.builder import Builder
from director.execution.fabrics import Fabrics
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.home import Home
from director.outlets import Outlets, made_meter, made_outlets
from director.reconcile.cpis import Cpis
from director.reconcile.seed import director_uuid
from director.settings import Settings
from director.version import VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the director is made of, besides its loops and its API."""

    world: World
    gateway: Gateway
    blobs: DirectoryBlobs
    cpis: Cpis
    bundle: AgentBundle
    uuid: str
    outlets: Outlets


@asynccontextmanager
async def made_parts(settings: Settings, home: Home) -> AsyncIterator[Parts]:
    """Every adapter, opened, and closed again in the other order."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        meter = made_meter(VERSION)
        store = await SqlStore.open(home.database, meter=meter)
        stack.push_async_callback(store.close)
        blobs = DirectoryBlobs(home.blobs)
        tasklog = FileTaskLog(home.tasks)
        authority = home.authority(clock)
        bundle = _bundle(settings, authority)
        builder = Builder(settings=settings, director_uuid=await director_uuid(store), tasklog=tasklog, bundle=bundle)
        outlets = await stack.enter_async_context(
            made_outlets(settings, clock, meter, uuid=builder.director_uuid, version=VERSION)
        )
        infrastructure = builder.own()
        stack.push_async_callback(infrastructure.close)
        fabric = builder.own_fabric()
        if fabric is not None:
            stack.push_async_callback(fabric.close)
        gateway = Gateway(
            store=store,
            blobs=blobs,
            clock=clock,
            authority=authority,
            options=_gateway_options(settings),
            meter=meter,
        )
        world = World(
            store=store,
            infrastructures=Infrastructures(infrastructure, meter),
            agents=gateway,
            secrets=SecretKeeper(store, home.secrets_key, clock),
            tasklog=tasklog,
            clock=clock,
            fabrics=Fabrics(fabric),
            alerts=outlets.bell,
            meter=meter,
            tracer=outlets.tracer,
        )
        cpis = Cpis(world, builder.of, builder.fabric_of)
        stack.push_async_callback(cpis.close)
        yield Parts(
            world=world,
            gateway=gateway,
            blobs=blobs,
            cpis=cpis,
            bundle=bundle,
            uuid=builder.director_uuid,
            outlets=outlets,
        )


def _gateway_options(settings: Settings) -> GatewayOptions:
    host, sockets = settings.agents_host, settings.sockets_dir if settings.agent_sockets else None
    return GatewayOptions(
        enrol=Listen(host=host, port=settings.enrol_port, socket=sockets and sockets / "enrol.sock"),
        agents=Listen(host=host, port=settings.agents_port, socket=sockets and sockets / "agents.sock"),
        hosts=settings.hosts,
        heartbeat_s=settings.heartbeat_s,
    )


def _bundle(settings: Settings, authority: Authority) -> AgentBundle:
    host = (*settings.hosts, settings.api_host)[0]
    return AgentBundle(
        settings.state_dir / "agent-bundle",
        url=f"https://{host}:{settings.api_port}{PATH}",
        sign=authority.sign,
        public_key_pem=authority.public_key_pem,
    )
