"""Whether what a deployment refers to exists: in the cloud configs and among what was uploaded.

Pure: the clouds and the catalog are arguments. Networks are ``cross_network.py``'s, jobs ``cross_job.py``'s.
"""

from dataclasses import replace

from director.manifest import faults
from director.manifest.cross_job import check_jobs
from director.manifest.cross_network import check_networks, check_static_once
from director.manifest.document import Document, Path
from director.manifest.near import instead_of, listed
from director.manifest.report import in_order
from director.manifest.scope import Scope, find_release, find_stemcell_version, stemcell_versions
from director.model.cloud import CloudConfig
from director.model.deployment import Deployment, InstanceGroup, ReleaseRef, StemcellRef
from director.model.problem import Problem
from director.model.release import Catalog


def check_references(
    deployment: Deployment, clouds: CloudConfig, catalog: Catalog, *, doc: Document | None = None
) -> tuple[Problem, ...]:
    """Every name that leads nowhere and every combination the clouds do not allow, in the order of the lines.

    ``doc`` is the manifest the deployment was built from; with it every problem points at the very value.
    """
    scope = Scope(deployment=deployment, cloud=clouds, catalog=catalog, doc=doc)
    for position, release in enumerate(deployment.releases):
        _check_release(scope, release, scope.release_path(position))
    for stemcell in deployment.stemcells:
        _check_stemcell(scope, stemcell)
    for position, group in enumerate(deployment.groups):
        path = scope.group_path(position)
        _check_vm(scope, path, group)
        _check_disk(scope, path, group)
        check_networks(scope, path, group)
        check_jobs(scope, path, group)
    check_static_once(scope)
    return in_order(scope.problems)


def resolve_versions(deployment: Deployment, catalog: Catalog) -> Deployment:
    """The deployment with the exact versions that ``latest`` and prefixes mean; what is not uploaded stays."""
    return replace(
        deployment,
        releases=tuple(_exact_release(catalog, release) for release in deployment.releases),
        stemcells=tuple(
            replace(stemcell, version=find_stemcell_version(catalog, stemcell) or stemcell.version)
            for stemcell in deployment.stemcells
        ),
    )


def _exact_release(catalog: Catalog, wanted: ReleaseRef) -> ReleaseRef:
    found = find_release(catalog, wanted)
    return replace(wanted, version=found.version) if found else wanted


def _check_release(scope: Scope, wanted: ReleaseRef, path: Path) -> None:
    if not wanted.name or not wanted.version or find_release(scope.catalog, wanted):
        return
    names = {release.name for release in scope.catalog.releases}
    versions = [release.version for release in scope.catalog.releases if release.name == wanted.name]
    if not versions:
        detail = f'The release "{wanted.name}" is not uploaded.'
        fix = instead_of(wanted.name, names, "upload it: director upload-release FILE")
        scope.tell(faults.RELEASE_NOT_UPLOADED, wanted.mark, detail, fix)
        return
    detail = (
        f'The release "{wanted.name}" is uploaded, but not in version {wanted.version}; there is {listed(versions)}.'
    )
    fix = "upload that version: director upload-release FILE, or write one that is there."
    scope.tell(faults.RELEASE_VERSION, scope.mark(_below(path, "version"), wanted.mark), detail, fix)


def _check_stemcell(scope: Scope, wanted: StemcellRef) -> None:
    sought = wanted.name or wanted.os
    if not sought or not wanted.version or find_stemcell_version(scope.catalog, wanted):
        return
    versions = stemcell_versions(scope.catalog, wanted)
    if versions:
        detail = (
            f'The stemcell "{sought}" is uploaded, but not in version {wanted.version}; there is {listed(versions)}.'
        )
        fix = "upload that version: director upload-stemcell FILE, or write one that is there."
    else:
        known = {stemcell.name if wanted.name else stemcell.os for stemcell in scope.catalog.stemcells}
        detail = f'The stemcell "{sought}" is not uploaded.'
        fix = instead_of(sought, known, "upload it: director upload-stemcell FILE")
    scope.tell(faults.STEMCELL_NOT_UPLOADED, wanted.mark, detail, fix)


def _check_vm(scope: Scope, path: Path, group: InstanceGroup) -> None:
    types = [vm_type.name for vm_type in scope.cloud.vm_types]
    if group.vm_type and group.vm_type not in types:
        detail = f'The group "{group.name}" uses the VM type "{group.vm_type}", which no cloud config declares.'
        fix = instead_of(group.vm_type, types, "declare it under vm_types in the cloud config")
        scope.tell(faults.UNKNOWN_VM_TYPE, scope.mark(_below(path, "vm_type"), group.mark), detail, fix)
    extensions = [extension.name for extension in scope.cloud.vm_extensions]
    for index, name in enumerate(group.vm_extensions):
        if name not in extensions:
            detail = f'The group "{group.name}" uses the VM extension "{name}", which no cloud config declares.'
            fix = instead_of(name, extensions, "declare it under vm_extensions in the cloud config")
            mark = scope.mark(_below(path, "vm_extensions", index), group.mark)
            scope.tell(faults.UNKNOWN_VM_EXTENSION, mark, detail, fix)


def _check_disk(scope: Scope, path: Path, group: InstanceGroup) -> None:
    types = [disk_type.name for disk_type in scope.cloud.disk_types]
    name = group.persistent_disk_type
    if name and name not in types:
        detail = f'The group "{group.name}" uses the disk type "{name}", which no cloud config declares.'
        fix = instead_of(name, types, "declare it under disk_types in the cloud config")
        mark = scope.mark(_below(path, "persistent_disk_type"), group.mark)
        scope.tell(faults.UNKNOWN_DISK_TYPE, mark, detail, fix)


def _below(path: Path, *steps: str | int) -> Path:
    return (*path, *steps) if path else ()
