"""Resolves a deployment: every instance with its identity, zone, addresses, VM, disk, jobs, packages and links.

Pure, and the front door of its half of this room: it asks each of the others in turn, collects every problem they
find and decides nothing itself but what a VM and a disk are made from (bosh-director.md sections 2.1 and 3.1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from director.model.cloud import Az, CloudConfig
from director.model.deployment import Deployment, InstanceGroup, JobRef, VmResources
from director.model.names import AzName, GroupName, InstanceId, JobName, ReleaseName
from director.model.problem import Problem, Refused
from director.model.record import Record
from director.model.release import Catalog, Job, Release, Stemcell
from director.model.tree import Node, Tree
from director.model.wanted import (
    DiskShape,
    VmShape,
    Want,
    Wanted,
    WantedGroup,
    WantedInstance,
    WantedJob,
    WantedPackage,
)
from director.planning.address import Reservation, assign_addresses
from director.planning.attach import vm_properties
from director.planning.fabric_stacks import Fabrics, attachment_of, segments_of
from director.planning.link import LinkedJob, Links, Member, SharedLink, address_of, resolve_links
from director.planning.network import networks_of
from director.planning.package import Packages, packages_of
from director.planning.place import place_groups
from director.planning.property import bind
from director.planning.seat import Seat

Sizes: TypeAlias = Mapping[tuple[str, VmResources], Tree]
"""VM properties by CPI and what they must give."""


def resolve(
    deployment: Deployment,
    clouds: CloudConfig,
    record: Record | None,
    catalog: Catalog,
    *,
    taken: Mapping[str, InstanceId],
    seed: str,
    versions: Mapping[ReleaseName, str],
    stemcells: Mapping[str, Stemcell],
    shared_links: Sequence[SharedLink] = (),
    states: Mapping[InstanceId, Want] | None = None,
    sizes: Sizes | None = None,
    fabrics: Fabrics | None = None,
) -> Wanted:
    """What is wanted, with nothing left to choose. Instances of the record that it lacks are obsolete.

    ``taken`` are addresses of other deployments by owner; ``versions`` and ``stemcells`` say what the manifest's
    releases and stemcell aliases mean; ``states`` overrides what single instances should be; ``sizes`` has the VM
    properties of every ``vm_resources`` on its infrastructure; ``fabrics`` what is known of managed networks. The same
    arguments give the same answer; ``seed`` must differ from one call to the next that may make new instances.
    Raises Refused with every problem at once.
    """
    resolver = _Resolver(deployment, clouds, catalog, versions, stemcells, states or {}, sizes or {}, fabrics)
    return resolver.wanted(record, taken, seed, shared_links)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    """A job found in its release, with its properties."""

    linked: LinkedJob
    release: Release


class _Resolver:
    """Holds the arguments and gathers problems. Not a value: it lives only while one deployment is resolved."""

    def __init__(
        self,
        deployment: Deployment,
        clouds: CloudConfig,
        catalog: Catalog,
        versions: Mapping[ReleaseName, str],
        stemcells: Mapping[str, Stemcell],
        states: Mapping[InstanceId, Want],
        sizes: Sizes,
        fabrics: Fabrics | None,
    ) -> None:
        self.deployment, self.clouds, self.catalog = deployment, clouds, catalog
        self.versions, self.stemcells, self.states, self.sizes = versions, stemcells, states, sizes
        self.fabrics = fabrics
        self.problems: list[Problem] = []
        self.networks = {network.name: network for network in clouds.networks}
        self.releases = {(release.name, release.version): release for release in catalog.releases}
        self.azs: dict[AzName | None, Az] = {az.name: az for az in clouds.azs}

    def wanted(
        self, record: Record | None, taken: Mapping[str, InstanceId], seed: str, shared: Sequence[SharedLink]
    ) -> Wanted:
        groups = self.deployment.groups
        seats = place_groups(groups, record, self.networks, self.deployment.name, seed, self.problems)
        recorded = record.instances if record else ()
        reserved = assign_addresses(seats, self.networks, taken, recorded, self.problems)
        self.check_ignored(seats, reserved)
        seated: dict[GroupName, list[Seat]] = {group.name: [] for group in groups}
        for seat in seats:
            seated[seat.group.name].append(seat)
        bound = {group.name: self.bound(group) for group in groups}
        members = {name: tuple(self.member(seat, reserved[seat.id]) for seat in some) for name, some in seated.items()}
        linked = [one.linked for group in groups for one in bound[group.name]]
        links = resolve_links(self.deployment, linked, members, shared, self.problems)
        packages = self.packages(groups, bound)
        if self.problems:
            raise Refused(dict.fromkeys(self.problems))
        wanted = [self.group(g, seated[g.name], reserved, bound[g.name], links, packages[g.name]) for g in groups]
        if self.problems:
            raise Refused(dict.fromkeys(self.problems))
        return Wanted(
            deployment=self.deployment.name,
            groups=tuple(wanted),
            releases=tuple(sorted((ref.name, self.versions[ref.name]) for ref in self.deployment.releases)),
            stemcells=tuple(sorted({(stemcell.name, stemcell.version) for stemcell in self.stemcells.values()})),
            tags=dict(self.deployment.tags),
        )

    # Jobs and packages

    def bound(self, group: InstanceGroup) -> list[_Bound]:
        found = [(ref, self.release(group, ref)) for ref in group.jobs]
        return [one for ref, release in found if release and (one := self.job(group, ref, release))]

    def release(self, group: InstanceGroup, ref: JobRef) -> Release | None:
        release = self.releases.get((ref.release, self.versions.get(ref.release, "")))
        if release is None:
            self.problems.append(_no_release(group, ref, self.versions.get(ref.release)))
        return release

    def job(self, group: InstanceGroup, ref: JobRef, release: Release) -> _Bound | None:
        job = next((job for job in release.jobs if job.name == ref.name), None)
        if job is None:
            self.problems.append(_no_job(group, ref, release))
            return None
        properties = bind(job, group, ref, self.problems)
        return _Bound(linked=LinkedJob(group=group, ref=ref, job=job, properties=properties), release=release)

    def packages(
        self, groups: Sequence[InstanceGroup], bound: Mapping[GroupName, Sequence[_Bound]]
    ) -> Mapping[GroupName, tuple[WantedPackage, ...]]:
        finder = Packages(self.catalog)
        found: dict[GroupName, tuple[WantedPackage, ...]] = {}
        for group in groups:
            stemcell = self.stemcells.get(group.stemcell)
            if stemcell is None:
                self.problems.append(_no_stemcell(group, group.stemcell))
                continue
            jobs: list[tuple[Job, Release]] = [(one.linked.job, one.release) for one in bound[group.name]]
            found[group.name] = packages_of(group, jobs, stemcell, finder, self.problems)
        return found

    # Instances

    def member(self, seat: Seat, reserved: Sequence[Reservation]) -> Member:
        name, addresses = self.deployment.name, [r.address for r in reserved]
        return Member(
            id=seat.id,
            index=seat.index,
            az=seat.az,
            is_bootstrap=seat.is_bootstrap,
            addresses={a.network: address_of(a.ip, seat.id, seat.group.name, a.network, name) for a in addresses},
        )

    def group(
        self,
        group: InstanceGroup,
        seats: Sequence[Seat],
        reserved: Mapping[InstanceId, Sequence[Reservation]],
        bound: Sequence[_Bound],
        links: Mapping[tuple[GroupName, JobName], Links],
        packages: tuple[WantedPackage, ...],
    ) -> WantedGroup:
        """All instances of a group share what does not depend on zone or address."""
        jobs = tuple(_wanted_job(one, links[group.name, one.linked.ref.name]) for one in bound)
        tags = dict(sorted({**self.deployment.tags, **group.tags}.items()))
        disk = self.disk(group)
        zones: tuple[AzName | None, ...] = group.azs or (None,)
        properties = {az: self.cloud_properties(group, az) for az in zones}
        stemcells = {az: self.stemcell(group, az) for az in zones}
        instances = [
            self.attached(
                group,
                properties[seat.az],
                WantedInstance(
                    id=seat.id,
                    deployment=self.deployment.name,
                    group=group.name,
                    index=seat.index,
                    az=seat.az,
                    is_bootstrap=seat.is_bootstrap,
                    is_new=seat.recorded is None,
                    lifecycle=group.lifecycle,
                    want=self.want(seat),
                    addresses=tuple(r.address for r in reserved[seat.id]),
                    shape=_shape(group, seat, reserved[seat.id], stemcells[seat.az], properties[seat.az]),
                    disk=disk,
                    jobs=jobs,
                    packages=packages,
                    tags=tags,
                ),
            )
            for seat in seats
        ]
        return WantedGroup(name=group.name, lifecycle=group.lifecycle, update=group.update, instances=tuple(instances))

    def attached(self, group: InstanceGroup, properties: Tree, instance: WantedInstance) -> WantedInstance:
        """With its places in the fabric, which are no part of its VM's shape: changing them makes no new VM."""
        cpi, fabrics = instance.shape.cpi, self.fabrics
        if fabrics is None or cpi not in fabrics.cpis:
            return instance
        label = f"{instance.group}-{instance.index}-{instance.id[:8]}"
        attachment, members = attachment_of(
            fabrics, group, instance.az, properties, instance.addresses, label, self.problems
        )
        shape = replace(instance.shape, cloud_properties=vm_properties(properties, cpi, fabrics.cpis))
        segments = segments_of(fabrics, instance.addresses)
        return replace(instance, shape=shape, attachment=attachment, members=members, segments=segments)

    def want(self, seat: Seat) -> Want:
        recorded = seat.recorded.want if seat.recorded else Want.STARTED
        return self.states.get(seat.id, recorded)

    def disk(self, group: InstanceGroup) -> DiskShape | None:
        if group.persistent_disk_type is None:
            return DiskShape(size_mb=group.persistent_disk_mb) if group.persistent_disk_mb else None
        found = next((d for d in self.clouds.disk_types if d.name == group.persistent_disk_type), None)
        assert found is not None, f"disk type {group.persistent_disk_type} was not checked"
        return DiskShape(size_mb=found.size_mb, cloud_properties=found.cloud_properties) if found.size_mb else None

    def cloud_properties(self, group: InstanceGroup, az: AzName | None) -> Tree:
        """Zone, then VM type or resources, then extensions in their order: the later wins, key by key."""
        merged: dict[str, Node] = dict(self.azs[az].cloud_properties) if az else {}
        if group.vm_resources is not None:
            merged |= self.sizes[self.cpi_of(az), group.vm_resources]
        else:
            merged |= next((t.cloud_properties for t in self.clouds.vm_types if t.name == group.vm_type), {})
        for name in group.vm_extensions:
            merged |= next((e.cloud_properties for e in self.clouds.vm_extensions if e.name == name), {})
        return merged

    def stemcell(self, group: InstanceGroup, az: AzName | None) -> Stemcell:
        """The stemcell as it was uploaded to the zone's infrastructure."""
        chosen = self.stemcells[group.stemcell]
        cpi = self.cpi_of(az)
        if chosen.cpi == cpi:
            return chosen
        same = [s for s in self.catalog.stemcells if (s.name, s.version, s.cpi) == (chosen.name, chosen.version, cpi)]
        if not same:
            place = f'for cpi "{cpi}"' if cpi else "for the director's own infrastructure"
            self.problems.append(_no_stemcell(group, f"{chosen.name}/{chosen.version} {place}"))
        return same[0] if same else chosen

    def cpi_of(self, az: AzName | None) -> str:
        return (self.azs[az].cpi if az else None) or ""

    def check_ignored(self, seats: Sequence[Seat], reserved: Mapping[InstanceId, Sequence[Reservation]]) -> None:
        for seat in seats:
            if seat.recorded is not None and seat.recorded.is_ignored:
                now = {(a.network, a.ip) for a in seat.recorded.addresses}
                if now != {(r.address.network, r.address.ip) for r in reserved[seat.id]}:
                    self.problems.append(_ignored_moves(seat))


