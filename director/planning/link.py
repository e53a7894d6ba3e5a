"""Decides which provider each consumed link comes from, and what the link holds (bosh-director.md section 3.7).

It may not render or look anything up: links of other deployments are handed in, as they were last stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from director.model.deployment import Consumes, Deployment, InstanceGroup, JobRef, Provides
from director.model.names import AzName, DeploymentName, GroupName, InstanceId, JobName
from director.model.problem import Mark, Problem
from director.model.release import Job, LinkConsumed
from director.model.tree import Node, Tree
from director.model.wanted import Wanted, WantedInstance
from director.planning.network import DOMAIN, dns_name, main_network
from director.planning.property import pick


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLink:
    """A link another deployment offers. ``addresses`` by network, then by instance id, for consumers that name one."""

    deployment: DeploymentName
    group: GroupName
    job: JobName
    name: str
    type: str
    content: Tree
    addresses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedJob:
    """A job on its group, with its bound properties: what may provide and consume."""

    group: InstanceGroup
    ref: JobRef
    job: Job
    properties: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An instance as links show it. ``addresses``: by network, its IP, or its name where no IP is known yet."""

    id: InstanceId
    index: int
    az: AzName | None
    is_bootstrap: bool
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Provider:
    link: SharedLink
    is_shared: bool
    is_offered: bool


Members: TypeAlias = Mapping[GroupName, Sequence[Member]]
Links: TypeAlias = Mapping[str, Tree]
_Found: TypeAlias = Tree | Problem | None


def address_of(ip: str | None, instance: InstanceId, group: GroupName, network: str, deployment: DeploymentName) -> str:
    """How others reach an instance on a network: by IP, or by name while its VM has not brought one."""
    return ip or dns_name(instance, group, network, deployment)


def resolve_links(
    deployment: Deployment,
    jobs: Sequence[LinkedJob],
    members: Members,
    shared: Sequence[SharedLink],
    problems: list[Problem],
) -> Mapping[tuple[GroupName, JobName], Links]:
    """The links of every job, by group and job. Adds a problem (190016) for each one that has no single provider."""
    providers = [provider for job in jobs for provider in _providers(deployment.name, job, members, problems)]
    exchange = _Exchange(deployment.name, providers, shared, problems)
    return {(one.group.name, one.ref.name): exchange.links(one) for one in jobs}


def providers_of(deployment: Deployment, wanted: Wanted) -> tuple[SharedLink, ...]:
    """What a deployment shares with others, to be stored once deployed. Groups without instances share nothing."""
    found: list[SharedLink] = []
    instances = {group.name: group.instances for group in wanted.groups if group.instances}
    for group in (group for group in deployment.groups if group.name in instances):
        members = {group.name: tuple(_member(instance) for instance in instances[group.name])}
        jobs = {job.job.name: job for job in instances[group.name][0].jobs}
        for ref in group.jobs:
            bound = jobs[ref.name]
            linked = LinkedJob(group=group, ref=ref, job=bound.job, properties=bound.properties)
            found += [p.link for p in _providers(deployment.name, linked, members, []) if p.is_shared]
    return tuple(sorted(found, key=lambda link: (link.name, link.type, link.group, link.job)))


def _member(instance: WantedInstance) -> Member:
    addresses: dict[str, str] = {
        a.network: address_of(a.ip, instance.id, instance.group, a.network, instance.deployment)
        for a in instance.addresses
    }
    return Member(
        id=instance.id,
        index=instance.index,
        az=instance.az,
        is_bootstrap=instance.is_bootstrap,
        addresses=addresses,
    )


