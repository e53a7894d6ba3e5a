"""What is wrong with one document, as far as the document alone can tell (bosh-director.md 1.2 to 1.14, 2.1, 2.2).

Returns problems and never raises for what an operator wrote. References to configs and uploads are ``cross.py``'s.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from director.manifest import faults, schema
from director.manifest.check_addon import check_addons, check_variables
from director.manifest.check_cloud import check_cloud_set
from director.manifest.check_group import check_group, check_groups
from director.manifest.check_network_config import check_network_set
from director.manifest.check_update import check_update
from director.manifest.cpi_config import check_cpi_set
from director.manifest.document import Document, Path
from director.manifest.filled import check_filled
from director.manifest.pick import flag, text, tree_at, trees
from director.manifest.report import Enough, Report
from director.manifest.resurrection import check_rules
from director.manifest.values import is_dns_name, is_name
from director.manifest.version import is_version, is_wish
from director.model.problem import Problem
from director.model.tree import Node, Tree

_FEATURES: Final = frozenset(("converge_variables",))
"""Those acted on."""


def check_manifest(doc: Document, strict: bool) -> tuple[Problem, ...]:
    """Every problem of a deployment manifest, in the order of its lines; unknown keys are errors when ``strict``."""
    report = Report(doc)
    with suppress(Enough):
        _check_manifest(report, is_strict=strict)
    return report.problems()


def _check_manifest(report: Report, *, is_strict: bool) -> None:
    root = report.document.root
    _check_shape(report, schema.MANIFEST, is_strict=is_strict)
    _check_name(report)
    _check_old_keys(report)
    check_releases(report)
    _check_stemcells(report)
    check_update(report, ("update",))
    check_groups(report)
    listed = releases_in(root)
    for index, group in trees(root, "instance_groups"):
        check_group(report, ("instance_groups", index), group, listed)
    check_addons(report, listed, is_runtime=False)
    check_variables([report])
    _check_features(report)


def check_cloud(doc: Document, strict: bool) -> tuple[Problem, ...]:
    """Every problem of one cloud config taken by itself: a section it lacks may be in another config."""
    return check_clouds((doc,), strict, is_whole=False)


def check_clouds(docs: Sequence[Document], strict: bool, *, is_whole: bool) -> tuple[Problem, ...]:
    """Every problem of cloud configs that belong together; ``is_whole``: there are no others."""
    reports = [Report(doc) for doc in docs]
    with suppress(Enough):
        for report in reports:
            _check_shape(report, schema.CLOUD, is_strict=strict)
        check_cloud_set(reports, is_whole=is_whole)
    return tuple(problem for report in reports for problem in report.problems())


def check_runtimes(docs: Sequence[Document], strict: bool) -> tuple[Problem, ...]:
    """Every problem of the runtime configs, each and together."""
    reports = [Report(doc) for doc in docs]
    with suppress(Enough):
        for report in reports:
            _check_shape(report, schema.RUNTIME, is_strict=strict)
            check_releases(report)
            _check_runtime_versions(report)
            check_addons(report, releases_in(report.document.root), is_runtime=True)
        _check_tags_once(reports)
        check_variables(reports)
    return tuple(problem for report in reports for problem in report.problems())


def check_cpis(docs: Sequence[Document], strict: bool) -> tuple[Problem, ...]:
    """Every problem of the CPI configs, each and together."""
    reports = [Report(doc) for doc in docs]
    with suppress(Enough):
        for report in reports:
            _check_shape(report, schema.CPI, is_strict=strict)
        check_cpi_set(reports)
    return tuple(problem for report in reports for problem in report.problems())


def check_networks(docs: Sequence[Document], strict: bool) -> tuple[Problem, ...]:
    """Every problem of the network configs, each and together."""
    reports = [Report(doc) for doc in docs]
    with suppress(Enough):
        for report in reports:
            _check_shape(report, schema.NETWORK, is_strict=strict)
        check_network_set(reports)
    return tuple(problem for report in reports for problem in report.problems())


def check_resurrections(docs: Sequence[Document], strict: bool) -> tuple[Problem, ...]:
    """Every problem of the resurrection configs, each by itself: rules of several do not get in each other's way."""
    reports = [Report(doc) for doc in docs]
    for report in reports:
        with suppress(Enough):
            _check_shape(report, schema.RESURRECTION, is_strict=strict)
            check_rules(report)
    return tuple(problem for report in reports for problem in report.problems())


def releases_in(root: Tree) -> frozenset[str]:
    """Names of the releases a document lists."""
    names = {text(release, "name") for _, release in trees(root, "releases")}
    return frozenset(names | ({text(tree_at(root, "release"), "name")} if "release" in root else set()))


def _check_shape(report: Report, name: str, *, is_strict: bool) -> None:
    check_filled(report, (), report.document.node)
    schema.check_shape(report, name, is_strict=is_strict)


def _check_name(report: Report) -> None:
    name = text(report.document.root, "name")
    if not name:
        return
    if not is_name(name):
        detail = f'The deployment\'s name "{name}" has characters other than letters, digits, "-", "_", "+" and ".".'
        report.error(("name",), faults.BAD_NAME, detail, "rename it, for example to my-app.")
    elif not is_dns_name(name):
        detail = f'The deployment\'s name "{name}" cannot be part of a DNS name.'
        report.error(("name",), faults.BAD_DNS_NAME, detail, "begin and end it with a letter or digit.")


