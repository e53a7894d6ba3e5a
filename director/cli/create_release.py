"""A BOSH release directory → a release archive (bosh-director.md section 8.2). Writes only the archive.

Note: versions. Without a given version it is ``0+dev.c<12 hex digits of the content's hash>``. BOSH counts up in
``.dev_builds`` instead; a name made of the content needs no counter, is the same on every machine, and tells the
director without an upload whether it has this release. The archive is the same to the byte, too.
"""

import gzip
import hashlib
import io
import re
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

import yaml

from director.cli.fingerprint import Content, fingerprint_of
from director.cli.release_files import Finder, ReleaseProblems, Spec
from director.model.problem import Refused

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
COMMIT_HASH: Final = "non-git"
"""A commit says nothing that the fingerprints do not say, and would make equal releases differ."""
_AS_IT_IS: Final = 0
_FASTEST: Final = 1
"""An archive goes one way once, mostly within a machine: what level 9 saves is less than the seconds it takes."""
_PACKED: Final = (b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"BZh", b"PK\x03\x04")
"""How files begin that are packed already: gzip, xz, zstd, bzip2, zip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedRelease:
    name: str
    version: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One job or package: what goes into its own archive. ``packages`` are a job's, ``dependencies`` a package's."""

    name: str
    fingerprint: str
    files: Mapping[str, Content] = field(repr=False)
    packages: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()


def create_release(directory: Path, out: Path, *, version: str | None = None) -> CreatedRelease:
    """Writes ``<out>/<name>-<version>.tgz``. Blocks. Raises Refused with every problem, each with file and line.

    The archive appears whole or not at all. An unchanged directory gives the same name and the same bytes.
    """
    problems = ReleaseProblems(directory)
    name = _read_name(directory, problems)
    packages = _read_packages(directory, problems)
    jobs = _read_jobs(directory, packages, problems)
    if problems.found:
        raise Refused(problems.found)
    version = version or _version_of(name, jobs, packages)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}-{version}.tgz"
    _write(path, _release_archive(name, version, jobs, packages))
    return CreatedRelease(name=name, version=version, path=path)


def _read_name(directory: Path, problems: ReleaseProblems) -> str:
    spec = problems.read(directory / "config" / "final.yml")
    if spec is None:
        return ""
    key = "final_name" if "final_name" in spec.tree else "name"
    name = spec.tree.get(key)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        spec.wrong(key, f"The release has the name {name!r}.", "write name: with letters, digits, '-', '_' and '.'.")
    return str(name)


def _read_packages(directory: Path, problems: ReleaseProblems) -> list[Part]:
    finder = Finder(directory)
    parts = [
        part
        for path in _directories(directory / "packages")
        if (part := _read_package(path, finder, problems)) is not None
    ]
    names = {part.name for part in parts}
    for part in parts:
        for missing in sorted(set(part.dependencies) - names):
            spec = problems.read(directory / "packages" / part.name / "spec")
            if spec is not None:
                spec.wrong(
                    "dependencies", f'Package "{part.name}" depends on "{missing}".', "name a package of this release."
                )
    _check_circle(directory, parts, problems)
    return parts


def _check_circle(directory: Path, parts: Iterable[Part], problems: ReleaseProblems) -> None:
    try:
        TopologicalSorter({part.name: part.dependencies for part in parts}).prepare()
    except CycleError as error:
        circle = " → ".join(str(name) for name in reversed(error.args[1]))
        spec = problems.read(directory / "packages" / str(error.args[1][0]) / "spec")
        if spec is not None:
            spec.wrong("dependencies", f"Packages depend on each other in a circle: {circle}.", "break the circle.")


def _read_package(path: Path, finder: Finder, problems: ReleaseProblems) -> Part | None:
    if (path / "spec.lock").exists():
        detail = f'Package "{path.name}" is vendored (spec.lock): its source is in a blob store that is not read here.'
        problems.add(path / "spec.lock", detail, "make this release with bosh create-release, and upload the archive.")
        return None
    spec = problems.read(path / "spec")
    if spec is None:
        return None
    _check_name(spec, path.name)
    dependencies = spec.words("dependencies")
    files = finder.find(spec)
    problems.take(path / "packaging", "packaging", files, f'Package "{path.name}" has no packaging script.')
    return Part(
        name=path.name,
        fingerprint=fingerprint_of(files, dependencies),
        files=files,
        dependencies=tuple(sorted(dependencies)),
    )