def _wanted_job(one: _Bound, links: Links) -> WantedJob:
    return WantedJob(
        job=one.linked.job,
        release=one.release.name,
        release_version=one.release.version,
        properties=one.linked.properties,
        links=links,
    )


def _shape(
    group: InstanceGroup, seat: Seat, reserved: Sequence[Reservation], stemcell: Stemcell, cloud_properties: Tree
) -> VmShape:
    return VmShape(
        stemcell_name=stemcell.name,
        stemcell_version=stemcell.version,
        stemcell_cid=stemcell.cid,
        cpi=stemcell.cpi,
        cloud_properties=cloud_properties,
        networks=networks_of(group, seat.az, reserved),
        env=group.env,
    )


def _no_release(group: InstanceGroup, ref: JobRef, version: str | None) -> Problem:
    which = f"{ref.release}/{version}" if version else f'"{ref.release}"'
    return Problem(
        code="resolve.release-not-uploaded",
        summary="Release is not uploaded",
        detail=f'Job "{ref.name}" of instance group "{group.name}" comes from release {which}, which is not uploaded.',
        fix="upload it with `director upload-release`, or ask for a version that is.",
        mark=ref.mark or group.mark,
        number=30006 if version else 30005,
    )


def _no_job(group: InstanceGroup, ref: JobRef, release: Release) -> Problem:
    names = ", ".join(sorted(job.name for job in release.jobs)) or "none"
    return Problem(
        code="resolve.unknown-job",
        summary="Release has no such job",
        detail=f'Instance group "{group.name}" asks for job "{ref.name}", which release '
        f"{release.name}/{release.version} does not have.",
        fix=f"choose one of its jobs: {names}.",
        mark=ref.mark or group.mark,
        number=140029,
    )


def _no_stemcell(group: InstanceGroup, which: str) -> Problem:
    return Problem(
        code="resolve.stemcell-not-uploaded",
        summary="Stemcell is not uploaded",
        detail=f'Instance group "{group.name}" asks for stemcell {which}, which is not uploaded.',
        fix="upload it with `director upload-stemcell`, or ask for one that is.",
        mark=group.mark,
        number=50003,
    )


def _ignored_moves(seat: Seat) -> Problem:
    return Problem(
        code="placement.ignored-instance-networks",
        summary="Ignored instance would change its networks",
        detail=f"Instance {seat.label} is ignored, and the manifest or cloud config would give it other addresses.",
        fix=f"unignore {seat.label} first, or leave its networks as they are.",
        mark=seat.group.mark,
        number=190020,
    )
