"""The logical ports of VMs: found once NSX has seen them, tagged beside strangers' tags, gone with their VM.

Note: whose port it is. NSX names a NIC's port after the VM (``web-1/web-1.vmx@<uuid>``); where a VM has been renamed,
its VIFs tell. A VM itself is known by its instance uuid, which follows from director and name for those that the
director has made on vSphere; so that what is left of a VM is found even when NSX has forgotten it.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID, uuid5

from director.adapters.nsxt.bodies import Body
from director.adapters.nsxt.client import Kind, NsxFault, escaped
from director.adapters.nsxt.hierarchy import tree_of
from director.adapters.nsxt.marks import ID, TAGS_MAX, VM, Tags, as_node, merged, tags_of
from director.adapters.nsxt.paths import REALISED_POINT, What
from director.adapters.nsxt.settings import VifType
from director.adapters.nsxt.site import Site
from director.adapters.nsxt.there import read_one, together
from director.model.fabric import Ports, Ref
from director.model.names import VmName
from director.model.tree import Tree
from director.ports.fabric import FabricFailure
from director.ports.failure import Retry

FIRST_S: Final = 0.5
PAUSE_MAX_S: Final = 5.0
_GROWTH: Final = 1.5
_SHARED_S: Final = 0.2
"""VMs that come together read one list of ports."""
TRIES_MAX: Final = 8


async def await_ports(site: Site, wanted: Ports) -> Sequence[Tree]:
    """All ports of the VM. Raises FabricFailure when they do not show up in time."""
    loop = asyncio.get_running_loop()
    deadline, pause_s = loop.time() + site.settings.ports_s, FIRST_S
    while True:
        found = await _ports(site, wanted)
        if found is not None:
            return found
        if loop.time() > deadline:
            where = f" on segments {', '.join(wanted.segments)}" if wanted.segments else ""
            raise FabricFailure(
                f'NSX shows no port of VM "{wanted.vm}"{where} within {site.settings.ports_s:g} s. Check that its host '
                "is prepared for NSX and connected, and that its NIC is on an NSX segment.",
                retry=Retry.BOUNDED,
            )
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * _GROWTH, PAUSE_MAX_S)


async def _ports(site: Site, wanted: Ports) -> Sequence[Tree] | None:
    """None: not all of them yet."""
    if not wanted.segments:
        return await _ports_anywhere(site, wanted.vm)
    listed = await together(_listed(site, f"{of_segment(segment)}/ports") for segment in wanted.segments)
    named = [[port for port in ports if is_named_after(port, wanted.vm)] for ports in listed]
    if not all(named):
        vifs = await vifs_of(site, wanted.vm)
        named = [[port for port in ports if _vif(port) in vifs] for ports in listed]
    return [port for ports in named for port in ports] if all(named) else None


def of_segment(segment: str) -> str:
    return segment if segment.startswith("/") else f"/infra/segments/{segment}"


def is_named_after(port: Tree, vm: str) -> bool:
    return re.search(rf"(^|/){re.escape(vm)}\.vmx@", str(port.get("display_name") or "")) is not None


def _vif(port: Tree) -> str:
    attachment = port.get("attachment")
    return str(attachment.get("id") or "") if isinstance(attachment, Mapping) else ""


async def _listed(site: Site, collection: str) -> Sequence[Tree]:
    return await site.refs.kin(collection, since=asyncio.get_running_loop().time() - _SHARED_S)


async def vifs_of(site: Site, vm: str) -> frozenset[str]:
    """What the VM's NICs are attached to NSX by; empty as long as NSX has not seen it."""
    owners = set(await external_ids(site, vm))
    if not owners:
        return frozenset()
    every = await _listed(site, f"{REALISED_POINT}/vifs")
    ids = {str(vif.get("lport_attachment_id") or "") for vif in every if vif.get("owner_vm_id") in owners}
    return frozenset(ids - {""})


async def _ports_anywhere(site: Site, vm: str) -> Sequence[Tree] | None:
    """On segments that are not ours: found by search, which is late, and then read."""
    vifs = await vifs_of(site, vm)
    if not vifs:
        return None
    query = f"resource_type:SegmentPort AND attachment.id:({' OR '.join(escaped(vif) for vif in sorted(vifs))})"
    paths = [str(port.get("path")) for port in await site.client.search(query)]
    ports = [port for port in await together(read_one(site.client, path) for path in paths) if port is not None]
    return ports if {_vif(port) for port in ports} >= vifs else None


