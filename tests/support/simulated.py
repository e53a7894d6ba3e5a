"""What a director needs to work with the vCenter simulator: its infrastructure file, and a stemcell nobody boots.

Knows nothing of pytest: ``make demo-vsphere`` and the bench use it too.
"""

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

from director.model.tree import Node, Tree
from tests.support.nsxsim import Nsxsim
from tests.support.tinyovf import tiny_image
from tests.support.vcproxy import Proxy
from tests.support.vcsim import Vcsim


def properties_of(center: Vcsim | Proxy, **more: Tree) -> dict[str, Node]:
    """What the vSphere adapter needs to use the simulator; ``more`` is added to it."""
    everywhere: dict[str, Node] = {"datastore_pattern": "^LocalDS_", "persistent_datastore_pattern": "^LocalDS_"}
    clusters: list[Node] = ["DC0_C0", "DC0_C1", "DC0_C2"]
    properties: dict[str, Node] = {
        "host": center.host,
        "port": center.port,
        "user": center.user,
        "password": center.password,
        "default_disk_type": "thin",
        "datacenters": [{"name": "DC0", "clusters": clusters, **everywhere}],
        **more,
    }
    if center.ca is not None:
        properties["connection_options"] = {"ca_cert": center.ca.read_text()}
    return properties


def write_infrastructure(state_dir: Path, center: Vcsim | Proxy, **more: Tree) -> None:
    """``infrastructure.yml`` (JSON is YAML too): the simulator is the director's own infrastructure."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = state_dir / "infrastructure.yml"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"type": "vsphere", "name": "simulated", "properties": properties_of(center, **more)}))


def nsxt_properties(nsx: Nsxsim) -> dict[str, Node]:
    """What the NSX-T adapter needs to use the simulator, as ``nsxt`` among the properties."""
    return {"host": nsx.url, "username": nsx.user, "password": nsx.password, "realisation_timeout": 60}


def vcenter_flags(center: Vcsim | Proxy) -> tuple[str, ...]:
    """Makes the NSX-T simulator use this vCenter as its compute manager."""
    url = f"https://{center.host}:{center.port}"
    return ("--vcenter", url, "--vcenter-user", center.user, "--vcenter-password", center.password)


def write_stemcell(file: Path, *, version: str = "1", install: str = "baked", system: str = "local") -> Path:
    """A stemcell of the operating system ``system``: its guests are this machine's (tests/support/hypervisor.py).

    ``install`` is how the agent gets onto its VMs.
    """
    with tempfile.TemporaryDirectory() as directory:
        image = tiny_image(Path(directory)).read_bytes()
    manifest = {
        "name": "simulated",
        "version": version,
        "api_version": 3,
        "operating_system": system,
        "sha1": hashlib.sha1(image, usedforsecurity=False).hexdigest(),
        "stemcell_formats": ["vsphere-ova", "vsphere-ovf"],
        "cloud_properties": {
            "infrastructure": "vsphere",
            "hypervisor": "esxi",
            "disk": 64,
            "container_format": "bare",
            "os_type": "linux",
            "architecture": "x86_64",
            "root_device_name": "/dev/sda1",
            "agent": {"install": install},
        },
    }
    with tarfile.open(file, "w:gz") as archive:
        for name, content in (("stemcell.MF", json.dumps(manifest).encode()), ("image", image)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file