def _providers(
    deployment: DeploymentName, one: LinkedJob, members: Members, problems: list[Problem]
) -> list[_Provider]:
    wishes = {wish.name: wish for wish in one.ref.provides}
    strangers = sorted(set(wishes) - {link.name for link in one.job.provides})
    problems.extend(_unknown(one, "provide", name, wishes[name].mark) for name in strangers)
    found = []
    for link in one.job.provides:
        wish = wishes.get(link.name, Provides(name=link.name))
        missing = sorted(set(link.properties) - set(one.job.properties))
        problems.extend(_undeclared(one, link.name, name) for name in missing)
        offered = SharedLink(
            deployment=deployment,
            group=one.group.name,
            job=one.ref.name,
            name=wish.alias or link.name,
            type=link.type,
            content=_content(deployment, one, link.properties, members.get(one.group.name, ())),
            addresses=_by_network(members.get(one.group.name, ())),
        )
        found.append(_Provider(link=offered, is_shared=wish.shared, is_offered=not wish.is_nil))
    return found


def _content(deployment: DeploymentName, one: LinkedJob, exposed: tuple[str, ...], members: Sequence[Member]) -> Tree:
    main = main_network(one.group)
    instances: list[Node] = [
        {
            "name": one.group.name,
            "id": member.id,
            "index": member.index,
            "az": member.az,
            "bootstrap": member.is_bootstrap,
            "address": member.addresses.get(main),
        }
        for member in members
    ]
    return {
        "deployment_name": deployment,
        "domain": DOMAIN,
        "default_network": main,
        "networks": [joined.name for joined in one.group.networks],
        "instance_group": one.group.name,
        "use_short_dns_addresses": False,
        "use_link_dns_names": False,
        "properties": pick(one.properties, exposed),
        "instances": instances,
    }


def _by_network(members: Sequence[Member]) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for member in members:
        for network, address in member.addresses.items():
            found.setdefault(network, {})[member.id] = address
    return found


