"""The VMs that a stemcell is in vCenter: one on each datastore that needed it, each with a snapshot to clone from.

They are in our own folder, ``<template_folder>/<director uuid>``, named ``<cid>`` (the first) and
``<cid> on <datastore moid>`` (the copies). A VM there without the snapshot ``initial`` is half-made
(agent-cpi-vsphere.md 3.4, 3.5). The names need none of vCenter's escapes, so what is sent is what is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.enrol import Install
from director.adapters.vsphere.spec import Template, template_of
from director.model.names import StemcellCid

SNAPSHOT: Final = "initial"
_ON: Final = " on "
AGENT_KEY: Final = "director.agent"
"""The extraConfig key that says how the agent gets onto VMs of this template."""

PATHS: Final = ("name", "datastore", "snapshot", "config.hardware.device", "config.version", "config.extraConfig")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What a clone needs to know of it. ``install`` is one of enrol.Install's values."""

    template: Template
    install: str
    size_mb: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenReplica:
    """``datastores`` are moids: where its files are, wherever storage DRS put them. ``replica`` None: half-made."""

    moid: str
    name: str
    datastores: frozenset[str]
    replica: Replica | None


def name_of(cid: StemcellCid, datastore: str) -> str:
    return f"{cid}{_ON}{datastore}"


def cid_of(name: str) -> StemcellCid:
    return StemcellCid(name.partition(_ON)[0])


def seen_replicas(rows: Mapping[str, Mapping[str, Any]]) -> Sequence[SeenReplica]:
    """In the order of their names, which puts the first of a stemcell before its copies."""
    seen = [_seen(moid, row) for moid, row in rows.items() if "name" in row]
    return sorted(seen, key=lambda one: (one.name, one.moid))


def _seen(moid: str, row: Mapping[str, Any]) -> SeenReplica:
    stores = frozenset(store._moId for store in row.get("datastore") or ())  # noqa: SLF001  the only name pyVmomi has for it
    return SeenReplica(moid=moid, name=str(row["name"]), datastores=stores, replica=_replica(moid, row))


def _replica(moid: str, row: Mapping[str, Any]) -> Replica | None:
    snapshot = snapshot_of(row.get("snapshot"))
    devices = row.get("config.hardware.device")
    if snapshot is None or devices is None:
        return None
    template = template_of(moid, snapshot, devices, str(row.get("config.version") or ""))
    disks = [device for device in devices if isinstance(device, vim.vm.device.VirtualDisk)]
    extra = {option.key: option.value for option in row.get("config.extraConfig") or ()}
    return Replica(
        template=template,
        install=str(extra.get(AGENT_KEY) or Install.BAKED.value),
        size_mb=-(-sum(disk.capacityInKB for disk in disks) // 1024),
    )


def snapshot_of(info: Any) -> str | None:
    """The moid of the snapshot ``initial``, wherever in the tree it is."""
    waiting = list(info.rootSnapshotList or ()) if info is not None else []
    while waiting:
        node = waiting.pop(0)
        if node.name == SNAPSHOT:
            return str(node.snapshot._moId)  # noqa: SLF001  the only name pyVmomi has for it
        waiting.extend(node.childSnapshotList or ())
    return None
