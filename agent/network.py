"""The VM's own network, as it was told: host name, addresses, default route, DNS (agent-cpi-vsphere 1.4).

NICs are known by their MAC; one without it only when there is a single NIC. Addresses are added beside what is there
and nothing is taken away, so that it may be repeated at each start and on a VM that something else set up too.
"""

import ipaddress
import logging
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.failure import Failed

log = logging.getLogger("agent")

Network = Mapping[str, Any]
_NICS = Path("/sys/class/net")
_ETC = Path("/etc")
_COMMAND_MAX_S = 30.0
_DHCP = (("dhclient", "-nw"), ("udhcpc", "-b", "-i"), ("dhcpcd",))
"""Clients that go to the background and keep the lease; the NIC's name follows."""


def set_up(networks: Mapping[str, Network], hostname: str, *, nics: Path = _NICS, etc: Path = _ETC) -> None:
    """Raises Failed for the first thing that could not be done."""
    if hostname:
        _name(hostname, etc)
    real = {name: net for name, net in networks.items() if net.get("type") != "vip" and not net.get("preconfigured")}
    cards = cards_of(real, nics)
    for name, net in real.items():
        _connect(cards[name], net, is_only=len(real) == 1)
    servers = [str(server) for net in real.values() for server in net.get("dns") or ()]
    if servers:
        _write_in_place(etc / "resolv.conf", "".join(f"nameserver {server}\n" for server in dict.fromkeys(servers)))


def cards_of(networks: Mapping[str, Network], nics: Path) -> dict[str, str]:
    """Network to NIC. Raises Failed for one that this VM does not have."""
    by_mac = _real_nics(nics)
    found: dict[str, str] = {}
    for name, net in networks.items():
        mac = str(net.get("mac") or "").lower()
        if mac in by_mac:
            found[name] = by_mac[mac]
        elif not mac and len(networks) == len(by_mac) == 1:
            found[name] = next(iter(by_mac.values()))
        else:
            raise Failed(f'network "{name}" should be on the NIC {mac or "without MAC"}, which this VM does not have')
    return found


def address_of(net: Network) -> str | None:
    """``ip/length``; None where the NIC is to ask for it."""
    length = net.get("prefix") or net.get("netmask")
    if net.get("type") == "dynamic" or net.get("use_dhcp") or not net.get("ip") or not length:
        return None
    return str(ipaddress.ip_interface(f"{net['ip']}/{length}"))


def _real_nics(nics: Path) -> dict[str, str]:
    found = {(nic / "address").read_text("ascii").strip().lower(): nic.name for nic in sorted(nics.iterdir())}
    return {mac: name for mac, name in found.items() if name != "lo"}


def _connect(card: str, net: Network, *, is_only: bool) -> None:
    address = address_of(net)
    if address is None:
        _run("ip", "link", "set", "dev", card, "up")
        _ask_for_address(card)
        return
    # Before the link goes up, so that the kernel tells the neighbours whose caches name an older VM's MAC.
    _tell_neighbours(card)
    _run("ip", "address", "replace", address, "dev", card)
    _run("ip", "link", "set", "dev", card, "up")
    gateway, chosen = net.get("gateway"), net.get("default") or ()
    if gateway and ("gateway" in chosen or (is_only and not chosen)):
        kind = "-6" if ":" in str(gateway) else "-4"
        _run("ip", kind, "route", "replace", "default", "via", str(gateway), "dev", card)


def _tell_neighbours(card: str) -> None:
    notify = Path(f"/proc/sys/net/ipv4/conf/{card}/arp_notify")
    if notify.exists():
        notify.write_text("1")


def _ask_for_address(card: str) -> None:
    if _run("ip", "-o", "address", "show", "dev", card, "scope", "global"):
        return
    client = next((words for words in _DHCP if shutil.which(words[0])), None)
    if client is None:
        raise Failed(f"NIC {card} is to ask for its address, and this VM has none of dhclient, udhcpc and dhcpcd")
    _run(*client, card)


def _name(hostname: str, etc: Path) -> None:
    if socket.gethostname() != hostname:
        socket.sethostname(hostname)
    _write_in_place(etc / "hostname", hostname + "\n")
    hosts = (etc / "hosts").read_text("utf-8") if (etc / "hosts").exists() else "127.0.0.1 localhost\n"
    if hostname not in hosts.split():
        _write_in_place(etc / "hosts", f"{hosts.rstrip()}\n127.0.1.1 {hostname}\n")


def _write_in_place(path: Path, text: str) -> None:
    """Not renamed over: the file may be a mount. A link leads to what another program writes, and stays as it is."""
    if not path.is_symlink() and (not path.exists() or path.read_text("utf-8") != text):
        path.write_text(text)


def _run(*argv: str) -> str:
    return _output_of(argv).strip()


def _output_of(argv: Sequence[str]) -> str:
    words = " ".join(argv)
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_COMMAND_MAX_S, check=False
        )
    except FileNotFoundError as error:
        raise Failed(f"{argv[0]}: no such program on this VM") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{words} did not end in {_COMMAND_MAX_S:.0f} s") from error
    if done.returncode:
        raise Failed(f"{words} ended with exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout
