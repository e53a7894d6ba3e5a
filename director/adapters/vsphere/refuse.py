"""Words for wishes that no place can be given to, with how much there is where."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from director.adapters.vsphere.fit import HEADROOM_MB, Lack, Scarce, gb
from director.adapters.vsphere.needs import VmNeed
from director.manifest.near import instead_of
from director.model.placement import DiskWish
from director.model.problem import Problem

_SAID: Final[Mapping[Scarce, tuple[str, str, str]]] = {
    Scarce.HOSTS: ("no-usable-host", "No usable host", "bring a host back, or let its hosts reach the network."),
    Scarce.MEMORY: (
        "not-enough-memory",
        "Not enough memory",
        "give the AZ more clusters or hosts, or ask for smaller or fewer VMs.",
    ),
    Scarce.SPACE: (
        "not-enough-space",
        "Not enough datastore space",
        "free space, widen the datastore patterns, or ask for smaller disks.",
    ),
}
_SHOWN_MAX: Final = 6


def no_datacenter(name: str, known: Iterable[str]) -> Problem:
    return Problem(
        code="vsphere.unknown-datacenter",
        summary="Unknown datacenter",
        detail=f'The settings name datacenter "{name}", which vCenter does not have, or does not show to this account.',
        fix=instead_of(name, known, "correct datacenters: in the settings"),
    )


def no_room(name: str, failed: Sequence[tuple[VmNeed, Mapping[str, Lack]]]) -> Problem:
    """For all instances of one group in one zone (``name``): the first one's reasons, cluster by cluster."""
    labels = sorted({need.wish.label for need, _ in failed})
    lacks = failed[0][1]
    scarcest = Counter(lack.of for lack in lacks.values()).most_common(1)[0][0]
    code, summary, fix = _SAID[scarcest]
    reasons = "; ".join(f"cluster {cluster}: {lack.words}" for cluster, lack in sorted(lacks.items()))
    others = f" and {len(labels) - 1} more of {name}" if len(labels) > 1 else ""
    return Problem(
        code=f"vsphere.{code}",
        summary=summary,
        detail=f"There is no room for {failed[0][0].wish.label}{others}: {reasons}.",
        fix=fix,
    )


def no_room_for_disk(wish: DiskWish, space_mb: Mapping[str, int]) -> Problem:
    """``space_mb``: what is free on each datastore that its VM reaches."""
    code, summary, fix = _SAID[Scarce.SPACE]
    most = sorted(space_mb.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN_MAX]
    there = ", ".join(f"{name} {gb(free)} GB" for name, free in most) or "none that its VM reaches"
    needed = gb(wish.size_mb + HEADROOM_MB)
    return Problem(
        code=f"vsphere.{code}",
        summary=summary,
        detail=f"Disk {wish.name} of {wish.vm} needs a datastore with {needed} GB free; there is: {there}.",
        fix=fix,
    )
