"""An alert as text: JSON for programs, lines for people. Decides nothing else."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from director.model.alert import Alert

VERSION = 1
"""Of the JSON; grows when a field changes its meaning or goes. docs/alerts.md describes it."""


def tree_of(alert: Alert, director: str) -> dict[str, object]:
    return {
        "version": VERSION,
        "director": director,
        "at": alert.at,
        "severity": alert.severity.value,
        "code": alert.code,
        "subject": alert.subject,
        "words": alert.words,
        "is_over": alert.is_over,
        "deployment": alert.deployment,
        "group": alert.group,
        "instance": alert.instance,
        "context": dict(sorted(alert.context.items())),
    }


def line_of(alert: Alert, director: str) -> str:
    """One line of JSON, with its end."""
    return json.dumps(tree_of(alert, director)) + "\n"


def headline(alerts: Sequence[Alert]) -> str:
    """What stands above a letter with these, in printable ASCII or not, but always on one line."""
    first = alerts[0]
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    return " ".join(f"{_mark(first)}: {first.subject}: {first.code}{more}".split())


def letter(alerts: Sequence[Alert]) -> str:
    return "\n\n".join(_paragraph(alert) for alert in alerts) + "\n"


def _paragraph(alert: Alert) -> str:
    at = datetime.fromtimestamp(alert.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    facts = [f"  {key}: {value}" for key, value in sorted(alert.context.items())]
    return "\n".join([f"{_mark(alert)}  {at}  {alert.subject}  ({alert.code})", f"  {alert.words}", *facts])


def _mark(alert: Alert) -> str:
    return "OVER" if alert.is_over else alert.severity.value.upper()
