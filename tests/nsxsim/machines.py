"""Virtual machines and their NICs, as hypervisors report them, and the JSON that NSX shows of them. Values only."""

import uuid
from dataclasses import dataclass
from typing import Any, Final

from tests.nsxsim.problems import Json

EP: Final = "/infra/sites/default/enforcement-points/default"
POWER: Final = frozenset({"VM_RUNNING", "VM_STOPPED", "VM_SUSPENDED", "UNKNOWN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A NIC on a segment (its path). `vif` is what its port is attached to; `addresses` are what the guest's tools say.

    `key` is the hypervisor's device key.
    """

    segment: str
    vif: str
    key: int = 4000
    mac: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`external_id` is the hypervisor's instance uuid. Only those with a NIC on a segment are NSX's business."""

    external_id: str
    name: str
    power: str = "VM_RUNNING"
    host: str = ""
    moid: str = ""
    bios_uuid: str = ""
    computer_name: str = ""
    os_name: str = ""
    nics: tuple[Nic, ...] = ()


def vif_of(external_id: str, key: int) -> str:
    """The same for the same NIC of the same VM, whoever asks."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"vif:{external_id}/{key}"))


def shown(machine: Machine, tags: list[Json], now_ms: int) -> Json:
    """A VirtualMachine."""
    said: Json = {
        "resource_type": "VirtualMachine",
        "external_id": machine.external_id,
        "display_name": machine.name,
        "power_state": machine.power,
        "host_id": machine.host,
        "local_id_on_host": machine.moid,
        "type": "REGULAR",
        "compute_ids": [
            f"uuid:{machine.bios_uuid or machine.external_id}",
            f"moIdOnHost:{machine.moid}",
            f"externalId:{machine.external_id}",
            f"instanceUuid:{machine.external_id}",
        ],
        "source": {"target_id": machine.host, "target_type": "HostNode", "is_valid": True},
        "tags": tags,
        "_last_sync_time": now_ms,
    }
    if machine.os_name or machine.computer_name:
        said["guest_info"] = {"os_name": machine.os_name, "computer_name": machine.computer_name}
    return said


def shown_vif(machine: Machine, nic: Nic, index: int, now_ms: int) -> Json:
    """A VirtualNetworkInterface."""
    addresses = [{"source": "VM_TOOLS", "ip_addresses": list(nic.addresses)}] if nic.addresses else []
    return {
        "resource_type": "VirtualNetworkInterface",
        "external_id": f"{machine.external_id}-{nic.key}",
        "display_name": f"Network adapter {index + 1}",
        "owner_vm_id": machine.external_id,
        "owner_vm_type": "REGULAR",
        "host_id": machine.host,
        "vm_local_id_on_host": machine.moid,
        "device_key": str(nic.key),
        "device_name": f"Network adapter {index + 1}",
        "mac_address": nic.mac,
        "lport_attachment_id": nic.vif,
        "ip_address_info": addresses,
        "tags": [],
        "_last_sync_time": now_ms,
    }


def shown_realised(machine: Machine, tags: list[Json]) -> Json:
    """A RealizedVirtualMachine, as lists of group members have it."""
    return {
        "resource_type": "RealizedVirtualMachine",
        "id": machine.external_id,
        "display_name": machine.name,
        "path": f"{EP}/virtual-machines/{machine.external_id}",
        "host_id": machine.host,
        "local_id_on_host": machine.moid,
        "power_state": machine.power,
        "compute_ids": [f"externalId:{machine.external_id}", f"instanceUuid:{machine.external_id}"],
        "tags": tags,
    }


def read(said: Json) -> Machine:
    """One that somebody made up: {"name", "nics": [{"segment": path, ...}], "external_id"?, "power"?, ...}.

    Raises KeyError, TypeError and ValueError for what is no such thing.
    """
    name = str(said["name"])
    external_id = str(said.get("external_id") or uuid.uuid5(uuid.NAMESPACE_URL, f"vm:{name}"))
    power = str(said.get("power", "VM_RUNNING"))
    if power not in POWER:
        raise ValueError(f"power is one of {sorted(POWER)}")
    return Machine(
        external_id=external_id,
        name=name,
        power=power,
        host=str(said.get("host", "host-1")),
        moid=str(said.get("moid", "")),
        bios_uuid=str(said.get("bios_uuid", "")),
        computer_name=str(said.get("computer_name", "")),
        os_name=str(said.get("os_name", "")),
        nics=tuple(_nic(external_id, 4000 + index, each) for index, each in enumerate(said.get("nics", []))),
    )


def _nic(external_id: str, usual_key: int, said: dict[str, Any]) -> Nic:
    key = int(said.get("key", usual_key))
    return Nic(
        segment=str(said["segment"]),
        vif=str(said.get("vif") or vif_of(external_id, key)),
        key=key,
        mac=str(said.get("mac", "")),
        addresses=tuple(str(each) for each in said.get("addresses", [])),
    )
