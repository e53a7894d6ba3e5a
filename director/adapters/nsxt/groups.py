"""VMs in groups that strangers made: one id in an expression of theirs, joined and left without a word about the rest.

NSX adds and removes single ids itself, without a revision; only where a group has no list of VM ids yet, one is put
beside what is there, on the group's revision (agent-cpi-vsphere.md 3.13, 5.7).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from director.adapters.nsxt.client import Kind, NsxFault, quoted
from director.adapters.nsxt.site import Site
from director.adapters.nsxt.there import read_one
from director.model.tree import Node, Tree
from director.ports.fabric import FabricFailure
from director.ports.failure import Retry

IDS_MAX: Final = 500
"""In one expression; then another is begun."""
TRIES_MAX: Final = 20

Expression = Mapping[str, Node]


async def join(site: Site, path: str, external_id: str) -> None:
    for _ in range(TRIES_MAX):
        group = await site.client.get(path)
        lists = _lists(group)
        if any(external_id in _ids(each) for each in lists):
            return
        roomy = next((each for each in lists if len(_ids(each)) < IDS_MAX and each.get("id")), None)
        try:
            if roomy is not None:
                await _post(site, path, roomy, "add", external_id)
            else:
                await site.client.put(path, {**group, "expression": _with_list(group, external_id)})
        except NsxFault as fault:
            if fault.kind is not Kind.STALE and not (roomy is not None and fault.kind is Kind.NOT_FOUND):
                raise
            continue
        return
    raise FabricFailure(
        f"Somebody else keeps writing the group {path} at the same time. Find out who; try again.", retry=Retry.BOUNDED
    )


async def leave(site: Site, paths: Iterable[str], external_ids: Sequence[str]) -> None:
    """Groups that are gone, and those that never had it, are left already."""
    for path in sorted(set(paths)):
        group = await read_one(site.client, path)
        for each in _lists(group) if group is not None else ():
            for external_id in external_ids:
                if external_id in _ids(each):
                    await _remove(site, path, each, external_id)


async def associated(site: Site, external_id: str) -> tuple[str, ...]:
    """Paths of groups that a VM is in, by whatever rule. NSX may have forgotten the VM: then none."""
    try:
        listed = await site.client.list("/infra/virtual-machine-group-associations", vm_external_id=external_id)
    except NsxFault as fault:
        if fault.kind in {Kind.NOT_FOUND, Kind.INVALID}:
            return ()
        raise
    return tuple(sorted(str(each["path"]) for each in listed if each.get("path")))


async def _remove(site: Site, path: str, expression: Expression, external_id: str) -> None:
    try:
        await _post(site, path, expression, "remove", external_id)
    except NsxFault as fault:
        if fault.kind is not Kind.NOT_FOUND:
            raise


async def _post(site: Site, path: str, expression: Expression, action: str, external_id: str) -> None:
    """Adding what is there, or removing what is not, changes nothing: so it may be repeated."""
    where = f"{path}/external-id-expressions/{quoted(str(expression['id']))}"
    await site.client.post(where, {"members": [external_id]}, query={"action": action}, is_repeatable=True)


def _lists(group: Tree) -> list[Expression]:
    """Its lists of VM ids."""
    listed = group.get("expression")
    return [
        each
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, Mapping)
        and each.get("resource_type") == "ExternalIDExpression"
        and each.get("member_type") == "VirtualMachine"
    ]


def _ids(expression: Expression) -> tuple[str, ...]:
    ids = expression.get("external_ids")
    return tuple(str(each) for each in ids) if isinstance(ids, list) else ()


def _with_list(group: Tree, external_id: str) -> list[Node]:
    listed = group.get("expression")
    there: list[Node] = [*listed] if isinstance(listed, list) else []
    joint: list[Node] = [{"resource_type": "ConjunctionOperator", "conjunction_operator": "OR"}] if there else []
    mine: Node = {
        "resource_type": "ExternalIDExpression",
        "member_type": "VirtualMachine",
        "external_ids": [external_id],
    }
    return [*there, *joint, mine]
