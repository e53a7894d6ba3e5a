"""URLs of groups: their members, who is in which, and members added and removed without a revision. Reference 5.2."""

import ipaddress
from collections.abc import Callable, Sequence
from typing import Final

from tests.nsxsim import machines, reads
from tests.nsxsim.groups import Groups, Members
from tests.nsxsim.inventory import Inventory
from tests.nsxsim.problems import Json, Refusal, absent, invalid
from tests.nsxsim.routes import Call, action, computed, route
from tests.nsxsim.settings import Settings
from tests.nsxsim.tree import Node

Settings.declare(
    "associations_of_gone_vms", True, "whether groups are still told of a VM that went, or a 404 with NOT_FOUND"
)

_GROUP: Final = "/infra/domains/*/groups/*"


def _groups(call: Call) -> Groups:
    found: Groups = call.sim.rooms["groups"]
    return found


def _inventory(call: Call) -> Inventory:
    found: Inventory = call.sim.rooms["inventory"]
    return found


def _members(call: Call, domain: str, group: str) -> Members:
    path = f"/infra/domains/{domain}/groups/{group}"
    if call.sim.tree.node(path) is None:
        raise absent(path)
    return _groups(call).members(path)


@computed(f"{_GROUP}/members/virtual-machines")
def vm_members(call: Call, domain: str, group: str) -> Json:
    inventory = _inventory(call)
    found = [inventory.machines[each] for each in _members(call, domain, group).vms if each in inventory.machines]
    found.sort(key=lambda machine: (machine.name, machine.external_id))
    return reads.page(call, found, lambda vm: machines.shown_realised(vm, inventory.tags_of(vm.external_id)))


@computed(f"{_GROUP}/members/vifs")
def vif_members(call: Call, domain: str, group: str) -> Json:
    wanted, now = _members(call, domain, group).vifs, int(call.sim.clock.now() * 1000)
    found = [
        machines.shown_vif(machine, nic, index, now)
        for machine in sorted(_inventory(call).machines.values(), key=lambda machine: machine.name)
        for index, nic in enumerate(machine.nics)
        if nic.vif in wanted
    ]
    return reads.page(call, found, lambda each: each)


def _paths(call: Call, paths: frozenset[str]) -> Json:
    found = [body for path in sorted(paths) if (body := call.sim.tree.get(path)) is not None]
    return reads.page(call, found, lambda body: {k: body[k] for k in ("id", "display_name", "path")})


@computed(f"{_GROUP}/members/segment-ports")
def port_members(call: Call, domain: str, group: str) -> Json:
    return _paths(call, _members(call, domain, group).ports)


@computed(f"{_GROUP}/members/segments")
def segment_members(call: Call, domain: str, group: str) -> Json:
    return _paths(call, _members(call, domain, group).segments)


@computed(f"{_GROUP}/members/ip-addresses")
def address_members(call: Call, domain: str, group: str) -> Json:
    return reads.page(call, sorted(_members(call, domain, group).addresses), lambda each: each)


@computed(f"{_GROUP}/member-types")
def member_types(call: Call, domain: str, group: str) -> Json:
    found = _members(call, domain, group)
    kinds = {
        "VirtualMachine": found.vms,
        "VirtualNetworkInterface": found.vifs,
        "SegmentPort": found.ports,
        "Segment": found.segments,
        "IPAddress": found.addresses,
    }
    results = sorted(kind for kind, members in kinds.items() if members)
    return {"results": results, "result_count": len(results)}


@computed(f"{_GROUP}/tags")
def tags_used(call: Call, domain: str, group: str) -> Json:
    """Tags that the group's conditions name."""
    body = call.sim.tree.get(f"/infra/domains/{domain}/groups/{group}")
    if body is None:
        raise absent(call.path)
    named = [each["value"] for each in body.get("expression") or () if each.get("key") == "Tag"]
    return reads.page(call, named, lambda each: {"scope": each.partition("|")[0], "tag": each.partition("|")[2]})


def _references(call: Call, is_member: Callable[[Members], bool], said: Callable[[Json], bool]) -> Json:
    """Groups of which one of both is true: of their members, or of one of their expressions."""
    tree = call.sim.tree
    named = [node for node in tree.of_kind("Group") if any(map(said, node.body.get("expression") or ()))]
    found = {node.path: node for node in (*named, *_groups(call).having(is_member))}
    return reads.page(call, [found[path] for path in sorted(found)], _reference)


def _reference(node: Node) -> Json:
    return {
        "path": node.path,
        "target_id": node.id,
        "target_display_name": node.body["display_name"],
        "target_type": "Group",
        "is_valid": True,
    }


@computed("/infra/virtual-machine-group-associations")
def vm_associations(call: Call) -> Json:
    wanted = call.needed("vm_external_id")
    if wanted not in _inventory(call).machines and not call.sim.settings.associations_of_gone_vms:
        raise Refusal(404, 202, f"NOT_FOUND: virtual machine {wanted} could not be found")
    return _references(
        call, lambda members: wanted in members.vms, lambda one: wanted in (one.get("external_ids") or ())
    )


