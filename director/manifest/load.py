"""The front door: texts in, a Deployment and its CloudConfig out, or every problem at once.

Decides the order of reading, checking and building; each of these is another module's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from director.manifest import faults
from director.manifest.build import build_deployment
from director.manifest.build_cloud import build_cloud
from director.manifest.check import (
    check_clouds,
    check_cpis,
    check_manifest,
    check_networks,
    check_resurrections,
    check_runtimes,
)
from director.manifest.cpi_config import build_cpis
from director.manifest.cross import check_references, resolve_versions
from director.manifest.document import Document
from director.manifest.network_config import build_networks
from director.manifest.place_addons import apply_runtime, place_addons
from director.manifest.read import read
from director.manifest.report import errors_of, in_order, problem_of, warnings_of
from director.manifest.resurrection import build_rules
from director.model.cloud import CloudConfig
from director.model.cpi import CpiEntry
from director.model.deployment import Deployment
from director.model.network_config import NetworkConfig
from director.model.problem import Problem, Refused, Severity
from director.model.release import Catalog
from director.model.resurrection import ResurrectionRule

_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """``deployment`` has exact versions, runtime configs applied and addons placed. ``warnings`` are to be shown."""

    deployment: Deployment
    clouds: CloudConfig
    warnings: tuple[Problem, ...] = ()


def load_deployment(
    text: str,
    file: str,
    *,
    cloud: Sequence[tuple[str, str]],
    runtime: Sequence[tuple[str, str]],
    catalog: Catalog,
    strict: bool = False,
    teams: Sequence[str] = (),
) -> Loaded:
    """A manifest with the current configs, each as (name, text). Placeholders below properties and env stay.

    Raises Refused with every problem of all texts at once, as far as it can be known; ``strict`` makes unknown keys
    errors. ``file`` is what problems call the manifest.
    """
    problems: list[Problem] = []
    manifest = _read_all([(file, text)], problems)
    clouds = _read_all([(f"cloud-config/{name}", config) for name, config in cloud], problems)
    runtimes = _read_all([(f"runtime-config/{name}", config) for name, config in runtime], problems)
    if not cloud:
        detail = "There is no cloud config, so that the director knows no network, zone or VM type."
        fix = "upload one: director update-cloud-config cloud-config.yml."
        problems.append(problem_of(faults.NO_CLOUD, detail, fix, None))
    for doc in manifest:
        problems += (*doc.warnings, *check_manifest(doc, strict))
    # Their warnings were told when the configs were uploaded, to the one who can do something about them.
    problems += errors_of(check_clouds(clouds, strict, is_whole=True)) if clouds else ()
    problems += errors_of(check_runtimes(runtimes, strict))
    return _join(manifest, clouds, runtimes, catalog, problems, teams)


def load_cloud(text: str, file: str, strict: bool = False, *, others: Sequence[tuple[str, str]] = ()) -> CloudConfig:
    """One cloud config, as it is uploaded; ``others`` are the current ones of other names, as (name, text).

    Raises Refused with every problem of this one. What may yet come with another config is only a warning.
    """
    problems = check_cloud_text(text, file, strict, others=others)
    if errors_of(problems):
        raise Refused(problems)
    return build_cloud([read(text, file)])


def check_cloud_text(
    text: str, file: str, strict: bool = False, *, others: Sequence[tuple[str, str]] = ()
) -> tuple[Problem, ...]:
    """Every problem of a cloud config to be uploaded, warnings included; it stands after ``others``."""
    problems: list[Problem] = []
    docs = _read_all([(f"cloud-config/{name}", config) for name, config in others], [])
    mine = _read_all([(file, text)], problems)
    if mine:
        problems += mine[0].warnings
        problems += _in_file(check_clouds((*docs, *mine), strict, is_whole=False), file)
    return in_order(problems)


def check_runtime_text(
    text: str, file: str, strict: bool = False, *, others: Sequence[tuple[str, str]] = ()
) -> tuple[Problem, ...]:
    """Every problem of a runtime config to be uploaded, warnings included; it stands after ``others``."""
    problems: list[Problem] = []
    docs = _read_all([(f"runtime-config/{name}", config) for name, config in others], [])
    mine = _read_all([(file, text)], problems)
    if mine:
        problems += mine[0].warnings
        problems += _in_file(check_runtimes((*docs, *mine), strict), file)
    return in_order(problems)


def load_cpis(texts: Sequence[tuple[str, str]], strict: bool = False) -> tuple[CpiEntry, ...]:
    """Every CPI of the current CPI configs, given as (name, text). Raises Refused with every problem of all of them."""
    problems: list[Problem] = []
    docs = _read_all([(f"cpi-config/{name}", config) for name, config in texts], problems)
    problems += errors_of(check_cpis(docs, strict))
    if errors_of(problems):
        raise Refused(in_order(problems))
    return build_cpis(docs)


def check_cpi_text(
    text: str, file: str, strict: bool = False, *, others: Sequence[tuple[str, str]] = ()
) -> tuple[Problem, ...]:
    """Every problem of a CPI config to be uploaded, warnings included; it stands after ``others``."""
    problems: list[Problem] = []
    docs = _read_all([(f"cpi-config/{name}", config) for name, config in others], [])
    mine = _read_all([(file, text)], problems)
    if mine:
        problems += mine[0].warnings
        problems += _in_file(check_cpis((*docs, *mine), strict), file)
    return in_order(problems)


def load_networks(texts: Sequence[tuple[str, str]], strict: bool = False) -> tuple[NetworkConfig, ...]:
    """The current network configs, given as (name, text), by name. Raises Refused with every problem of all of them."""
    problems: list[Problem] = []
    named = [(name, _read_all([(f"network-config/{name}", config)], problems)) for name, config in texts]
    problems += errors_of(check_networks([doc for _, docs in named for doc in docs], strict))
    if errors_of(problems):
        raise Refused(in_order(problems))
    return build_networks([(name, docs[0]) for name, docs in named])


def check_network_text(
    text: str, file: str, strict: bool = False, *, others: Sequence[tuple[str, str]] = ()
) -> tuple[Problem, ...]:
    """Every problem of a network config to be uploaded, warnings included; it stands after ``others``."""
    problems: list[Problem] = []
    docs = _read_all([(f"network-config/{name}", config) for name, config in others], [])
    mine = _read_all([(file, text)], problems)
    if mine:
        problems += mine[0].warnings
        found = check_networks((*docs, *mine), strict)
        problems += _in_file(found, file)
        # What others refer to may be gone with this version. Applying is refused then, uploading in turn is not.
        problems += (replace(p, severity=Severity.WARNING) for p in errors_of(found) if p not in problems)
    return in_order(problems)


def load_resurrection(text: str, file: str) -> tuple[ResurrectionRule, ...]:
    """The rules of one resurrection config, in their order. Raises Refused with every problem of it."""
    problems = check_resurrection_text(text, file)
    if errors_of(problems):
        raise Refused(problems)
    return build_rules([read(text, file)])


def check_resurrection_text(
    text: str, file: str, strict: bool = False, *, others: Sequence[tuple[str, str]] = ()
) -> tuple[Problem, ...]:
    """Every problem of a resurrection config to be uploaded, warnings included; ``others`` make no difference."""
    del others
    problems: list[Problem] = []
    mine = _read_all([(file, text)], problems)
    if mine:
        problems += (*mine[0].warnings, *check_resurrections(mine, strict))
    return in_order(problems)


def _join(
    manifest: Sequence[Document],
    clouds: Sequence[Document],
    runtimes: Sequence[Document],
    catalog: Catalog,
    problems: list[Problem],
    teams: Sequence[str],
) -> Loaded:
    if not manifest:
        raise Refused(in_order(problems))
    deployment = resolve_versions(build_deployment(manifest[0]), catalog)
    deployment = _try(partial(apply_runtime, deployment, runtimes, teams=teams), deployment, problems)
    deployment = resolve_versions(deployment, catalog)
    deployment = _try(partial(place_addons, deployment, teams=teams), deployment, problems)
    cloud = build_cloud(clouds)
    if clouds:
        problems += _news(check_references(deployment, cloud, catalog, doc=manifest[0]), problems)
    if errors_of(problems):
        raise Refused(in_order(problems))
    return Loaded(deployment=deployment, clouds=cloud, warnings=warnings_of(in_order(problems)))


def _read_all(texts: Sequence[tuple[str, str]], problems: list[Problem]) -> tuple[Document, ...]:
    """Those that can be read; why the others cannot is added to ``problems``."""
    docs = (_try(partial(read, text, file), None, problems) for file, text in texts)
    return tuple(doc for doc in docs if doc is not None)


def _try(make: Callable[[], _Made], otherwise: _Made, problems: list[Problem]) -> _Made:
    try:
        return make()
    except Refused as refused:
        problems += refused.problems
        return otherwise


def _news(found: Sequence[Problem], told: Sequence[Problem]) -> tuple[Problem, ...]:
    """Without those at a place where an error was told already: they only follow from it."""
    places = {problem.mark for problem in errors_of(told)}
    return tuple(problem for problem in found if problem.mark not in places)


def _in_file(problems: Sequence[Problem], file: str) -> tuple[Problem, ...]:
    return tuple(problem for problem in problems if problem.mark and problem.mark.file == file)
