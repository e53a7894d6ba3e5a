"""deploy, plan and what is left of deployments: delete, list, show."""

from pathlib import Path
from typing import Any

import click

from director.cli.client import Answer, shown
from director.cli.commands.releases_of import upload_releases
from director.cli.commands.texts import edited, with_ops_and_vars
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.follow import follow, task_of
from director.cli.show import Table, say, show, show_json

manifest_argument = click.argument("path", metavar="MANIFEST", type=click.Path(path_type=Path))


@click.command()
@manifest_argument
@with_ops_and_vars
@click.option("--recreate", is_flag=True, help="Replace every VM.")
@click.option("--recreate-persistent-disks", is_flag=True, help="Replace every disk; the data is copied.")
@click.option("--fix", is_flag=True, help="Replace VMs whose agents do not answer.")
@click.option("--skip-drain", multiple=True, is_flag=False, flag_value="*", help="Drain nothing, or not GROUP[/ID].")
@click.option("--canaries", default="", help="Override canaries: N or N%.")
@click.option("--max-in-flight", default="", help="Override max_in_flight: N or N%.")
@click.option("--dry-run", is_flag=True, help="Plan only, as a task.")
@click.option("--allow-delete-all", is_flag=True, help="Allow a manifest that deletes every instance.")
@click.option("--strict", is_flag=True, help="Unknown keys are errors.")
@click.option("--fix-releases", is_flag=True, help="Upload releases anew.")
@click.option("--skip-upload-releases", is_flag=True, help="Upload no release.")
@pass_context
def deploy(context: Context, /, path: Path, fix_releases: bool, skip_upload_releases: bool, **options: Any) -> None:
    """Makes a deployment what MANIFEST says."""
    text, query = _prepared(context, path, options, fix=fix_releases, uploads=not skip_upload_releases)
    if not context.is_non_interactive:
        _confirm(context, path, text, query)
    answer = _post(context, "/deployments", path, text, query)
    task = task_of(answer.location)
    follow(context.director, task)
    for line in context.director.output(task, "result", follow=False):
        say(line)


@click.command()
@manifest_argument
@with_ops_and_vars
@click.option("--recreate", is_flag=True)
@click.option("--fix", is_flag=True)
@click.option("--canaries", default="")
@click.option("--max-in-flight", default="")
@click.option("--strict", is_flag=True)
@click.option("--summary", is_flag=True, help="Leave out the steps.")
@pass_context
def plan(context: Context, /, path: Path, summary: bool, **options: Any) -> None:
    """Shows what a deploy of MANIFEST would do and why. Touches nothing; releases must be uploaded."""
    text, query = _prepared(context, path, options, fix=False, uploads=False)
    found = _plan(context, path, text, {**query, "allow_delete_all": True, "summary": summary})
    if context.as_json:
        show_json(blocks=[found["text"]])
    else:
        say(found["text"])


def _prepared(
    context: Context, path: Path, options: dict[str, Any], *, fix: bool, uploads: bool
) -> tuple[str, dict[str, object]]:
    """The text to send and the query it goes with; releases it brings along are uploaded on the way."""
    edits = {name: options.pop(name) for name in ("ops_files", "variables", "var_files", "vars_files", "vars_envs")}
    text = edited(path, edits)
    _ensure_director(context)
    text = upload_releases(context.director, text, path, fix=fix, uploads=uploads)
    options["skip_drain"] = ",".join(options.get("skip_drain", ()))
    return text, options


def _ensure_director(context: Context, /) -> None:
    """With no director named, the one on this machine is used, and started when it is not running."""
    if context.environment:
        return
    from director.cli.commands.daemon import is_running, start  # noqa: PLC0415  (not needed with -e)

    if not is_running():
        say(f"No director is named: started the local one at {start()['url']}.", to_stderr=True)


def _confirm(context: Context, /, path: Path, text: str, query: dict[str, object]) -> None:
    found = _plan(context, path, text, {**query, "allow_delete_all": True, "summary": True})
    say(found["text"])
    if found["deletes_all"] and not query["allow_delete_all"]:
        context.confirm("This deletes EVERY instance of the deployment. Continue?")
        query["allow_delete_all"] = True
    elif not found["is_settled"]:
        context.confirm("Continue?")


def _plan(context: Context, /, path: Path, text: str, query: dict[str, object]) -> dict[str, Any]:
    name = context.deployment or _name_in(text)
    found: dict[str, Any] = _post(context, f"/deployments/{name}/plan", path, text, query).json()
    for problem in found.get("warnings", []):
        say(shown(problem), to_stderr=True)
    return found


def _post(context: Context, /, route: str, path: Path, text: str, query: dict[str, object]) -> Answer:
    if context.deployment and context.deployment != _name_in(text):
        message = f"{path} is the manifest of {_name_in(text)}, but -d names {context.deployment}."
        raise CommandFailed(message, Exit.BAD_INPUT)
    return context.director.send_yaml("POST", route, text, source=str(path), **query)


def _name_in(text: str) -> str:
    """The manifest's name when the text is sound enough to have one; the director says what is wrong otherwise."""
    import yaml  # noqa: PLC0415

    try:
        tree = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506  (a safe loader)
    except yaml.YAMLError:
        return "unnamed"
    name = tree.get("name") if isinstance(tree, dict) else None
    return str(name or "unnamed")


@click.command()
@click.option("--force", is_flag=True, help="Go on over failures.")
@pass_context
def delete_deployment(context: Context, /, force: bool) -> None:
    """Deletes the deployment: its VMs, addresses and variables. Its disks are kept as orphans."""
    name = context.need_deployment()
    context.confirm(f"Delete deployment {name}? Its persistent disks are kept as orphans.")
    answer = context.director.send("DELETE", f"/deployments/{name}", query={"force": force}, accept=(302, 303, 404))
    if answer.status == 404:
        say(f"There is no deployment {name}.")
        return
    follow(context.director, task_of(answer.location))


@click.command()
@pass_context
def deployments(context: Context, /) -> None:
    """Lists deployments."""
    header = {"name": "Name", "release_s": "Release(s)", "stemcell_s": "Stemcell(s)", "cloud_config": "Cloud Config"}
    rows = [
        {
            "name": found["name"],
            "release_s": "\n".join(f"{r['name']}/{r['version']}" for r in found["releases"]),
            "stemcell_s": "\n".join(f"{s['name']}/{s['version']}" for s in found["stemcells"]),
            "cloud_config": found.get("cloud_config", ""),
        }
        for found in context.director.get("/deployments")
    ]
    show(Table(content="deployments", header=header, rows=rows), as_json=context.as_json)


@click.command()
@pass_context
def manifest(context: Context, /) -> None:
    """Shows the manifest last deployed."""
    found = context.director.get(f"/deployments/{context.need_deployment()}")["manifest"]
    if context.as_json:
        show_json(blocks=[found or ""])
    elif found is None:
        raise CommandFailed("It was never deployed to its end, so no manifest is recorded.")
    else:
        say(found.rstrip("\n"))


@click.command()
@manifest_argument
@with_ops_and_vars
def interpolate(path: Path, **edits: Any) -> None:
    """Shows MANIFEST with ops files and variables applied."""
    say(edited(path, edits).rstrip("\n"))