@computed("/infra/virtual-network-interface-group-associations")
def vif_associations(call: Call) -> Json:
    wanted = call.needed("vif_external_id")
    return _references(
        call, lambda members: wanted in members.vifs, lambda one: wanted in (one.get("external_ids") or ())
    )


@computed("/infra/ip-address-group-associations")
def address_associations(call: Call) -> Json:
    wanted = call.needed("ip_address")
    return _references(call, lambda members: any(_covers(each, wanted) for each in members.addresses), lambda _: False)


@computed("/infra/group-associations")
def path_associations(call: Call) -> Json:
    wanted = call.needed("intent_path")
    return _references(
        call,
        lambda members: wanted in members.ports | members.segments | members.groups,
        lambda one: wanted in (one.get("paths") or ()),
    )


def _covers(said: str, address: str) -> bool:
    """Whether an address, range or CIDR holds this address."""
    try:
        wanted = ipaddress.ip_address(address)
        first, dash, last = said.partition("-")
        if dash:
            numbers = [int(ipaddress.ip_address(each.strip())) for each in (first, last)]
            return numbers[0] <= int(wanted) <= numbers[1]
        return wanted in ipaddress.ip_network(said, strict=False)
    except ValueError as wrong:
        raise invalid(str(wrong), field="ip_address") from wrong


_LISTS: Final = {
    "external-id-expressions": ("ExternalIDExpression", "external_ids", "members"),
    "ip-address-expressions": ("IPAddressExpression", "ip_addresses", "ip_addresses"),
    "mac-address-expressions": ("MACAddressExpression", "mac_addresses", "mac_addresses"),
    "path-expressions": ("PathExpression", "paths", "members"),
}
"""The URL's word: the expression's type, its field, and the field of the request that adds or removes."""


def _found(call: Call, domain: str, group: str, expression: str, kind: str) -> tuple[str, list[Json], int]:
    """The group's path, its expressions, and the place among them (-1: not there)."""
    path = f"/infra/domains/{domain}/groups/{group}"
    body = call.sim.tree.get(path)
    if body is None:
        raise absent(path)
    listed: list[Json] = list(body.get("expression") or ())
    at = next((i for i, one in enumerate(listed) if one.get("id") == expression), -1)
    if at >= 0 and listed[at]["resource_type"] != kind:
        raise invalid(f"expression {expression} is no {kind}", field="expressionId")
    return path, listed, at


def _without(listed: Sequence[Json], at: int) -> list[Json]:
    """Together with the conjunction beside it."""
    first = max(0, at - 1)
    return [*listed[:first], *listed[first + 2 :]]


def _change(call: Call, where: tuple[str, str, str], word: str, *, adds: bool) -> None:
    kind, field, asked = _LISTS[word]
    path, listed, at = _found(call, *where, kind)
    if at < 0:
        raise absent(call.path)
    named = call.body.get(asked)
    if not isinstance(named, list) or not named:
        raise invalid("Required property is missing", code=255, field=asked)
    there = list(listed[at].get(field) or ())
    kept = [*there, *(each for each in named if each not in there)] if adds else [e for e in there if e not in named]
    fresh = [*listed[:at], {**listed[at], field: kept}, *listed[at + 1 :]] if kept else _without(listed, at)
    call.sim.write(path, {"expression": fresh}, call.who)


def _hang(word: str) -> None:
    pattern = f"{_GROUP}/{word}/*"

    @action(pattern, "add")
    def add(call: Call, domain: str, group: str, expression: str) -> None:
        _change(call, (domain, group, expression), word, adds=True)

    @action(pattern, "remove")
    def remove(call: Call, domain: str, group: str, expression: str) -> None:
        """The last member takes the expression along."""
        _change(call, (domain, group, expression), word, adds=False)

    @route("PATCH", pattern)
    def patch(call: Call, domain: str, group: str, expression: str) -> None:
        kind, *_ = _LISTS[word]
        path, listed, at = _found(call, domain, group, expression, kind)
        made = {**call.body, "resource_type": kind, "id": expression}
        if at >= 0:
            listed[at] = {**listed[at], **made}
        else:
            joint = {"resource_type": "ConjunctionOperator", "conjunction_operator": "OR", "id": f"or-{expression}"}
            listed += [*([joint] if listed else []), made]
        call.sim.write(path, {"expression": listed}, call.who)

    @route("DELETE", pattern)
    def delete(call: Call, domain: str, group: str, expression: str) -> None:
        path, listed, at = _found(call, domain, group, expression, _LISTS[word][0])
        if at < 0:
            raise absent(call.path)
        call.sim.write(path, {"expression": _without(listed, at)}, call.who)


for _word in _LISTS:
    _hang(_word)
