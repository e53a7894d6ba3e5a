"""Firewall rules as they are written, in cloud properties and in network configs alike. Never fails.

Here because both the manifests' half and the planner read them, and neither may know the other.
"""

import ipaddress
from typing import Final

from director.model.fabric import Ref
from director.model.network_config import RuleWish
from director.model.tree import Node, Tree

ANY: Final = "any"


def rules_of(policy: Tree) -> tuple[RuleWish, ...]:
    """The rules of one policy, in their order; what is no rule is left out."""
    written = policy.get("rules")
    return tuple(_rule(rule) for rule in written if isinstance(rule, dict)) if isinstance(written, list) else ()


def _rule(rule: Tree) -> RuleWish:
    services = rule.get("services")
    return RuleWish(
        name=_text(rule, "name", ""),
        action=_text(rule, "action", "allow").upper(),
        sources=refs_of(rule.get("from")),
        destinations=refs_of(rule.get("to")),
        services=tuple(s for s in services if isinstance(s, str)) if isinstance(services, list) else (),
        direction=_text(rule, "direction", "in_out").upper(),
        is_logged=rule.get("logged") is True,
    )


def refs_of(node: Node) -> tuple[Ref, ...]:
    """One entry or a list of them: addresses, ``any`` and ``{existing: name}`` are foreign, names may be ours."""
    entries = node if isinstance(node, list) else [node]
    return tuple(ref for entry in entries if (ref := _ref(entry)) is not None)


def _ref(node: Node) -> Ref | None:
    if isinstance(node, dict):
        name = node.get("existing")
        return Ref(to=name, is_ours=False) if isinstance(name, str) else None
    if not isinstance(node, str):
        return None
    return Ref(to=block_text(node), is_ours=False) if is_member(node) else Ref(to=node)


def is_member(written: str) -> bool:
    """What a rule may name beside groups: ``any``, an address, a range or a CIDR block."""
    return written == ANY or all(_is_block(part) for part in written.split("-", 1))


def block_text(written: str) -> str:
    """A CIDR block without host bits; anything else as it is."""
    return str(ipaddress.ip_network(written, strict=False)) if "/" in written and _is_block(written) else written


def _is_block(written: str) -> bool:
    try:
        ipaddress.ip_network(written.strip(), strict=False)
    except ValueError:
        return False
    return True


def _text(tree: Tree, key: str, default: str) -> str:
    value = tree.get(key)
    return value if isinstance(value, str) else default
