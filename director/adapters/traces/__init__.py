"""Tasks as OpenTelemetry traces, where the environment names a collector and the ``otel`` extra is installed."""

from director.adapters.traces.choose import tracer_for

__all__ = ["tracer_for"]
