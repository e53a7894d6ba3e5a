"""A job's archive and its ``job.MF`` → ``Job``, or everything that is wrong with it (bosh-director.md 8.2, 3.7)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from director.adapters.archives import problems as words
from director.adapters.archives.problems import job_problem
from director.adapters.archives.stream import Limits
from director.adapters.archives.text import Unreadable, as_map, as_words, read_json, read_yaml, word
from director.adapters.archives.unpack import SMALL_FILE_MAX, BrokenArchive, Entry, is_unsafe_name, plain_name, reading
from director.model.names import BlobId, Digest, JobName, PackageName
from director.model.problem import Problem
from director.model.release import Job, LinkConsumed, LinkProvided, PropertySpec
from director.model.tree import Node

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
SCHEMA = "properties_schema.json"
KEPT = ("job.MF", SCHEMA)
JOB_MAX: Final = 64 * 1024 * 1024
"""All of a job's files: its templates are held in memory when they are filled."""


@dataclass(slots=True)
class _Reading:
    """One job while it is read; ``problems`` collects."""

    name: str
    names: set[str] = field(default_factory=set)
    kept: dict[str, bytes] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, number: int, detail: str, fix: str) -> None:
        self.problems.append(job_problem(number, self.name, detail, fix))


def read_job(path: Path, name: str, fingerprint: str, limits: Limits) -> tuple[Job | None, list[Problem]]:
    """The job with empty ``blob`` and ``digest``; None when there are problems. Blocks."""
    reading_ = _Reading(name)
    try:
        _read_files(path, limits, reading_)
    except BrokenArchive as error:
        reading_.wrong(words.JOB_ARCHIVE, f"jobs/{name}.tgz: {error}.", words.REBUILD)
        return None, reading_.problems
    job = _build(fingerprint, _spec(reading_), reading_)
    return (None if reading_.problems else job), reading_.problems


def _read_files(path: Path, limits: Limits, job: _Reading) -> None:
    left = JOB_MAX
    with reading(path, limits) as members:
        for member in members:
            name = plain_name(member.name)
            if is_unsafe_name(name) or not (isinstance(member, Entry) or member.isdir()):
                raise BrokenArchive(f"{name!r} in it leads out of the archive or is no file")
            if not isinstance(member, Entry):
                continue
            left -= member.size
            if left < 0 or member.size > SMALL_FILE_MAX:
                raise BrokenArchive(f"its files pass {SMALL_FILE_MAX} bytes each or {JOB_MAX} together")
            job.names.add(name)
            if name in KEPT:
                job.kept[name] = member.read()


def _spec(job: _Reading) -> Mapping[str, Node]:
    if "job.MF" not in job.kept:
        job.wrong(words.JOB_MANIFEST, "the archive has no job.MF.", words.REBUILD)
        return {}
    try:
        spec = as_map(read_yaml(job.kept["job.MF"]))
    except Unreadable as error:
        job.wrong(words.JOB_MANIFEST, f"job.MF {error}.", "correct the job's spec.")
        return {}
    if spec is None:
        job.wrong(words.JOB_MANIFEST, "job.MF is not a mapping.", "write the job's spec as key: value.")
    return spec or {}


def _build(fingerprint: str, spec: Mapping[str, Node], job: _Reading) -> Job:
    if spec and spec.get("name") != job.name:
        job.wrong(
            words.JOB_NAME,
            f"job.MF calls it {spec.get('name')!r}.",
            f"write name: {job.name} in the spec, or rename the directory of the job.",
        )
    if "logs" in spec and as_map(spec["logs"]) is None:
        job.wrong(words.JOB_LOGS, "logs in job.MF is not a mapping.", "write logs: as name: path.")
    if not job.names & {"monit", "monit.j2"}:
        job.wrong(words.JOB_MONIT, "it has no monit file.", "add a file monit beside the spec; it may be empty.")
    return Job(
        name=JobName(job.name),
        fingerprint=fingerprint,
        blob=BlobId(""),
        digest=Digest(""),
        templates=_templates(spec.get("templates"), job),
        packages=_packages(spec.get("packages"), job),
        properties=_properties(spec.get("properties"), job),
        provides=_provides(spec.get("provides"), job),
        consumes=_consumes(spec.get("consumes"), job),
        properties_schema=_schema(job),
    )


