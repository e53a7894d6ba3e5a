"""Reads ``nsxt`` of cloud properties: what instances ask of a fabric. Never fails; the cloud config was checked."""

from collections.abc import Iterator

from director.model.cloud import CloudConfig
from director.model.deployment import InstanceGroup
from director.model.names import AzName
from director.model.network_config import NOTHING_WISHED, AttachmentWish
from director.model.rule_text import rules_of
from director.model.tree import Node, Tree


def wish_of(group: InstanceGroup, az: AzName | None, clouds: CloudConfig) -> AttachmentWish:
    """What the group's cloud properties come to in a zone: zone, VM type, extensions, the later wins (section 2.1)."""
    trees = [
        *(one.cloud_properties for one in clouds.azs if one.name == az),
        *(one.cloud_properties for one in clouds.vm_types if one.name == group.vm_type and group.vm_resources is None),
        *(e.cloud_properties for name in group.vm_extensions for e in clouds.vm_extensions if e.name == name),
    ]
    merged: dict[str, Node] = {}
    for tree in trees:
        merged |= tree
    return attachment_wish(merged)


def attachment_wish(tree: Tree) -> AttachmentWish:
    """``tree`` are an instance's merged cloud properties."""
    nsxt = _tree(tree, "nsxt")
    if not nsxt:
        return NOTHING_WISHED
    return AttachmentWish(
        groups=_texts(nsxt, "ns_groups"),
        own_groups=_texts(nsxt, "groups"),
        tags=tuple((str(tag.get("scope") or ""), str(tag.get("tag") or "")) for tag in _trees(nsxt, "tags")),
        pools=tuple(_pool(pool) for pool in _trees(_tree(nsxt, "lb"), "server_pools")),
        rules=rules_of(_tree(nsxt, "security_policy")),
        vif_type="PARENT" if nsxt.get("vif_type") == "PARENT" else None,
    )


def _pool(tree: Tree) -> tuple[str, int | None]:
    port = tree.get("port")
    return str(tree.get("name") or ""), port if isinstance(port, int) and not isinstance(port, bool) else None


def _tree(tree: Tree, key: str) -> Tree:
    value = tree.get(key)
    return value if isinstance(value, dict) else {}


def _trees(tree: Tree, key: str) -> Iterator[Tree]:
    value = tree.get(key)
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _texts(tree: Tree, key: str) -> tuple[str, ...]:
    value = tree.get(key)
    found = (item for item in value if isinstance(item, str)) if isinstance(value, list) else ()
    return tuple(dict.fromkeys(found))
