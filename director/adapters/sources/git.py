"""Reads one directory of one branch by the ``git`` program, without ever checking anything out.

Note: no checkout. Files are read as objects out of a bare repository, so that no symbolic link, path, hook, filter or
submodule of the repository is ever acted on; a link has a mode of its own and is refused by name.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from director.adapters.sources.files import (
    CONFIGS,
    check_size,
    config_of,
    manifest_of,
    no_manifest,
    ops_among,
    ops_of,
    text_in,
)
from director.adapters.sources.program import run_git
from director.model.names import DeploymentName
from director.model.steady import Git, source_in_words
from director.model.tree import digest_of
from director.ports.sources import SourceFailure, Texts

_HEAD: Final = "refs/heads/"
_HERE: Final = "refs/director/source"
_REGULAR: Final = ("100644", "100755")
_LINK: Final = "120000"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    mode: str
    object: str
    size: int


class GitMirror:
    """Keeps the newest commit of each deployment's branch, and nothing older, in ``room``."""

    def __init__(self, room: Path) -> None:
        self._room = room

    async def read(self, source: Git, deployment: DeploymentName) -> Texts:
        try:
            return await self._read(source, deployment)
        except OSError as error:
            raise SourceFailure(f"{error.filename or self._room}: {error.strerror}.") from error

    async def _read(self, source: Git, deployment: DeploymentName) -> Texts:
        commit = await _newest(source)
        repository = await self._fetched(source, deployment, commit)
        entries = await _entries(repository, commit, source)
        for folder in (ops_of(deployment), "configs"):
            # Left out unsaid, what stands behind it would be missed in what is deployed.
            if folder in entries:
                _refuse(entries[folder], _place(source, folder), source)
        manifest = await _text(repository, entries, manifest_of(deployment), source)
        if manifest is None:
            no_manifest(f"{source_in_words(source)} at {commit[:12]}", deployment)
        ops = [(name, await _text(repository, entries, name, source)) for name in ops_among(entries, deployment)]
        configs = {kind: await _text(repository, entries, config_of(kind), source) for kind in CONFIGS}
        return Texts(
            revision=commit[:12],
            file=_place(source, manifest_of(deployment)),
            manifest=manifest,
            ops=tuple((_place(source, name), text) for name, text in ops if text is not None),
            configs={kind: text for kind, text in configs.items() if text is not None},
        )

    def forget(self, deployment: DeploymentName) -> None:
        shutil.rmtree(self._home(deployment), ignore_errors=True)

    def _home(self, deployment: DeploymentName) -> Path:
        return self._room / digest_of(deployment)[:16]

    async def _fetched(self, source: Git, deployment: DeploymentName, commit: str) -> Path:
        """A bare repository that holds the commit. A new commit comes into a new one: old ones would pile up."""
        home, repository = self._home(deployment), self._home(deployment) / commit
        if repository.is_dir():
            return repository
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700, parents=True)
        part = home / "part"
        await run_git("init", "--quiet", "--bare", "--template=", str(part))
        what = f"+{_HEAD}{source.branch}:{_HERE}"
        await run_git(
            "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", source.url, what, within=part
        )
        got = (await run_git("rev-parse", "--verify", f"{_HERE}^{{commit}}", within=part)).decode().strip()
        # Somebody may have pushed between the two questions: what has come is what counts the next time.
        if got != commit:
            raise SourceFailure(f"{source_in_words(source)} was pushed to while it was read. It is read again.")
        return part.rename(repository)


def _place(source: Git, name: str) -> str:
    return f"{source.path}/{name}" if source.path else name


async def _newest(source: Git) -> str:
    """The commit that the branch is at: one question, nothing is fetched while it stays."""
    ref = f"{_HEAD}{source.branch}"
    said = (await run_git("ls-remote", "--", source.url, ref)).decode(errors="replace")
    found = [line.split("\t")[0] for line in said.splitlines() if line.endswith(f"\t{ref}")]
    if not found:
        raise SourceFailure(f'{source.url} has no branch "{source.branch}". Push it, or name another with --branch.')
    return found[0]


async def _entries(repository: Path, commit: str, source: Git) -> Mapping[str, _Entry]:
    """Everything below the source's directory by its path there."""
    prefix = f"{source.path}/" if source.path else ""
    listed = await run_git(
        "ls-tree", "-r", "-l", "-z", "--full-tree", commit, "--", *([prefix] if prefix else []), within=repository
    )
    found: dict[str, _Entry] = {}
    for line in listed.decode(errors="replace").split("\0"):
        facts, _, path = line.partition("\t")
        if path:
            mode, _, name, size = facts.split()
            found[path.removeprefix(prefix)] = _Entry(mode=mode, object=name, size=int(size) if size.isdigit() else 0)
    return found


def _refuse(entry: _Entry, place: str, source: Git) -> NoReturn:
    what = "a symbolic link" if entry.mode == _LINK else "not what is expected there"
    raise SourceFailure(f"{place} in {source.url} is {what}, which is refused. Commit the files themselves.")


async def _text(repository: Path, entries: Mapping[str, _Entry], name: str, source: Git) -> str | None:
    """None when there is no such file."""
    entry = entries.get(name)
    if entry is None:
        return None
    place = _place(source, name)
    if entry.mode not in _REGULAR:
        _refuse(entry, place, source)
    check_size(place, entry.size)
    return text_in(place, await run_git("cat-file", "blob", entry.object, within=repository))
