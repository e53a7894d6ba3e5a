"""URLs of the inventory: virtual machines, VIFs and tags by the Policy and the fabric API, and made-up VMs.

GET    /_sim/vms                what hypervisors say now
POST   /_sim/vms                {"name", "nics": [{"segment": "/infra/segments/x", "addresses": [...]}], ...}: made
                                or, under the same name or external_id, changed
DELETE /_sim/vms/<external id>  it is gone
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from tests.nsxsim import machines, reads
from tests.nsxsim.door import knob
from tests.nsxsim.inventory import Inventory
from tests.nsxsim.problems import Json, Refusal, absent, invalid
from tests.nsxsim.routes import Call, action, computed
from tests.nsxsim.write import TAGS_MAX

if TYPE_CHECKING:
    from tests.nsxsim.cluster import Cluster

_VMS: Final = "/infra/realized-state/enforcement-points/*/virtual-machines"


def held(call: Call) -> Inventory:
    found: Inventory = call.sim.rooms["inventory"]
    return found


def _now(call: Call) -> int:
    return int(call.sim.clock.now() * 1000)


def all_vms(call: Call) -> list[Json]:
    inventory = held(call)
    known = sorted(inventory.machines.values(), key=lambda machine: (machine.name, machine.external_id))
    return [machines.shown(each, inventory.tags_of(each.external_id), _now(call)) for each in known]


def all_vifs(call: Call) -> list[Json]:
    known = sorted(held(call).machines.values(), key=lambda machine: (machine.name, machine.external_id))
    return [
        machines.shown_vif(machine, nic, index, _now(call))
        for machine in known
        for index, nic in enumerate(machine.nics)
    ]


def matching(query: str, bodies: Iterable[Json]) -> list[Json]:
    """Those that `field:value AND field:value` is true of; `*` stands for anything, `\\` escapes."""
    wanted = [part.partition(":") for part in query.split(" AND ") if part.strip()]
    pairs = [(field.strip(), _pattern(value.strip())) for field, _, value in wanted]
    return [body for body in bodies if all(fnmatchcase(str(body.get(f, "")).lower(), p) for f, p in pairs)]


def _pattern(value: str) -> str:
    plain = value.strip('"').replace("\\", "")
    return plain.replace("[", "[[]").replace("?", "[?]").lower()


@computed(_VMS)
def list_vms(call: Call, _ep: str) -> Json:
    return reads.page(call, matching(call.query.get("query", ""), all_vms(call)), lambda each: each)


@computed("/infra/realized-state/virtual-machines")
def list_all_vms(call: Call) -> Json:
    return reads.page(call, matching(call.query.get("query", ""), all_vms(call)), lambda each: each)


@computed("/infra/realized-state/enforcement-points/*/vifs")
def list_vifs(call: Call, _ep: str) -> Json:
    return reads.page(call, matching(call.query.get("query", ""), all_vifs(call)), lambda each: each)


@action(_VMS, "update_tags")
def update_tags(call: Call, _ep: str) -> None:
    held(call).tag(_id(call, "virtual_machine_id"), _tags(call))


@action("/infra/realized-state/virtual-machines/*/tags", "")
def apply_tags(call: Call, external_id: str) -> None:
    held(call).tag(external_id, _tags(call))


@computed("/infra/realized-state/virtual-machines/*/tags")
def read_tags(call: Call, external_id: str) -> Json:
    if external_id not in held(call).machines:
        raise absent(call.path)
    return reads.page(call, held(call).tags_of(external_id), lambda each: each)


def _field_filter(call: Call, bodies: Iterable[Json], *fields: str) -> list[Json]:
    return [one for one in bodies if all(call.query.get(f) in (None, one.get(f)) for f in fields)]


@computed("/api/v1/fabric/virtual-machines")
def fabric_vms(call: Call) -> Json:
    found = _field_filter(call, all_vms(call), "display_name", "external_id", "host_id")
    return reads.page(call, found, lambda each: each)


@computed("/api/v1/fabric/vifs")
def fabric_vifs(call: Call) -> Json:
    found = _field_filter(call, all_vifs(call), "owner_vm_id", "lport_attachment_id", "host_id")
    return reads.page(call, found, lambda each: each)


@action("/api/v1/fabric/virtual-machines", "update_tags")
def fabric_update_tags(call: Call) -> None:
    held(call).tag(_id(call, "external_id"), _tags(call))


@action("/api/v1/fabric/virtual-machines", "add_tags")
def fabric_add_tags(call: Call) -> None:
    external_id = _id(call, "external_id")
    there = held(call).tags_of(external_id)
    held(call).tag(external_id, [*there, *(tag for tag in _tags(call) if tag not in there)])


@action("/api/v1/fabric/virtual-machines", "remove_tags")
def fabric_remove_tags(call: Call) -> None:
    external_id, gone = _id(call, "external_id"), _tags(call)
    held(call).tag(external_id, [tag for tag in held(call).tags_of(external_id) if tag not in gone])


def _id(call: Call, field: str) -> str:
    if not call.body.get(field):
        raise invalid("Required property is missing", code=255, field=field)
    return str(call.body[field])


def _tags(call: Call) -> list[Json]:
    tags = call.body.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise invalid("must be a list of tags", code=255, field="tags")
    if len(tags) > TAGS_MAX:
        raise invalid(f"{len(tags)} tags; at most {TAGS_MAX} are allowed", code=500059, field="tags")
    return [{"scope": str(tag.get("scope") or ""), "tag": str(tag.get("tag") or "")} for tag in tags]


def _inventory(cluster: "Cluster") -> Inventory:
    found: Inventory = cluster.sim.rooms["inventory"]
    return found


@knob("GET", "vms")
def _show_vms(cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    return {"vms": [asdict(machine) for machine in _inventory(cluster).reported()]}


@knob("POST", "vms")
def _make_vm(cluster: "Cluster", body: Json, _more: list[str]) -> Json:
    try:
        machine = machines.read(body)
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise Refusal(400, 1, f"That is no VM: {wrong!r}", module="nsxsim") from wrong
    _inventory(cluster).report(machine)
    return asdict(machine)


@knob("DELETE", "vms")
def _remove_vm(cluster: "Cluster", _body: Json, more: list[str]) -> None:
    inventory: Callable[[str], None] = _inventory(cluster).gone
    for external_id in more:
        inventory(external_id)
