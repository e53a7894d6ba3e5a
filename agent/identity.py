"""Who this agent is to the director: what enrolment left in ``bosh/identity``. Reads; only enrol.py writes."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from agent.layout import Layout

SERVER_NAME = "director"
"""What the director's certificate is for, whatever address it is reached at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    agent_id: str
    targets: tuple[str, ...]
    key_pem: bytes = field(repr=False)
    certificate_pem: bytes = field(repr=False)
    ca_pem: bytes = field(repr=False)


def directory(layout: Layout) -> Path:
    return layout.bosh / "identity"


def enrolment_file(layout: Layout) -> Path:
    return layout.bosh / "enrolment.json"


def load(layout: Layout) -> Identity | None:
    """None before the first enrolment. ``agent.json`` is written last, so with it the rest is there."""
    place = directory(layout)
    try:
        about = json.loads((place / "agent.json").read_bytes())
    except FileNotFoundError:
        return None
    return Identity(
        agent_id=about["agent_id"],
        targets=tuple(about["agent_targets"]),
        key_pem=(place / "key.pem").read_bytes(),
        certificate_pem=(place / "certificate.pem").read_bytes(),
        ca_pem=(place / "ca.pem").read_bytes(),
    )
