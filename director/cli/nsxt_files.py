"""What ``director configure nsx-t`` writes and prints, from the answers given. Pure: asks nobody, opens no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from typing import Any, Final

from director.manifest.read import read
from director.manifest.write import write
from director.model.tree import Tree

KEY: Final = "nsxt"
HEAD: Final = """\
# A network that the director makes and removes itself; yours to change. Put it below `networks:` of your cloud config.
# All there is to say of it: docs/nsx-t.md.
"""
CPI_HEAD: Final = """\
# Put this into the properties of the CPI in your CPI config, with what is in brackets given by
# `director update-cpi-config CONFIG --vars-file FILE`.
"""
SECRETS: Final = ("password", "auth_private_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where NSX-T is and how to log in. ``auth`` is session, basic or certificate; certificates and keys are PEM."""

    hosts: tuple[str, ...]
    auth: str = "session"
    user: str = ""
    password: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    ca_certificate: str = field(default="", repr=False)
    is_verified: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """Of the managed network that is shown. ``range`` or ``block`` is given; ``pool`` is for NAT."""

    tier0: str
    transport_zone: str = ""
    edge_cluster: str = ""
    topology: str = "routed"
    range: str = ""
    block: str = ""
    pool: str = ""
    network: str = "managed"
    azs: Sequence[str] = ("z1",)


def properties_of(connection: Connection) -> dict[str, Any]:
    """The ``nsxt`` properties of a CPI, with BOSH's keys where it has them."""
    found: dict[str, Any] = (
        {"host": connection.hosts[0]} if len(connection.hosts) == 1 else {"hosts": list(connection.hosts)}
    )
    if connection.auth == "certificate":
        found |= {"auth_certificate": connection.certificate, "auth_private_key": connection.key}
    else:
        found |= {"username": connection.user, "password": connection.password}
    if connection.auth == "basic":
        found["auth"] = "basic"
    if not connection.is_verified:
        found["insecure"] = True
    elif connection.ca_certificate:
        found["ca_cert"] = connection.ca_certificate
    return found


def infrastructure_with(text: str, file: str, properties: Mapping[str, Any]) -> str:
    """The director's infrastructure with NSX-T beside it. Raises Refused for a text that is no YAML map."""
    root = dict(read(text, file).root)
    before = root.get("properties")
    kept: Tree = before if isinstance(before, Mapping) else {}
    return write({**root, "properties": {**kept, KEY: dict(properties)}})


def cpi_text(properties: Mapping[str, Any]) -> str:
    """For a CPI config: what is secret has the name of a variable in its place."""
    shown = {key: f"((nsxt_{key}))" if key in SECRETS else value for key, value in properties.items()}
    return CPI_HEAD + write({KEY: shown})


def network_text(choices: Choices) -> str:
    """One network of a cloud config, in the topology that was chosen."""
    where = {"transport_zone": choices.transport_zone, "edge_cluster": choices.edge_cluster}
    properties: dict[str, Any] = {
        "tier0": choices.tier0,
        **{key: value for key, value in where.items() if value},
        "topology": choices.topology,
    }
    if choices.topology == "nat":
        properties["snat"] = {"pool": choices.pool}
    subnet: dict[str, Any] = {"azs": list(choices.azs)}
    if choices.block:
        properties["ip_block"] = choices.block
        subnet["netmask_bits"] = 24
    else:
        subnet["range"] = choices.range
    network: dict[str, Any] = {
        "name": choices.network,
        "type": "manual",
        "managed": True,
        "subnets": [{**subnet, "cloud_properties": properties}],
    }
    return HEAD + write([network])


def wrong_with(choices: Choices) -> list[str]:
    """What no network could be made of, each as a sentence."""
    wrong: list[str] = []
    if bool(choices.range) == bool(choices.block):
        wrong.append("Give --range (its addresses) or --ip-block (where they are carved from), and not both.")
    if choices.range:
        wrong += wrong_with_range(choices.range)
    if choices.topology == "nat" and not choices.pool:
        wrong.append("--topology nat needs --ip-pool, which its address outside is taken from.")
    if choices.topology == "nat" and not choices.edge_cluster:
        wrong.append("--topology nat needs --edge-cluster: NAT runs on edge nodes.")
    return wrong


def wrong_with_range(text: str) -> list[str]:
    try:
        net = ip_network(text)
    except ValueError:
        return [f"--range {text}: write a network such as 10.20.0.0/24, its host bits zero."]
    return [] if isinstance(net, IPv4Network) else [f"--range {text}: networks here are IPv4."]
