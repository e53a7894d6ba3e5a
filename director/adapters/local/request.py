"""Whether a wished VM can be made on this machine, and as what. Pure; nothing is made before all of it is checked."""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from director.adapters.local.files import Limits
from director.model.names import StemcellCid
from director.model.tree import Tree
from director.model.wanted import VmShape
from director.ports.failure import InfrastructureFailure

HOST: Final = StemcellCid("host")
"""The stemcell that is this machine's own programs. Any other one is a root file system, and its VM a machine."""

_LOOPBACK: Final = ipaddress.ip_network("127.0.0.0/8")
_Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One network card. ``gateway`` is the address the host carries on the network's bridge."""

    network: str
    address: _Interface
    gateway: str | None
    has_default_route: bool
    dns: tuple[str, ...] = ()


def check_shape(shape: VmShape, *, own_network: bool, is_known: bool = False) -> tuple[tuple[Nic, ...], Limits]:
    """Raises InfrastructureFailure with everything that is wrong; ``own_network`` is what only root can give.

    ``is_known``: the stemcell's root is on this machine.
    """
    nics, limits, wrong = _read_shape(shape, own_network=own_network, is_known=is_known)
    if wrong:
        raise InfrastructureFailure(" ".join(wrong))
    return nics, limits


def wrong_in(shape: VmShape, *, own_network: bool, is_known: bool = False) -> Sequence[str]:
    """Everything that keeps this machine from making it, a sentence each."""
    return _read_shape(shape, own_network=own_network, is_known=is_known)[2]


def _read_shape(shape: VmShape, *, own_network: bool, is_known: bool) -> tuple[tuple[Nic, ...], Limits, list[str]]:
    wrong: list[str] = []
    if shape.stemcell_cid != HOST and not own_network:
        wrong.append(
            f'Stemcell "{shape.stemcell_name}/{shape.stemcell_version}" is a root file system of its own, and only '
            "root can give a VM one: run the director as root, or deploy on a stemcell of this host."
        )
    elif shape.stemcell_cid != HOST and not is_known:
        wrong.append(
            f'Stemcell "{shape.stemcell_name}/{shape.stemcell_version}" ({shape.stemcell_cid}) is not on this machine '
            "(any more): upload it again with --fix."
        )
    nics = read_nics(shape.networks, wrong)
    if not own_network:
        wrong += [_not_loopback(nic) for nic in nics if nic.address.version != 4 or nic.address.ip not in _LOOPBACK]
    return nics, read_limits(shape.cloud_properties, wrong), wrong


def _not_loopback(nic: Nic) -> str:
    return (
        f'Network "{nic.network}" wants {nic.address.ip}, but without root a VM shares this machine\'s network and can '
        "only have addresses in 127.0.0.0/8: use manifests/ops/unprivileged.yml, or run the director as root."
    )


def read_nics(networks: Mapping[str, Tree], wrong: list[str]) -> tuple[Nic, ...]:
    """The cards in the order of the networks' names, so that eth0 is the same after every reboot."""
    real = {name: net for name, net in sorted(networks.items()) if net.get("type", "manual") != "vip"}
    nics = []
    for name, net in real.items():
        address = _address_of(net)
        if address is None:
            wrong.append(f'Network "{name}" gives no usable address (ip and netmask or prefix); make it a manual one.')
        else:
            nics.append(_nic_of(name, net, address, is_only=len(real) == 1))
    return tuple(nics)


def _address_of(net: Tree) -> _Interface | None:
    length = net.get("prefix") or net.get("netmask")
    try:
        return ipaddress.ip_interface(f"{net['ip']}/{length}" if length else str(net["ip"]))
    except (KeyError, ValueError):
        return None


def _nic_of(name: str, net: Tree, address: _Interface, *, is_only: bool) -> Nic:
    default = net.get("default")
    chosen = default if isinstance(default, list) else []
    gateway, dns = net.get("gateway"), net.get("dns")
    return Nic(
        network=name,
        address=address,
        gateway=gateway if isinstance(gateway, str) else None,
        has_default_route="gateway" in chosen or (is_only and not chosen),
        dns=tuple(str(server) for server in dns) if isinstance(dns, list) else (),
    )


def read_limits(properties: Tree, wrong: list[str]) -> Limits:
    """``cpu`` in cores, ``ram`` (or ``memory``) in MB. ``disk`` is known, but not a limit here yet."""
    cpu = _positive(properties, "cpu", wrong)
    ram = _positive(properties, "ram" if "ram" in properties else "memory", wrong)
    _positive(properties, "disk", wrong)
    return Limits(cpu=cpu, ram_mb=int(ram) if ram is not None else None)


def _positive(properties: Tree, key: str, wrong: list[str]) -> float | None:
    value = properties.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        wrong.append(f"cloud_properties.{key} is {value!r}; give a number greater than zero.")
        return None
    return float(value)