class _Exchange:
    """Matches consumers with providers. Not a value: it lives only while one deployment is resolved."""

    def __init__(
        self,
        deployment: DeploymentName,
        providers: Sequence[_Provider],
        shared: Sequence[SharedLink],
        problems: list[Problem],
    ) -> None:
        self.deployment = deployment
        self.local = [provider.link for provider in providers]
        self.offered = [provider.link for provider in providers if provider.is_offered]
        self.shared = shared
        self.problems = problems

    def links(self, one: LinkedJob) -> Links:
        wishes = {wish.name: wish for wish in one.ref.consumes}
        strangers = sorted(set(wishes) - {link.name for link in one.job.consumes})
        self.problems.extend(_unknown(one, "consume", name, wishes[name].mark) for name in strangers)
        links: dict[str, Tree] = {}
        for link in sorted(one.job.consumes, key=lambda link: link.name):
            found = self._link(one, link, wishes.get(link.name))
            if isinstance(found, Problem):
                self.problems.append(found)
            elif found is not None:
                links[link.name] = found
        return links

    def _link(self, one: LinkedJob, link: LinkConsumed, wish: Consumes | None) -> _Found:
        wish = wish or Consumes(name=link.name)
        if wish.manual is not None:
            return self._by_hand(one, wish, wish.manual)
        if wish.is_nil:
            return None
        if wish.source is None and wish.deployment is None:
            return self._implicit(one, link, wish)
        return self._explicit(one, link, wish)

    def _by_hand(self, one: LinkedJob, wish: Consumes, manual: Tree) -> _Found:
        if wish.source is not None:
            said = "is written out by hand and also taken from a provider"
            return self._refuse(one, wish, said, "keep either from, or instances and properties.")
        if "properties" in manual and "instances" not in manual:
            return self._refuse(one, wish, "has properties, but no instances", "list instances as well.")
        return {"instances": [], "properties": {}, **manual}

    def _implicit(self, one: LinkedJob, link: LinkConsumed, wish: Consumes) -> _Found:
        fitting = [provider for provider in self.offered if provider.type == link.type]
        if len(fitting) == 1:
            return self._taken(one, wish, fitting[0])
        if len(fitting) > 1:
            said = f'has {len(fitting)} providers of type "{link.type}": {_names(fitting)}'
            return self._refuse(one, wish, said, "name one of them with from.")
        if link.optional:
            return None
        said = f'has no provider of type "{link.type}" in this deployment'
        return self._refuse(one, wish, said, "add a job that provides it, or say where it is from.")

    def _explicit(self, one: LinkedJob, link: LinkConsumed, wish: Consumes) -> _Found:
        source = wish.source or link.name
        where = wish.deployment or self.deployment
        others = [shared for shared in self.shared if shared.deployment == where]
        there = self.local if where == self.deployment else others
        named = [provider for provider in there if provider.name == source]
        fitting = [provider for provider in named if provider.type == link.type]
        if len(fitting) == 1:
            return self._taken(one, wish, fitting[0])
        if len(fitting) > 1:
            said = f'is from "{source}", which {len(fitting)} jobs provide: {_names(fitting)}'
            return self._refuse(one, wish, said, "give each an own name with as under its provides.")
        if named:
            said = f'is of type "{link.type}", but "{source}" is of type "{named[0].type}" ({_names(named)})'
            return self._refuse(one, wish, said, f'name a provider of type "{link.type}".')
        return self._not_there(one, link, wish, source, where, there)

    def _not_there(
        self,
        one: LinkedJob,
        link: LinkConsumed,
        wish: Consumes,
        source: str,
        where: DeploymentName,
        there: Sequence[SharedLink],
    ) -> Problem:
        sharing = "" if where == self.deployment else " shares and"
        said = f'is from "{source}", which no job of deployment "{where}"{sharing} provides'
        able = [provider for provider in there if provider.type == link.type]
        fix = f"choose one of: {_names(able)}." if able else f'add a job that provides "{source}", or correct the name.'
        return self._refuse(one, wish, said, fix)

    def _taken(self, one: LinkedJob, wish: Consumes, provider: SharedLink) -> _Found:
        """The provider's content, with its addresses on the network asked for."""
        if wish.network is None:
            return provider.content
        networks = provider.content["networks"]
        if not isinstance(networks, list) or wish.network not in networks:
            said = f'asks for addresses on network "{wish.network}", which {_names([provider])} is not on'
            return self._refuse(one, wish, said, f"choose one of: {networks}.")
        addresses = provider.addresses.get(wish.network, {})
        instances = provider.content["instances"]
        assert isinstance(instances, list), "a link's content lists instances"
        moved: list[Node] = [
            {**instance, "address": addresses.get(str(instance["id"]))}
            for instance in instances
            if isinstance(instance, Mapping)
        ]
        return {**provider.content, "default_network": wish.network, "instances": moved}

    def _refuse(self, one: LinkedJob, wish: Consumes, said: str, fix: str) -> Problem:
        consumer = f'job "{one.ref.name}" in instance group "{one.group.name}" of deployment "{self.deployment}"'
        return Problem(
            code="link.no-provider",
            summary="Link cannot be made",
            detail=f'Link "{wish.name}" that {consumer} consumes {said}.',
            fix=fix,
            mark=wish.mark or one.ref.mark or one.group.mark,
            number=190016,
        )


def _names(providers: Iterable[SharedLink]) -> str:
    """Candidates with all it takes to tell them apart, in a stable order."""
    return ", ".join(
        sorted(f'"{p.name}" of job "{p.job}" in group "{p.group}" of deployment "{p.deployment}"' for p in providers)
    )


def _unknown(one: LinkedJob, verb: str, name: str, mark: Mark | None) -> Problem:
    known = one.job.provides if verb == "provide" else one.job.consumes
    names = ", ".join(sorted(link.name for link in known)) or "none at all"
    return Problem(
        code="link.unknown",
        summary="Job has no such link",
        detail=f'Job "{one.ref.name}" in instance group "{one.group.name}" does not {verb} a link "{name}".',
        fix=f"choose one the job knows: {names}.",
        mark=mark or one.ref.mark or one.group.mark,
        number=190016,
    )


def _undeclared(one: LinkedJob, link: str, name: str) -> Problem:
    return Problem(
        code="link.undeclared-property",
        summary="Link exposes a property its job does not declare",
        detail=f'Job "{one.ref.name}" exposes property "{name}" through link "{link}", but does not declare it.',
        fix=f'declare "{name}" under properties of the job\'s spec, or leave it out of the link.',
        mark=one.ref.mark or one.group.mark,
        number=190016,
    )
