"""Every number the director tells about itself: its name, its labels, what it means. docs/metrics.md is this list."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

PREFIX: Final = "director_"


class Kind(Enum):
    COUNTER = "counter"
    SECONDS = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """``buckets`` are upper ends in seconds, of SECONDS only."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SLOW: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)

C, S, G = Kind.COUNTER, Kind.SECONDS, Kind.GAUGE

NUMBERS: Final = (
    Number(name="agents", kind=G, help="Agents that ever spoke, by state: connected or away.", labels=("state",)),
    Number(name="heartbeats", kind=C, help="Reports of agents taken in."),
    Number(name="instances", kind=G, help="Instances by condition, as the watch finds them.", labels=("condition",)),
    Number(
        name="repairs_held", kind=G, help="Instances whose repair is held back, by the hold's code.", labels=("hold",)
    ),
    Number(
        name="instances_found_unwell",
        kind=C,
        help="Findings that were told: instances that came into a condition that is not well.",
        labels=("condition",),
    ),
    Number(name="repairs_decided", kind=C, help="Repairs that were begun.", labels=("remedy",)),
    Number(
        name="detection_seconds",
        kind=S,
        help="From the last sign of life to the finding, by condition.",
        labels=("condition",),
        buckets=SLOW,
    ),
    Number(
        name="repair_seconds",
        kind=S,
        help="From the beginning of a repair to its end.",
        labels=("remedy", "outcome"),
        buckets=SLOW,
    ),
    Number(name="tasks_waiting", kind=G, help="Tasks in the queue that have not begun."),
    Number(name="tasks_running", kind=G, help="Tasks that run now."),
    Number(name="tasks", kind=C, help="Tasks that ended, by type and final state.", labels=("type", "outcome")),
    Number(name="task_seconds", kind=S, help="How long tasks ran.", labels=("type", "outcome"), buckets=SLOW),
    Number(name="step_seconds", kind=S, help="How long steps of plans took.", labels=("kind", "outcome"), buckets=SLOW),
    Number(
        name="infrastructure_seconds",
        kind=S,
        help="Calls to infrastructures; the director's own has no name.",
        labels=("cpi", "call", "outcome"),
        buckets=SLOW,
    ),
    Number(name="store_commit_seconds", kind=S, help="Commits to the record.", labels=("outcome",), buckets=QUICK),
    Number(name="loop_lag_seconds", kind=G, help="Worst delay of the event loop in the last minute."),
    Number(name="alerts", kind=C, help="Alerts that were new.", labels=("severity", "is_over")),
    Number(name="alerts_repeated", kind=C, help="Alerts that were only counted.", labels=("severity",)),
    Number(name="alerts_dropped", kind=C, help="Alerts that no sink took.", labels=("sink",)),
    Number(name="alerts_waiting", kind=G, help="Alerts that wait for their delivery.", labels=("sink",)),
    Number(name="alert_deliveries", kind=C, help="Deliveries of one or more alerts.", labels=("sink", "outcome")),
)

BY_NAME: Final = {number.name: number for number in NUMBERS}
