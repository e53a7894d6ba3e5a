"""Checks of single values: addresses, ports, VLANs. Each says what is wrong, or None (reference 5.7)."""

from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, Final

Check = Callable[[Any], str | None]


def ip(value: Any) -> str | None:
    return _tried(ip_address, value, "an IP address")


def cidr(value: Any) -> str | None:
    """A network with its prefix length, host bits allowed to be set or not (NSX normalises them)."""
    if "/" not in str(value):
        return f"'{value}' is not a CIDR"
    return _tried(lambda text: ip_network(text, strict=False), value, "a CIDR")


def ip_or_cidr(value: Any) -> str | None:
    return cidr(value) if "/" in str(value) else ip(value)


def ip_list(value: Any) -> str | None:
    """One address, one CIDR, or several with commas; no ranges."""
    return _first(ip_or_cidr, str(value).split(","))


def ip_element(value: Any) -> str | None:
    """An address, a CIDR or a range a-b."""
    text = str(value)
    if "-" not in text:
        return ip_or_cidr(text)
    low, _, high = text.partition("-")
    wrong = _first(ip, (low, high))
    if wrong is None and (ip_address(low.strip()).version, ip_address(low.strip())) > (
        ip_address(high.strip()).version,
        ip_address(high.strip()),
    ):
        return f"range '{value}' ends before it starts"
    return wrong


def gateway(value: Any) -> str | None:
    """An address of the subnet with its prefix: neither the network's own nor its broadcast."""
    text = str(value)
    if "/" not in text:
        return f"'{value}' is not a gateway in CIDR form"
    wrong = _tried(ip_interface, text, "a gateway in CIDR form")
    if wrong is not None:
        return wrong
    here = ip_interface(text)
    if here.version == 4 and here.network.prefixlen < 31:
        ends = (here.network.network_address, here.network.broadcast_address)
        if here.ip in ends:
            return f"gateway '{value}' is the network's or the broadcast address of {here.network}"
    return None


def port(value: Any) -> str | None:
    """A port or a range of ports, as text."""
    parts = str(value).split("-")
    if len(parts) > 2 or not all(part.strip().isdigit() for part in parts):
        return f"'{value}' is not a port or a port range"
    numbers = [int(part) for part in parts]
    if not all(0 <= number <= 65535 for number in numbers) or numbers != sorted(numbers):
        return f"'{value}' is not a port or a port range"
    return None


def vlan(value: Any) -> str | None:
    """A VLAN id or a range of them, 0 to 4094."""
    parts = str(value).split("-")
    if len(parts) > 2 or not all(part.isdigit() and int(part) <= 4094 for part in parts):
        return f"'{value}' is not a VLAN id or a range of them"
    return None


def address_or_any(value: Any) -> str | None:
    return None if value == "ANY" else ip_element(value)


POWERS: Final = frozenset(1 << bits for bits in range(33))


def power_of_two(value: Any) -> str | None:
    return None if value in POWERS else f"{value} is not a power of two"


def _first(check: Check, values: Any) -> str | None:
    return next((wrong for value in values if (wrong := check(str(value).strip())) is not None), None)


def _tried(make: Callable[[str], object], value: Any, what: str) -> str | None:
    try:
        make(str(value).strip())
    except ValueError:
        return f"'{value}' is not {what}"
    return None