async def external_ids(site: Site, vm: str) -> tuple[str, ...]:
    """NSX's ids of the VM; several rows of one VM may differ in their power state only."""
    listed = await site.client.list(f"{REALISED_POINT}/virtual-machines", query=f"display_name:{escaped(vm)}")
    found = {str(each.get("external_id")) for each in listed if each.get("display_name") == vm}
    return tuple(sorted(found))


async def mark_ports(site: Site, wanted: Ports, ports: Sequence[Tree]) -> None:
    """Tags, and what the VM's extensions say its ports are, in one write on the revisions just read."""
    tags: Tags = ((ID, site.director), (VM, wanted.vm), *wanted.attachment.tags)
    is_parent = (wanted.attachment.vif_type or site.settings.vif_type.value) == VifType.PARENT.value
    for _ in range(TRIES_MAX):
        bodies = {
            str(port["path"]): body for port in ports if (body := _marked(port, tags, is_parent=is_parent)) is not None
        }
        if not bodies:
            return
        try:
            await site.client.patch_tree(tree_of(bodies), enforce_revisions=True)
        except NsxFault as fault:
            if fault.kind is not Kind.STALE:
                raise
            again = await together(read_one(site.client, path) for path in bodies)
            ports = [port for port in again if port is not None]
        else:
            return
    raise FabricFailure(
        f'Somebody else keeps changing the ports of VM "{wanted.vm}" at the same time. Find out who; try again.',
        retry=Retry.BOUNDED,
    )


def _marked(port: Tree, tags: Tags, *, is_parent: bool) -> Body | None:
    """None: as it should be already."""
    every = merged(tags_of(port), tags)
    if len(every) > TAGS_MAX:
        raise FabricFailure(
            f"{port.get('path')} would have {len(every)} tags; NSX allows {TAGS_MAX}. Ask for fewer, or remove some of "
            "those that others put there."
        )
    attachment = port.get("attachment")
    is_told = not is_parent or (isinstance(attachment, Mapping) and attachment.get("type") == VifType.PARENT.value)
    if is_told and set(every) == set(tags_of(port)):
        return None
    body: Body = {"resource_type": "SegmentPort", "tags": as_node(every), "_revision": port.get("_revision", 0)}
    if not is_told and isinstance(attachment, Mapping):
        body["attachment"] = {**attachment, "type": VifType.PARENT.value}
    return body


async def await_no_ports(site: Site, vm: VmName) -> None:
    """Returns when no port that was marked for the VM is left. What search still shows is read before it counts."""
    loop = asyncio.get_running_loop()
    deadline, pause_s = loop.time() + site.settings.removal_s, FIRST_S
    query = f"resource_type:SegmentPort AND tags.scope:{escaped(VM)} AND tags.tag:{escaped(vm)}"
    marked = await site.client.search(query)
    paths = {str(port.get("path")) for port in marked if (VM, vm) in tags_of(port)}
    while paths:
        there = await together(read_one(site.client, path) for path in sorted(paths))
        paths = {str(port["path"]) for port in there if port is not None and (VM, vm) in tags_of(port)}
        if paths and loop.time() > deadline:
            raise FabricFailure(
                f'VM "{vm}" is gone, but NSX still has {len(paths)} ports of it: {", ".join(sorted(paths))}. They '
                "usually go within a minute; see whether its host is connected to NSX, then try again.",
                retry=Retry.BOUNDED,
            )
        if paths:
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * _GROWTH, PAUSE_MAX_S)


def instance_uuid(director: str, vm: str) -> str | None:
    """What vSphere was told to call the VM, and NSX calls it too; None where the director's id is no uuid."""
    try:
        return str(uuid5(UUID(director), f"vm:{vm}"))
    except ValueError:
        return None


def groups_wanted(names: Iterable[str]) -> list[tuple[What, Ref]]:
    return [(What.GROUP, Ref(to=name, is_ours=False)) for name in names]
