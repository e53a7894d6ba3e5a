"""Builds the ``spec`` that templates see: who the instance is and where it is reached (bosh-director.md section 8.4).

Job properties, links and the job's release are the renderer's to add. It may hold no secret.
"""

from director.model.tree import Node, Tree
from director.model.wanted import Address, WantedInstance
from director.planning.network import DOMAIN, dns_name

UNKNOWN_IP = "127.0.0.1"
"""What templates see on a dynamic network until the VM has brought its address, as in BOSH."""


def spec_tree(instance: WantedInstance) -> Tree:
    """BOSH's ``spec`` of one instance, as plain data; ``persistent_disk`` in MB, 0 for none."""
    networks: dict[str, Node] = {a.network: _network(instance, a) for a in instance.addresses}
    templates: list[Node] = [{"name": job.job.name} for job in instance.jobs]
    return {
        "deployment": instance.deployment,
        "name": instance.group,
        "index": instance.index,
        "id": instance.id,
        "az": instance.az,
        "bootstrap": instance.is_bootstrap,
        "address": _ip(instance, "addressable", "gateway"),
        "ip": _ip(instance, "gateway"),
        "dns_domain_name": DOMAIN,
        "lifecycle": instance.lifecycle.value,
        "job": {"name": instance.group, "templates": templates},
        "networks": networks,
        "persistent_disk": instance.disk.size_mb if instance.disk else 0,
    }


def _ip(instance: WantedInstance, *purposes: str) -> str:
    """The address on the network that serves the first purpose any serves, else on the first network that has one."""
    for purpose in purposes:
        for address in instance.addresses:
            if purpose in _defaults(instance, address):
                return address.ip or UNKNOWN_IP
    return next((address.ip for address in instance.addresses if address.ip), UNKNOWN_IP)


def _defaults(instance: WantedInstance, address: Address) -> list[Node]:
    default = instance.shape.networks[address.network].get("default")
    return default if isinstance(default, list) else []


def _network(instance: WantedInstance, address: Address) -> Tree:
    settings = instance.shape.networks[address.network]
    return {
        **{key: settings.get(key) for key in ("type", "netmask", "gateway", "dns", "default", "cloud_properties")},
        "ip": address.ip or UNKNOWN_IP,
        "dns_record_name": dns_name(instance.id, instance.group, address.network, instance.deployment),
    }
