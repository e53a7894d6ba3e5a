"""Puts the agent into a VM by SSH: for templates with neither our agent nor cloud-init. Knows no vCenter.

Whom to trust comes first: the VM's host key must be the one in the settings; nothing is learnt on first sight.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure, Retry

TIMEOUT_S: Final = 600.0
_WHERE: Final = "agent_install.ssh in the infrastructure's properties"


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """``host_keys`` as in a public key file: type and base64. Exactly one of password and private key is set."""

    user: str
    host_keys: tuple[str, ...]
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    port: int = 22


def access_for(agent_install: Tree, template: str) -> SshAccess:
    """The first entry of ``agent_install.ssh`` whose ``template`` pattern fits. Raises InfrastructureFailure.

    An entry: template (default ``*``), user (default root), password or private_key, host_key (one or a list), port.
    """
    entries = agent_install.get("ssh")
    for entry in entries if isinstance(entries, list) else [entries]:
        if isinstance(entry, dict) and fnmatchcase(template, str(entry.get("template", "*"))):
            return _access(entry, template)
    raise InfrastructureFailure(
        f'Template "{template}" gets its agent by SSH, but {_WHERE} has no entry for it: add one with user, password '
        "or private_key, and host_key."
    )


async def install(
    host: str,
    access: SshAccess,
    bundle: Path,
    enrolment: str,
    *,
    options: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Brings bundle and enrolment to ``host`` and installs the agent as root. May be repeated.

    ``options`` are install.sh's. Waits for a VM that boots. Raises InfrastructureFailure, with what the VM said.
    """
    # Loaded here, because it takes 30 MB that a director without such templates should not pay.
    from director.adapters.vsphere.ssh_visit import Visit  # noqa: PLC0415

    visit = Visit(host, access, timeout_s=timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.to_thread(visit.install, bundle, enrolment, tuple(options))
    except TimeoutError as error:
        raise InfrastructureFailure(
            f"The agent could not be installed on {host} by SSH within {timeout_s:.0f} s: look whether the VM "
            f"has booted and what it is busy with.{visit.said_last()}",
            retry=Retry.BOUNDED,
        ) from error
    finally:
        visit.end()


def _access(entry: Tree, template: str) -> SshAccess:
    keys = entry.get("host_key")
    host_keys = tuple(str(key) for key in (keys if isinstance(keys, list) else [keys]) if key)
    password, private_key = str(entry.get("password") or ""), str(entry.get("private_key") or "")
    if not host_keys or bool(password) == bool(private_key):
        raise InfrastructureFailure(
            f'The entry for template "{template}" in {_WHERE} needs a host_key (a line of /etc/ssh/ssh_host_*_key.pub) '
            "and either a password or a private_key."
        )
    port = entry.get("port", 22)
    if not isinstance(port, int):
        raise InfrastructureFailure(f'The port of the entry for template "{template}" in {_WHERE} is no number.')
    return SshAccess(
        user=str(entry.get("user", "root")),
        host_keys=host_keys,
        password=password,
        private_key=private_key,
        port=port,
    )
