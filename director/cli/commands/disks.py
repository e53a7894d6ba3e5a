"""What is left over: orphaned disks, unused releases and stemcells."""

from urllib.parse import quote

import click

from director.cli.context import Context, pass_context
from director.cli.show import Table, show

HEADER = {
    "disk_cid": "Disk CID",
    "size": "Size (MB)",
    "deployment": "Deployment",
    "instance": "Instance",
    "az": "AZ",
    "orphaned_at": "Orphaned At",
}


@click.command()
@click.option("-o", "--orphaned", is_flag=True, help="As bosh has it; orphaned disks are all that is listed.")
@pass_context
def disks(context: Context, /, orphaned: bool) -> None:  # noqa: ARG001  (taken so that bosh's scripts work)
    """Lists orphaned disks: kept with their data when their instance went."""
    rows = [
        {
            "disk_cid": disk["disk_cid"],
            "size": str(disk["size"]),
            "deployment": disk["deployment_name"],
            "instance": disk["instance_name"],
            "az": disk["az"] or "",
            "orphaned_at": disk["orphaned_at"] or "",
        }
        for disk in context.director.get("/disks")
    ]
    show(Table(content="orphaned disks", header=HEADER, rows=rows), as_json=context.as_json)


@click.command()
@click.argument("cid")
@pass_context
def delete_disk(context: Context, /, cid: str) -> None:
    """Deletes an orphaned disk and its data for good."""
    from director.cli.follow import run  # noqa: PLC0415  (its help needs no connection)

    context.confirm(f"Delete disk {cid} and its data?")
    run(context, context.director.send("DELETE", f"/disks/{quote(cid, safe='')}"))


@click.command()
@click.option(
    "--all", "is_all", is_flag=True, help="Every unused version, orphaned disks, what nothing is recorded of."
)
@click.option("--keep-orphaned-disks", is_flag=True, help="Keep all disks, however long nobody has needed them.")
@pass_context
def clean_up(context: Context, /, is_all: bool, keep_orphaned_disks: bool) -> None:
    """Deletes releases, stemcells and networks no deployment uses, and disks that have been orphans for five days.

    With --all every orphaned disk, and VMs, detached disks and network objects with this director's tag that nothing
    is recorded of, an hour after a clean-up first found them.
    """
    from director.cli.follow import run  # noqa: PLC0415

    context.confirm(_question(is_all=is_all, keeps_disks=keep_orphaned_disks))
    config = {"remove_all": is_all, "keep_orphaned_disks": keep_orphaned_disks}
    run(context, context.director.send_json("POST", "/cleanup", {"config": config}))


def _question(*, is_all: bool, keeps_disks: bool) -> str:
    if keeps_disks:
        return "Delete releases and stemcells that no deployment uses?"
    if is_all:
        return "Delete everything unused, orphaned disks and their data included?"
    return (
        "Delete releases and stemcells that no deployment uses, and disks with their data that were orphaned long ago?"
    )
