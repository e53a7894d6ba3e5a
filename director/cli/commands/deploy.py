"""deploy and plan: from a manifest's text to what the director makes of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click

from director.cli.answer import Answer
from director.cli.commands.texts import STDIN, Text, edited, edits_in, explained, with_ops_and_vars
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table, say_plan, show_json

F = TypeVar("F", bound=Callable[..., Any])
DELETES_ALL = "deploy.deletes-everything"

manifest_argument = click.argument("path", metavar="MANIFEST", type=click.Path(path_type=Path))


def with_update_flags(command: F) -> F:
    """What bends one run, for deploy and plan alike."""
    for option in (
        click.option("--strict", is_flag=True, help="Unknown keys are errors."),
        click.option("--max-in-flight", default="", metavar="N|N%", help="Override max_in_flight."),
        click.option("--canaries", default="", metavar="N|N%", help="Override canaries."),
        click.option(
            "--skip-drain", multiple=True, is_flag=False, flag_value="*", metavar="[GROUP[/ID]]", help="Drain nothing."
        ),
        click.option("--fix", is_flag=True, help="Replace VMs whose agents do not answer."),
        click.option("--recreate-persistent-disks", is_flag=True, help="Replace every disk; the data is copied."),
        click.option("--recreate", is_flag=True, help="Replace every VM."),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is sent: a text, the deployment it is about, and the query that goes with it."""

    text: Text
    name: str
    query: dict[str, object]

    def post(self, context: Context, route: str, **more: object) -> Answer:
        """Raises CommandFailed with every problem of the text."""
        query = {**self.query, **more, "source": self.text.source}
        try:
            return context.director.send_yaml("POST", route, self.text.text, **query)
        except CommandFailed as failed:
            raise explained(self.text, failed) from None

    def plan(self, context: Context, **more: object) -> dict[str, Any]:
        """What a deploy would do, as the director tells it."""
        route = f"/deployments/{quote(self.name or 'unnamed', safe='')}/plan"
        found: dict[str, Any] = self.post(context, route, **more).json()
        return found


@click.command()
@manifest_argument
@with_ops_and_vars
@with_update_flags
@click.option("--dry-run", is_flag=True, help="Plan only, as a task.")
@click.option("--allow-delete-all", is_flag=True, help="Allow a manifest that deletes every instance.")
@click.option("--fix-releases", is_flag=True, help="Upload releases anew.")
@click.option("--skip-upload-releases", is_flag=True, help="Upload no release.")
@pass_context
def deploy(context: Context, /, path: Path, fix_releases: bool, skip_upload_releases: bool, **options: Any) -> None:
    """Makes a deployment what MANIFEST says.

    Shows what will change and why, and asks, unless -n. Ctrl-C leaves the task running. Without a director named it
    starts the one on this machine.
    """
    from director.cli.follow import run  # noqa: PLC0415  (its help needs no connection)

    prepared = _prepared(context, path, options, fix=fix_releases, uploads=not skip_upload_releases)
    confirmed = {} if context.is_non_interactive else _confirmed(context, prepared)
    run(context, prepared.post(context, "/deployments", **confirmed))


@click.command()
@manifest_argument
@with_ops_and_vars
@with_update_flags
@click.option("--summary", is_flag=True, help="Leave out the steps.")
@pass_context
def plan(context: Context, /, path: Path, summary: bool, **options: Any) -> None:
    """Shows what a deploy of MANIFEST would do and why.

    Touches nothing; releases must be uploaded.
    """
    prepared = _prepared(context, path, options, fix=False, uploads=False)
    found = prepared.plan(context, allow_delete_all=True)
    text = _without_steps(found["text"]) if summary else found["text"]
    if context.as_json:
        show_json([_changes(found)], blocks=[text])
    else:
        say_plan(text)


def _prepared(context: Context, /, path: Path, options: dict[str, Any], *, fix: bool, uploads: bool) -> Prepared:
    """What to send; releases the manifest brings along are uploaded on the way."""
    from director.cli.commands.outline import outline  # noqa: PLC0415  (its help needs no YAML)
    from director.cli.commands.releases_of import bring_releases  # noqa: PLC0415

    text = edited(path, edits_in(options))
    found = outline(text.text)
    if context.deployment and found.name and context.deployment != found.name:
        message = f"{path} is the manifest of {found.name}, but -d names {context.deployment}."
        raise CommandFailed(message, Exit.BAD_INPUT)
    context.ensure_director()
    near = Path() if path == STDIN else path.parent
    sent = bring_releases(context.director, text.text, found.releases, near, fix=fix, uploads=uploads)
    query = {**options, "skip_drain": ",".join(options["skip_drain"])}
    return Prepared(
        text=Text(text=sent, source=text.source, is_edited=text.is_edited),
        name=found.name or context.deployment,
        query=query,
    )


def _confirmed(context: Context, /, prepared: Prepared) -> dict[str, object]:
    """Shows what would change and asks, more sternly when every instance would go. What the yes adds to the query."""
    question, more = "Continue?", dict[str, object]()
    try:
        found = prepared.plan(context)
    except CommandFailed as failed:
        if failed.problems != (DELETES_ALL,):
            raise
        question, more = "This deletes EVERY instance of the deployment. Continue?", {"allow_delete_all": True}
        found = prepared.plan(context, **more)
    say_plan(_without_steps(found["text"]))
    if not found["is_settled"]:
        context.confirm(question)
    return more


def _without_steps(text: str) -> str:
    """The steps stand behind the first empty line."""
    return text.partition("\n\nSteps of ")[0]


def _changes(found: dict[str, Any]) -> Table:
    changes = found["plan"]["changes"]
    rows = [{"instance": c["label"], "move": c["move"], "reasons": "; ".join(c["reasons"])} for c in changes]
    holds = tuple(f"Held back: {hold['reason']}" for hold in found["plan"]["holds"])
    header = {"instance": "Instance", "move": "Move", "reasons": "Reasons"}
    return Table(content="changes", header=header, rows=rows, notes=holds)
