"""One instance as the API shows it (section 6.2): from the record, and from what its agent last said. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from director.model.deployment import Lifecycle
from director.model.record import DiskRecord, DiskState, InstanceRecord, VmRecord, VmState
from director.model.sighting import SeenAgent, SeenProcess
from director.model.tree import Node
from director.model.wanted import Want

UNRESPONSIVE = "unresponsive agent"
"""The job state of an instance whose VM is there but whose agent does not answer."""

_OWNED = frozenset((DiskState.CREATING, DiskState.DETACHED, DiskState.ATTACHED))


def instance_row(
    instance: InstanceRecord,
    vm: VmRecord | None,
    disks: Iterable[DiskRecord],
    seen: SeenAgent | None,
    *,
    resurrection_paused: bool = False,
) -> dict[str, Node]:
    """Every key of ``format=full``. Times are RFC 3339; what nobody knows is None."""
    return {
        **_instance_keys(instance, seen if vm else None, has_vm=vm is not None),
        **_vm_keys(vm),
        **_disk_keys(instance, disks),
        **_live_keys(seen if vm else None),
        "resurrection_paused": resurrection_paused,
    }


def instance_brief(instance: InstanceRecord, vm: VmRecord | None, seen: SeenAgent | None) -> dict[str, Node]:
    """The keys of a plain listing, answered at once; ``job_state`` and ``state`` are ours."""
    return {
        "agent_id": vm.agent if vm else None,
        "cid": vm.cid if vm else None,
        "job": instance.group,
        "index": instance.index,
        "id": instance.id,
        "az": instance.az,
        "ips": _ips(instance),
        "vm_created_at": _time(vm.created_at) if vm else None,
        "job_state": job_state(seen, has_vm=vm is not None),
        "state": instance.want.value,
    }


def expects_vm(instance: InstanceRecord) -> bool:
    """Whether a VM should be there when nobody is at work: not for errands, not for detached instances."""
    return instance.lifecycle is Lifecycle.SERVICE and instance.want is not Want.DETACHED


def is_active(vm: VmRecord) -> bool:
    return vm.state is VmState.CREATED


def job_state(seen: SeenAgent | None, *, has_vm: bool) -> str | None:
    """The agent's word on all processes together; None without a VM."""
    if not has_vm:
        return None
    return seen.job_state.value if seen and seen.is_connected else UNRESPONSIVE


def _instance_keys(instance: InstanceRecord, seen: SeenAgent | None, *, has_vm: bool) -> dict[str, Node]:
    return {
        "job_name": instance.group,
        "index": instance.index,
        "id": instance.id,
        "az": instance.az,
        "ips": _ips(instance),
        "dns": [],
        "state": instance.want.value,
        "job_state": job_state(seen, has_vm=has_vm),
        "ignore": instance.is_ignored,
        "bootstrap": instance.is_bootstrap,
    }


def _vm_keys(vm: VmRecord | None) -> dict[str, Node]:
    shape = vm.shape if vm else None
    return {
        "vm_cid": vm.cid if vm else None,
        "vm_created_at": _time(vm.created_at) if vm else None,
        "active": is_active(vm) if vm else None,
        "agent_id": vm.agent if vm else None,
        "cloud_properties": shape.cloud_properties if shape else None,
        # The record keeps what a VM was made from, not the name the cloud config has for it.
        "vm_type": None,
        "resource_pool": None,
        "stemcell": {
            "name": shape.stemcell_name if shape else None,
            "version": shape.stemcell_version if shape else None,
            "api_version": None,
        },
    }


def _disk_keys(instance: InstanceRecord, disks: Iterable[DiskRecord]) -> dict[str, Node]:
    own = [disk for disk in disks if disk.instance == instance.id and disk.state in _OWNED and disk.cid]
    own.sort(key=lambda disk: (disk.state is not DiskState.ATTACHED, disk.name))
    cids: list[Node] = [disk.cid for disk in own]
    return {"disk_cid": cids[0] if cids else None, "disk_cids": cids}


def _live_keys(seen: SeenAgent | None) -> dict[str, Node]:
    """Vitals and processes; an agent that does not answer has none, for old ones would look like now."""
    if seen is None or not seen.is_connected:
        return {"vitals": {}, "processes": []}
    return {"vitals": _vitals(seen), "processes": [_process(process) for process in seen.processes]}


def _process(process: SeenProcess) -> Node:
    return {
        "name": process.name,
        "state": process.state,
        "uptime": {"secs": int(process.uptime_s)},
        "mem": {"kb": process.mem_kb, "percent": round(process.mem_percent, 1)},
        "cpu": {"total": round(process.cpu_percent, 1)},
    }


def _vitals(seen: SeenAgent) -> dict[str, Node]:
    """As BOSH's heartbeat has them: every figure a text, except uptime, which is whole seconds (1.17)."""
    vitals: dict[str, Node] = {key: _as_text(value) for key, value in seen.vitals.items() if key != "uptime"}
    uptime = seen.vitals.get("uptime")
    secs = uptime.get("secs") if isinstance(uptime, dict) else None
    if isinstance(secs, int | float):
        vitals["uptime"] = {"secs": int(secs)}
    return vitals


def _as_text(node: Node) -> Node:
    if isinstance(node, dict):
        return {key: _as_text(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_as_text(item) for item in node]
    return node if node is None or isinstance(node, str) else f"{node:g}" if isinstance(node, float) else str(node)


def _ips(instance: InstanceRecord) -> list[Node]:
    return [address.ip for address in instance.addresses if address.ip]


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
