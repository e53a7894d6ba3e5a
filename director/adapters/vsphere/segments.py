"""Segments of the director's own, looked up when a VM is made: NSX makes them, vCenter shows them a while later.

vCenter pushes them (``watch``), so a VM goes on the moment its segment is there. Nothing is asked of vCenter for a VM
that has none.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.single import SingleFlight
from director.adapters.vsphere.site import Network
from director.adapters.vsphere.where import NetworkKind, NicWhere, VmWhere
from director.manifest.near import listed
from director.ports.failure import Retry

_FOLDER: Final = "networkFolder"


class Segments:
    """``wait_s`` is how long a segment may take to show."""

    def __init__(self, session: Session, datacenter: str, *, wait_s: float) -> None:
        self._session, self._datacenter, self._wait_s = session, datacenter, wait_s
        self._folder: Any = None
        self._looking: SingleFlight[None, None] = SingleFlight()

    async def found(self, where: VmWhere) -> VmWhere:
        """With every NIC's network as vCenter has it now. Raises Fault for one that it does not show in time."""
        if all(nic.kind is not NetworkKind.SEGMENT for nic in where.nics):
            return where
        await self._looking.do(None, self._watch)
        await self._session.watch.settled()
        return replace(where, nics=tuple([await self._nic(nic, where) for nic in where.nics]))

    async def _watch(self) -> None:
        watch = self._session.watch
        if self._folder is not None and watch.has_folder(self._folder):
            return
        what = f'find the networks of datacenter "{self._datacenter}"'
        read = await self._session.read(what, vim.Datacenter, ("name", _FOLDER))
        self._folder = next((one[_FOLDER] for one in read.values() if one.get("name") == self._datacenter), None)
        if self._folder is None:
            raise Fault(f"{what}: vCenter has no such datacenter. Correct datacenters[0].name in the settings.")
        watch.add_networks(self._folder)

    async def _nic(self, nic: NicWhere, where: VmWhere) -> NicWhere:
        if nic.kind is not NetworkKind.SEGMENT:
            return nic
        watch = self._session.watch
        try:
            found = await watch.await_network(lambda there: choose(there, nic.name, where.host), self._wait_s)
        except TimeoutError as error:
            raise self._late(nic.name, where, watch.networks) from error
        return replace(nic, kind=found.kind, moid=found.moid, key=found.key, of=found.of)

    def _late(self, name: str, where: VmWhere, there: Sequence[Network]) -> Fault:
        return Fault(
            f'VM on segment "{name}": {_why_not(there, name, where)} after {self._wait_s:g} s. {_FIX}',
            retry=Retry.NEVER,
        )


_FIX: Final = (
    "See in NSX that the segment is realised and that its transport zone reaches the cluster's hosts, then deploy again"
    " (segment_wait_s in the CPI's properties is how long to wait)."
)


def choose(there: Sequence[Network], name: str, host: str | None) -> Network | None:
    """The segment of that display name, of whichever of its faces (an opaque network, a port group on each switch) the
    host has; None also while two segments have the name, as when one of them is being deleted.
    """
    faces = [network for network in there if network.name == name and _is_on(network, host)]
    return faces[0] if len({network.key for network in faces}) == 1 else None


def _is_on(network: Network, host: str | None) -> bool:
    return host is None or network.hosts is None or host in network.hosts


def _why_not(there: Sequence[Network], name: str, where: VmWhere) -> str:
    faces = [network for network in there if network.name == name]
    if not faces:
        return "vCenter does not show it"
    keys = sorted({network.key for network in faces if _is_on(network, where.host)})
    if not keys:
        return f"host {where.host_name or where.host} does not have it"
    return f"vCenter shows several of that name ({listed(keys)})"
