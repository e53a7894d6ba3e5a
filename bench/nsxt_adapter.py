"""The director's network half by itself: plans, makes, looks at and removes COUNT stacks.

``python -m bench.nsxt_adapter URL USER PASSWORD COUNT FIRST POOL`` numbers them from FIRST on, takes their addresses
out of the pool POOL of NSX's, and prints one JSON line: of each part when it began and ended, seconds of CPU, requests
sent; errors that reached the user, refusals of NSX's that did not.
"""

import asyncio
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from director.adapters.nsxt import NsxtFabric
from director.adapters.nsxt.client import Kind
from director.model.problem import Refused
from director.ports.failure import Failure
from tests.support.nsxpass import NetworkDirector

NETWORK: Final = """
- name: net-{number}
  type: manual
  managed: true
  subnets:
  - range: 10.{number}.0.0/24
    gateway: 10.{number}.0.1
    azs: [z1]
    cloud_properties:
      t0_router_id: tier-0
      transport_zone_id: overlay-tz
      edge_cluster: edge-cluster-1
      topology: nat
      snat: {{pool: {pool}}}
      load_balancer:
        size: small
        server_pools: [{{name: web, port: 8080, monitor: {{type: http, path: /, port: 8080}}}}]
        virtual_servers: [{{name: web, ip: 203.0.113.{number}, ports: [80], server_pool: web}}]
"""
SITE: Final = """
azs: [{{name: z1}}]
vm_types: [{{name: small, cloud_properties: {{}}}}]
compilation: {{workers: 1, az: z1, network: net-{first}, vm_type: small, reuse_compilation_vms: true}}
networks:
"""


@dataclass(slots=True)
class Watch:
    """What each part of the work costs. An error ends its part only."""

    fabric: NsxtFabric
    said: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    async def over(self, part: str, work: Awaitable[object]) -> object:
        client = self.fabric.client
        began, cpu, sent = time.monotonic(), time.process_time(), client.requests
        made: object = None
        try:
            made = await work
        except (Failure, Refused) as error:
            self.errors.append(str(error))
        self.said[part] = {
            "began": began,
            "ended": time.monotonic(),
            "cpu_s": time.process_time() - cpu,
            "requests": client.requests - sent,
        }
        return made


async def main() -> None:
    url, user, password, count, first, pool = sys.argv[1:]
    name = str(uuid.uuid4())
    numbers = range(int(first), int(first) + int(count))
    fabric = NsxtFabric({"host": url, "username": user, "password": password}, director_uuid=name)
    watch = Watch(fabric)
    with tempfile.TemporaryDirectory() as folder:
        cloud = SITE.format(first=first) + "".join(NETWORK.format(number=number, pool=pool) for number in numbers)
        director = NetworkDirector(fabric=fabric, uuid=name, folder=Path(folder), cloud=cloud)
        groups = {f"g{number}": f"net-{number}" for number in numbers}
        await watch.over("create", director.deploy("bench", groups))
        objects = sum(len(record.stack.objects) for record in (await director.stacks()).values())
        plan = await watch.over("look", director.look("bench", groups))
        await watch.over("remove", director.delete("bench"))
    faults = {kind.value: number for kind, number in fabric.client.faults.items()}
    await fabric.close()
    said = {
        **watch.said,
        "objects": objects,
        "changes_left": len(getattr(plan, "moves", ())),
        "replanned": director.stale,
        "errors": watch.errors,
        "throttled": faults.pop(Kind.THROTTLED.value, 0),
        "faults": faults,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main())
