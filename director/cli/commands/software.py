"""Releases and stemcells."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table, say, show


@click.command()
@click.argument("path", required=False, default=Path(), type=click.Path(exists=True, path_type=Path))
@click.option("--name", default="", help="With --version: upload nothing if the director has it.")
@click.option("--version", default="", help="With --name: upload nothing if the director has it.")
@click.option("--fix", is_flag=True, help="Replace what the director has.")
@click.option("--rebase", is_flag=True, help="Give it the next version the director has free.")
@pass_context
def upload_release(context: Context, /, path: Path, name: str, version: str, fix: bool, rebase: bool) -> None:
    """Uploads a release: an archive, or a release directory (made into one first).

    A directory that has not changed since is not uploaded again.
    """
    from director.cli.commands.releases_of import known_releases, upload_directory, upload_file  # noqa: PLC0415

    context.ensure_director()
    if name and version and not fix and (name, version) in known_releases(context.director):
        say(f"The director has release {name}/{version} already.", to_stderr=context.as_json)
        return
    if path.is_file():
        upload_file(context.director, path, path.name, fix=fix, rebase=rebase)
        say("Uploaded.", to_stderr=context.as_json)
        return
    known = known_releases(context.director)
    name, version = upload_directory(context.director, path, known=known, fix=fix, version=version or None)
    say(f"The director has release {name}/{version}.", to_stderr=context.as_json)


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", default="", help="With --version: upload nothing if the director has it.")
@click.option("--version", default="", help="With --name: upload nothing if the director has it.")
@click.option("--fix", is_flag=True, help="Replace what the director has.")
@pass_context
def upload_stemcell(context: Context, /, path: Path, name: str, version: str, fix: bool) -> None:
    """Uploads a stemcell archive."""
    from director.cli.follow import run  # noqa: PLC0415  (its help needs no connection)

    context.ensure_director()
    if name and version and not fix:
        question = {"stemcell": {"name": name, "version": version}}
        if not context.director.send_json("POST", "/stemcell_uploads", question).json()["needed"]:
            say(f"The director has stemcell {name}/{version} already.", to_stderr=context.as_json)
            return
    run(context, context.director.upload("/stemcells", path, fix=fix))


@click.command()
@pass_context
def releases(context: Context, /) -> None:
    """Lists releases; * marks versions in use, + uncommitted changes. A release without source runs only on the
    stemcells it is compiled for.
    """
    rows = [
        {
            "name": release["name"],
            "version": version["version"] + ("*" if version["currently_deployed"] else ""),
            "commit_hash": version["commit_hash"] + ("+" if version["uncommitted_changes"] else ""),
            "compiled_for": _compiled_for(version),
        }
        for release in context.director.get("/releases")
        for version in release["release_versions"]
    ]
    header = {"name": "Name", "version": "Version", "commit_hash": "Commit Hash", "compiled_for": "Compiled For"}
    show(Table(content="releases", header=header, rows=rows), as_json=context.as_json)


def _compiled_for(version: Mapping[str, Any]) -> str:
    """A line for each stemcell some package is compiled for, and one when it has no source."""
    found: Mapping[str, int] = version.get("compiled_for", {})
    count = version.get("package_count", 0)
    lines = [stemcell + ("" if built == count else f" ({built} of {count})") for stemcell, built in found.items()]
    return "\n".join([*lines, *([] if version.get("has_source", True) else ["(no source)"])])


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


@click.command()
@click.argument("slug", metavar="NAME[/VERSION]")
@click.option("--force", is_flag=True, help="Go on over failures.")
@pass_context
def delete_release(context: Context, /, slug: str, force: bool) -> None:
    """Deletes a release, or every version of it."""
    from director.cli.follow import run  # noqa: PLC0415  (its help needs no connection)

    name, _, version = slug.partition("/")
    context.confirm(f"Delete release {slug}?" if version else f"Delete every version of release {name}?")
    query: dict[str, object] = {"version": version, "force": force}
    run(context, context.director.send("DELETE", f"/releases/{quote(name, safe='')}", query=query))


@click.command()
@click.argument("slug", metavar="NAME/VERSION")
@click.option("--force", is_flag=True, help="Go on over failures.")
@pass_context
def delete_stemcell(context: Context, /, slug: str, force: bool) -> None:
    """Deletes a stemcell."""
    from director.cli.follow import run  # noqa: PLC0415

    name, _, version = slug.partition("/")
    if not name or not version:
        raise CommandFailed(f"{slug} is not NAME/VERSION.", Exit.BAD_INPUT)
    context.confirm(f"Delete stemcell {slug}?")
    path = f"/stemcells/{quote(name, safe='')}/{quote(version, safe='')}"
    run(context, context.director.send("DELETE", path, query={"force": force}))
