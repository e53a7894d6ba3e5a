"""Jobs against the uploaded releases: they exist, and have the links and properties the manifest speaks of."""

from collections.abc import Iterator, Mapping

from director.manifest import faults
from director.manifest.document import Path
from director.manifest.near import instead_of
from director.manifest.scope import Scope, find_release
from director.manifest.values import PLACEHOLDER
from director.model.deployment import InstanceGroup, JobRef
from director.model.names import PackageName
from director.model.problem import Mark, Severity
from director.model.release import Job, PropertySpec, Release
from director.model.tree import Node, Tree


def check_jobs(scope: Scope, path: Path, group: InstanceGroup) -> None:
    """Every job of one group, addons' jobs included."""
    taken: dict[PackageName, tuple[str, Release, JobRef]] = {}
    for position, ref in enumerate(group.jobs):
        release = _release_of(scope, ref)
        if release is None:
            continue
        job = next((job for job in release.jobs if job.name == ref.name), None)
        if job is None:
            _tell_unknown_job(scope, ref, release)
            continue
        _check_links(scope, ref, job)
        here: Path = (*path, "jobs", position, "properties") if scope.has_job(path, position) else ()
        _check_properties(scope, here, ref, job)
        _check_packages(scope, group, ref, (job, release), taken)


def _release_of(scope: Scope, ref: JobRef) -> Release | None:
    wanted = next((release for release in scope.deployment.releases if release.name == ref.release), None)
    return find_release(scope.catalog, wanted) if wanted else None


def _tell_unknown_job(scope: Scope, ref: JobRef, release: Release) -> None:
    if ref.name:
        detail = f'The release "{release.name}" {release.version} has no job "{ref.name}".'
        fix = instead_of(ref.name, [job.name for job in release.jobs], "upload a version of the release that has it")
        scope.tell(faults.UNKNOWN_JOB, ref.mark, detail, fix)


def _check_links(scope: Scope, ref: JobRef, job: Job) -> None:
    provided = [link.name for link in job.provides]
    for offer in ref.provides:
        if offer.name not in provided:
            _tell_unknown_link(scope, ref, "provide", (offer.name, offer.mark), provided)
    consumed = [link.name for link in job.consumes]
    for need in ref.consumes:
        if need.name not in consumed:
            _tell_unknown_link(scope, ref, "consume", (need.name, need.mark), consumed)


def _tell_unknown_link(scope: Scope, ref: JobRef, verb: str, link: tuple[str, Mark | None], known: list[str]) -> None:
    name, mark = link
    detail = f'The job "{ref.name}" does not {verb} a link "{name}".'
    scope.tell(faults.UNKNOWN_LINK, mark, detail, instead_of(name, known, f'remove "{name}"'))


def _check_properties(scope: Scope, path: Path, ref: JobRef, job: Job) -> None:
    if ref.properties is None:
        return
    groups = {name.rsplit(".", depth)[0] for name in job.properties for depth in range(1, name.count(".") + 1)}
    for steps, is_group in _undeclared(ref.properties, (), job.properties, groups):
        name = ".".join(steps)
        mark = scope.doc.key_mark((*path, *steps)) if scope.doc and path else ref.mark
        if is_group:
            detail = f'The property "{name}" of the job "{ref.name}" must be a map.'
            scope.tell(faults.PROPERTY_NOT_A_MAP, mark, detail, "write the properties below it as keys.")
        else:
            detail = f'The job "{ref.name}" declares no property "{name}", so that it is ignored.'
            fix = instead_of(name, job.properties, "remove it")
            scope.tell(faults.UNKNOWN_PROPERTY, mark, detail, fix, Severity.WARNING)


def _undeclared(
    tree: Tree, above: tuple[str, ...], declared: Mapping[str, PropertySpec], groups: set[str]
) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Keys that lead to no declared property, topmost ones only, and (True) values where a map must be."""
    for key in sorted(tree):
        steps = (*above, key)
        name = ".".join(steps)
        below = tree[key]
        if name in declared:
            continue
        if name not in groups:
            yield steps, False
        elif isinstance(below, dict):
            yield from _undeclared(below, steps, declared, groups)
        elif not _may_become_map(below):
            yield steps, True


def _may_become_map(node: Node) -> bool:
    return node is None or (isinstance(node, str) and PLACEHOLDER.fullmatch(node) is not None)


def _check_packages(
    scope: Scope,
    group: InstanceGroup,
    ref: JobRef,
    found: tuple[Job, Release],
    taken: dict[PackageName, tuple[str, Release, JobRef]],
) -> None:
    job, release = found
    prints = {package.name: package.fingerprint for package in release.packages}
    for name in job.packages:
        print_ = prints.get(name, "")
        other_print, other_release, other = taken.setdefault(name, (print_, release, ref))
        if other_print != print_:
            detail = (
                f'The jobs "{other.name}" ({other_release.name}) and "{ref.name}" ({release.name}) of the group '
                f'"{group.name}" need different packages named "{name}".'
            )
            scope.tell(faults.PACKAGE_COLLISION, ref.mark, detail, "put the two jobs into different instance groups.")
