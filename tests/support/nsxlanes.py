"""Many directors side by side against one NSX simulator, each with a manager, a block and a pool of its own.

A lane's faults strike its own manager's requests only, so that hundreds of cases share one process. Knows nothing of
pytest.
"""

import asyncio
import itertools
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from director.adapters.nsxt import NsxtFabric
from tests.support.nsxpass import Guest, NetworkDirector
from tests.support.nsxsim import PASSWORD, USER, Json, Nsxsim

API: Final = "/policy/api/v1"
MARK: Final = "director/id"

CLOUD: Final = """
azs: [{{name: z1}}]
vm_types: [{{name: small, cloud_properties: {{}}}}]
compilation: {{workers: 1, az: z1, network: web, vm_type: small, reuse_compilation_vms: true}}
vm_extensions:
- name: behind-lb
  cloud_properties:
    nsxt:
      groups: [web]
      tags: [{{scope: env, tag: prod}}]
      lb: {{server_pools: [{{name: web}}]}}
      security_policy: {{rules: [{{name: page, to: [web], services: [tcp/8080], action: allow}}]}}
networks:
- name: web
  type: manual
  managed: true
  subnets:
  - azs: [z1]
    cloud_properties:
      ip_block_id: nodes-{lane}
      t0_router_id: tier-0
      transport_zone_id: overlay-tz
      edge_cluster: edge-cluster-1
      topology: nat
      snat: {{pool: floating-{lane}}}
      no_snat: [10.0.0.0/8]
      routes: [{{network: 192.168.0.0/16, next_hops: [10.{lane}.0.254]}}]
      load_balancer:
        server_pools: [{{name: web, port: 8080, monitor: {{type: http, path: /, port: 8080}}}}]
        virtual_servers: [{{name: web, pool: floating-{lane}, ports: [80], server_pool: web}}]
"""
NETWORKS: Final = {"app": "web"}
EXTENSIONS: Final = ("behind-lb",)


def grounds(lanes: int) -> list[Json]:
    """A block and a pool for each lane, whose addresses are free again at once."""
    found: list[Json] = []
    for lane in range(1, lanes + 1):
        subnet = {
            "resource_type": "IpAddressPoolStaticSubnet",
            "id": "all",
            "cidr": f"198.18.{lane}.0/24",
            "allocation_ranges": [{"start": f"198.18.{lane}.10", "end": f"198.18.{lane}.250"}],
        }
        pool = {
            "resource_type": "IpAddressPool",
            "id": f"floating-{lane}",
            "ip_release_delay": 0,
            "children": [{"resource_type": "ChildIpAddressPoolSubnet", "IpAddressPoolSubnet": subnet}],
        }
        block = {"resource_type": "IpAddressBlock", "id": f"nodes-{lane}", "cidr": f"10.{lane}.0.0/16"}
        found.append({"resource_type": "ChildIpAddressPool", "IpAddressPool": pool})
        found.append({"resource_type": "ChildIpAddressBlock", "IpAddressBlock": block})
    return found


def lay_grounds(sim: Nsxsim, lanes: int) -> None:
    body = {"resource_type": "Infra", "children": grounds(lanes)}
    answer = httpx.patch(f"{sim.url}{API}/infra", json=body, auth=(sim.user, sim.password), timeout=30)
    answer.raise_for_status()


def more_users(count: int) -> tuple[str, ...]:
    """The simulator's flags for users ``u0`` and on, with the password of the first."""
    return tuple(word for number in range(count) for word in ("--user", f"u{number}:{PASSWORD}"))


@dataclass(slots=True)
class Lane:
    """One director at a time, at manager ``number``."""

    sim: Nsxsim
    number: int
    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    users: Iterator[str] = field(default_factory=lambda: itertools.repeat(USER))
    user: str = field(default="", init=False)
    director: NetworkDirector = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new director, whose objects have ids of their own."""
        name = str(uuid.uuid4())
        guest = Guest(name=f"vm-{name}", ip=f"10.{self.number}.0.5", come=self._come, go=self._go)
        cloud = CLOUD.format(lane=self.number)
        fabric = self.fabric(name)
        self.director = NetworkDirector(fabric=fabric, uuid=name, folder=self.folder, cloud=cloud, guest=guest)

    def fabric(self, uuid: str) -> NsxtFabric:
        self.user = next(self.users)
        login = {"host": self.sim.urls[self.number], "username": self.user, "password": self.sim.password}
        return NsxtFabric({**login, **self.settings}, director_uuid=uuid)

    async def restart(self) -> None:
        """Another process of the same director."""
        old = self.director.fabric
        await old.close()
        self.director.succeed(self.fabric(self.director.uuid))

    async def deploy(self) -> int:
        return await self.director.deploy("shop", NETWORKS, EXTENSIONS)

    async def delete(self) -> int:
        return await self.director.delete("shop")

    async def differences(self) -> Sequence[object]:
        return (await self.director.look("shop", NETWORKS, EXTENSIONS)).moves

    async def fault(self, **rule: Any) -> Json:
        return await asyncio.to_thread(self.sim.fault, manager=self.number, **rule)

    async def heal(self, fault: Json) -> Json:
        """Takes the fault away; what it came to."""
        every = await asyncio.to_thread(self.sim.faults)
        await asyncio.to_thread(self.sim.control, "DELETE", f"faults/{fault['id']}")
        return next(one for one in every if one["id"] == fault["id"])

    def calls(self) -> list[Json]:
        return [call for call in self.sim.calls() if call["manager"] == self.number]

    def _come(self, segment: str, ip: str) -> None:
        name = f"vm-{self.director.uuid}"
        nics = [{"segment": segment, "addresses": [ip]}]
        self.sim.control("POST", "vms", {"name": name, "external_id": name, "nics": nics})

    def _go(self, name: str) -> None:
        self.sim.control("DELETE", f"vms/{name}")


def ours(state: Mapping[str, Json]) -> dict[str, str]:
    """Paths of what a director made, with its uuid, whatever became of it."""
    found = {}
    for path, body in state.items():
        for tag in body.get("tags") or ():
            if tag.get("scope") == MARK:
                found[path] = str(tag.get("tag"))
    return found


def strangers(state: Mapping[str, Json]) -> dict[str, Json]:
    """What is there of others, without what changes by itself."""
    own = ours(state)
    below = tuple(f"{path}/" for path in own)
    return {
        path: {name: value for name, value in body.items() if not re.match(r"_last|_create|pool_usage", name)}
        for path, body in state.items()
        if path not in own and not path.startswith(below)
    }
