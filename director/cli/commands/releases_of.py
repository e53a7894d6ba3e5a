"""Uploads the releases a manifest brings along: those with a ``url`` that is a file or a release directory."""

import tempfile
from pathlib import Path
from typing import Any

import yaml

from director.cli.client import Client
from director.cli.create_release import create_release
from director.cli.errors import CommandFailed, Exit
from director.cli.follow import follow, task_of
from director.cli.show import say

Release = tuple[yaml.Node, dict[str, Any]]


def upload_releases(director: Client, text: str, path: Path, *, fix: bool, uploads: bool) -> str:
    """The manifest's text with every ``version: create`` replaced in place, so that its lines stay true.

    A release the director has already is not uploaded again, unless ``fix``.
    """
    brought = [(node, release) for node, release in _releases(text) if release.get("url")]
    if not brought:
        return text
    known = {(r["name"], v["version"]) for r in director.get("/releases") for v in r["release_versions"]}
    replaced: list[tuple[yaml.Node, str]] = []
    for node, release in brought:
        source = _local_path(str(release["url"]), path)
        if str(release.get("version")) == "create":
            replaced.append((node, _create(director, source, known, fix=fix, uploads=uploads)))
        elif uploads and (fix or (release.get("name"), str(release.get("version"))) not in known):
            upload_file(director, source, f"{release.get('name')}/{release.get('version')}", fix=fix)
    return _with_versions(text, replaced)


def upload_file(director: Client, archive: Path, what: str, *, fix: bool = False, rebase: bool = False) -> None:
    """Uploads one archive and waits until the director has read it."""
    say(f"Uploading release {what}.", to_stderr=True)
    follow(director, task_of(director.upload("/releases", archive, fix=fix, rebase=rebase).location), quiet=True)


def upload_directory(
    director: Client, source: Path, *, known: set[tuple[str, str]], fix: bool = False, uploads: bool = True
) -> tuple[str, str]:
    """Makes a release of a directory, uploads it if the director lacks it, and returns (name, version)."""
    with tempfile.TemporaryDirectory(prefix="director-release-") as scratch:
        made = create_release(source, Path(scratch) / "release.tgz")
        if uploads and (fix or (made.name, made.version) not in known):
            upload_file(director, made.path, f"{made.name}/{made.version}", fix=fix)
    return made.name, made.version


def _create(director: Client, source: Path, known: set[tuple[str, str]], *, fix: bool, uploads: bool) -> str:
    return upload_directory(director, source, known=known, fix=fix, uploads=uploads)[1]


def _local_path(url: str, manifest: Path) -> Path:
    if url.startswith(("http:", "https:", "git+")):
        message = f"Releases are not fetched from {url} yet: download it and use `director upload-release FILE`."
        raise CommandFailed(message, Exit.BAD_INPUT)
    found = (manifest.parent / url.removeprefix("file://")).resolve()
    if not found.exists():
        raise CommandFailed(f"{manifest} brings a release from {found}, which does not exist.", Exit.BAD_INPUT)
    return found


def _releases(text: str) -> list[Release]:
    """Each release entry with the node of its version; none when the text is not sound: the director says why."""
    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return []
    items = _value(root, "releases")
    if not isinstance(items, yaml.SequenceNode):
        return []
    pairs = [(_value(item, "version"), _scalars(item)) for item in items.value]
    return [(node, release) for node, release in pairs if node is not None]


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _scalars(node: yaml.Node) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value.value for key, value in node.value if isinstance(value, yaml.ScalarNode)}


def _with_versions(text: str, replaced: list[tuple[yaml.Node, str]]) -> str:
    for node, version in sorted(replaced, key=lambda pair: -pair[0].start_mark.index):
        text = f'{text[: node.start_mark.index]}"{version}"{text[node.end_mark.index :]}'
    return text
