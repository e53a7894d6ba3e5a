"""Generated variables: their names, never their values."""

import click

from director.cli.context import Context, pass_context
from director.cli.show import Table, say, show


@click.command()
@pass_context
def variables(context: Context, /) -> None:
    """Lists generated variables: their names, never their values."""
    found = context.director.get(context.path("variables"))
    rows = [{"id": str(variable["id"]), "name": variable["name"]} for variable in found]
    show(Table(content="variables", header={"id": "ID", "name": "Name"}, rows=rows), as_json=context.as_json)


@click.command()
@click.argument("name")
@pass_context
def rotate_variable(context: Context, /, name: str) -> None:
    """Forgets a variable's value.

    The next deploy generates a new one and updates whoever uses it.
    """
    deployment = context.need_deployment()
    context.confirm(f"Generate {name} of {deployment} anew with the next deploy?")
    context.director.send("DELETE", context.path("variables", name))
    say(f"{name} is generated anew by the next deploy of {deployment}.")
