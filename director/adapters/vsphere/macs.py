"""Which NICs a VM has and their MAC addresses, known before the clone so that no second reconfigure is needed.

vCenter leaves 00:50:56:00:00:00 to 00:50:56:3f:ff:ff to whoever sets addresses by hand (``addressType: manual``).
Those are four million, so two of a few thousand NICs may well meet by chance: ``choose_macs`` goes on from what is
taken, in the plan, and the plan carries its choice in ``where["macs"]``.
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import Final

from director.model.names import VmName
from director.model.tree import Tree

ADDRESS_TYPE: Final = "manual"
_PREFIX: Final = "00:50:56"
_ATTEMPTS_MAX: Final = 1000


def nic_networks(networks: Mapping[str, Tree]) -> tuple[str, ...]:
    """The networks that get a NIC, in the order of the NICs: by name. A VIP has none (agent-cpi-vsphere 1.4)."""
    return tuple(name for name, network in sorted(networks.items()) if network.get("type", "manual") != "vip")


def choose_macs(vm: VmName, count: int, taken: Collection[str] = ()) -> tuple[str, ...]:
    """One per NIC: the same for the same VM, and none of ``taken`` (lower case)."""
    chosen: list[str] = []
    for index in range(count):
        candidates = (_mac(vm, index, attempt) for attempt in range(_ATTEMPTS_MAX))
        chosen.append(next(mac for mac in candidates if mac not in taken and mac not in chosen))
    return tuple(chosen)


def macs_of(vm: VmName, networks: Mapping[str, Tree], where: Tree) -> Mapping[str, str]:
    """Network to MAC, in the order of the NICs: what the plan chose, else what the name alone gives."""
    names = nic_networks(networks)
    planned = where.get("macs")
    if isinstance(planned, list) and len(planned) == len(names):
        return {name: str(mac) for name, mac in zip(names, planned, strict=True)}
    return dict(zip(names, choose_macs(vm, len(names)), strict=True))


def _mac(vm: VmName, index: int, attempt: int) -> str:
    digest = hashlib.sha256(f"{vm}/{index}/{attempt}".encode()).digest()
    return f"{_PREFIX}:{digest[0] & 0x3F:02x}:{digest[1]:02x}:{digest[2]:02x}"
