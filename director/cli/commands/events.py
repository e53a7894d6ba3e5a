"""The audit trail."""

import time
from typing import Any

import click

from director.cli.context import Context, pass_context
from director.cli.show import Table, show

HEADER = {
    "id": "ID",
    "time": "Time",
    "user": "User",
    "action": "Action",
    "object_type": "Object Type",
    "object_name": "Object Name",
    "task": "Task ID",
    "deployment": "Deployment",
    "instance": "Instance",
    "error": "Error",
}


@click.command()
@click.option("--before-id", default="")
@click.option("--before", default="", help="RFC 3339 or seconds since the epoch.")
@click.option("--after", default="")
@click.option("--task", default="")
@click.option("--instance", default="")
@click.option("--event-user", default="")
@click.option("--action", default="")
@click.option("--object-type", default="")
@click.option("--object-name", default="")
@pass_context
def events(context: Context, /, **filters: str) -> None:
    """What was done, when, by whom; newest first, 200 at most."""
    names = {"before": "before_time", "after": "after_time", "event_user": "user"}
    query = {names.get(key, key): value for key, value in filters.items()}
    found = context.director.get("/events", **query, deployment=context.deployment)
    rows = [_row(event) for event in found]
    show(Table(content="events", header=HEADER, rows=rows), as_json=context.as_json)


def _row(event: dict[str, Any]) -> dict[str, str]:
    at = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(event["timestamp"]))
    parent = f" <- {event['parent_id']}" if event.get("parent_id") else ""
    return {key: str(event.get(key) or "") for key in HEADER} | {"id": f"{event['id']}{parent}", "time": at}
