"""How the director tells of itself, made from its settings: alerts' sinks, numbers, traces.

What is wrong with the settings is told at the start, all of it at once, and never with a secret.
"""

import asyncio
import os
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from director.adapters.alerts import Bell, Mail, MailOptions, Program, Sink, Tls, Webhook
from director.adapters.metrics import LoopLag, PrometheusMeter
from director.adapters.traces import tracer_for
from director.alert_settings import AlertSettings
from director.model.health import HealthReport
from director.model.problem import Problem, Refused
from director.ports.clock import Clock
from director.ports.meter import Meter, Reading
from director.ports.tracer import Tracer
from director.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """``metrics_token`` lets a scraper in; empty: only who knows the client's secret."""

    bell: Bell
    meter: PrometheusMeter
    tracer: Tracer
    close_tracer: Callable[[], None]
    metrics_token: str = field(default="", repr=False)


def made_meter(version: str) -> PrometheusMeter:
    return PrometheusMeter(version=version)


@asynccontextmanager
async def made_outlets(
    settings: Settings, clock: Clock, meter: PrometheusMeter, *, uuid: str, version: str
) -> AsyncIterator[Outlets]:
    """Begun, and ended with a few seconds for what is still to be told. Raises Refused for settings that are wrong."""
    problems: list[Problem] = []
    sinks = tuple(_sinks(settings, problems))
    token = ""
    with _naming("METRICS_TOKEN_FILE", problems):
        token = _secret(settings.metrics_token_file)
    if problems:
        raise Refused(problems)
    bell = Bell(
        sinks,
        clock=clock,
        meter=meter,
        quiet_s=settings.alerts_quiet_minutes * 60,
        least=settings.alerts_least,
        queue_max=settings.alerts_queue_max,
    )
    tracer, close_tracer = tracer_for(os.environ, director=settings.name, uuid=uuid, version=version)
    lag = LoopLag()
    meter.gauge("loop_lag_seconds", lag.reading)
    lag.start()
    bell.start()
    try:
        yield Outlets(bell=bell, meter=meter, tracer=tracer, close_tracer=close_tracer, metrics_token=token)
    finally:
        lag.stop()
        await bell.close()
        await asyncio.to_thread(close_tracer)


def count_health(meter: Meter, report: Callable[[], HealthReport]) -> None:
    """What the watch found, as gauges."""

    def conditions() -> Reading:
        return [({"condition": condition.name.lower()}, float(count)) for condition, count in report().counts]

    def held() -> Reading:
        codes = Counter(verdict.hold.code for verdict in report().verdicts if verdict.hold is not None)
        return [({"hold": code}, float(count)) for code, count in codes.items()]

    meter.gauge("instances", conditions)
    meter.gauge("repairs_held", held)


def _sinks(settings: AlertSettings, problems: list[Problem]) -> Iterator[Sink]:
    director = getattr(settings, "name", "")
    url = settings.alerts_webhook_url.get_secret_value()
    if url or settings.alerts_webhook_url_file:
        with _naming("ALERTS_WEBHOOK", problems):
            yield Webhook(
                url or _secret(settings.alerts_webhook_url_file),
                director=director,
                token=_secret(settings.alerts_webhook_token_file),
                ca_file=settings.alerts_webhook_ca_file,
            )
    if settings.alerts_mail_host:
        with _naming("ALERTS_MAIL", problems):
            yield Mail(_mail_options(settings), director=director)
    if settings.alerts_program:
        with _naming("ALERTS_PROGRAM", problems):
            yield Program(shlex.split(settings.alerts_program), director=director)


def _mail_options(settings: AlertSettings) -> MailOptions:
    recipients = tuple(name.strip() for name in settings.alerts_mail_to.split(",") if name.strip())
    if not recipients or "@" not in settings.alerts_mail_from:
        raise ValueError("DIRECTOR_ALERTS_MAIL_FROM and DIRECTOR_ALERTS_MAIL_TO must hold addresses")
    return MailOptions(
        host=settings.alerts_mail_host,
        port=settings.alerts_mail_port,
        sender=settings.alerts_mail_from,
        recipients=recipients,
        tls=Tls(settings.alerts_mail_tls),
        user=settings.alerts_mail_user,
        password=_secret(settings.alerts_mail_password_file),
        ca_file=settings.alerts_mail_ca_file,
        pace_s=settings.alerts_mail_pace_s,
    )


@contextmanager
def _naming(setting: str, problems: list[Problem]) -> Iterator[None]:
    """What is wrong becomes a problem that names the setting, and not what it holds."""
    try:
        yield
    except OSError as error:
        problems.append(_problem(setting, f"{error.filename or 'a file'} cannot be used: {error.strerror}"))
    except ValueError as error:
        problems.append(_problem(setting, str(error)))


def _problem(setting: str, why: str) -> Problem:
    return Problem(
        code="settings.alerts",
        summary="A setting of alerts or metrics is wrong",
        detail=f"DIRECTOR_{setting}: {why}.",
        fix="put it right, or take it away; docs/settings.md explains each.",
    )


def _secret(path: Path | None) -> str:
    """Without the line end it was written with. Raises OSError."""
    if path is None:
        return ""
    if path.stat().st_mode & 0o077:
        log.warning("others may read a secret", file=str(path), fix="chmod 600")
    return path.read_text().strip()
