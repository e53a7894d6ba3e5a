"""What the fabric suite runs on: the adapter against the NSX simulator's process, and the fabric in memory.

A ground is a fabric together with a stranger's hands in it. Things are named by role: the two call them differently.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from director.adapters.memory.fabric import MemoryFabric
from director.adapters.memory.fabric_world import FabricWorld
from director.adapters.memory.infrastructure import Fault, FaultKind
from director.adapters.nsxt import NsxtFabric
from director.adapters.nsxt.bodies import pieces_of
from director.adapters.nsxt.paths import HOMES, What, of_ours
from director.model.fabric import Group, Member, NetworkObject, Ref, Segment
from director.model.names import ObjectId, VmName
from director.ports.fabric import Fabric
from tests.support.nsxsim import Nsxsim

_NUMBERS = itertools.count(1)


class Ground(Protocol):
    """``number`` differs from test to test, for names and addresses that may not meet."""

    fabric: Fabric
    number: int
    tier0: str
    edges: str
    zone: str
    block: str
    block_net: str
    pool: str
    pool_net: str
    group: str
    server_pool: str

    def change(self, segment: Segment) -> None: ...
    def touch(self, thing: NetworkObject) -> None: ...
    def is_touched(self, thing: NetworkObject) -> bool: ...
    def drop(self, thing: NetworkObject) -> None: ...
    def put_foreign(self, group: Group) -> None: ...
    def fail(self, thing: NetworkObject) -> None: ...
    def hang(self, router: ObjectId) -> str: ...
    def lose_reply(self, call: str) -> None: ...
    def take(self, address: str) -> None: ...
    def add_member(self, pool: Ref, label: str, ip: str, port: int) -> None: ...
    def members(self, pool: Ref) -> set[tuple[str, str, int | None]]: ...
    async def vm(self, name: VmName, segment: ObjectId) -> None: ...
    async def vm_gone(self, name: VmName) -> None: ...
    def port_tags(self, name: VmName, segment: ObjectId) -> set[tuple[str, str]]: ...
    def is_in_group(self, name: VmName) -> bool: ...


class MemoryGround:
    tier0, edges, zone, block, pool = "tier0", "edges", "overlay", "nodes", "floating"
    block_net, pool_net = "10.128", "198.51.100"
    group, server_pool = "existing", "old-pool"

    def __init__(self) -> None:
        self.number = next(_NUMBERS)
        self.world = FabricWorld()
        self.memory = MemoryFabric(self.world)
        self.fabric: Fabric = self.memory
        self._touched: dict[str, int] = {}

    def change(self, segment: Segment) -> None:
        self.world.change(segment.id, gateway="10.250.0.1/24")

    def touch(self, thing: NetworkObject) -> None:
        self.world.touch(thing.id)
        self._touched[thing.id] = self.world.objects[thing.id].revision

    def is_touched(self, thing: NetworkObject) -> bool:
        return self.world.objects[thing.id].revision > self._touched[thing.id] - 1

    def drop(self, thing: NetworkObject) -> None:
        self.world.drop(thing.id)

    def put_foreign(self, group: Group) -> None:
        self.world.put(group)

    def fail(self, thing: NetworkObject) -> None:
        self.world.fail(thing.id, "out of edges")

    def hang(self, router: ObjectId) -> str:
        self.world.hangers[router] = ["their-route"]
        return "their-route"

    def lose_reply(self, call: str) -> None:
        self.memory.faults.append(Fault(call=call, kind=FaultKind.LOSE_REPLY))

    def take(self, address: str) -> None:
        number = int.from_bytes(bytes(map(int, address.split("."))), "big")
        self.world.taken.setdefault(self.pool, []).append((number, number))

    def add_member(self, pool: Ref, label: str, ip: str, port: int) -> None:
        self.world.members.setdefault(pool.to, []).append(Member(pool=pool, label=label, ip=ip, port=port))

    def members(self, pool: Ref) -> set[tuple[str, str, int | None]]:
        return {(each.label, each.ip, each.port) for each in self.world.members.get(pool.to, ())}

    async def vm(self, name: VmName, segment: ObjectId) -> None:
        """Its ports are there as soon as somebody asks."""

    async def vm_gone(self, name: VmName) -> None: ...

    def port_tags(self, name: VmName, segment: ObjectId) -> set[tuple[str, str]]:
        return set(self.world.ports[name].tags)

    def is_in_group(self, name: VmName) -> bool:
        ports = self.world.ports.get(name)
        return ports is not None and self.group in ports.groups


class NsxGround:
    tier0, edges, zone, block, pool = "Provider", "edge-cluster-1", "overlay-tz", "nodes-block", "Floating addresses"
    block_net, pool_net = "172.20", "198.51.100"
    group = "strangers-group"

    def __init__(self, sim: Nsxsim, fabric: NsxtFabric, director: str) -> None:
        self.number = next(_NUMBERS)
        self.sim, self.fabric, self.director = sim, fabric, director
        self.server_pool = f"their-pool-{self.number}"
        self.call("PUT", f"/infra/lb-pools/{self.server_pool}", {})

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.sim.url}/policy/api/v1{path}", data=data, method=method)
        word = base64.b64encode(f"{self.sim.user}:{self.sim.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {word}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else {}

    def path(self, thing: NetworkObject) -> str:
        return pieces_of(thing, _resolve)[0].path

    def change(self, segment: Segment) -> None:
        self.call("PATCH", self.path(segment), {"subnets": [{"gateway_address": "10.250.0.1/24"}]})

    def touch(self, thing: NetworkObject) -> None:
        path = self.path(thing)
        tags = [*self.call("GET", path).get("tags", []), {"scope": "team", "tag": "theirs"}]
        self.call("PATCH", path, {"description": "seen by accounting", "tags": tags})

    def is_touched(self, thing: NetworkObject) -> bool:
        body = self.call("GET", self.path(thing))
        return body.get("description") == "seen by accounting" and {"scope": "team", "tag": "theirs"} in body["tags"]

    def drop(self, thing: NetworkObject) -> None:
        self.call("DELETE", self.path(thing))

    def put_foreign(self, group: Group) -> None:
        self.call("PUT", self.path(group), {"display_name": group.name})

    def fail(self, thing: NetworkObject) -> None:
        self.sim.fault(effect="realization-error", path=self.path(thing), code=1, message="out of edges", count=0)
        self.call("PATCH", self.path(thing), {"description": "again"})
        self._until(
            lambda: any(
                each["state"] == "ERROR"
                for each in self.call("GET", f"/infra/realized-state/realized-entities?intent_path={self.path(thing)}")[
                    "results"
                ]
            )
        )

    def hang(self, router: ObjectId) -> str:
        hop = {"network": "192.0.2.128/25", "next_hops": [{"ip_address": "10.0.0.9"}]}
        self.call("PUT", f"/infra/tier-1s/{router}/static-routes/their-route", hop)
        return "their-route"

    def lose_reply(self, call: str) -> None:
        method = {"ensure": "PATCH", "remove": "PATCH", "announce": "PUT", "withdraw": "PUT", "attach": "PATCH"}[call]
        self.sim.fault(effect="lost", method=method, path="/infra", count=1)

    def take(self, address: str) -> None:
        self.call("PUT", f"/infra/ip-pools/floating-pool/ip-allocations/x{address}", {"allocation_ip": address})

    def add_member(self, pool: Ref, label: str, ip: str, port: int) -> None:
        path = self._pool(pool)
        there = self.call("GET", path)
        mine = {"display_name": label, "ip_address": ip, "port": str(port)}
        self.call("PUT", path, {**there, "members": [*there.get("members", []), mine]})

    def members(self, pool: Ref) -> set[tuple[str, str, int | None]]:
        there = self.call("GET", self._pool(pool)).get("members", [])
        return {
            (each["display_name"], each["ip_address"], int(each["port"]) if each.get("port") else None)
            for each in there
        }

    def _pool(self, pool: Ref) -> str:
        return f"/infra/lb-pools/{pool.to}"

    async def vm(self, name: VmName, segment: ObjectId) -> None:
        vm_id = str(uuid.uuid5(uuid.UUID(self.director), f"vm:{name}"))
        nics = [{"segment": f"/infra/segments/{segment}"}]
        self.sim.control("POST", "vms", {"name": name, "external_id": vm_id, "nics": nics})

    async def vm_gone(self, name: VmName) -> None:
        vm_id = str(uuid.uuid5(uuid.UUID(self.director), f"vm:{name}"))
        await asyncio.to_thread(self.sim.control, "DELETE", f"vms/{vm_id}")

    def port_tags(self, name: VmName, segment: ObjectId) -> set[tuple[str, str]]:
        ports = self.call("GET", f"/infra/segments/{segment}/ports")["results"]
        return {
            (tag["scope"], tag["tag"])
            for port in ports
            if port["display_name"].startswith(f"{name}.vmx@")
            for tag in port.get("tags", [])
            if not tag["scope"].startswith("director/") or tag["scope"] == "director/group"
        }

    def is_in_group(self, name: VmName) -> bool:
        vm_id = str(uuid.uuid5(uuid.UUID(self.director), f"vm:{name}"))
        group = self.call("GET", f"/infra/domains/default/groups/{self.group}")
        return any(vm_id in each.get("external_ids", ()) for each in group["expression"])

    def _until(self, is_so: Any) -> None:
        for _ in range(200):
            if is_so():
                return
            time.sleep(0.02)
        raise AssertionError("it never came to be")


def _resolve(what: What, ref: Ref) -> str:
    return of_ours(what, ref.to) if ref.is_ours else f"{HOMES[what][0]}/{ref.to}"


@contextlib.contextmanager
def nsx_ground(sim: Nsxsim) -> Iterator[NsxGround]:
    """On a simulator that other tests use too: a director of its own, and no fault left behind."""
    director = str(uuid.uuid4())
    properties: Mapping[str, Any] = {
        "host": sim.url,
        "username": sim.user,
        "password": sim.password,
        "removal_timeout": 3,
        "realisation_timeout": 10,
        "port_timeout": 10,
    }
    try:
        yield NsxGround(sim, NsxtFabric(properties, director_uuid=director, name="nsx"), director)
    finally:
        sim.clear_faults()
