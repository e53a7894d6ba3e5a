"""``director help`` and ``director help COMMAND``."""

import click


@click.command("help")
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def help_(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Shows every command, or the help of one."""
    here = ctx.parent
    assert here is not None, "the group calls this"
    for name in names:
        group = here.command
        found = group.get_command(here, name) if isinstance(group, click.Group) else None
        if found is None:
            raise click.UsageError(f'There is no command "{" ".join(names)}".', here)
        here = click.Context(found, info_name=name, parent=here)
    click.echo(here.get_help())


help = help_  # noqa: A001  (the group looks it up by its name)
