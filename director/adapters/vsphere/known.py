"""What never changes about a VM or host, so it is read once: who a VM is for, what people call its host.

In bulk, and only for those not met before; VMs made in this process cost no request at all.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.collector import moid_of
from director.adapters.vsphere.identity import Identity, read_identity
from director.adapters.vsphere.session import Session

_OPTIONS: Final = "config.extraConfig"


class Known:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._identities: dict[str, Identity] = {}
        self._places: dict[str, str] = {}

    def remember(self, vm: str, identity: Identity) -> None:
        self._identities[vm] = identity

    async def identities(self, vms: Collection[str]) -> Mapping[str, Identity]:
        """By moid, of all ``vms``; an empty one for those that carry nothing or are gone."""
        unmet = sorted(set(vms) - self._identities.keys())
        if unmet:
            objects = [self._session.of(vim.VirtualMachine, vm) for vm in unmet]
            read = await self._session.read("read who VMs are for", vim.VirtualMachine, (_OPTIONS,), objects)
            for vm, one in read.items():
                if _OPTIONS in one:
                    self._identities[vm] = read_identity(one[_OPTIONS])
        return {vm: self._identities.get(vm, Identity()) for vm in sorted(vms)}

    def forget(self, vm: str) -> None:
        self._identities.pop(vm, None)

    async def places(self, hosts: Collection[str]) -> Mapping[str, str]:
        """``cluster / host`` by the host's moid."""
        if not {host for host in hosts if host} <= self._places.keys():
            read = await self._session.read("read the hosts' names", vim.ManagedEntity, ("name", "parent"))
            self._places |= {moid: _place(one, read) for moid, one in read.items() if moid in hosts}
        return self._places


def _place(host: Mapping[str, Any], every: Mapping[str, Mapping[str, Any]]) -> str:
    parent = host.get("parent")
    cluster = every.get(moid_of(parent), {}).get("name") if parent is not None else None
    return " / ".join(str(part) for part in (cluster, host.get("name")) if part)
