"""Errands: which there are, and running one."""

import json
from typing import Any

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.show import Table, say, show, show_json

RUNS = {"instance": "Instance", "exit_code": "Exit Code", "stdout": "Stdout", "stderr": "Stderr"}


@click.command()
@pass_context
def errands(context: Context, /) -> None:
    """Lists errands."""
    rows = [{"name": errand["name"]} for errand in context.director.get(context.path("errands"))]
    show(Table(content="errands", header={"name": "Name"}, rows=rows), as_json=context.as_json)


@click.command()
@click.argument("name")
@click.option("--instance", "slugs", multiple=True, metavar="GROUP[/INSTANCE]", help="Only there.")
@click.option("--keep-alive", is_flag=True, help="Keep the errand's VM.")
@click.option("--when-changed", is_flag=True, help="Skip when nothing changed since it last succeeded.")
@pass_context
def run_errand(context: Context, /, name: str, slugs: tuple[str, ...], keep_alive: bool, when_changed: bool) -> None:
    """Runs an errand and shows what it printed.

    Ends with 1 when any run of it ended with another code than 0.
    """
    from director.cli.follow import follow, task_of  # noqa: PLC0415  (its help needs no connection)

    body = {
        "keep-alive": keep_alive,
        "when-changed": when_changed,
        "instances": [_filter(slug) for slug in slugs],
    }
    task = task_of(context.director.send_json("POST", context.path("errands", name, "runs"), body))
    follow(context.director, task, quiet=context.as_json)
    rows = [_row(json.loads(line)) for line in context.director.output(task, "result", follow=False)]
    if context.as_json:
        show_json([Table(content="errand(s)", header=RUNS, rows=rows)])
    else:
        for row in rows:
            _show(row)
    if failed := [row for row in rows if row["exit_code"] != "0"]:
        where = ", ".join(f"{row['instance']} with {row['exit_code']}" for row in failed)
        raise CommandFailed(f"Errand {name} failed on {where}.")


def _filter(slug: str) -> dict[str, str]:
    group, _, instance = slug.partition("/")
    return {"group": group} | ({"id": instance} if instance else {})


def _row(run: dict[str, Any]) -> dict[str, str]:
    instance = run["instance"]
    return {
        "instance": f"{instance['group']}/{instance['id']}",
        "exit_code": str(run["exit_code"]),
        "stdout": run["stdout"],
        "stderr": run["stderr"],
    }


def _show(row: dict[str, str]) -> None:
    say("")
    for key, title in RUNS.items():
        indented = row[key].rstrip().replace("\n", "\n" + " " * 11)
        say(f"{title:<10} {indented or '-'}")
