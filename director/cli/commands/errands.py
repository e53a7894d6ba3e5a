"""Errands."""

import json

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.follow import follow, task_of
from director.cli.show import Table, say, show, show_json


@click.command()
@pass_context
def errands(context: Context, /) -> None:
    """Lists errands."""
    found = context.director.get(f"/deployments/{context.need_deployment()}/errands")
    rows = [{"name": errand["name"]} for errand in found]
    show(Table(content="errands", header={"name": "Name"}, rows=rows), as_json=context.as_json)


@click.command()
@click.argument("name")
@click.option("--instance", "slugs", multiple=True, metavar="GROUP[/INSTANCE]", help="Only there.")
@click.option("--keep-alive", is_flag=True, help="Keep the errand's VM.")
@click.option("--when-changed", is_flag=True, help="Skip when nothing changed since it last succeeded.")
@pass_context
def run_errand(context: Context, /, name: str, slugs: tuple[str, ...], keep_alive: bool, when_changed: bool) -> None:
    """Runs an errand. Ends with 1 when any run of it did."""
    body = {
        "keep-alive": keep_alive,
        "when-changed": when_changed,
        "instances": [_filter(slug) for slug in slugs],
    }
    path = f"/deployments/{context.need_deployment()}/errands/{name}/runs"
    task = task_of(context.director.send_json("POST", path, body).location)
    follow(context.director, task, quiet=context.as_json)
    runs = [json.loads(line) for line in context.director.output(task, "result", follow=False)]
    if context.as_json:
        show_json(blocks=[json.dumps(run) for run in runs])
    else:
        for run in runs:
            _show(run)
    failed = [run for run in runs if run["exit_code"]]
    if failed:
        where = ", ".join(f"{r['instance']['group']}/{r['instance']['id']} with {r['exit_code']}" for r in failed)
        raise CommandFailed(f"Errand {name} failed on {where}.")


def _filter(slug: str) -> dict[str, str]:
    group, _, instance = slug.partition("/")
    return {"group": group} | ({"id": instance} if instance else {})


def _show(run: dict[str, object]) -> None:
    instance = run["instance"]
    assert isinstance(instance, dict)
    say(f"Instance   {instance['group']}/{instance['id']}\nExit Code  {run['exit_code']}")
    for stream in ("stdout", "stderr"):
        text = str(run[stream]).rstrip()
        say(f"{stream.capitalize():<10} " + (text.replace("\n", "\n           ") or "-"))
