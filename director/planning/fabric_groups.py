"""Derives the groups and firewall policies that a deployment's VM extensions ask for.

One stack holds all of them: policies speak of other instance groups' groups, in circles even. Members are found by a
tag on their ports, which holds the group's id and so means the same nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from director.model.deployment import InstanceGroup
from director.model.fabric import Group, NetworkObject, Ref, Rule, SecurityPolicy, Stack
from director.model.names import DeploymentName, GroupName, ObjectId
from director.model.network_config import AttachmentWish, NetworkConfig, RuleWish
from director.planning.fabric_names import GROUP_SCOPE, Namer, groups_stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one instance group asks for, over all its zones in one fabric."""

    group: InstanceGroup
    wish: AttachmentWish


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNames:
    """Groups of one deployment in the fabric of ``cpi``."""

    names: Namer
    deployment: str
    cpi: str

    def own(self, name: str) -> ObjectId:
        return self.names.id(Group.kind, self.cpi, self.deployment, name)

    def of_instances(self, group: GroupName) -> ObjectId:
        """The group that stands for an instance group which asks for rules but for no group."""
        return self.names.id(Group.kind, self.cpi, self.deployment, "instance-group", group)

    def tags(self, group: GroupName, wish: AttachmentWish) -> tuple[tuple[str, str], ...]:
        """What makes an instance a member."""
        return tuple((GROUP_SCOPE, id_) for id_ in self.scope(group, wish))

    def scope(self, group: GroupName, wish: AttachmentWish) -> tuple[ObjectId, ...]:
        """The groups its instances are in."""
        own = tuple(self.own(name) for name in wish.own_groups)
        return own or ((self.of_instances(group),) if wish.rules else ())


def groups_stack_of(asked: Sequence[Asked], known: GroupNames, configs: Sequence[NetworkConfig]) -> Stack | None:
    """None when nobody asks for any."""
    objects = (*_groups(asked, known), *_policies(asked, known, configs))
    if not objects:
        return None
    owner = DeploymentName(known.deployment)
    return Stack(name=groups_stack(owner, known.cpi), cpi=known.cpi, owner=owner, objects=objects)


def _groups(asked: Sequence[Asked], known: GroupNames) -> Iterator[NetworkObject]:
    title = known.names.title
    found: dict[ObjectId, str] = {}
    for one in asked:
        for name in one.wish.own_groups:
            found[known.own(name)] = title(known.deployment, name)
        if one.wish.rules and not one.wish.own_groups:
            found[known.of_instances(one.group.name)] = title(known.deployment, one.group.name, "instances")
    for id_, name in sorted(found.items(), key=lambda entry: entry[1]):
        yield Group(id=id_, name=name, port_tag=(GROUP_SCOPE, id_))


def _policies(asked: Sequence[Asked], known: GroupNames, configs: Sequence[NetworkConfig]) -> Iterator[NetworkObject]:
    ours = {name: known.own(name) for one in asked for name in one.wish.own_groups}
    for one in sorted(asked, key=lambda one: one.group.name):
        if one.wish.rules:
            scope = tuple(Ref(to=id_) for id_ in known.scope(one.group.name, one.wish))
            yield SecurityPolicy(
                id=known.names.id(SecurityPolicy.kind, known.cpi, known.deployment, one.group.name),
                name=known.names.title(known.deployment, one.group.name),
                rules=tuple(_rule(rule, scope, ours, known, configs) for rule in one.wish.rules),
                scope=scope,
            )


def _rule(
    wish: RuleWish,
    scope: tuple[Ref, ...],
    ours: Mapping[str, ObjectId],
    known: GroupNames,
    configs: Sequence[NetworkConfig],
) -> Rule:
    """What a rule leaves out is the instance group itself: ``from`` alone is about traffic to it, ``to`` from it."""
    sources = tuple(_group(ref, ours, known, configs) for ref in wish.sources)
    destinations = tuple(_group(ref, ours, known, configs) for ref in wish.destinations)
    if not destinations:
        destinations = scope
    elif not sources:
        sources = scope
    return Rule(
        name=wish.name,
        action=wish.action,
        sources=sources,
        destinations=destinations,
        services=wish.services,
        direction=wish.direction,
        is_logged=wish.is_logged,
    )


def _group(ref: Ref, ours: Mapping[str, ObjectId], known: GroupNames, configs: Sequence[NetworkConfig]) -> Ref:
    """A group of this deployment, of a network config, or one that others made."""
    if not ref.is_ours:
        return ref
    if ref.to in ours:
        return Ref(to=ours[ref.to])
    return config_group(ref.to, known.cpi, configs, known.names) or Ref(to=ref.to, is_ours=False)


def config_group(name: str, cpi: str, configs: Sequence[NetworkConfig], names: Namer) -> Ref | None:
    for config in configs:
        if config.cpi == cpi and any(group.name == name for group in config.groups):
            return Ref(to=names.id(Group.kind, config.name, name))
    return None
