"""Releases and stemcells."""

from pathlib import Path

import click

from director.cli.commands.releases_of import upload_directory, upload_file
from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.follow import follow, task_of
from director.cli.show import Table, say, show


@click.command()
@click.argument("path", required=False, default=Path(), type=click.Path(exists=True, path_type=Path))
@click.option("--fix", is_flag=True, help="Replace what the director has.")
@click.option("--rebase", is_flag=True)
@pass_context
def upload_release(context: Context, /, path: Path, fix: bool, rebase: bool) -> None:
    """Uploads a release: an archive, or a release directory (made into one first)."""
    if path.is_file():
        upload_file(context.director, path, path.name, fix=fix, rebase=rebase)
        say("Uploaded.")
        return
    known = {(r["name"], v["version"]) for r in context.director.get("/releases") for v in r["release_versions"]}
    name, version = upload_directory(context.director, path, known=known, fix=fix)
    say(f"The director has release {name}/{version}.")


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--fix", is_flag=True)
@pass_context
def upload_stemcell(context: Context, /, path: Path, fix: bool) -> None:
    """Uploads a stemcell archive."""
    follow(context.director, task_of(context.director.upload("/stemcells", path, fix=fix).location))


@click.command()
@pass_context
def releases(context: Context, /) -> None:
    """Lists releases; * marks versions in use."""
    rows = [
        {
            "name": release["name"],
            "version": version["version"] + ("*" if version["currently_deployed"] else ""),
            "commit_hash": version["commit_hash"] + ("+" if version["uncommitted_changes"] else ""),
        }
        for release in context.director.get("/releases")
        for version in release["release_versions"]
    ]
    header = {"name": "Name", "version": "Version", "commit_hash": "Commit Hash"}
    show(Table(content="releases", header=header, rows=rows), as_json=context.as_json)


@click.command()
@pass_context
def stemcells(context: Context, /) -> None:
    """Lists stemcells; * marks those in use."""
    rows = [
        {
            "name": found["name"],
            "version": found["version"] + ("*" if found["deployments"] else ""),
            "os": found["operating_system"],
            "cpi": found.get("cpi") or "",
            "cid": found["cid"],
        }
        for found in context.director.get("/stemcells")
    ]
    header = {"name": "Name", "version": "Version", "os": "OS", "cpi": "CPI", "cid": "CID"}
    show(Table(content="stemcells", header=header, rows=rows), as_json=context.as_json)


def _pair(slug: str) -> tuple[str, str]:
    name, _, version = slug.partition("/")
    if not name:
        raise CommandFailed(f"{slug} is not name/version.", Exit.BAD_INPUT)
    return name, version


@click.command()
@click.argument("slug", metavar="NAME[/VERSION]")
@click.option("--force", is_flag=True)
@pass_context
def delete_release(context: Context, /, slug: str, force: bool) -> None:
    """Deletes a release, or every version of it."""
    name, version = _pair(slug)
    context.confirm(f"Delete release {slug}?")
    answer = context.director.send("DELETE", f"/releases/{name}", query={"version": version, "force": force})
    follow(context.director, task_of(answer.location))


@click.command()
@click.argument("slug", metavar="NAME/VERSION")
@click.option("--force", is_flag=True)
@pass_context
def delete_stemcell(context: Context, /, slug: str, force: bool) -> None:
    """Deletes a stemcell."""
    name, version = _pair(slug)
    context.confirm(f"Delete stemcell {slug}?")
    answer = context.director.send("DELETE", f"/stemcells/{name}/{version}", query={"force": force})
    follow(context.director, task_of(answer.location))
