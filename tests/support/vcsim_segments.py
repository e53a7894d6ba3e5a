"""Port groups as NSX puts them into a vCenter, and VMs on them, as a plan for a managed network has them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pyVmomi import vim

from director.adapters.vsphere.session import Session
from director.model.placement import VmWish
from director.ports.infrastructure import VmRequest
from tests.contract.local_vm import vm_request
from tests.support.vsphere_cloud import VM_TYPE, Address, PlacedVsphere, properties

DIRECTOR = "6f1d3f64-0000-4000-8000-000000000051"

_Spec = vim.dvs.DistributedVirtualPortgroup.ConfigSpec


async def add_segment(session: Session, name: str, *, logical_switch: str = "") -> str:
    """On the datacenter's one switch; returns the uuid of its logical switch."""
    logical = logical_switch or str(uuid.uuid4())
    (moid,) = await session.read("find the switch", vim.DistributedVirtualSwitch, ("name",))
    # The simulator speaks 6.5, in which pyVmomi has no word for NSX; it understands it all the same.
    switch: Any = vim.DistributedVirtualSwitch(moid, session.stub("/sdk", "vim.version.v7_0"))
    spec = _Spec(name=name, type="earlyBinding", numPorts=8, backingType="nsx", logicalSwitchUuid=logical)
    await session.task("add a segment", lambda: switch.AddDVPortgroup_Task([spec]))
    return logical


async def remove_segment(session: Session, name: str) -> None:
    seen = await session.read("find it", vim.dvs.DistributedVirtualPortgroup, ("name",))
    for moid, one in seen.items():
        if one["name"] == name:
            group: Any = session.of(vim.dvs.DistributedVirtualPortgroup, moid)
            await session.task("remove a segment", group.Destroy_Task)


@asynccontextmanager
async def clouds(at: Address, **more: object) -> AsyncIterator[PlacedVsphere]:
    """On the first cluster; ``more`` are further properties."""
    given: Any = properties(at, **more)
    given["datacenters"][0] |= {"clusters": ["DC0_C0"]}
    cloud = PlacedVsphere(given, director_uuid=DIRECTOR)
    try:
        yield cloud
    finally:
        await cloud.close()


async def planned(cloud: PlacedVsphere, name: str, segment: str, *, number: int = 21) -> tuple[VmRequest, str]:
    """A request on a managed network, placed, and what the plan said of it."""
    request = vm_request(name, number=number)
    own = {**request.shape.networks["default"], "cloud_properties": {"name": segment, "managed": True}}
    stemcell = await cloud.stemcell()
    shape = replace(request.shape, stemcell_cid=stemcell, cloud_properties=VM_TYPE, networks={"default": own})
    wish = VmWish(name=request.name, deployment=request.deployment, label=f"{name}/0", shape=shape, az=None)
    placements = await super(PlacedVsphere, cloud).place([wish], [])
    assert placements.problems == placements.warnings == ()
    placement = placements.vms[request.name]
    return replace(request, shape=shape, where=placement.where), placement.why