def _check_old_keys(report: Report) -> None:
    root = report.document.root
    if "director_uuid" in root:
        detail = "director_uuid is ignored: the director is chosen by the address the command talks to."
        report.warn(("director_uuid",), faults.DEPRECATED, detail, "remove it.")
    if root.get("properties"):
        detail = "Global properties reach only jobs without properties of their own, and are deprecated."
        report.warn(("properties",), faults.DEPRECATED, detail, "move them to the jobs that need them.")
    if "release" in root and "releases" in root:
        detail = "The manifest has both release and releases."
        report.error(("release",), faults.AMBIGUOUS_RELEASE, detail, "keep only releases.")


def check_releases(report: Report) -> None:
    """Names unique, versions readable (section 1.3); the same for manifests and runtime configs."""
    root = report.document.root
    first: set[str] = set()
    for index, release in trees(root, "releases"):
        path: Path = ("releases", index)
        name = text(release, "name")
        if name in first:
            detail = f'The release "{name}" is declared twice.'
            report.error((*path, "name"), faults.DUPLICATE_RELEASE, detail, "keep one version of it.")
        first.add(name or f"/{index}")
        _check_version(report, (*path, "version"), release.get("version"), f'release "{name}"')
        if "exported_from" in release:
            detail = f'exported_from of release "{name}" is not enforced: a compiled package is used when one fits.'
            report.warn((*path, "exported_from"), faults.NOT_HONOURED, detail, "remove it, if that is what you want.")
    _check_version(report, ("release", "version"), tree_at(root, "release").get("version", "1"), "the release")


def _check_version(report: Report, path: Path, version: Node, whose: str) -> None:
    if isinstance(version, bool) or not isinstance(version, str | int | float):
        return
    raw = report.document.raw(path)
    if raw is not None and raw != str(version):
        detail = f"The version of {whose} is read as the number {version}, although {raw} is written."
        report.error(path, faults.AMBIGUOUS_NUMBER, detail, f'put it in quotes: "{raw}".')
    elif version == "create":
        detail = f"The version of {whose} is create, which only the command can replace by a real one."
        report.error(path, faults.BAD_VERSION, detail, "build and upload the release, then write its version.")
    elif not is_version(str(version)) and not is_wish(str(version)):
        detail = f"The version of {whose} is {schema.shown(version)}, which is no version."
        fix = 'write one such as "1.2.3", latest, or 1.latest for the highest that begins with 1.'
        report.error(path, faults.BAD_VERSION, detail, fix)


def _check_stemcells(report: Report) -> None:
    root = report.document.root
    if root.get("stemcells") == []:
        fix = "add one: - {alias: default, os: ubuntu-jammy, version: latest}."
        report.error(("stemcells",), faults.NO_STEMCELLS, "The list of stemcells is empty.", fix)
    aliases: set[str] = set()
    for index, stemcell in trees(root, "stemcells"):
        path: Path = ("stemcells", index)
        alias = text(stemcell, "alias")
        if alias in aliases:
            detail = f'The stemcell alias "{alias}" is declared twice.'
            report.error((*path, "alias"), faults.DUPLICATE_STEMCELL, detail, "give each stemcell its own alias.")
        aliases.add(alias or f"/{index}")
        if ("os" in stemcell) == ("name" in stemcell) and not report.is_broken(path):
            have = "both os and name" if "os" in stemcell else "neither os nor name"
            detail = f'The stemcell "{alias}" has {have}.'
            report.error(path, faults.STEMCELL_OS_OR_NAME, detail, "write exactly one of the two; os is the usual one.")
        _check_version(report, (*path, "version"), stemcell.get("version"), f'stemcell "{alias}"')


def _check_features(report: Report) -> None:
    features = tree_at(report.document.root, "features")
    for name in sorted(set(features) - _FEATURES):
        if features[name] is True:
            detail = f"The feature {name} is not acted on."
            report.warn(("features", name), faults.NOT_HONOURED, detail, "remove it, if that is what you want.")
    if not flag(features, "use_link_dns_names"):
        return
    for needed in ("use_short_dns_addresses", "use_dns_addresses"):
        if features.get(needed) is False:
            detail = f"use_link_dns_names needs {needed}, which is false."
            fix = f"remove {needed}, or set it to true."
            report.error(("features", needed), faults.FEATURES, detail, fix)


def _check_runtime_versions(report: Report) -> None:
    for index, release in trees(report.document.root, "releases"):
        version = text(release, "version")
        if is_wish(version):
            name = text(release, "name")
            detail = f'The runtime config asks for release "{name}" in version {version}, which can change by itself.'
            path: Path = ("releases", index, "version")
            report.error(path, faults.RUNTIME_LATEST, detail, "write the exact version.")


def _check_tags_once(reports: Sequence[Report]) -> None:
    tagged = [report for report in reports if report.document.root.get("tags")]
    for report in tagged[1:]:
        detail = f"tags stand in {tagged[0].document.file} already; only one runtime config may have them."
        report.error(("tags",), faults.RUNTIME_TAGS, detail, "keep all tags in one runtime config.")
