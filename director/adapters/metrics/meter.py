"""``PrometheusMeter``: the Meter port on prometheus_client, and its exposition as text."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, TypeAlias

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from director.adapters.metrics.names import BY_NAME, PREFIX, SLOW, Kind, Number
from director.ports.meter import Reading

SERIES_MAX: Final = 10_000
"""Combinations of labels of all numbers together. More of them is a mistake of ours that must not fill the memory."""

log = structlog.get_logger()


class _Add(Protocol):
    def __call__(self, amount: float, /) -> None: ...


_Adders: TypeAlias = dict[tuple[object, ...], _Add]


class PrometheusMeter:
    """Implements ``ports.meter.Meter``. A name that ``names.py`` lacks is taken with the labels it first comes with.

    What contradicts a name's kind or labels is logged once and not counted: no number is worth an exception.
    """

    def __init__(self, *, version: str = "") -> None:
        # It gives each number a series more, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it says nothing of its types
        self._registry = CollectorRegistry()
        self._numbers: dict[str, Counter | Histogram] = {}
        self._counted: _Adders = {}
        self._observed: _Adders = {}
        self._gauges: dict[str, Callable[[], Reading]] = {}
        for number in BY_NAME.values():
            if number.kind is not Kind.GAUGE:
                self._numbers[number.name] = _made(number, self._registry)
        self._registry.register(_Gauges(self._gauges))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        Info(f"{PREFIX}build", "The director's version.", registry=self._registry).info({"version": version})

    def count(self, name: str, by: float = 1.0, **labels: str) -> None:
        kept = self._counted
        (kept.get((name, *labels.items())) or self._adder(kept, Kind.COUNTER, name, labels))(by)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        kept = self._observed
        (kept.get((name, *labels.items())) or self._adder(kept, Kind.SECONDS, name, labels))(seconds)

    def gauge(self, name: str, read: Callable[[], Reading]) -> None:
        self._gauges[name] = read

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Everything as text and its content type, for who accepts ``accept``. On the loop: gauges are read."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def _adder(self, among: _Adders, kind: Kind, name: str, labels: dict[str, str]) -> _Add:
        """The child for these labels, kept: every further call is one look-up."""
        if len(among) >= SERIES_MAX:
            return _nothing
        known = self._numbers.get(name)
        if known is None:
            known = self._numbers[name] = _made(_unlisted(name, kind, labels), self._registry)
        adder = among[name, *labels.items()] = _child(known, kind, labels)
        if adder is _nothing:
            log.error("a number is counted in another way than it was made for", name=name, labels=sorted(labels))
        if len(among) == SERIES_MAX:
            log.error("too many numbers: further ones are not counted", name=name)
        return adder


class _Gauges(Collector):
    def __init__(self, gauges: dict[str, Callable[[], Reading]]) -> None:
        self._gauges = gauges

    def describe(self) -> Iterable[Metric]:
        """Nothing: they are known when they are read."""
        return ()

    def collect(self) -> Iterator[Metric]:
        for name, read in sorted(self._gauges.items()):
            values = [(dict(labels), value) for labels, value in read()]
            listed = BY_NAME.get(name)
            keys = listed.labels if listed else tuple(sorted({key for labels, _ in values for key in labels}))
            family = GaugeMetricFamily(PREFIX + name, listed.help if listed else name, labels=keys)
            for labels, value in sorted(values, key=lambda one: sorted(one[0].items())):
                family.add_metric([labels.get(key, "") for key in keys], value)
            yield family


def _made(number: Number, registry: CollectorRegistry) -> Counter | Histogram:
    if number.kind is Kind.COUNTER:
        return Counter(PREFIX + number.name, number.help, number.labels, registry=registry)
    return Histogram(PREFIX + number.name, number.help, number.labels, registry=registry, buckets=number.buckets)


def _unlisted(name: str, kind: Kind, labels: dict[str, str]) -> Number:
    return Number(name=name, kind=kind, help=name, labels=tuple(labels), buckets=SLOW)


def _child(known: Counter | Histogram, kind: Kind, labels: dict[str, str]) -> _Add:
    if set(labels) != set(known._labelnames):  # noqa: SLF001  there is no other way to ask
        return _nothing
    child = known.labels(**labels) if labels else known
    if isinstance(child, Counter) and kind is Kind.COUNTER:
        return child.inc
    if isinstance(child, Histogram) and kind is Kind.SECONDS:
        return child.observe
    return _nothing


def _nothing(amount: float, /) -> None:
    del amount
