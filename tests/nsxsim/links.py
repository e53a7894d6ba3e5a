"""What the simulator is tied to outside itself, when asked to: a vCenter (vcenter.py), real sockets (forward.py)."""

import argparse
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from tests.nsxsim.forward import Forwarder

if TYPE_CHECKING:
    from tests.nsxsim.cluster import Cluster

PASSWORD: Final = "NSXSIM_VCENTER_PASSWORD"


class Link(Protocol):
    async def start(self) -> None: ...
    async def close(self) -> None: ...


def add_arguments(add: Any) -> None:
    """`add` is an ArgumentParser's add_argument."""
    add("--vcenter", metavar="URL", help="a vCenter in which segments show up, and whose VMs get ports (needs pyVmomi)")
    add("--vcenter-user", metavar="NAME")
    add("--vcenter-password", metavar="PASSWORD", help=f"or, out of sight of others, in the environment: {PASSWORD}")
    add("--forward", action="store_true", help="virtual servers with a loopback address really listen and forward TCP")


async def start(said: argparse.Namespace, cluster: "Cluster") -> list[Link]:
    """Those asked for, started. Raises ValueError and OSError for what cannot be."""
    links: list[Link] = []
    if said.vcenter:
        links.append(_vcenter(said, cluster))
    if said.forward:
        links.append(Forwarder(cluster.sim))
    started: list[Link] = []
    try:
        for link in links:
            await link.start()
            started.append(link)
    except BaseException:
        await close(started)
        raise
    return started


def _vcenter(said: argparse.Namespace, cluster: "Cluster") -> Link:
    module: Any = import_module("tests.nsxsim.vcenter")  # brings pyVmomi, which is large
    password = said.vcenter_password or os.environ.get(PASSWORD)
    if not said.vcenter_user or not password:
        raise ValueError(f"--vcenter needs --vcenter-user and a password (--vcenter-password or {PASSWORD})")
    link: Link = module.VCenter(cluster.sim, module.login_of(said.vcenter, said.vcenter_user, password))
    return link


async def close(links: list[Link]) -> None:
    for link in reversed(links):
        await link.close()
