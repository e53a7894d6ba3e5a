"""From a checked manifest to a Deployment. Decides defaults only; never fails, whatever the tree holds.

A tree with mistakes gives a Deployment with defaults in their place: it is good for finding more mistakes, and nobody
else ever sees it.
"""

from dataclasses import replace
from typing import Final

from director.manifest.addresses import expand
from director.manifest.document import Document, Path
from director.manifest.pick import (
    flag,
    number,
    tags,
    text,
    text_or_none,
    text_or_number,
    texts,
    texts_or_one,
    tree_at,
    trees,
)
from director.manifest.values import parse_count, parse_watch
from director.model.deployment import (
    Addon,
    AddonFilter,
    AzStrategy,
    Consumes,
    Count,
    Deployment,
    GroupNetwork,
    InstanceGroup,
    JobRef,
    Lifecycle,
    MigratedFrom,
    Provides,
    ReleaseRef,
    StemcellRef,
    UpdateRules,
    Variable,
    VmResources,
    VmStrategy,
    Watch,
)
from director.model.names import AzName, DeploymentName, GroupName, JobName, NetworkName, ReleaseName, VariableName
from director.model.problem import Refused
from director.model.tree import Node, Tree

_NIL: Final = "nil"
_MANUAL: Final = ("instances", "properties", "address")
_IMPLIED_DEFAULTS: Final = ("dns", "gateway")
"""What the only network of a group is the default for (bosh-director.md 1.8)."""


def build_deployment(doc: Document) -> Deployment:
    """The deployment a manifest asks for. Shapes follow section 1; nothing is resolved, placeholders stay."""
    root = doc.root
    return Deployment(
        name=DeploymentName(text(root, "name")),
        releases=build_releases(doc),
        stemcells=tuple(_stemcell(doc, ("stemcells", i), tree) for i, tree in trees(root, "stemcells")),
        update=build_update(tree_at(root, "update"), {}),
        groups=tuple(_group(doc, ("instance_groups", i), tree) for i, tree in trees(root, "instance_groups")),
        addons=tuple(_without_teams(addon) for addon in build_addons(doc)),
        variables=build_variables(doc),
        features=tree_at(root, "features"),
        tags=tags(root, "tags"),
        mark=doc.mark(()),
    )


def build_releases(doc: Document) -> tuple[ReleaseRef, ...]:
    """Also the ``releases`` of a runtime config."""
    found: list[tuple[Path, Tree]] = [(("releases", i), tree) for i, tree in trees(doc.root, "releases")]
    if "release" in doc.root:
        found.append((("release",), tree_at(doc.root, "release")))
    return tuple(
        ReleaseRef(
            name=ReleaseName(text(tree, "name")),
            version=text_or_number(tree, "version"),
            mark=doc.mark((*path, "name")),
        )
        for path, tree in found
    )


def build_addons(doc: Document) -> tuple[Addon, ...]:
    """Also the ``addons`` of a runtime config. Properties of the addon go to its jobs without any of their own."""
    return tuple(
        Addon(
            name=text(tree, "name"),
            jobs=tuple(_addon_job(doc, ("addons", i, "jobs", j), job, tree) for j, job in trees(tree, "jobs")),
            include=_filter(tree, "include"),
            exclude=_filter(tree, "exclude"),
        )
        for i, tree in trees(doc.root, "addons")
    )


def _without_teams(addon: Addon) -> Addon:
    """Inside a deployment a filter by team is ignored (section 1.12)."""
    include = replace(addon.include, teams=()) if addon.include else None
    exclude = replace(addon.exclude, teams=()) if addon.exclude else None
    return replace(addon, include=include, exclude=exclude)


def build_variables(doc: Document) -> tuple[Variable, ...]:
    """Also the ``variables`` of a runtime config."""
    converges = flag(tree_at(doc.root, "features"), "converge_variables")
    return tuple(
        Variable(
            name=VariableName(text(tree, "name").lstrip("!")),
            type=text(tree, "type"),
            options=tree_at(tree, "options"),
            update_mode=text(tree, "update_mode", "converge" if converges else "no-overwrite"),
            mark=doc.mark(("variables", i, "name")),
        )
        for i, tree in trees(doc.root, "variables")
    )


def build_vm_resources(tree: Tree, key: str) -> VmResources | None:
    if not isinstance(tree.get(key), dict):
        return None
    below = tree_at(tree, key)
    return VmResources(
        cpu=number(below, "cpu"),
        ram_mb=number(below, "ram"),
        ephemeral_disk_mb=number(below, "ephemeral_disk_size"),
    )


def _stemcell(doc: Document, path: Path, tree: Tree) -> StemcellRef:
    return StemcellRef(
        alias=text(tree, "alias"),
        version=text_or_number(tree, "version"),
        os=text_or_none(tree, "os"),
        name=text_or_none(tree, "name"),
        mark=doc.mark((*path, "version")),
    )


def build_update(own: Tree, above: Tree) -> UpdateRules:
    """A group's rules: each key it lacks is the deployment's (section 1.5)."""
    tree = {**above, **own}
    return UpdateRules(
        canaries=_count(tree.get("canaries"), at_least=0),
        max_in_flight=_count(tree.get("max_in_flight"), at_least=1),
        canary_watch=_watch(tree.get("canary_watch_time")),
        update_watch=_watch(tree.get("update_watch_time")),
        serial=flag(tree, "serial", default=True),
        vm_strategy=_strategy(tree),
        az_strategy=_az_strategy(tree),
    )


def _count(written: Node, *, at_least: int) -> Count:
    try:
        return parse_count(written if isinstance(written, str | int) else "", at_least=at_least)
    except Refused:  # told by check_update
        return Count(number=1)


