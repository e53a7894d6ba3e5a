"""What is read of VMs only when somebody looks for drift: the addresses of their cards, and what was written on them.

One bulk request. The watch does not follow this: as arrays they cost many times what all the rest does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pyVmomi import vim

from director.adapters.vsphere.identity import read_annotation, read_identity
from director.adapters.vsphere.seen import ON, TOOLS_RUN
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.watch import WatchedVm
from director.model.sighting import SeenVm

_ANNOTATION: Final = "config.annotation"
_CARDS: Final = "guest.net"
_OPTIONS: Final = "config.extraConfig"


async def read_details(session: Session, vms: Sequence[WatchedVm]) -> Mapping[str, Mapping[str, Any]]:
    """By moid; VMs that are gone, or half made, have none."""
    if not vms:
        return {}
    objects = [session.of(vim.VirtualMachine, vm.moid) for vm in vms]
    paths = (_ANNOTATION, _CARDS, _OPTIONS)
    return await session.read("read the addresses and tags of VMs", vim.VirtualMachine, paths, objects)


def with_details(seen: SeenVm, vm: WatchedVm, details: Mapping[str, Any]) -> SeenVm:
    """Of ``director.*`` in the extra configuration those that are tags too are told as it has them: the director goes
    by them. All other tags are the annotation's.
    """
    if _OPTIONS not in details:
        return seen
    identity = read_identity(details[_OPTIONS])
    told = {"deployment": identity.deployment, "id": identity.instance, "name": identity.label}
    tags = {**read_annotation(details.get(_ANNOTATION) or ""), **told}
    is_told = vm.power == ON and vm.tools == TOOLS_RUN and identity.macs
    cards = _addresses(details.get(_CARDS) or (), identity.macs) if is_told else None
    return replace(seen, addresses=cards, tags={key: tags[key] for key in sorted(tags) if tags[key]})


def _addresses(cards: Iterable[Any], macs: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """By the MACs that the VM was made with: a guest has further cards of its own (bridges, tunnels)."""
    shown = {str(card.macAddress).lower(): tuple(card.ipAddress or ()) for card in cards}
    return tuple(shown.get(mac.lower(), ()) for mac in macs)