def _templates(node: Node, job: _Reading) -> dict[str, str]:
    templates = as_map(node)
    if templates is None or not all(isinstance(target, str) for target in templates.values()):
        job.wrong(
            words.JOB_TEMPLATE, "templates in job.MF is not a mapping of files to files.", "write source: target."
        )
        return {}
    for source, target in sorted(templates.items()):
        _check_template(source, str(target), job)
    targets = [str(target) for target in templates.values()]
    for target in sorted({target for target in targets if targets.count(target) > 1}):
        job.wrong(words.JOB_TEMPLATE, f'two templates make "{target}".', "give each its own target in the spec.")
    return {source: str(target) for source, target in sorted(templates.items())}


def _check_template(source: str, target: str, job: _Reading) -> None:
    if f"templates/{source}" not in job.names:
        fix = f"add templates/{source}, or take it out of the spec."
        job.wrong(words.JOB_TEMPLATE, f'the template "templates/{source}" that job.MF names is not there.', fix)
    if not target or is_unsafe_name(target) or target.endswith("/"):
        fix = "write a path below the job's directory, such as config/name.json."
        job.wrong(words.JOB_TEMPLATE, f'template "{source}" would go to "{target}", outside of the job.', fix)


def _packages(node: Node, job: _Reading) -> tuple[PackageName, ...]:
    packages = as_words(node)
    if packages is None:
        job.wrong(words.JOB_PACKAGES, "packages in job.MF is not a list of names.", "write packages: [name, …].")
    return tuple(PackageName(package) for package in packages or ())


def _properties(node: Node, job: _Reading) -> dict[str, PropertySpec]:
    properties = as_map(node)
    if properties is None:
        job.wrong(words.JOB_PROPERTIES, "properties in job.MF is not a mapping.", "write name: {description: …}.")
        return {}
    specs: dict[str, PropertySpec] = {}
    for name, value in sorted(properties.items()):
        fields = as_map(value)
        if fields is None:
            fix = f"write {name}: {{description: …, default: …}}."
            job.wrong(words.JOB_PROPERTIES, f'property "{name}" in job.MF is not a mapping.', fix)
        else:
            description, type_ = word(fields.get("description")), word(fields.get("type"))
            specs[name] = PropertySpec(default=fields.get("default"), description=description, type=type_)
    return specs


def _links(node: Node, key: str, job: _Reading) -> list[Mapping[str, Node]]:
    """The well-formed entries of ``provides`` or ``consumes``."""
    if node is None:
        return []
    fix = f"write {key}: [{{name: …, type: …}}]."
    if not isinstance(node, list):
        job.wrong(words.JOB_LINK, f"{key} in job.MF is not a list.", fix)
        return []
    good = [link for link in node if isinstance(link, Mapping) and word(link.get("name")) and word(link.get("type"))]
    if len(good) < len(node):
        job.wrong(words.JOB_LINK, f"an entry of {key} in job.MF lacks a name or a type.", fix)
    _check_twice((word(link["name"]) for link in good), key, job)
    return good


def _check_twice(names: Iterable[str], key: str, job: _Reading) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            job.wrong(words.JOB_LINK_TWICE, f'{key} in job.MF has "{name}" twice.', "give each link its own name.")
        seen.add(name)


def _provides(node: Node, job: _Reading) -> tuple[LinkProvided, ...]:
    provided = []
    for link in _links(node, "provides", job):
        properties = as_words(link.get("properties"))
        if properties is None:
            fix = "write properties: [name, …]."
            job.wrong(words.JOB_LINK, f'properties of link "{word(link["name"])}" is not a list of names.', fix)
        provided.append(LinkProvided(name=word(link["name"]), type=word(link["type"]), properties=properties or ()))
    return tuple(provided)


def _consumes(node: Node, job: _Reading) -> tuple[LinkConsumed, ...]:
    return tuple(
        LinkConsumed(name=word(link["name"]), type=word(link["type"]), optional=link.get("optional") is True)
        for link in _links(node, "consumes", job)
    )


def _schema(job: _Reading) -> Node:
    if SCHEMA not in job.kept:
        return None
    try:
        return read_json(job.kept[SCHEMA])
    except Unreadable as error:
        job.wrong(words.JOB_PROPERTIES, f"{SCHEMA} {error}.", "correct the schema.")
        return None
