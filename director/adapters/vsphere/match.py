"""Names and patterns an operator wrote → what the inventory has under them, or a problem that lists what there is."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from director.adapters.vsphere.choices import ClusterChoice, StoreChoice
from director.adapters.vsphere.settings import StorePattern
from director.adapters.vsphere.site import Cluster, Datastore, Inventory, Network, Pod, Pool
from director.adapters.vsphere.where import NetworkKind
from director.manifest.near import instead_of, listed, nearest
from director.model.problem import Problem

_BY_SWITCH: Final = (NetworkKind.NSX_DISTRIBUTED, NetworkKind.OPAQUE)


def find_cluster(choice: ClusterChoice, inventory: Inventory, where: str, problems: list[Problem]) -> Cluster | None:
    found = [cluster for cluster in inventory.clusters if cluster.name == choice.name]
    if len(found) == 1:
        return found[0]
    if found:
        problems.append(_twice("cluster", choice.name, where, "rename one of them"))
    else:
        problems.append(_unknown("cluster", choice.name, where, inventory.cluster_names))
    return None


def find_pool(choice: ClusterChoice, cluster: Cluster, where: str, problems: list[Problem]) -> Pool | None:
    """By its path below the cluster's root pool, or by its name alone where no other pool has it."""
    wanted = choice.resource_pool
    if wanted is None:
        return None
    found = [pool for pool in cluster.pools if pool.path == wanted]
    found = found or [pool for pool in cluster.pools if pool.path.rpartition("/")[2] == wanted]
    if len(found) == 1:
        return found[0]
    paths = [pool.path for pool in found or cluster.pools]
    if found:
        problems.append(_twice("resource pool", wanted, where, f"write its path, one of: {listed(paths)}"))
    else:
        problems.append(_unknown("resource pool", wanted, f'{where}, cluster "{cluster.name}"', paths))
    return None


def find_host_group(
    choice: ClusterChoice, cluster: Cluster, where: str, problems: list[Problem]
) -> frozenset[str] | None:
    if choice.host_group is None:
        return None
    found = cluster.host_groups.get(choice.host_group.name)
    if found is None:
        where = f'{where}, cluster "{cluster.name}"'
        problems.append(_unknown("host group", choice.host_group.name, where, cluster.host_groups))
    return found


def find_network(name: str, networks: Sequence[Network], where: str, problems: list[Problem]) -> Network | None:
    """By name, ``FOLDER/…/NAME`` or ``SWITCH/NAME``. Of several, those of one logical switch are one (3.12), else a
    standard one comes first.
    """
    found = [network for network in networks if name in _names_of(network)]
    switches = {network.key for network in found if network.kind in _BY_SWITCH}
    if found and len(switches) == 1 and all(network.kind in _BY_SWITCH for network in found):
        return _joined(found)
    standard = [network for network in found if network.kind is NetworkKind.STANDARD]
    if len(found) == 1 or len(standard) == 1:
        return (standard or found)[0]
    if found:
        paths = sorted(network.path if not network.switch else f"{network.switch}/{network.name}" for network in found)
        if len(set(paths)) < len(paths):
            paths = sorted(network.path for network in found)
        problems.append(_twice("network", name, where, f"write its path, one of: {listed(paths)}"))
    else:
        known = [network.name for network in networks if "-DVUplinks-" not in network.name]
        problems.append(_unknown("network", name, where, known))
    return None


def find_segment(name: str, networks: Sequence[Network], where: str, problems: list[Problem]) -> Network | None:
    """One that NSX made, by its display name; None while vCenter does not show it, which is no problem."""
    found = [network for network in networks if network.kind in _BY_SWITCH and network.name == name]
    if len({network.key for network in found}) > 1:
        problems.append(_twice("network", name, where, "rename or remove the other segment of that name in NSX"))
        return None
    return _joined(found) if found else None


def _names_of(network: Network) -> tuple[str, ...]:
    return (network.name, network.path, f"{network.switch}/{network.name}")


