"""Networks of local VMs: one bridge per network of the cloud config, one veth pair per network card of a VM.

    this machine's network        the director's own network namespace          a VM's
    gateways of the subnets ◀──▶  routes ──▶ bridge of a network ──▶ port ◀──▶  eth0
                            link

Bridges and ports lie in a namespace of the director's own. This machine's network gets one link to it, the gateways
on that link, and a route per subnet; both go with the last VM of a network, the namespace with the last of all.

Every name is a hash of the state directory and what it names, so that a restarted director finds its own
interfaces and several directors share a machine. Whether a bridge is still needed is asked of the kernel: it is
removed with its last port.

Note: gateways. A gateway is this machine's own address, so that its programs answer there; the namespace answers for
it on the bridge (proxy ARP, without the usual pause) and forwards: to this machine, and to the other subnets, which
usually are zones of one network. Both ends of the link know each other's hardware address, so the addresses that
name them in routes are the same for every director and need to be free only on that link.

Note: forwarding. What comes in from our link is forwarded. That is a setting of this link alone and goes with it; the
machine's own ip_forward is left as it is.
"""

import asyncio
import hashlib
import ipaddress
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from director.adapters.local.netns import Namespace, ip, routes, set_network
from director.adapters.local.request import Nic
from director.ports.failure import InfrastructureFailure

_INTERFACES: Final = Path("/sys/class/net")
_INSIDE: Final = "host"
"""The link's end in the namespace leads to this machine."""
_ENDS: Final = {4: ("169.254.0.1", "169.254.0.2"), 6: ("fe80::1", "fe80::2")}
"""(the namespace's, this machine's) address as next hops, by version of IP."""
_SETTINGS: Final = (
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    # Containers of a VM send from addresses that are routed elsewhere or nowhere: both ways are theirs to choose.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    (f"ipv4/conf/{_INSIDE}/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    # A bridge is a switch here: no firewall sees what passes between its ports.
    ("bridge/bridge-nf-call-arptables", "0"),
    ("bridge/bridge-nf-call-ip6tables", "0"),
    ("bridge/bridge-nf-call-iptables", "0"),
)


def hash_of(*parts: str) -> str:
    """Ten hex digits: short enough for the 15 characters of an interface's name."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:10]


def mac_of(*parts: str) -> str:
    """A local unicast address. Equal parts give the same one, so no neighbour's cache is stale after a recreate."""
    digits = hash_of(*parts)
    return ":".join(["02", *(digits[i : i + 2] for i in range(0, 10, 2))])


def vm_commands(nics: Sequence[Nic], *, needs_default_route: bool = False) -> str:
    """The ``ip -batch`` text that runs inside a VM, once its cards are there.

    ``needs_default_route``: any will do, where no network gives one. What it leads to need not answer.
    """
    lines, has_default = ["link set lo up"], False
    for number, nic in enumerate(nics):
        dad = " nodad" if nic.address.version == 6 else " brd +"
        lines += [f"addr add {nic.address} dev eth{number}{dad}", f"link set eth{number} up"]
        if nic.has_default_route and nic.gateway:
            lines.append(f"route add default via {nic.gateway} dev eth{number}")
            has_default = True
    if needs_default_route and not has_default and nics:
        via = f" via {nics[0].gateway}" if nics[0].gateway else ""
        lines.append(f"route add default{via} dev eth0")
    return "\n".join(lines) + "\n"


