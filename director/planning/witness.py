"""Whether what an infrastructure does not show may be taken for gone."""

from collections.abc import Collection
from typing import Final

from director.model.names import VmName

LIARS_MIN: Final = 2
"""So many VMs whose agents answer, and which their infrastructure does not know, show that it sees nothing."""


def is_blind(talking: Collection[VmName], shown: Collection[VmName]) -> bool:
    """It does not show VMs whose agents are talking to us: a lost right, a renamed folder, an unmounted directory."""
    hidden = [name for name in talking if name not in shown]
    return len(hidden) >= min(LIARS_MIN, len(talking)) > 0
