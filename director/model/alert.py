"""What a person should hear of, as a value. Who hears it, how often and by which way is not decided here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Severity(Enum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """At ``at`` (wall clock seconds) ``subject`` came into the condition ``code``: one pair of both is one condition.

    ``code`` is greppable and stays ("instance.missing-vm", "brake.deployment"); ``subject`` names what it is about
    ("dep/web/0"). ``words`` are a whole sentence for a person and ``context`` more facts, both without secrets.
    ``is_over``: the condition that was told before holds no more.
    """

    at: float
    severity: Severity
    code: str
    subject: str
    words: str
    deployment: str = ""
    instance: str = ""
    group: str = ""
    context: Mapping[str, str] = field(default_factory=dict)
    is_over: bool = False
