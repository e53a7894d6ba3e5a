"""How a step and a whole walk ended."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from director.model.names import StepKey
from director.model.tree import Tree

KEPT: Final = "kept"
"""Key of a step's result: words for whoever watches the task, of what stays and why."""


class End(Enum):
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not begun: a step it needs failed, or its limit was closed by a failure."""
    CANCELLED = "cancelled"
    """Not begun: the task was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """``started_s`` and ``ended_s`` are seconds since the walk began.

    A failed one ``is_outdated`` when the world had moved on since the plan: another plan may well succeed.
    It ``rules_out`` when the next plan will know more than this one did.
    """

    step: StepKey
    end: End
    started_s: float = 0.0
    ended_s: float = 0.0
    error: str = ""
    is_outdated: bool = False
    rules_out: bool = False
    result: Tree = field(default_factory=dict)
