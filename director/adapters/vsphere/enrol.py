"""How the agent of a new VM learns of its director, by the way its template has. Pure: a request to guestinfo.

The token works once and is gone from vCenter when the agent has enrolled: the agent overwrites it, and
``clear_enrolment`` writes ``CLEARED``. Which way a template has is written on it (``director.agent``).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from director.adapters.vsphere import cloudinit
from director.adapters.vsphere.macs import macs_of
from director.model.tree import Node, Tree
from director.ports.bundle import BundleOffer
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import VmRequest

ENROLMENT_KEY: Final = "guestinfo.director.enrolment"
_METADATA: Final = "guestinfo.metadata"
_USERDATA: Final = "guestinfo.userdata"
_USERDATA_ENCODING: Final = "guestinfo.userdata.encoding"

CLEARED: Final[Mapping[str, str]] = {ENROLMENT_KEY: "", _USERDATA: "", _USERDATA_ENCODING: ""}
"""What removes a token that was left in vCenter, whichever way it was given. See cloudinit.py on what stays."""

_HOSTNAME_MAX: Final = 63
_ENV_FOR_DISKS: Final = ("persistent_disk_fs", "persistent_disk_mount_options")


class Install(Enum):
    """How an agent gets onto VMs of a template (extraConfig ``director.agent``)."""

    BAKED = "baked"
    CLOUD_INIT = "cloud-init"
    SSH = "ssh"


def guestinfo_of(
    request: VmRequest, *, install: str, macs_known: bool = True, bundle: BundleOffer | None = None
) -> Mapping[str, str]:
    """The entries of extraConfig that carry the enrolment; none for SSH, which brings it afterwards.

    Raises InfrastructureFailure for a way that is not known, or that lacks the director's bundle.
    """
    match _way(install):
        case Install.BAKED:
            return {ENROLMENT_KEY: _encoded(enrolment_text(request, macs_known=macs_known))}
        case Install.CLOUD_INIT:
            return _cloud_init(request, bundle, macs_known=macs_known)
        case Install.SSH:
            return {}


def enrolment_text(request: VmRequest, *, macs_known: bool = True, is_network_ready: bool = False) -> str:
    """JSON: the fields of Enrolment, and what the agent sets up, in the words of BOSH's settings (1.4).

    ``is_network_ready``: something else makes the network, and the agent leaves it alone (``preconfigured``).
    """
    enrolment, env = request.enrolment, request.shape.env
    networks = networks_of(request, macs_known=macs_known)
    if is_network_ready:
        networks = {name: {**network, "preconfigured": True} for name, network in networks.items()}
    tree: dict[str, Node] = {
        "agent_id": enrolment.agent,
        "token": enrolment.token,
        "ca_certificate": enrolment.ca_certificate,
        "enrol_targets": list(enrolment.enrol_targets),
        "agent_targets": list(enrolment.agent_targets),
        "hostname": hostname_of(request.name),
        "networks": networks,
        "env": {key: env[key] for key in _ENV_FOR_DISKS if key in env},
    }
    hint = request.where.get("ephemeral_hint")
    if hint is not None:
        tree["disks"] = {"ephemeral": hint}
    return json.dumps(tree)


def networks_of(request: VmRequest, *, macs_known: bool = True) -> Mapping[str, Tree]:
    """The networks that have a NIC, in their order, each with its ``mac``; what is for vCenter only is left out."""
    networks = request.shape.networks
    macs = macs_of(request.name, networks, request.where)
    return {
        name: {key: value for key, value in networks[name].items() if key != "cloud_properties"}
        | ({"mac": mac} if macs_known else {})
        for name, mac in macs.items()
    }


def hostname_of(name: str) -> str:
    """One DNS label (RFC 1123) that people recognise the VM by."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower())[:_HOSTNAME_MAX].strip("-") or "vm"


def read_enrolment(guestinfo: Mapping[str, str]) -> Tree | None:
    """What ``guestinfo_of`` put there, whichever way; None when there is nothing, or it is cleared."""
    baked = _decoded(guestinfo.get(ENROLMENT_KEY, ""))
    if baked is not None:
        return _tree(baked)
    cloud = _decoded(guestinfo.get(_USERDATA, ""))
    if cloud is None:
        return None
    files = _tree(cloud)["write_files"]
    assert isinstance(files, list), "only userdata() writes it"
    first = files[0]
    assert isinstance(first, Mapping), "only userdata() writes it"
    return _tree(base64.b64decode(str(first["content"])))


def _way(install: str) -> Install:
    try:
        return Install(install)
    except ValueError:
        ways = ", ".join(way.value for way in Install)
        raise InfrastructureFailure(
            f'The template says the agent gets in by "{install}", which is no way this director knows: set '
            f"agent.install in the stemcell's cloud_properties to one of {ways} and upload it again."
        ) from None


def _cloud_init(request: VmRequest, bundle: BundleOffer | None, *, macs_known: bool) -> Mapping[str, str]:
    if bundle is None:
        raise InfrastructureFailure(
            f'VM "{request.name}" gets its agent by cloud-init, but this director offers no agent bundle: set api_host '
            "to an address that VMs reach, so that they can fetch it."
        )
    networks = networks_of(request, macs_known=macs_known)
    if not macs_known and len(networks) > 1:
        raise InfrastructureFailure(f'VM "{request.name}" has several NICs, and none of their MACs is known.')
    metadata = cloudinit.metadata(request.enrolment.agent, hostname_of(request.name), networks)
    enrolment = enrolment_text(request, macs_known=macs_known, is_network_ready=True)
    userdata = cloudinit.userdata(enrolment, bundle)
    return {
        _METADATA: _encoded(metadata),
        f"{_METADATA}.encoding": "base64",
        _USERDATA: _encoded(userdata),
        _USERDATA_ENCODING: "base64",
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) or None
    except binascii.Error:
        return None


def _tree(text: bytes) -> Tree:
    tree = json.loads(text.removeprefix(b"#cloud-config\n"))
    assert isinstance(tree, dict), "only this module writes it"
    return tree
