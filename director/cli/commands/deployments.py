"""What deployments there are, what was deployed, and deleting one."""

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table, say, show, show_text

HEADER = {"name": "Name", "release_s": "Release(s)", "stemcell_s": "Stemcell(s)", "cloud_config": "Cloud Config"}


@click.command()
@pass_context
def deployments(context: Context, /) -> None:
    """Lists deployments, and what they are made of."""
    rows = [
        {
            "name": found["name"],
            "release_s": "\n".join(f"{r['name']}/{r['version']}" for r in found["releases"]),
            "stemcell_s": "\n".join(f"{s['name']}/{s['version']}" for s in found["stemcells"]),
            "cloud_config": found.get("cloud_config") or "",
        }
        for found in context.director.get("/deployments")
    ]
    show(Table(content="deployments", header=HEADER, rows=rows), as_json=context.as_json)


@click.command()
@pass_context
def manifest(context: Context, /) -> None:
    """Shows the manifest last deployed, as it was sent."""
    found = context.director.get(context.path())["manifest"]
    if not found:
        message = f"{context.need_deployment()} was never deployed to its end, so no manifest is recorded."
        raise CommandFailed(message)
    show_text(found, as_json=context.as_json)


@click.command()
@click.option("--force", is_flag=True, help="Go on over failures.")
@pass_context
def delete_deployment(context: Context, /, force: bool) -> None:
    """Deletes the deployment: its VMs, addresses and variables.

    Its persistent disks are kept as orphans: `director disks` lists them.
    """
    from director.cli.follow import run  # noqa: PLC0415  (its help needs no connection)

    if context.is_non_interactive and not context.deployment:
        raise CommandFailed("Say which deployment to delete with -d: with -n nobody confirms it.", Exit.BAD_INPUT)
    name = context.need_deployment()
    context.confirm(f"Delete deployment {name}? Its persistent disks are kept as orphans.")
    answer = context.director.send("DELETE", context.path(), query={"force": force}, accept=(302, 303, 404))
    if answer.status == 404:
        say(f"There is no deployment {name}.", to_stderr=context.as_json)
        return
    run(context, answer)
