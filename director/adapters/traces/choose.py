"""Whether traces are told, by the variables that OpenTelemetry itself reads. Loads its library only then."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from director.ports.tracer import NO_TRACER, Tracer

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

log = structlog.get_logger()


def nothing_to_close() -> None:
    """Where nothing is traced."""


def tracer_for(
    environment: Mapping[str, str], *, director: str, uuid: str, version: str
) -> tuple[Tracer, Callable[[], None]]:
    """And what ends it, which may block for some seconds. A missing library is logged: the variables are often set for
    a whole machine, and a director that does not start would be worse than one without traces.
    """
    is_off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if is_off or not any(environment.get(name) for name in ENDPOINTS):
        return NO_TRACER, nothing_to_close
    try:
        from director.adapters.traces.otel import OtelTracer  # noqa: PLC0415  see the module
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("opentelemetry"):
            raise
        log.warning("traces are asked for, but OpenTelemetry is not installed", fix="install director[otel]")
        return NO_TRACER, nothing_to_close
    tracer = OtelTracer(director=director, uuid=uuid, version=version)
    return tracer, tracer.close
