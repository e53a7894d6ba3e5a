"""Which version of the API to speak: the newest that both this vCenter and pyVmomi know."""

import re
from http.client import HTTPException
from typing import Final

from pyVmomi.VmomiSupport import GetServiceVersions, versionIdMap

from director.adapters.vsphere.connections import Connections

_PATH: Final = "/sdk/vimServiceVersions.xml"


def best_version(connections: Connections) -> str:
    """The name pyVmomi has for it (``vim.version.v8_0_2_0``). One request. Raises OSError and HTTPException."""
    connection = connections.take()
    try:
        connection.request("GET", _PATH)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, HTTPException):
        connections.drop(connection)
        raise
    connections.give(connection)
    if answer.status != 200:
        raise HTTPException(f"{_PATH}: {answer.status} {answer.reason}; is this the address of a vCenter?")
    return choose(text)


def choose(text: str) -> str:
    """``text`` is vCenter's vimServiceVersions.xml."""
    space = re.search(r"<name>urn:vim25</name>(.*?)</namespace>", text, re.DOTALL)
    offered = set(re.findall(r"<version>\s*([^<\s]+)", space[1] if space else ""))
    for version in GetServiceVersions("vim25"):
        if versionIdMap[version] in offered:
            return str(version)
    raise HTTPException(f"{_PATH} names no version of the API that is known here; is this the address of a vCenter?")
