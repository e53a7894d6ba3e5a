"""What this VM was told about itself beside how to enrol: host name, networks, disks, kept for the next boot.

The enrolment goes away once it is used; this stays, in ``bosh/machine.json``. No secret is in it.
"""

import json
from collections.abc import Mapping
from typing import Any

from agent import identity
from agent.layout import Layout, write_atomically

_KEPT = ("hostname", "networks", "disks", "env")


def about(layout: Layout) -> Mapping[str, Any]:
    """Empty on a VM that was told nothing."""
    file = layout.bosh / "machine.json"
    tree = json.loads(file.read_bytes()) if file.exists() else {}
    assert isinstance(tree, dict), "only keep() writes it"
    return tree


def keep(layout: Layout) -> None:
    """From the enrolment that waits, if one does."""
    ticket = _ticket(layout)
    told = {key: ticket[key] for key in _KEPT if ticket.get(key)}
    if told:
        write_atomically(layout.bosh / "machine.json", json.dumps(told).encode(), 0o644, durable=True)


def is_to_set_up(layout: Layout) -> bool:
    """Whether there is anything for boot.py: an enrolment to look for, or a VM that was told about itself."""
    if not identity.enrolment_file(layout).exists() and identity.load(layout) is None:
        return True
    return (layout.bosh / "machine.json").exists() or any(_ticket(layout).get(key) for key in _KEPT)


def _ticket(layout: Layout) -> Mapping[str, Any]:
    try:
        tree = json.loads(identity.enrolment_file(layout).read_bytes())
    except FileNotFoundError:
        return {}
    assert isinstance(tree, dict), "an enrolment is a JSON object"
    return tree