def _watch(written: Node) -> Watch:
    try:
        return parse_watch(written if isinstance(written, str | int) else "")
    except Refused:  # told by check_update
        return Watch(min_ms=0, max_ms=0)


def _strategy(tree: Tree) -> VmStrategy:
    is_swap = text(tree, "vm_strategy") == VmStrategy.CREATE_SWAP_DELETE.value
    return VmStrategy.CREATE_SWAP_DELETE if is_swap else VmStrategy.DELETE_CREATE


def _az_strategy(tree: Tree) -> AzStrategy:
    is_parallel = text(tree, "initial_deploy_az_update_strategy") == AzStrategy.PARALLEL.value
    return AzStrategy.PARALLEL if is_parallel else AzStrategy.SERIAL


def _group(doc: Document, path: Path, tree: Tree) -> InstanceGroup:
    networks = list(trees(tree, "networks"))
    return InstanceGroup(
        name=GroupName(text(tree, "name")),
        instances=max(0, number(tree, "instances")),
        stemcell=text(tree, "stemcell"),
        jobs=tuple(_job(doc, (*path, "jobs", i), job) for i, job in trees(tree, "jobs")),
        networks=tuple(_group_network(doc, (*path, "networks", i), net, len(networks)) for i, net in networks),
        update=build_update(tree_at(tree, "update"), tree_at(doc.root, "update")),
        lifecycle=_lifecycle(tree),
        azs=tuple(AzName(az) for az in texts(tree, "azs")),
        vm_type=text_or_none(tree, "vm_type"),
        vm_resources=build_vm_resources(tree, "vm_resources"),
        vm_extensions=texts(tree, "vm_extensions"),
        persistent_disk_mb=max(0, number(tree, "persistent_disk")),
        persistent_disk_type=text_or_none(tree, "persistent_disk_type"),
        env=tree_at(tree, "env"),
        properties={**tree_at(doc.root, "properties"), **tree_at(tree, "properties")},
        migrated_from=tuple(_migrated(old) for _, old in trees(tree, "migrated_from")),
        tags=tags(tree, "tags"),
        mark=doc.mark((*path, "name")),
    )


def _lifecycle(tree: Tree) -> Lifecycle:
    return Lifecycle.ERRAND if text(tree, "lifecycle") == Lifecycle.ERRAND.value else Lifecycle.SERVICE


def _migrated(tree: Tree) -> MigratedFrom:
    az = text(tree, "az")
    return MigratedFrom(name=GroupName(text(tree, "name")), az=AzName(az) if az else None)


def _group_network(doc: Document, path: Path, tree: Tree, joined: int) -> GroupNetwork:
    default = texts(tree, "default")
    implied = _IMPLIED_DEFAULTS if joined == 1 else ()
    return GroupNetwork(
        name=NetworkName(text(tree, "name")),
        static_ips=tuple(expand(texts_or_one(tree, "static_ips"))),
        default=tuple(sorted({*default, *implied})),
        mark=doc.mark((*path, "name")),
    )


def _job(doc: Document, path: Path, tree: Tree) -> JobRef:
    return JobRef(
        name=JobName(text(tree, "name")),
        release=ReleaseName(text(tree, "release")),
        properties=tree_at(tree, "properties") if "properties" in tree else None,
        provides=tuple(
            _provides(doc, (*path, "provides", name), wish) for name, wish in sorted(tree_at(tree, "provides").items())
        ),
        consumes=tuple(
            _consumes(doc, (*path, "consumes", name), wish) for name, wish in sorted(tree_at(tree, "consumes").items())
        ),
        mark=doc.mark((*path, "name")),
    )


def _addon_job(doc: Document, path: Path, tree: Tree, addon: Tree) -> JobRef:
    shared = tree_at(addon, "properties")
    return _job(doc, path, {"properties": shared, **tree} if shared else tree)


def _provides(doc: Document, path: Path, wish: Node) -> Provides:
    tree = wish if isinstance(wish, dict) else {}
    return Provides(
        name=str(path[-1]),
        alias=text_or_none(tree, "as"),
        shared=flag(tree, "shared"),
        is_nil=wish == _NIL,
        mark=doc.key_mark(path),
    )


def _consumes(doc: Document, path: Path, wish: Node) -> Consumes:
    tree = wish if isinstance(wish, dict) else {}
    deployment, network = text(tree, "deployment"), text(tree, "network")
    return Consumes(
        name=str(path[-1]),
        source=text_or_none(tree, "from"),
        deployment=DeploymentName(deployment) if deployment else None,
        network=NetworkName(network) if network else None,
        ip_addresses=flag(tree, "ip_addresses") if "ip_addresses" in tree else None,
        is_nil=wish == _NIL,
        manual={key: tree[key] for key in _MANUAL if key in tree} or None,
        mark=doc.key_mark(path),
    )


def _filter(tree: Tree, side: str) -> AddonFilter | None:
    if not isinstance(tree.get(side), dict):
        return None
    wish = tree_at(tree, side)
    return AddonFilter(
        jobs=tuple((JobName(text(job, "name")), ReleaseName(text(job, "release"))) for _, job in trees(wish, "jobs")),
        groups=tuple(GroupName(name) for name in texts(wish, "instance_groups")),
        deployments=tuple(DeploymentName(name) for name in texts(wish, "deployments")),
        stemcell_oses=tuple(text(stemcell, "os") for _, stemcell in trees(wish, "stemcell")),
        networks=tuple(NetworkName(name) for name in texts(wish, "networks")),
        teams=texts(wish, "teams"),
        azs=tuple(AzName(name) for name in texts(wish, "azs")),
        lifecycle=_lifecycle(wish) if "lifecycle" in wish else None,
    )
