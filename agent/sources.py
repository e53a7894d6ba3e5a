"""Where an agent that has no enrolment looks for one; the first that has one is taken (agent-cpi-vsphere 1.3).

1. guestinfo.director.enrolment, base64 of JSON: what our own vSphere adapter gives.
2. Settings as BOSH's CPIs give them, with ours below env.bosh.director_enrolment: in guestinfo.userdata, in the file
   ``env`` of a CD-ROM, or in /var/vcap/bosh/*-agent-env.json.
What guestinfo held is overwritten once it was kept.
"""

import json
import logging
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent import guestinfo
from agent.failure import Failed
from agent.identity import enrolment_file
from agent.layout import Layout, write_atomically

log = logging.getLogger("agent")

ENROLMENT = "guestinfo.director.enrolment"
USERDATA = "guestinfo.userdata"
_ENCODING = "guestinfo.userdata.encoding"
_CD = Path("/dev/sr0")
_MOUNT_MAX_S = 60.0
Ticket = Mapping[str, Any]


def fetch(layout: Layout, cd: Path = _CD) -> bool:
    """Whether an enrolment was found; it is in ``bosh/enrolment.json`` then, and nowhere else that we can reach."""
    for find in (_from_guestinfo, _from_userdata):
        ticket, names = find()
        if ticket is not None:
            _keep(layout, ticket)
            _use_up(names)
            return True
    ticket = _from_cd(cd) or _from_files(layout.bosh)
    if ticket is not None:
        _keep(layout, ticket)
    return ticket is not None


def enrolment_in(settings: Mapping[str, Any]) -> Ticket | None:
    """Ours out of BOSH's settings, with their networks, disks and env beside it; None when it is not there."""
    env = settings.get("env") or {}
    ours = (env.get("bosh") or {}).get("director_enrolment")
    if not isinstance(ours, dict):
        return None
    told = {key: settings[key] for key in ("networks", "disks", "env") if settings.get(key)}
    told["env"] = {key: env[key] for key in ("persistent_disk_fs", "persistent_disk_mount_options") if key in env}
    return told | ours


def _from_guestinfo() -> tuple[Ticket | None, dict[str, str]]:
    value = guestinfo.get(ENROLMENT)
    ticket = _tree(guestinfo.decoded(value, "base64"), ENROLMENT) if value else None
    return ticket, {ENROLMENT: guestinfo.USED}


def _from_userdata() -> tuple[Ticket | None, dict[str, str]]:
    """User data that is another's (cloud-init's) is none of ours, and stays."""
    value = guestinfo.get(USERDATA)
    used = {USERDATA: guestinfo.USED, _ENCODING: ""}
    if not value:
        return None, used
    content = guestinfo.decoded(value, guestinfo.get(_ENCODING) or "base64")
    return enrolment_in(_tree(content, USERDATA)) if content.lstrip().startswith(b"{") else None, used


def _from_cd(cd: Path) -> Ticket | None:
    if not cd.exists():
        return None
    with _mounted(cd) as place:
        names = sorted(file for file in place.iterdir() if file.name.lower() in ("env", "env."))
        return enrolment_in(_tree(names[0].read_bytes(), "the CD-ROM's env")) if names else None


def _from_files(directory: Path) -> Ticket | None:
    found = (enrolment_in(_tree(file.read_bytes(), file.name)) for file in sorted(directory.glob("*-agent-env.json")))
    return next((ticket for ticket in found if ticket is not None), None)


@contextmanager
def _mounted(cd: Path) -> Iterator[Path]:
    """An empty directory where there is no disc in it."""
    with tempfile.TemporaryDirectory() as place:
        argv = ["mount", "-o", "ro", str(cd), place]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_MOUNT_MAX_S, check=False)
        try:
            yield Path(place)
        finally:
            if done.returncode == 0:
                subprocess.run(["umount", place], capture_output=True, timeout=_MOUNT_MAX_S, check=True)


def _tree(text: bytes, what: str) -> Mapping[str, Any]:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise Failed(f"{what} is not JSON ({type(error).__name__})") from error  # its text may hold a token
    if not isinstance(tree, dict):
        raise Failed(f"{what} is JSON, but no object")
    return tree


def _keep(layout: Layout, ticket: Ticket) -> None:
    write_atomically(enrolment_file(layout), json.dumps(ticket).encode(), 0o600, durable=True)


def _use_up(names: Mapping[str, str]) -> None:
    """A guest that may not write is no reason to stay away: the director removes it too."""
    for name, value in names.items():
        try:
            guestinfo.put(name, value)
        except Failed as failure:
            log.warning("%s", failure)
