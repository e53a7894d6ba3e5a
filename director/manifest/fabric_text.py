"""Small values of network fabrics with a syntax of their own: ports, services, VLANs. Syntax and bounds only."""

import re
from typing import Final

from director.manifest.near import nearest
from director.model.tree import Node

PORT_FIX: Final = "write a port such as 80, or a range such as 8000-8010."
SERVICE_FIX: Final = "write it as tcp/80, udp/53, tcp/8000-8010, icmp, or the name of a service that is there."
_PORTS: Final = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_PORT_MAX: Final = 65_535
_VLAN_MAX: Final = 4_094
_PROTOCOLS: Final = ("tcp", "udp")


def port_text(node: Node) -> str | None:
    """``80`` or ``8000-8010`` as text; None when it is none."""
    return _range_text(node, 1, _PORT_MAX)


def vlan_text(node: Node) -> str | None:
    """``100`` or ``200-210`` as text; None when it is none."""
    return _range_text(node, 0, _VLAN_MAX)


def _range_text(node: Node, least: int, most: int) -> str | None:
    if isinstance(node, bool) or not isinstance(node, int | str):
        return None
    found = _PORTS.fullmatch(str(node).strip())
    if not found:
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    if not least <= first <= last <= most:
        return None
    return str(first) if first == last else f"{first}-{last}"


def wrong_service(written: str) -> str:
    """Why it is no service, as the end of a sentence; empty when it is one, as far as the text can tell."""
    protocol, slash, ports = written.partition("/")
    if not slash:
        return "" if written.strip() else "is empty"
    if protocol in _PROTOCOLS:
        return "" if port_text(ports) else "has no port that could be used"
    guess = nearest(protocol, _PROTOCOLS)
    return f'names the protocol "{protocol[:20]}"' + (f", {guess} perhaps" if guess else "")


def looks_like_block(written: str) -> bool:
    """Meant as a CIDR block, whether or not it can be read as one."""
    head, slash, tail = written.partition("/")
    return bool(slash) and tail.isdigit() and bool(re.fullmatch(r"[0-9a-fA-F.:]+", head))
