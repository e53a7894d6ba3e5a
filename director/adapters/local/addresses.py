"""The addresses of a VM as the kernel has them, read from outside: no program is run for it, and nothing is entered.

``/proc/<pid>/net`` shows the network namespace of that process (proc(5)).
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LOCAL: Final = "/32 host LOCAL"
"""What the routing trie writes below each address that is the machine's own."""


def addresses_of(pid: int) -> tuple[str, ...] | None:
    """Of all its cards together, without loopback, sorted; None when it has ended meanwhile."""
    net = Path(f"/proc/{pid}/net")
    try:
        ipv4 = (net / "fib_trie").read_text()
        # There is no such file on a machine without IPv6.
        ipv6 = (net / "if_inet6").read_text() if (net / "if_inet6").exists() else ""
    except OSError:
        return None  # The kernel has several errors for a process that ends while it is looked at.
    found = {ipaddress.ip_address(one) for one in (*_ipv4(ipv4), *_ipv6(ipv6))}
    return tuple(sorted(str(one) for one in found if not one.is_loopback))


def _ipv4(trie: str) -> Iterator[str]:
    address = ""
    for line in trie.splitlines():
        text = line.strip()
        if text.startswith("|--"):
            address = text.removeprefix("|--").strip()
        elif text == _LOCAL and address:
            yield address


def _ipv6(table: str) -> Iterator[str]:
    """Lines begin with 32 hex digits."""
    for line in table.splitlines():
        digits = line.split()[0]
        yield str(ipaddress.IPv6Address(bytes.fromhex(digits)))
