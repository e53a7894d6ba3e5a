"""Numbers about the director, for Prometheus."""

from director.adapters.metrics.lag import LoopLag
from director.adapters.metrics.meter import PrometheusMeter

__all__ = ["LoopLag", "PrometheusMeter"]
