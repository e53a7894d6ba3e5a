"""Whether vCenter can be reached, allows what is needed, and has what the settings name. Changes nothing."""

from collections.abc import Iterator, Sequence

from pyVmomi import vim

from director.adapters.vsphere.inventory import read_inventory
from director.adapters.vsphere.match import match_stores
from director.adapters.vsphere.privileges import FOR_ATTRIBUTES, ON_DATACENTER, ON_ROOT, missing_privileges
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import Settings, StorePattern
from director.adapters.vsphere.site import Asked, Inventory
from director.manifest.near import instead_of
from director.model.problem import Problem
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import Finding


async def diagnose(session: Session, settings: Settings) -> Sequence[Finding]:
    """Goes as far as it gets: without a login, only that is told."""
    subject = f"vCenter {settings.host}"
    try:
        await session.open()
        about = session.content.about
        reached = Finding(subject=subject, is_well=True, detail=f"{about.fullName}, logged in as {settings.user}.")
        asked = Asked(networks=frozenset(), has_pools=False, has_host_groups=False)
        inventory = await read_inventory(session, settings, asked)
        findings = [reached, *map(_noted, settings.warnings), *_inventory(inventory, settings)]
        on_root = (*ON_ROOT, *(FOR_ATTRIBUTES if settings.custom_attributes else ()))
        findings.append(await _rights(session, "the root folder", session.content.rootFolder, on_root))
        if inventory.datacenter is not None:
            datacenter = session.of(vim.Datacenter, inventory.datacenter)
            name = f"datacenter {settings.datacenter.name}"
            findings.append(await _rights(session, name, datacenter, ON_DATACENTER))
    except InfrastructureFailure as failure:
        return [Finding(subject=subject, is_well=False, detail=str(failure), fix="put that right, then ask again.")]
    return findings


def _noted(warning: Problem) -> Finding:
    """Something to know that stops nothing: it counts as well, so what to do stands in its words."""
    return Finding(subject="settings", is_well=True, detail=f"Warning: {warning}")


async def _rights(session: Session, name: str, entity: object, wanted: Sequence[str]) -> Finding:
    missing = await missing_privileges(session, entity, wanted)
    subject = f"privileges on {name}"
    if not missing:
        return Finding(subject=subject, is_well=True, detail=f"All {len(wanted)} that the director needs are there.")
    detail = f"The director's account lacks {', '.join(missing)}."
    return Finding(subject=subject, is_well=False, detail=detail, fix="give its role these privileges there.")


def _inventory(inventory: Inventory, settings: Settings) -> Iterator[Finding]:
    wanted = settings.datacenter
    subject = f"datacenter {wanted.name}"
    if inventory.datacenter is None:
        fix = instead_of(wanted.name, inventory.datacenters, "correct datacenters[0].name")
        yield Finding(subject=subject, is_well=False, detail="vCenter has no datacenter of that name.", fix=fix)
        return
    yield Finding(subject=subject, is_well=True, detail=f"It has {len(inventory.cluster_names)} clusters.")
    for choice in wanted.clusters:
        is_there = choice.name in inventory.cluster_names
        detail = "It is there." if is_there else f"Datacenter {wanted.name} has no cluster of that name."
        fix = "" if is_there else instead_of(choice.name, inventory.cluster_names, "correct datacenters[0].clusters")
        yield Finding(subject=f"cluster {choice.name}", is_well=is_there, detail=detail, fix=fix)
    yield _stores(inventory, wanted.ephemeral, "ephemeral")
    yield _stores(inventory, wanted.persistent, "persistent")


def _stores(inventory: Inventory, pattern: StorePattern, use: str) -> Finding:
    problems: list[Problem] = []
    found = match_stores(pattern, inventory, use, problems)
    subject = f"datastores for {use} disks"
    for problem in problems:
        return Finding(subject=subject, is_well=False, detail=problem.detail, fix=problem.fix)
    usable = [store for store in found if store.is_usable]
    names = ", ".join(f"{store.name} ({store.free_mb // 1024} GB free)" for store in usable)
    if not usable:
        there = ", ".join(store.name for store in found)
        detail = f"None of {there} is accessible and out of maintenance."
        return Finding(subject=subject, is_well=False, detail=detail, fix="bring one of them back.")
    return Finding(subject=subject, is_well=True, detail=f"{names}.")
