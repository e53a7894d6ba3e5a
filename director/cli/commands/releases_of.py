"""Uploads the releases a manifest brings along: those with a ``url`` that is a file or a release directory."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from director.cli.client import Client
from director.cli.commands.outline import Release
from director.cli.create_release import create_release
from director.cli.errors import CommandFailed, Exit
from director.cli.follow import follow, task_of
from director.cli.problems import refused
from director.cli.show import say
from director.model.problem import Refused

CREATE: Final = "create"
_CREATE: Final = re.compile(r"""(["']?)create\1$""")
_FETCHED: Final = re.compile(r"[a-z+]+://", re.IGNORECASE)


def known_releases(director: Client) -> set[tuple[str, str]]:
    """Name and version of every release the director has."""
    return {(found["name"], v["version"]) for found in director.get("/releases") for v in found["release_versions"]}


def bring_releases(
    director: Client, text: str, releases: Iterable[Release], near: Path, *, fix: bool, uploads: bool
) -> str:
    """``text`` with every ``version: create`` replaced in place, so that its lines and all other bytes stay true.

    A release the director has already is not uploaded again, unless ``fix``. ``near`` is where relative paths begin.
    """
    sources = [(release, _source(release.url, near)) for release in releases if release.url]
    if uploads:
        _refuse_missing(source for _, source in sources)
    # What is not there and not to be uploaded stays as it is: the director says what it lacks, with the place.
    brought = [(release, source) for release, source in sources if source.exists()]
    if not brought:
        return text
    known = known_releases(director)
    replaced: list[tuple[Release, str]] = []
    for release, source in brought:
        is_known = (release.name, release.version) in known and not fix
        if release.version == CREATE:
            made = upload_directory(director, source, known=known, fix=fix, uploads=uploads)
            replaced.append((release, made[1]))
        elif uploads and not is_known and source.is_dir():
            upload_directory(director, source, known=known, fix=fix, version=release.version or None)
        elif uploads and not is_known:
            upload_file(director, source, f"{release.name}/{release.version}", fix=fix)
    return _with_versions(text, replaced)


def upload_file(director: Client, archive: Path, what: str, *, fix: bool = False, rebase: bool = False) -> None:
    """Uploads one archive and waits until the director has read it."""
    say(f"Uploading release {what} ({_size(archive.stat().st_size)}).", to_stderr=True)
    follow(director, task_of(director.upload("/releases", archive, fix=fix, rebase=rebase)), quiet=True)


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def upload_directory(
    director: Client,
    source: Path,
    *,
    known: set[tuple[str, str]],
    fix: bool = False,
    uploads: bool = True,
    version: str | None = None,
) -> tuple[str, str]:
    """Makes a release of a directory, uploads it if the director lacks it, and returns (name, version)."""
    if not source.is_dir():
        message = f"{source} is no release directory, which version: create is made of."
        raise CommandFailed(message, Exit.BAD_INPUT)
    with tempfile.TemporaryDirectory(prefix="director-release-") as scratch:
        try:
            made = create_release(source, Path(scratch), version=version)
        except Refused as error:
            raise refused(error) from None
        if uploads and (fix or (made.name, made.version) not in known):
            upload_file(director, made.path, f"{made.name}/{made.version}", fix=fix)
    return made.name, made.version


def _source(url: str, near: Path) -> Path:
    path = url.removeprefix("file://")
    if _FETCHED.match(path):
        message = f"Releases are not fetched from {url} yet: download it and use `director upload-release FILE`."
        raise CommandFailed(message, Exit.BAD_INPUT)
    return (near / path).resolve()


def _refuse_missing(sources: Iterable[Path]) -> None:
    missing = [str(source) for source in sources if not source.exists()]
    if missing:
        raise CommandFailed(f"The manifest brings releases that do not exist: {', '.join(missing)}.", Exit.BAD_INPUT)


def _with_versions(text: str, replaced: Iterable[tuple[Release, str]]) -> str:
    """From the end on, so that places before it stay true. The version is quoted: it is never to be a number."""
    for release, version in sorted(replaced, key=lambda pair: pair[0].span, reverse=True):
        start, end = release.span
        text = text[:start] + _CREATE.sub(f'"{version}"', text[start:end]) + text[end:]
    return text
