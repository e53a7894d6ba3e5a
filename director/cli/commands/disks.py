"""What is left over: orphaned disks, unused releases and stemcells."""

import click

from director.cli.context import Context, pass_context
from director.cli.follow import follow, task_of
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
            "orphaned_at": disk["orphaned_at"],
        }
        for disk in context.director.get("/disks")
    ]
    show(Table(content="orphaned disks", header=HEADER, rows=rows), as_json=context.as_json)


@click.command()
@click.argument("cid")
@pass_context
def delete_disk(context: Context, /, cid: str) -> None:
    """Deletes an orphaned disk and its data for good."""
    context.confirm(f"Delete disk {cid} and its data?")
    follow(context.director, task_of(context.director.send("DELETE", f"/disks/{cid}").location))


@click.command()
@click.option("--all", "is_all", is_flag=True, help="Every unused version, and orphaned disks.")
@click.option("--keep-orphaned-disks", is_flag=True)
@pass_context
def clean_up(context: Context, /, is_all: bool, keep_orphaned_disks: bool) -> None:
    """Deletes releases and stemcells no deployment uses; with --all orphaned disks too."""
    context.confirm("Delete everything unused, orphaned disks included?" if is_all else "Delete what is unused?")
    config = {"remove_all": is_all, "keep_orphaned_disks": keep_orphaned_disks}
    follow(context.director, task_of(context.director.send_json("POST", "/cleanup", {"config": config}).location))
