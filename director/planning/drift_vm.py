"""In what a VM that is there differs from what was recorded when it was made: size, addresses, tags. Pure.

Only what the director set is compared, and only where it is seen: a VM that is off, or whose guest tells nothing, shows
no addresses, and what others added to a VM is theirs.
"""

import ipaddress
from collections.abc import Iterable, Mapping

from director.model.record import VmRecord
from director.model.sighting import Power, SeenVm
from director.model.tree import Tree


def other_sizes(vm: VmRecord, seen: SeenVm) -> tuple[str, str] | None:
    """Recorded and seen, in words, where both are numbers and differ."""
    found: dict[str, tuple[int, int]] = {}
    for key, size in sorted(seen.sizes.items()):
        wanted = vm.shape.cloud_properties.get(key)
        if isinstance(wanted, int) and not isinstance(wanted, bool) and wanted != size:
            found[key] = (wanted, size)
    return (_sizes(found, 0), _sizes(found, 1)) if found else None


def _sizes(sizes: Mapping[str, tuple[int, int]], which: int) -> str:
    units = {"cpu": ""}
    return ", ".join(f"{key} {both[which]}{units.get(key, ' MB')}" for key, both in sizes.items())


def other_addresses(vm: VmRecord, seen: SeenVm) -> tuple[str, str] | None:
    """Of cards that show addresses, but not the recorded one."""
    if seen.power is Power.OFF or seen.addresses is None:
        return None
    recorded, shown = [], []
    for (network, wanted), card in zip(_recorded(vm.shape.networks), seen.addresses, strict=False):
        there = _plain(card)
        if wanted and there and not set(wanted) <= set(there):
            recorded.append(f"{network} {wanted[0]}")
            shown.append(f"{network} {', '.join(there)}")
    return (", ".join(recorded), ", ".join(shown)) if recorded else None


def _recorded(networks: Mapping[str, Tree]) -> Iterable[tuple[str, tuple[str, ...]]]:
    """By card, in their order. A VIP has no card; a dynamic network's address is nobody's choice."""
    cards = ((name, network) for name, network in sorted(networks.items()) if network.get("type") != "vip")
    return ((name, _plain([str(network.get("ip"))])) for name, network in cards)


def _plain(addresses: Iterable[str]) -> tuple[str, ...]:
    """In one spelling each, without those that every card gives itself."""
    found = []
    for text in addresses:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            continue
        if not address.is_link_local:
            found.append(str(address))
    return tuple(found)


def other_tags(vm: VmRecord, seen: SeenVm) -> tuple[str, str] | None:
    """Tags that the VM was made with and has no longer, or with another value."""
    if seen.tags is None:
        return None
    there = {key: _one_line(value) for key, value in seen.tags.items()}
    wanted = {key: _one_line(value) for key, value in sorted(vm.tags.items())}
    other = [key for key, value in wanted.items() if there.get(key, "") != value]
    if not other:
        return None
    return ", ".join(f"{key}: {wanted[key]}" for key in other), ", ".join(
        f"{key}: {there[key]}" if key in there else f"no {key}" for key in other
    )


def _one_line(value: object) -> str:
    """Infrastructures keep tags as they like: lines joined, ends trimmed."""
    return " ".join(str(value).split())