class Networks:
    """``owner`` is the state directory."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self.namespace = Namespace(f"director-{hash_of(owner)}")
        self.link = f"dl-{hash_of(owner)}"
        """This machine's end of the link; the other one has its own hardware address."""
        self._macs = mac_of(owner, "inside"), mac_of(owner, "outside")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._changing = asyncio.Lock()  # the namespace, its link, and which bridges there are
        self._is_ready = False
        self._gateways: dict[str, set[str]] = {}

    def bridge(self, network: str) -> str:
        return f"br-{hash_of(self._owner, network)}"

    def port(self, vm: str, number: int) -> str:
        return f"ve-{hash_of(self._owner, vm)}{number}"

    async def connect(self, vm: str, pid: int, nics: Sequence[Nic]) -> None:
        """Gives the network namespace of ``pid`` its cards, and each network its bridge."""
        for number, nic in enumerate(nics):
            bridge, port = self.bridge(nic.network), self.port(vm, number)
            async with self._lock(bridge):
                there = self.namespace.which((bridge, port))
                if bridge not in there or str(nic.gateway) not in self._gateways.get(bridge, ()):
                    async with self._changing:
                        await self._ensure_subnet(bridge, nic)
                # A port that is there is of a dead namespace that the kernel has not cleaned up yet.
                stale = [f"link del {port}"] if port in there else []
                await self.namespace.ip([*stale, *self._port_lines(bridge, port, nic, number, pid)])

    async def _ensure_subnet(self, bridge: str, nic: Nic) -> None:
        """Repeatable: what a crash left half-made is made whole."""
        check_free(nic, routes(), {self.link})
        await self._ensure_namespace()
        check_free(nic, self.namespace.routes(), {_INSIDE, bridge})
        if not self.namespace.has(bridge):
            await self.namespace.ip(self._bridge_lines(bridge, nic.network))
        self.namespace.configure(_bridge_settings(bridge, nic.address.version))
        if nic.gateway:
            await self.namespace.ip(self._inner_lines(bridge, nic, nic.gateway))
            await ip(["-batch", "-"], lines=self._outer_lines(nic, nic.gateway))
        self._gateways.setdefault(bridge, set()).add(str(nic.gateway))

    async def _ensure_namespace(self) -> None:
        if self._is_ready and self.namespace.exists:
            return
        await self.namespace.ensure()
        if not (_INTERFACES / self.link).exists():
            inside, outside = self._macs
            peer = f"peer name {_INSIDE} address {inside} netns {self.namespace.name}"
            await ip(["-batch", "-"], lines=[f"link add {self.link} address {outside} type veth {peer}"])
        self.namespace.configure(_SETTINGS)
        set_network(f"ipv4/conf/{self.link}/forwarding", "1")
        await ip(["-batch", "-"], lines=[f"link set {self.link} up"])
        await self.namespace.ip(["link set lo up", f"link set {_INSIDE} up"])
        self._is_ready = True

    def _bridge_lines(self, bridge: str, network: str) -> list[str]:
        # Its own fixed address: by default a bridge takes its lowest port's, and changes it as ports come and go.
        address = mac_of(self._owner, network)
        return [f"link add {bridge} address {address} type bridge mcast_snooping 0", f"link set {bridge} up"]

    def _inner_lines(self, bridge: str, nic: Nic, gateway: str) -> list[str]:
        inside, outside = _ENDS[nic.address.version]
        length = nic.address.max_prefixlen
        return [
            f"addr replace {inside}/{length} dev {_INSIDE}{' nodad' if length == 128 else ''}",
            f"neigh replace {outside} lladdr {self._macs[1]} nud permanent dev {_INSIDE}",
            f"route replace default via {outside} dev {_INSIDE} onlink",
            f"route replace {nic.address.network} dev {bridge}",
            f"route replace {gateway}/{length} via {outside} dev {_INSIDE} onlink",
            f"neigh replace proxy {gateway} dev {bridge}",
        ]

    def _outer_lines(self, nic: Nic, gateway: str) -> list[str]:
        inside, _ = _ENDS[nic.address.version]
        length = nic.address.max_prefixlen
        return [
            f"neigh replace {inside} lladdr {self._macs[0]} nud permanent dev {self.link}",
            f"addr replace {gateway}/{length} dev {self.link}{' nodad' if length == 128 else ''}",
            f"route replace {nic.address.network} via {inside} dev {self.link} onlink src {gateway}",
        ]

    def _port_lines(self, bridge: str, port: str, nic: Nic, number: int, pid: int) -> list[str]:
        mac = mac_of(self._owner, nic.network, str(nic.address.ip))
        pair = f"link add {port} type veth peer name eth{number} address {mac} netns {pid}"
        return [pair, f"link set {port} master {bridge} up"]

    async def disconnect(self, vm: str, networks: Sequence[str]) -> None:
        """Removes a VM's cards, and each bridge it was the last on. Nothing to do is well."""
        if not self.namespace.exists:
            return
        await self._remove_links([self.port(vm, number) for number in range(len(networks))])
        for network in networks:
            bridge = self.bridge(network)
            async with self._lock(bridge), self._changing:
                if self.namespace.has(bridge) and not self.namespace.has_ports(bridge):
                    await self._remove_bridge(bridge)

    async def _remove_bridge(self, bridge: str) -> None:
        self._gateways.pop(bridge, None)
        if any(name.startswith("br-") for name in self.namespace.links() - {bridge}):
            await self._remove_subnets(bridge)
            await self._remove_links([bridge])
        else:
            await self.remove_all()

    async def _remove_subnets(self, bridge: str) -> None:
        """What leads to a bridge: asked of the kernel, as a director before this one may have made it."""
        for version in ("-4", "-6"):
            routed = json.loads(
                await self.namespace.ip([f"route show dev {bridge} proto boot"], version, "-json") or "[]"
            )
            proxied = json.loads(await self.namespace.ip([f"neigh show proxy dev {bridge}"], version, "-json") or "[]")
            subnets, gateways = [str(one["dst"]) for one in routed], [str(one["dst"]) for one in proxied]
            # Flushing what is not there is well: a crash may have come before it was made.
            await self.namespace.ip([f"route flush exact {one} dev {_INSIDE}" for one in gateways], version)
            lines = [f"route flush exact {one} dev {self.link}" for one in subnets]
            lines += [f"addr flush dev {self.link} to {one}" for one in gateways]
            await ip([version, "-batch", "-"], lines=lines)

    async def remove_all(self) -> None:
        """The namespace with all in it, and the link; it may be half-made, or not there."""
        if (_INTERFACES / self.link).exists():
            await ip(["link", "del", self.link])
        await self.namespace.remove()
        self._is_ready = False
        self._gateways.clear()

    async def _remove_links(self, names: Sequence[str]) -> None:
        """The kernel removes a dead namespace's cards by itself: one gone while we asked is as good."""
        there = sorted(self.namespace.which(names))
        if not there:
            return
        try:
            await self.namespace.ip([f"link del {name}" for name in there], "-force")
        except InfrastructureFailure:
            if self.namespace.which(there):
                raise

    def _lock(self, bridge: str) -> asyncio.Lock:
        return self._locks.setdefault(bridge, asyncio.Lock())


def _bridge_settings(bridge: str, version: int) -> Sequence[tuple[str, str]]:
    pause = (f"ipv{version}/neigh/{bridge}/proxy_delay", "0")
    return (pause,) if version == 4 else (pause, (f"ipv6/conf/{bridge}/proxy_ndp", "1"))


def check_free(nic: Nic, table: str, own: Collection[str] = ()) -> None:
    """Raises InfrastructureFailure when part of the range is already reached elsewhere than through ``own`` devices.

    ``table`` is the text of /proc/net/route: addresses there are hex in the machine's (little-endian) byte order.
    """
    if nic.address.version == 6:
        return
    for line in table.splitlines()[1:]:
        device, destination, _, _, _, _, _, mask = line.split()[:8]
        taken = ipaddress.ip_network(f"{_from_hex(destination)}/{_from_hex(mask)}")
        if taken.prefixlen and device not in own and taken.overlaps(nic.address.network):
            raise InfrastructureFailure(
                f'Network "{nic.network}" wants {nic.address.network}, but this machine already reaches {taken} '
                f"through {device}: give the network another range in the cloud config."
            )


def _from_hex(word: str) -> str:
    return str(ipaddress.IPv4Address(bytes.fromhex(word)[::-1]))
