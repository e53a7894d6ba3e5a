"""Releases in compiled form: what is in one, and how to take one along."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from director.cli.context import Context, pass_context
from director.cli.errors import CommandFailed, Exit
from director.cli.show import Table, say, show, show_json


@click.command()
@click.argument("slug", metavar="NAME/VERSION")
@click.argument("stemcell", metavar="OS/VERSION")
@click.option("--job", "jobs", multiple=True, help="Only this job and the packages it needs.")
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Put it.")
@pass_context
def export_release(context: Context, /, slug: str, stemcell: str, jobs: tuple[str, ...], directory: Path) -> None:
    """Downloads a release compiled for a stemcell, as an archive for upload-release.

    What is not compiled yet is compiled first, as a deploy of the deployment -d would. The deployment must use the
    release, and the stemcell must be uploaded.
    """
    from director.cli.follow import follow, task_of  # noqa: PLC0415  (its help needs no connection)

    name, version = _parts(slug, "NAME/VERSION")
    os_name, of = _parts(stemcell, "OS/VERSION")
    asked = {
        "deployment_name": context.need_deployment(),
        "release_name": name,
        "release_version": version,
        "stemcell_os": os_name,
        "stemcell_version": of,
        "sha2": True,
        "jobs": [{"name": job} for job in jobs],
    }
    task = task_of(context.director.send_json("POST", "/releases/export", asked))
    follow(context.director, task, quiet=context.as_json)
    exported = _result(context.director.output(task, "result", follow=False), task)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / ("-".join([*sorted(jobs), name, version, os_name, of]) + ".tgz")
    size = context.director.download(f"/resources/{quote(exported['blobstore_id'], safe='')}", target)
    _check_digest(target, exported["sha1"])
    rows = [{"file": str(target), "size": f"{size} bytes", "sha1": exported["sha1"]}]
    show(
        Table(content="archives", header={"file": "File", "size": "Size", "sha1": "Digest"}, rows=rows),
        as_json=context.as_json,
    )


@click.command()
@click.argument("slug", metavar="NAME/VERSION")
@pass_context
def inspect_release(context: Context, /, slug: str) -> None:
    """Shows a release's jobs and packages, with their links, blobs and the stemcells they are compiled for."""
    name, version = _parts(slug, "NAME/VERSION")
    found = context.director.get(f"/releases/{quote(name, safe='')}", version=version)
    tables = (_jobs(found["jobs"]), _packages(found["packages"]))
    if context.as_json:
        show_json(tables)
        return
    for number, table in enumerate(tables):
        if number:
            say("")
        show(table, as_json=False)


def _parts(slug: str, form: str) -> tuple[str, str]:
    name, _, version = slug.partition("/")
    if not name or not version:
        raise CommandFailed(f"{slug} is not {form}.", Exit.BAD_INPUT)
    return name, version


def _result(lines: Iterable[str], task: int) -> Mapping[str, str]:
    found: Mapping[str, str] | None = next((json.loads(line) for line in lines if line.startswith("{")), None)
    if found is None:
        raise CommandFailed(f"Task {task} exported nothing.")
    return found


def _check_digest(file: Path, digest: str) -> None:
    """What was damaged on its way is not kept."""
    algorithm, _, expected = digest.rpartition(":")
    with file.open("rb") as content:
        actual = hashlib.file_digest(content, algorithm or "sha1").hexdigest()
    if not hmac.compare_digest(actual, expected):
        file.unlink()
        raise CommandFailed(f"What was downloaded has the digest {actual}, not {expected}. Try again.")


def _jobs(jobs: Iterable[Mapping[str, Any]]) -> Table:
    rows = [
        {
            "job": f"{job['name']}/{job['fingerprint']}",
            "blobstore_id": job["blobstore_id"],
            "digest": job["sha1"],
            "links_consumed": _links(job["consumes"]),
            "links_provided": _links(job["provides"]),
        }
        for job in jobs
    ]
    header = {
        "job": "Job",
        "blobstore_id": "Blobstore ID",
        "digest": "Digest",
        "links_consumed": "Links Consumed",
        "links_provided": "Links Provided",
    }
    return Table(content="jobs", header=header, rows=rows)


def _packages(packages: Iterable[Mapping[str, Any]]) -> Table:
    """One row for the source, empty where there is none, and one for each build, as BOSH has it."""
    rows = []
    for package in packages:
        name = f"{package['name']}/{package['fingerprint']}"
        source = {
            "compiled_for": "(source)",
            "blobstore_id": package["blobstore_id"] or "",
            "digest": package["sha1"] or "",
        }
        builds = [
            {"compiled_for": built["stemcell"], "blobstore_id": built["blobstore_id"], "digest": built["sha1"]}
            for built in package["compiled_packages"]
        ]
        rows += [{"package": name, **row} for row in (source, *builds)]
    header = {"package": "Package", "compiled_for": "Compiled For", "blobstore_id": "Blobstore ID", "digest": "Digest"}
    return Table(content="packages", header=header, rows=rows)


def _links(links: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(f"{link['name']} ({link['type']}{', optional' if link.get('optional') else ''})" for link in links)
