"""The only module that knows every part: settings, adapters, loops, API. Run as ``python -m director.main``."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

import structlog
import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette

from director.adapters.agents.reach import reach
from director.adapters.archives import ArchiveReader
from director.adapters.sources import FileSources
from director.adapters.store import plan_from_tree, plan_to_tree
from director.adapters.templates import TemplateRenderer
from director.api.app import build_app
from director.api.services import Credentials, Info, Services
from director.ending import end_everything
from director.execution.infrastructures import DEFAULT
from director.execution.world import World
from director.home import Home, log_to_stdout, only_one
from director.model.problem import Refused
from director.outlets import count_health
from director.parts import Parts, made_parts
from director.planning.brake import Brakes
from director.planning.explain import explain
from director.planning.health import Senses
from director.ports.failure import Failure
from director.reconcile.apply_networks import OutlivingNetworks
from director.reconcile.doctor import Doctor
from director.reconcile.doubt import Doubt
from director.reconcile.drift import look_for_drift
from director.reconcile.driver import Driver
from director.reconcile.fabric_view import show_networks
from director.reconcile.handlers import Deployments, handlers
from director.reconcile.prepare import Preparer
from director.reconcile.seed import seed
from director.reconcile.software import Software
from director.reconcile.steady import Steady
from director.reconcile.tidy import Tidy
from director.reconcile.visit import Visit
from director.reconcile.watch import Rules, Watch
from director.settings import Settings
from director.version import VERSION

DAY_S: Final = 86400.0
HEARTBEATS_MISSED: Final = 3
"""An agent that has missed so many is silent."""

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT. VMs go on without it."""
    home = Home(settings.state_dir)
    home.make(settings.sockets_dir)
    async with made_parts(settings, home) as parts, AsyncExitStack() as stack:
        world, blobs = parts.world, parts.blobs
        renderer = TemplateRenderer(blobs, home.scratch)
        stack.push_async_callback(renderer.close)
        await parts.gateway.start()
        stack.push_async_callback(parts.gateway.stop)
        await seed(world)
        own = await world.infrastructures.of(DEFAULT).info()
        preparer = Preparer(
            world=world,
            renderer=renderer,
            director_started=world.clock.monotonic(),
            calls_in_flight=settings.calls_in_flight,
            agent_wait_s=settings.agent_wait_s,
            silent_s=HEARTBEATS_MISSED * settings.heartbeat_s,
        )
        driver = _driver(settings, home, parts, preparer)
        watch = Watch(world, driver, Doubt(world.clock), _rules(settings))
        steady = Steady(
            world=world,
            tasks=driver,
            sources=FileSources(home.sources),
            drift=partial(look_for_drift, world, refresh=parts.cpis.refresh),
            health=watch.report,
        )
        services = Services(
            store=world.store,
            steady=steady,
            driver=driver,
            agents=world.agents,
            blobs=blobs,
            tasklog=world.tasklog,
            secrets=world.secrets,
            info=Info(name=settings.name, uuid=parts.uuid, version=VERSION, cpi=own.name),
            credentials=Credentials(
                client=settings.client, secret=home.client_secret(), metrics_token=parts.outlets.metrics_token
            ),
            metrics=parts.outlets.meter.exposition,
            recent_alerts=parts.outlets.bell.recent,
            uploads_dir=home.uploads,
            clock=world.clock,
            encode_plan=plan_to_tree,
            explain_plan=explain,
            bundle_file=lambda: parts.bundle.file,
            check_cpis=parts.cpis.check,
            health=watch.report,
            drift=partial(look_for_drift, world, refresh=parts.cpis.refresh),
            networks=partial(show_networks, world, refresh=parts.cpis.refresh),
            examine=Doctor(world=world, targets=parts.gateway.targets, reach=reach, refresh=parts.cpis.refresh).examine,
            upload_size_max=settings.upload_size_max,
            orphans_kept_s=settings.orphans_kept_days * DAY_S,
        )
        count_health(world.meter, services.health)
        loops = {"pulse": driver.run, "watch": watch.run, "steady": steady.run}
        await _run(settings, home, build_app(services), world, loops)


