"""The last alerts, as they were told. They are kept in memory only: what must last is in the events."""

from starlette.requests import Request
from starlette.responses import Response

from director.api.answer import json_answer
from director.api.services import services_of
from director.model.alert import Alert


async def list_alerts(request: Request) -> Response:
    """Newest first."""
    return json_answer([alert_row(alert) for alert in services_of(request).recent_alerts()])


def alert_row(alert: Alert) -> dict[str, object]:
    return {
        "at": alert.at,
        "severity": alert.severity.value,
        "code": alert.code,
        "subject": alert.subject,
        "words": alert.words,
        "is_over": alert.is_over,
        "deployment": alert.deployment or None,
    }
