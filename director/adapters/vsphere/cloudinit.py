"""What cloud-init is told, so that a stock cloud image becomes a VM of ours. Pure: values to text.

Everything is JSON, which is YAML too. Source: cloud-init's DataSourceVMware, network configuration version 2.

Note: after enrolment. User data holds the token, so cloud-init is asked to remove it once read, and the director
removes it too. The metadata stays: without it a rebooted VM would take itself for a new one and ask for DHCP.
"""

import base64
import ipaddress
import json
from collections.abc import Mapping
from importlib import resources
from typing import Final

from director.model.tree import Node, Tree
from director.ports.bundle import BundleOffer

HOME: Final = "/var/vcap/bosh"
_SCRIPT: Final = f"{HOME}/get-agent.sh"
_KEY: Final = f"{HOME}/director.pem"


def metadata(instance_id: str, hostname: str, networks: Mapping[str, Tree]) -> str:
    """``networks`` in the order of the NICs, each in BOSH's form with its ``mac`` where it is known."""
    return _text(
        {
            "instance-id": instance_id,
            "local-hostname": hostname,
            "network": network_config(networks),
            "redact": ["userdata"],
            "cleanup-guestinfo": ["userdata"],
        }
    )


def userdata(enrolment: str, bundle: BundleOffer) -> str:
    """Writes the enrolment for root alone, then fetches, checks and starts the agent."""
    script = resources.files(__package__).joinpath("get-agent.sh").read_text("utf-8")
    tree: dict[str, Node] = {
        "write_files": [
            _file(f"{HOME}/enrolment.json", enrolment, "0600"),
            _file(_KEY, bundle.public_key_pem, "0644"),
            _file(_SCRIPT, script, "0755"),
        ],
        "runcmd": [["sh", _SCRIPT, bundle.url, bundle.sha256, bundle.signature_b64, _KEY]],
    }
    return "#cloud-config\n" + _text(tree)


def network_config(networks: Mapping[str, Tree]) -> dict[str, Node]:
    """Version 2. NICs are known by MAC; a single one whose MAC is not known, by its driver."""
    nics: dict[str, Node] = {}
    for number, network in enumerate(networks.values()):
        nics[f"id{number}"] = _nic(number, network, is_only=len(networks) == 1)
    return {"version": 2, "ethernets": nics}


def _nic(number: int, network: Tree, *, is_only: bool) -> dict[str, Node]:
    mac = network.get("mac")
    assert mac is not None or is_only, "of several NICs each needs its MAC"
    nic: dict[str, Node] = {"match": {"macaddress": mac} if mac is not None else {"driver": "vmxnet3"}}
    if mac is not None:
        nic["set-name"] = f"eth{number}"
    addresses = _addresses(network)
    nic |= {"dhcp4": False, "addresses": list(addresses)} if addresses else {"dhcp4": True}
    gateway = gateway_of(network, is_only=is_only)
    if addresses and gateway is not None:
        everywhere = "::/0" if ":" in gateway else "0.0.0.0/0"
        nic["routes"] = [{"to": everywhere, "via": gateway}]
    servers = network.get("dns")
    if isinstance(servers, list) and servers:
        nic["nameservers"] = {"addresses": servers}
    return nic


def _addresses(network: Tree) -> tuple[str, ...]:
    """``ip/prefix``; empty where the NIC asks for its address: without ip or netmask (agent-cpi-vsphere 1.4)."""
    length = network.get("prefix") or network.get("netmask")
    if network.get("type") == "dynamic" or not network.get("ip") or not length:
        return ()
    return (str(ipaddress.ip_interface(f"{network['ip']}/{length}")),)


def gateway_of(network: Tree, *, is_only: bool) -> str | None:
    """Where this network is the one for everything else: its ``default`` has gateway, or it is the only one."""
    default = network.get("default")
    chosen = default if isinstance(default, list) else []
    gateway = network.get("gateway")
    if isinstance(gateway, str) and ("gateway" in chosen or (is_only and not chosen)):
        return gateway
    return None


def _file(path: str, content: str, mode: str) -> dict[str, Node]:
    encoded = base64.b64encode(content.encode()).decode()
    return {"path": path, "permissions": mode, "owner": "root:root", "encoding": "b64", "content": encoded}


def _text(tree: Tree) -> str:
    return json.dumps(tree, indent=1, sort_keys=True)
