"""What a CPI is given: env, metadata, resources, as BOSH's director gives them. Pure.

Note: our agent on a BOSH CPI. A CPI delivers ``env`` unread into the agent's settings (settings.json, user data,
CD-ROM: agent-cpi-vsphere.md 1.3, 1.4). What our agent needs to enrol stands there as
``env.bosh.director_enrolment``, so that every CPI carries it without knowing of it. ``mbus``, ``ntp`` and
``blobstore`` in the CPI's own properties stay its own.
"""

import re
from collections.abc import Mapping
from typing import Final

from director.model.deployment import VmResources
from director.model.tree import Node, Tree
from director.ports.infrastructure import Enrolment, VmRequest

ENROLMENT: Final = "director_enrolment"


def env_of(request: VmRequest, director: str) -> Tree:
    """The request's env with ``bosh.group``, ``groups`` and ``tags`` (section 2.5), and the enrolment."""
    given = request.shape.env.get("bosh")
    group = str(request.tags.get("instance_group", ""))
    names = [canonical(name) for name in (director, request.deployment, group)]
    bosh: dict[str, Node] = {
        "group": "-".join(names),
        "groups": [*names, "-".join(names[:2]), "-".join(names[1:]), "-".join(names)],
        "tags": dict(request.tags),
        **(given if isinstance(given, Mapping) else {}),
        ENROLMENT: enrolment_tree(request.enrolment),
    }
    return {**request.shape.env, "bosh": bosh}


def enrolment_tree(enrolment: Enrolment) -> Tree:
    return {
        "agent_id": enrolment.agent,
        "token": enrolment.token,
        "ca_certificate": enrolment.ca_certificate,
        "enrol_targets": list(enrolment.enrol_targets),
        "agent_targets": list(enrolment.agent_targets),
    }


def canonical(name: str) -> str:
    """As in DNS: lower case, ``_`` as ``-``, all else but letters and digits left out."""
    return re.sub(r"[^a-z0-9-]", "", name.lower().replace("_", "-"))


def vm_metadata(tags: Tree, director: str, created_at: str) -> Tree:
    """For set_vm_metadata. ``job`` is the older word for the instance group, which some CPIs name VMs by."""
    return {
        **{key: str(value) for key, value in sorted(tags.items())},
        "director": director,
        "job": str(tags.get("instance_group", "")),
        "created_at": created_at,
    }


def disk_metadata(tags: Tree, director: str, deployment: str, attached_at: str) -> Tree:
    """For set_disk_metadata; ``tags`` are those of the VM it is attached to."""
    own = ("deployment", "instance_group", "id", "index", "name")
    return {
        "director": director,
        "deployment": deployment,
        "instance_group": str(tags.get("instance_group", "")),
        "instance_id": str(tags.get("id", "")),
        "instance_index": str(tags.get("index", "")),
        "attached_at": attached_at,
        "tags": {key: str(value) for key, value in sorted(tags.items()) if key not in own},
    }


def resources_tree(resources: VmResources) -> Tree:
    return {"cpu": resources.cpu, "ram": resources.ram_mb, "ephemeral_disk_size": resources.ephemeral_disk_mb}


def hint_of(node: Node) -> Tree | None:
    """A hint in words stands for both ways to find the disk (section 1.4); None when it is no hint."""
    if isinstance(node, str) and node:
        return {"path": node, "volume_id": node}
    return node if isinstance(node, Mapping) and node else None
