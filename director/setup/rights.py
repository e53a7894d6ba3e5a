"""What the account may do on the very objects that were chosen: a role may be missing on a single datastore or network.

``preflight`` asks about the root folder and the datacenter, and stands in for what is below where roles propagate.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.inventory import read_inventory
from director.adapters.vsphere.privileges import FOR_RULES, ON_DATACENTER
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.site import Asked, Inventory
from director.adapters.vsphere.survey import moid_of
from director.ports.infrastructure import Finding

ON_CLUSTER: Final = ("Resource.AssignVMToPool",)
ON_DATASTORE: Final = tuple(name for name in ON_DATACENTER if name.startswith("Datastore."))
ON_NETWORK: Final = tuple(name for name in ON_DATACENTER if name.startswith("Network."))

Needs = Mapping[str, tuple[str, tuple[str, ...]]]
"""By moid: what people call the object, and the privileges needed on it."""


async def check_rights(
    session: Session, settings: Settings, datastores: Sequence[str], networks: Sequence[str]
) -> Sequence[Finding]:
    """One bulk question about all objects together. A finding for each that lacks something, or one for all of them."""
    asked = Asked(clusters=frozenset(choice.name for choice in settings.datacenter.clusters), has_host_groups=False)
    inventory = await read_inventory(session, settings, asked)
    objects = list(_objects(session, inventory, settings, datastores, networks))
    needs = {moid_of(entity): (name, wanted) for entity, name, wanted in objects}
    if not needs:
        return ()
    every = sorted({privilege for _, wanted in needs.values() for privilege in wanted})
    manager, entities = session.content.authorizationManager, [entity for entity, _, _ in objects]
    answer = await session.call(
        "check the account's privileges",
        lambda: manager.HasPrivilegeOnEntities(entity=entities, sessionId=session.key, privId=every),
    )
    return findings_of(needs, {moid_of(one.entity): granted_in(one) for one in answer})


def granted_in(answer: Any) -> frozenset[str]:
    return frozenset(one.privId for one in answer.privAvailability if one.isGranted)


def findings_of(needs: Needs, granted: Mapping[str, frozenset[str]]) -> Sequence[Finding]:
    """Each missing privilege by name, with the object it is missing on."""
    found: list[Finding] = []
    for moid, (name, wanted) in needs.items():
        missing = sorted(set(wanted) - granted.get(moid, frozenset()))
        if missing:
            detail = f"The account lacks {', '.join(missing)}."
            fix = f"Give the account's role {'these privileges' if len(missing) > 1 else 'it'} on {name}."
            found.append(Finding(subject=f"privileges on {name}", is_well=False, detail=detail, fix=fix))
    if found:
        return found
    names = ", ".join(name for name, _ in needs.values())
    return (Finding(subject="privileges on what was chosen", is_well=True, detail=f"All are there on {names}."),)


def _objects(
    session: Session, inventory: Inventory, settings: Settings, datastores: Sequence[str], networks: Sequence[str]
) -> Iterator[tuple[Any, str, tuple[str, ...]]]:
    with_rules = {choice.name for choice in settings.datacenter.clusters if choice.separate_rule}
    for cluster in inventory.clusters:
        is_ruled = settings.has_auto_anti_affinity or cluster.name in with_rules
        wanted = (*ON_CLUSTER, *(FOR_RULES if is_ruled else ()))
        yield session.of(vim.ClusterComputeResource, cluster.moid), f"cluster {cluster.name}", wanted
    for store in inventory.datastores:
        if store.name in datastores:
            yield session.of(vim.Datastore, store.moid), f"datastore {store.name}", ON_DATASTORE
    for network in inventory.networks:
        if {network.name, network.path, f"{network.switch}/{network.name}"} & set(networks):
            yield session.of(vim.Network, network.moid), f"network {network.name}", ON_NETWORK