def _driver(settings: Settings, home: Home, parts: Parts, preparer: Preparer) -> Driver:
    """The task queue, with a handler for every kind of task."""
    world, blobs = parts.world, parts.blobs
    table = handlers(
        Deployments(preparer=preparer, world=world, encode=plan_to_tree, decode=plan_from_tree),
        Software(world=world, archives=ArchiveReader(blobs, home.scratch), scratch=home.scratch),
        Visit(world=world, blobs=blobs, scratch=home.scratch),
        Tidy(world=world, blobs=blobs, orphans_kept_s=settings.orphans_kept_days * DAY_S),
        OutlivingNetworks(world=world, encode=plan_to_tree),
    )
    return Driver(
        world,
        table,
        preparer,
        tasks_at_once=settings.tasks_at_once,
        prelude=parts.cpis.refresh,
        resumes=settings.resume_tasks,
    )


Loop = Callable[[], Coroutine[None, None, None]]


async def _run(settings: Settings, home: Home, app: Starlette, world: World, loops: Mapping[str, Loop]) -> None:
    """API and loops side by side until a signal; then the API first, so that nobody is answered by half a director."""
    server = _server(settings, home, app)
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with asyncio.TaskGroup() as group:
        running = {group.create_task(loop(), name=name) for name, loop in loops.items()}
        serving = group.create_task(_serve_http(server), name="api")
        group.create_task(_announce(server, settings, home, world), name="announce")
        ended = group.create_task(stop.wait(), name="signals")
        await asyncio.wait({*running, serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        server.should_exit = True
        await asyncio.wait({serving})
        for loop in running:
            loop.cancel()


def _rules(settings: Settings) -> Rules:
    return Rules(
        is_on=settings.heal,
        senses=Senses(silent_s=HEARTBEATS_MISSED * settings.heartbeat_s),
        brakes=Brakes(
            count=settings.meltdown_count,
            fraction=settings.meltdown_fraction,
            window_s=settings.meltdown_window_s,
            repairs_max=settings.repairs_at_once,
        ),
        patience_s=settings.patience_s,
    )


async def _serve_http(server: uvicorn.Server) -> None:
    """Uvicorn ends the process when its port is taken; we say so in words."""
    try:
        await server.serve()
    except SystemExit:
        config = server.config
        raise Failure(f"The HTTP API cannot listen on {config.host}:{config.port}: is it in use?") from None


class _Server(uvicorn.Server):
    """Leaves signals to us, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    def install_signal_handlers(self) -> None: ...


def _server(settings: Settings, home: Home, app: Starlette) -> _Server:
    pem = str(home.server_pem(settings.api_host))
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        ssl_certfile=pem,
        ssl_keyfile=pem,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )
    return _Server(config)


async def _announce(server: _Server, settings: Settings, home: Home, world: World) -> None:
    """Writes where this director is to be found, and tells whoever started it that it is ready."""
    await server.listens.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    info = await world.infrastructures.of(DEFAULT).info()
    url = f"https://{settings.api_host}:{port}"
    log.info("the director serves", url=url, state=str(settings.state_dir))
    home.announce(
        {
            "url": url,
            "client": settings.client,
            "client_secret_file": str(home.client_secret_file),
            "ca_file": str(home.ca_file),
            "pid": os.getpid(),
            "not_enforced": list(info.not_enforced),
        }
    )
    if settings.ready_fd is not None:
        os.write(settings.ready_fd, b"ready\n")
        os.close(settings.ready_fd)


ACTIONS: Final[Mapping[tuple[str, ...], Callable[[Settings], Coroutine[None, None, None]]]] = {
    (): serve,
    ("destroy",): end_everything,
    ("destroy", "--forget-elsewhere"): partial(end_everything, forgets=True),
}


def main() -> None:
    """Exit code 1 with one message when it cannot start or go on."""
    log_to_stdout()
    settings = _settings()
    action = ACTIONS[tuple(sys.argv[1:])]
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with only_one(settings.state_dir):
            asyncio.run(action(settings))
    except* (Failure, Refused) as group:
        sys.exit("\n".join(str(failure) for failure in _leaves(group)))


def _settings() -> Settings:
    try:
        return Settings()  # type: ignore[call-arg]  # pydantic reads it from the environment
    except ValidationError as error:
        wrong = [f"DIRECTOR_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        sys.exit("The settings are wrong:\n" + "\n".join(wrong))


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    return [x for e in group.exceptions for x in (_leaves(e) if isinstance(e, BaseExceptionGroup) else [e])]


if __name__ == "__main__":
    main()
