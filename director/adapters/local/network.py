"""Networks of local VMs: one bridge per network of the cloud config, one veth pair per network card of a VM.

Every name is a hash of the state directory and what it names, so that a restarted director finds its own
interfaces and several directors share a machine. Whether a bridge is still needed is asked of the kernel: it is
removed with its last port.

Note: forwarding. Zones of one network usually are subnets of their own, and their VMs must reach each other through
their gateways, which is the bridge. So packets coming in from our bridges are forwarded. That is a setting of our
interfaces alone and goes with them; the machine's own ip_forward is left as it is.
"""

import asyncio
import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from director.adapters.local.process import find_program, run
from director.adapters.local.request import Nic
from director.ports.failure import InfrastructureFailure

IP_TIMEOUT_S: Final = 30.0
_INTERFACES: Final = Path("/sys/class/net")


def hash_of(*parts: str) -> str:
    """Ten hex digits: short enough for the 15 characters of an interface's name."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def mac_of(*parts: str) -> str:
    """A local unicast address. Equal parts give the same one, so no neighbour's cache is stale after a recreate."""
    digits = hash_of(*parts)
    return ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])


def vm_commands(nics: Sequence[Nic]) -> str:
    """The ``ip -batch`` text that runs inside a VM, once its cards are there."""
    lines = ["link set lo up"]
    for number, nic in enumerate(nics):
        dad = " nodad" if nic.address.version == 6 else " brd +"
        lines += [f"addr add {nic.address} dev eth{number}{dad}", f"link set eth{number} up"]
        if nic.has_default_route and nic.gateway:
            lines.append(f"route add default via {nic.gateway} dev eth{number}")
    return "\n".join(lines) + "\n"


class Networks:
    """``owner`` is the state directory."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._addresses: dict[str, set[str]] = {}

    def bridge(self, network: str) -> str:
        return f"br-{hash_of(self._owner, network)}"

    def port(self, vm: str, number: int) -> str:
        return f"ve-{hash_of(self._owner, vm)}{number}"

    async def connect(self, vm: str, pid: int, nics: Sequence[Nic]) -> None:
        """Gives the network namespace of ``pid`` its cards, and each network its bridge."""
        for number, nic in enumerate(nics):
            bridge, port = self.bridge(nic.network), self.port(vm, number)
            async with self._lock(bridge):
                is_new = not (_INTERFACES / bridge).exists()
                lines = [
                    *self._bridge_lines(bridge, nic, is_new=is_new),
                    *self._port_lines(bridge, port, nic, number, pid),
                ]
                await _ip(lines)
                self._addresses.setdefault(bridge, set()).add(str(nic.gateway))
                if is_new:
                    _forward(bridge, nic.address.version)

    def _bridge_lines(self, bridge: str, nic: Nic, *, is_new: bool) -> Iterable[str]:
        if is_new:
            self._addresses.pop(bridge, None)
            check_free(nic, Path("/proc/net/route").read_text())
            # Its own fixed address: by default a bridge takes its lowest port's, and changes it as ports come and go.
            yield f"link add {bridge} address {mac_of(self._owner, nic.network)} type bridge mcast_snooping 0"
            yield f"link set {bridge} up"
        if nic.gateway and nic.gateway not in self._addresses.get(bridge, ()):
            yield f"addr replace {nic.gateway}/{nic.address.network.prefixlen} dev {bridge}"

    def _port_lines(self, bridge: str, port: str, nic: Nic, number: int, pid: int) -> Iterable[str]:
        if (_INTERFACES / port).exists():  # of a dead namespace the kernel has not cleaned up yet
            yield f"link del {port}"
        mac = mac_of(self._owner, nic.network, str(nic.address.ip))
        yield f"link add {port} type veth peer name eth{number} address {mac} netns {pid}"
        yield f"link set {port} master {bridge} up"

    async def disconnect(self, vm: str, networks: Sequence[str]) -> None:
        """Removes a VM's cards, and each bridge it was the last on. Nothing to do is well."""
        await _remove([self.port(vm, number) for number in range(len(networks))])
        for network in networks:
            bridge = self.bridge(network)
            async with self._lock(bridge):
                if (_INTERFACES / bridge).exists() and not any((_INTERFACES / bridge / "brif").iterdir()):
                    self._addresses.pop(bridge, None)
                    await _remove([bridge])

    def _lock(self, bridge: str) -> asyncio.Lock:
        return self._locks.setdefault(bridge, asyncio.Lock())


def check_free(nic: Nic, routes: str) -> None:
    """Raises InfrastructureFailure when this machine already reaches part of the range elsewhere.

    ``routes`` is the text of /proc/net/route: addresses there are hex in the machine's (little-endian) byte order.
    """
    if nic.address.version == 6:
        return
    for line in routes.splitlines()[1:]:
        device, destination, _, _, _, _, _, mask = line.split()[:8]
        taken = ipaddress.ip_network(f"{_from_hex(destination)}/{_from_hex(mask)}")
        if taken.prefixlen and taken.overlaps(nic.address.network):
            raise InfrastructureFailure(
                f'Network "{nic.network}" wants {nic.address.network}, but this machine already reaches {taken} '
                f"through {device}: give the network another range in the cloud config."
            )


def _from_hex(word: str) -> str:
    return str(ipaddress.IPv4Address(bytes.fromhex(word)[::-1]))


def _forward(bridge: str, version: int) -> None:
    setting = Path(f"/proc/sys/net/ipv{version}/conf/{bridge}/forwarding")
    try:
        setting.write_text("1")
    except OSError as error:
        raise InfrastructureFailure(
            f"{setting} cannot be set, so VMs of different subnets could not reach each other: {error.strerror}."
        ) from error


async def _ip(lines: Sequence[str]) -> None:
    program = find_program("ip", "iproute2")
    await run([program, "-batch", "-"], text="\n".join(lines) + "\n", timeout_s=IP_TIMEOUT_S)


async def _remove(names: Sequence[str]) -> None:
    """The kernel removes a dead namespace's cards by itself: one gone while we asked is as good."""
    there = [name for name in names if (_INTERFACES / name).exists()]
    if not there:
        return
    program = find_program("ip", "iproute2")
    try:
        lines = "".join(f"link del {name}\n" for name in there)
        await run([program, "-force", "-batch", "-"], text=lines, timeout_s=IP_TIMEOUT_S)
    except InfrastructureFailure:
        if any((_INTERFACES / name).exists() for name in there):
            raise
