"""Continuous reconciliation: which deployments are kept as wanted, from what, by which limits, how that stands."""

from pathlib import Path
from typing import Any, Final

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table, say, say_plan, show, show_json

HEADER: Final = {
    "deployment": "Deployment",
    "mode": "Mode",
    "state": "State",
    "summary": "Plan",
    "why": "Why",
    "source": "Source",
    "limits": "Limits",
}
GIT_ONLY: Final = ("branch", "path")


@click.command()
@click.argument("switch", required=False, type=click.Choice(["on", "off"]))
@click.option("--apply/--propose", "applies", default=None, help="Apply what changes, or (default) only show it.")
@click.option("--max-changes", default="", metavar="N|N%", help="Apply nothing that changes more instances.")
@click.option("--deletes", is_flag=True, help="Instances, disks and networks may go for good.")
@click.option("--every", type=float, metavar="SECONDS", help="Look at source and world so often (default 300).")
@click.option(
    "--configs", type=click.Choice(["latest", "deployed"]), help="Cloud and runtime configs (default latest)."
)
@click.option(
    "--manifest-dir", type=click.Path(path_type=Path), help="Manifests: a directory on the director's machine."
)
@click.option("--git", "url", default="", metavar="URL", help="Manifests: a git repository.")
@click.option("--branch", default="", help="Its branch (default main).")
@click.option("--path", default="", help="The directory of the manifests in it.")
@pass_context
def watch(context: Context, /, switch: str | None, **options: Any) -> None:
    """Keeps a deployment as wanted: on, off, or how that stands.

    When its manifest, a config, its software or the world changes, the director plans; what keeps to the limits it
    applies (--apply), everything else is pending and shown here with its reasons. A source holds NAME.yml,
    NAME.ops/*.yml, configs/cloud.yml and configs/runtime.yml; without one the manifest deployed last counts.
    """
    if switch == "on":
        _on(context, options)
        return
    if any(value for value in options.values()) or options["applies"] is not None:
        raise CommandFailed("These options go with `director watch on`.", Exit.BAD_INPUT)
    if switch == "off":
        context.director.send("DELETE", context.path("watch"))
        say(f"{context.need_deployment()} is left alone from now on.", to_stderr=context.as_json)
    elif context.deployment:
        _show_one(context)
    else:
        _show_all(context)


def _on(context: Context, options: dict[str, Any]) -> None:
    body = {
        "mode": "apply" if options["applies"] else "propose",
        "max_changes": options["max_changes"],
        "deletes": options["deletes"],
        "configs": options["configs"] or "latest",
        "source": _source(options),
        **({"every": options["every"]} if options["every"] is not None else {}),
    }
    context.director.send_json("PUT", context.path("watch"), body)
    does = "what changes is applied within the limits" if options["applies"] else "what would change is proposed"
    name = context.need_deployment()
    say(f"{name} is watched: {does}. `director watch -d {name}` shows how it stands.", to_stderr=context.as_json)


def _source(options: dict[str, Any]) -> dict[str, str]:
    named = {key: options[key] for key in GIT_ONLY if options[key]}
    if options["url"] and options["manifest_dir"]:
        raise CommandFailed("Manifests come from one place: --manifest-dir or --git.", Exit.BAD_INPUT)
    if named and not options["url"]:
        raise CommandFailed("--branch and --path go with --git.", Exit.BAD_INPUT)
    if options["url"]:
        return {"kind": "git", "url": options["url"], **named}
    if options["manifest_dir"]:
        return {"kind": "directory", "path": str(options["manifest_dir"].absolute())}
    return {"kind": "recorded"}


def _show_all(context: Context) -> None:
    rows = [_row(one) for one in context.director.get("/watch")["watch"]]
    show(Table(content="watched deployments", header=HEADER, rows=rows), as_json=context.as_json)


def _show_one(context: Context) -> None:
    found = context.director.get(context.path("watch"))
    table = Table(content="watched deployments", header=HEADER, rows=[_row(found)])
    if context.as_json:
        show_json([table], blocks=[found["plan"]] if found["plan"] else [])
        return
    show(table, as_json=False)
    if found["plan"]:
        say("")
        say_plan(found["plan"])


def _row(one: dict[str, Any]) -> dict[str, str]:
    task = f" (task {one['task']})" if one["task"] and one["state"] == "applying" else ""
    revision = f" at {one['revision']}" if one["revision"] else ""
    return {
        "deployment": one["deployment"],
        "mode": one["mode"],
        "state": one["state"] + task,
        "summary": one["summary"],
        "why": "\n".join((*one["reasons"], *one["notes"])),
        "source": one["source"]["text"] + revision,
        "limits": _limits(one),
    }


def _limits(one: dict[str, Any]) -> str:
    most = f"at most {one['max_changes']} instances" if one["max_changes"] else "any number of instances"
    deletes = "deletes" if one["deletes"] else "no deletes"
    return f"{most}, {deletes}"