def _read_jobs(directory: Path, packages: Iterable[Part], problems: ReleaseProblems) -> list[Part]:
    names = {part.name for part in packages}
    jobs = []
    for path in _directories(directory / "jobs"):
        spec = problems.read(path / "spec")
        if spec is not None:
            jobs.append(_read_job(path, spec, problems))
            for missing in sorted(set(jobs[-1].packages) - names):
                spec.wrong(
                    "packages", f'Job "{path.name}" needs package "{missing}".', "name a package of this release."
                )
    return jobs


def _read_job(path: Path, spec: Spec, problems: ReleaseProblems) -> Part:
    _check_name(spec, path.name)
    files: dict[str, Content] = {}
    problems.take(path / "spec", "job.MF", files, "")
    monit = "monit.j2" if (path / "monit.j2").exists() else "monit"
    problems.take(path / monit, monit, files, f'Job "{path.name}" has no monit file; it may be empty.')
    if (path / "properties_schema.json").exists():
        problems.take(path / "properties_schema.json", "properties_schema.json", files, "")
    for source in spec.mapping("templates"):
        template = path / "templates" / source
        if template.is_file():
            problems.take(template, f"templates/{source}", files, "")
        else:
            spec.wrong(
                ("templates", source), f'Job "{path.name}" has no templates/{source}.', "add the file, or take it out."
            )
    spec.mapping("properties")
    return Part(name=path.name, fingerprint=fingerprint_of(files), files=files, packages=spec.words("packages"))


def _check_name(spec: Spec, name: str) -> None:
    if spec.tree.get("name") != name:
        spec.wrong(
            "name", f"The spec has the name {spec.tree.get('name')!r}.", f"write name: {name}, as its directory."
        )


def _directories(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir()) if path.is_dir() else []


def _version_of(name: str, jobs: Iterable[Part], packages: Iterable[Part]) -> str:
    text = [name, *(f"job {part.name} {part.fingerprint}" for part in jobs)]
    text += [f"package {part.name} {part.fingerprint}" for part in packages]
    # The letter keeps a hash of digits only from being read as a number, whose leading zeros get lost.
    return f"0+dev.c{hashlib.sha256(chr(10).join(text).encode()).hexdigest()[:12]}"


def _release_archive(name: str, version: str, jobs: Iterable[Part], packages: Iterable[Part]) -> bytes:
    files: dict[str, Content] = {}
    listed: dict[str, list[dict[str, Any]]] = {"jobs": [], "packages": []}
    for kind, parts in (("jobs", jobs), ("packages", packages)):
        for part in parts:
            archive = _archive(part.files)
            files[f"{kind}/{part.name}.tgz"] = Content(data=archive)
            needs = {"packages": list(part.packages)} if kind == "jobs" else {"dependencies": list(part.dependencies)}
            digest = f"sha256:{hashlib.sha256(archive).hexdigest()}"
            entry = {"name": part.name, "version": part.fingerprint, "fingerprint": part.fingerprint, "sha1": digest}
            listed[kind].append({**entry, **needs})
    manifest = {"name": name, "version": version, "commit_hash": COMMIT_HASH, "uncommitted_changes": False, **listed}
    files["release.MF"] = Content(data=yaml.safe_dump(manifest, sort_keys=False).encode())
    return _archive(files)


def _archive(files: Mapping[str, Content]) -> bytes:
    """A gzipped tar in which nothing depends on when, where and by whom it was made."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=_level(files), mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, content in sorted(files.items()):
            tar.addfile(_member(path, content), io.BytesIO(content.data))
    return buffer.getvalue()


def _level(files: Mapping[str, Content]) -> int:
    """Nothing is packed twice: a release of archives, or a package of blobs."""
    packed = sum(len(content.data) for content in files.values() if content.data.startswith(_PACKED))
    return _AS_IT_IS if 2 * packed > sum(len(content.data) for content in files.values()) else _FASTEST


def _member(path: str, content: Content) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.mode = 0o755 if content.is_program else 0o644
    member.size = len(content.data)
    if content.target:
        member.type, member.linkname = tarfile.SYMTYPE, content.target
    return member


def _write(path: Path, archive: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".release-", delete=False) as file:
        file.write(archive)
    Path(file.name).replace(path)