def _joined(networks: Sequence[Network]) -> Network:
    """Several faces of one logical switch: it is wherever any of them is."""
    if any(network.hosts is None for network in networks):
        return next(network for network in networks if network.hosts is None)
    hosts = frozenset(host for network in networks for host in network.hosts or ())
    return replace(networks[0], hosts=hosts)


def find_stores(
    choice: StoreChoice, inventory: Inventory, where: str, problems: list[Problem]
) -> tuple[Datastore, ...]:
    """Those of a VM or disk type: a plain name means the one of that name, anything else all names it matches whole."""
    names = {store.name for store in inventory.datastores}
    wanted: set[str] = set()
    for item in choice.datastores:
        matching = _matching(item, names)
        if not matching:
            problems.append(_unknown("datastore", item, where, names))
        wanted |= matching
    pods = _pods_of(choice.pods, inventory.pods, where, problems)
    return tuple(store for store in inventory.datastores if store.name in wanted or store.pod in pods)


def _pods_of(wanted: Sequence[str], pods: Sequence[Pod], where: str, problems: list[Problem]) -> frozenset[str]:
    found: set[str] = set()
    for item in wanted:
        matching = _matching(item, {pod.name for pod in pods})
        usable = {pod.moid for pod in pods if pod.name in matching and pod.has_drs}
        if not matching:
            problems.append(_unknown("datastore cluster", item, where, [pod.name for pod in pods]))
        elif not usable:
            problems.append(_without_drs(item, where))
        found |= usable
    return frozenset(found)


def _matching(item: str, names: Iterable[str]) -> set[str]:
    if item in names:
        return {item}
    return {name for name in names if re.fullmatch(item, name)}


def match_stores(
    pattern: StorePattern, inventory: Inventory, use: str, problems: list[Problem]
) -> tuple[Datastore, ...]:
    """Those of the settings' patterns, which are searched for in names. ``use``: ephemeral or persistent."""
    pods = {pod.moid for pod in inventory.pods if pattern.pods and pod.has_drs and re.search(pattern.pods, pod.name)}
    found = tuple(
        store
        for store in inventory.datastores
        if store.pod in pods or (pattern.datastores and re.search(pattern.datastores, store.name))
    )
    if not found:
        shown = " and ".join(f'"{text}"' for text in (pattern.datastores, pattern.pods) if text)
        problems.append(
            Problem(
                code="vsphere.pattern-matches-nothing",
                summary="Pattern matches nothing",
                detail=f"No datastore of the clusters asked for matches the settings' pattern {shown} for {use} disks.",
                fix=instead_of("", [store.name for store in inventory.datastores], "correct the pattern"),
            )
        )
    return found


def _unknown(kind: str, name: str, where: str, known: Iterable[str]) -> Problem:
    return Problem(
        code=f"vsphere.unknown-{kind.replace(' ', '-')}",
        summary=f"Unknown {kind}",
        detail=f'{where} asks for {kind} "{name}", which vCenter does not have there.',
        fix=_instead_of(name, known, f"create {kind} {name} in vCenter"),
    )


def _instead_of(name: str, known: Iterable[str], otherwise: str) -> str:
    """Names in vCenter often differ from what was written in their case only, or are all capitals."""
    by_plain = {one.lower(): one for one in sorted(known)}
    guess = nearest(name, by_plain)
    if guess is None:
        return instead_of("", by_plain.values(), otherwise)
    return f'did you mean "{by_plain[guess]}"? Otherwise {otherwise}.'


def _twice(kind: str, name: str, where: str, fix: str) -> Problem:
    return Problem(
        code=f"vsphere.ambiguous-{kind.replace(' ', '-')}",
        summary=f"Ambiguous {kind}",
        detail=f'{where} asks for {kind} "{name}", of which vCenter has several.',
        fix=f"{fix}.",
    )


def _without_drs(name: str, where: str) -> Problem:
    return Problem(
        code="vsphere.datastore-cluster-without-drs",
        summary="Datastore cluster without storage DRS",
        detail=f'{where} asks for datastore cluster "{name}", whose storage DRS is off.',
        fix="turn storage DRS on for it, or name its datastores instead.",
    )
