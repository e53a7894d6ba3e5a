"""Whether a running set-up is well, end to end."""

from typing import Any

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.findings import count_wrong, show_findings


@click.command()
@pass_context
def doctor(context: Context, /) -> None:
    """Checks a set-up: director, record, infrastructures, cloud config, stemcells, places, agents.

    Each line says how something is and, when it is not well, what to do. Ends with 1 when something is not well, with
    3 when the director does not answer.
    """
    try:
        found = [_director(context), *context.director.get("/doctor")["findings"]]
    except CommandFailed as failed:
        words, _, fix = str(failed).partition("\n")
        one = {"subject": "director", "is_well": False, "detail": words, "fix": fix}
        show_findings([one], as_json=context.as_json)
        raise CommandFailed("The director cannot be asked; nothing else was looked at.", failed.code) from None
    show_findings(found, as_json=context.as_json)
    if wrong := count_wrong(found):
        raise CommandFailed(f"{wrong} of {len(found)} {'is' if wrong == 1 else 'are'} not well.")


def _director(context: Context) -> dict[str, Any]:
    """It answers; with its credentials accepted, or the next question ends the command."""
    info = context.director.get("/info")
    detail = f"{info['name']} answers: version {info['version']}, {info['cpi']}, uuid {info['uuid']}."
    return {"subject": "director", "is_well": True, "detail": detail, "fix": ""}
