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

QUERY = {"before": "before_time", "after": "after_time", "event_user": "user"}
"""Flags that the API calls otherwise."""


@click.command()
@click.option("--before-id", default="", metavar="N", help="Only those older than event N.")
@click.option("--before", default="", metavar="TIME", help="RFC 3339, or seconds since the epoch.")
@click.option("--after", default="", metavar="TIME", help="RFC 3339, or seconds since the epoch.")
@click.option("--task", default="", metavar="N", help="Only what task N did.")
@click.option("--instance", default="", metavar="GROUP/ID", help="Only what concerns it.")
@click.option("--event-user", default="", metavar="NAME", help="Only what NAME asked for.")
@click.option("--action", default="", metavar="ACTION", help="create, update, delete, start, stop, …")
@click.option("--object-type", default="", metavar="TYPE", help="deployment, instance, vm, disk, …")
@click.option("--object-name", default="", metavar="NAME", help="Only what concerns NAME.")
@pass_context
def events(context: Context, /, **filters: str) -> None:
    """Shows what was done, when, by whom; newest first, 200 at most."""
    query = {QUERY.get(key, key): value for key, value in filters.items()}
    found = context.director.get("/events", **query, deployment=context.deployment)
    rows = [_row(event) for event in found]
    show(Table(content="events", header=HEADER, rows=rows), as_json=context.as_json)


def _row(event: dict[str, Any]) -> dict[str, str]:
    at = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(event["timestamp"]))
    parent = f" <- {event['parent_id']}" if event.get("parent_id") else ""
    return {key: str(event.get(key) or "") for key in HEADER} | {"id": f"{event['id']}{parent}", "time": at}
