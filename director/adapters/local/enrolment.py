"""``/var/vcap`` of a VM before its agent has run: where it logs, and how it reaches the director, once."""

import json
from pathlib import Path
from typing import Final

from director.adapters.local.files import write_private
from director.ports.infrastructure import Enrolment

SOCKETS_IN_VM: Final = "/run/director"
ENROLMENT_IN_VCAP: Final = "bosh/enrolment.json"


def make_vcap(vcap: Path, enrolment: Enrolment) -> None:
    """``/var/vcap`` of a VM that has never run: the agent's log directory, and how it reaches the director."""
    for directory in (vcap, vcap / "bosh", vcap / "bosh/log"):
        directory.mkdir()
        directory.chmod(0o755)
    write_private(vcap / ENROLMENT_IN_VCAP, enrolment_text(enrolment))


def renew_enrolment(vcap: Path, enrolment: Enrolment) -> None:
    """A VM adopted before its agent enrolled holds a token that works no more; one that has enrolled needs none."""
    if (vcap / ENROLMENT_IN_VCAP).exists():
        write_private(vcap / ENROLMENT_IN_VCAP, enrolment_text(enrolment))


def enrolment_text(enrolment: Enrolment) -> str:
    """JSON with the fields of Enrolment; a target that is a socket is named by its place inside the VM."""
    return json.dumps(
        {
            "agent_id": enrolment.agent,
            "token": enrolment.token,
            "ca_certificate": enrolment.ca_certificate,
            "enrol_targets": [_seen_from_vm(target) for target in enrolment.enrol_targets],
            "agent_targets": [_seen_from_vm(target) for target in enrolment.agent_targets],
        }
    )


def _seen_from_vm(target: str) -> str:
    kind, _, path = target.partition(":")
    return f"unix:{SOCKETS_IN_VM}/{Path(path).name}" if kind == "unix" else target
