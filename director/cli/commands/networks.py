"""Networks as they are, and having them made what network configs say."""

import click

from director.cli.context import Context, pass_context
from director.cli.network_views.branches import branches_of
from director.cli.network_views.lines import lines_of
from director.cli.show import is_terminal, say, show_json

COLOURS = {"good": "green", "waiting": "yellow", "bad": "red"}


@click.command()
@click.option("--no-look", is_flag=True, help="Only what is recorded; ask no fabric.")
@click.option("-a", "--all", "is_all", is_flag=True, help="Name every instance, however many there are.")
@pass_context
def networks(context: Context, /, no_look: bool, is_all: bool) -> None:
    """Shows routers, segments, NAT, load balancers, the instances on them, and how each is.

    Of one deployment with -d, else of all. Changes nothing.
    """
    report = context.director.get("/networks", deployment=context.deployment, look=not no_look)
    if context.as_json:
        from director.cli.network_views.rows import tables_of  # noqa: PLC0415  (only --json needs it)

        show_json(tables_of(report))
        return
    branches = branches_of(report, shows_all=is_all)
    for line in lines_of(branches, _coloured if is_terminal() else lambda text, _: text):
        say(line)
    if not branches:
        say("There are no networks: nothing is deployed, and no fabric is configured.")


def _coloured(text: str, tone: str) -> str:
    return click.style(text, fg=COLOURS[tone]) if tone in COLOURS else click.style(text, dim=True)


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be done; touch nothing.")
@click.option("--remove", is_flag=True, help="Also remove what no network config says any more.")
@pass_context
def apply_networks(context: Context, /, dry_run: bool, remove: bool) -> None:
    """Makes the network objects that network configs say: those that outlive deployments.

    What no config says any more is named, and goes only with --remove.
    """
    from director.cli.follow import run  # noqa: PLC0415  (its help needs no connection)

    if not dry_run:
        context.confirm("Carry the network configs out, and remove what they no longer say?" if remove else QUESTION)
    run(context, context.director.send_json("POST", "/networks", {"dry_run": dry_run, "remove": remove}))


QUESTION = "Carry the network configs out?"
