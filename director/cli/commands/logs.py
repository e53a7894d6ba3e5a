"""Fetches logs from VMs."""

from pathlib import Path
from urllib.parse import quote

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed
from director.cli.show import Table, show


@click.command()
@click.argument("slug", required=False, default="", metavar="[GROUP[/INSTANCE]]")
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Put them.")
@click.option("--job", "jobs", multiple=True, help="Only logs of this job.")
@click.option("--only", default="", metavar="GLOBS", help="Comma list of patterns below the log directory.")
@click.option("--agent", "kind", flag_value="agent", help="The agent's logs instead of the jobs'.")
@click.option("--system", "kind", flag_value="system", help="The system's logs instead of the jobs'.")
@click.option("--all-logs", "kind", flag_value="job,agent,system", help="All three.")
@pass_context
def logs(context: Context, /, slug: str, directory: Path, jobs: tuple[str, ...], only: str, kind: str | None) -> None:
    """Fetches logs from instances, one archive each."""
    from director.cli.follow import follow, task_of  # noqa: PLC0415  (its help needs no connection)

    group, _, instance = slug.partition("/")
    filters = ",".join([*(f"{job}/**/*" for job in jobs), *([only] if only else [])])
    path = context.path("jobs", group or "*", instance or "*", "logs")
    answer = context.director.send("GET", path, query={"type": kind or "job", "filters": filters})
    task = follow(context.director, task_of(answer), quiet=True)
    blobs = [blob for blob in (task.get("result") or "").split(",") if blob]
    if not blobs:
        raise CommandFailed(f"Task {task['id']} fetched no logs.")
    directory.mkdir(parents=True, exist_ok=True)
    start = f"{context.need_deployment()}-{slug.replace('/', '-') or 'all'}-task{task['id']}"
    rows = []
    for number, blob in enumerate(blobs):
        target = directory / (f"{start}.tgz" if len(blobs) == 1 else f"{start}-{number}.tgz")
        size = context.director.download(f"/resources/{quote(blob, safe='')}", target)
        rows.append({"file": str(target), "size": f"{size} bytes"})
    show(Table(content="archives", header={"file": "File", "size": "Size"}, rows=rows), as_json=context.as_json)
