"""The vSphere adapter by itself, doing what the plain programs of ``vsphere_peers.py`` do.

``python -m bench.vsphere_adapter HOST PORT USER PASSWORD COUNT SLOTS`` places, creates and clears COUNT VMs and prints
one JSON line: seconds of wall clock and of CPU, connections open at most.
"""

import asyncio
import json
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Final

from director.adapters.vsphere.infrastructure import VsphereInfrastructure
from director.model.names import AgentId, DeploymentName, InstanceId, StemcellCid, VmName
from director.model.placement import Placements, VmWish
from director.model.tree import Tree
from director.model.wanted import VmShape
from director.ports.infrastructure import Enrolment, StemcellRequest, VmRequest
from tests.support.simulated import properties_of
from tests.support.tinyovf import tiny_image
from tests.support.vcsim import Vcsim

BENCH: Final = DeploymentName("bench")


def wish_of(number: int, stemcell: StemcellCid) -> VmWish:
    network: Tree = {
        "type": "manual",
        "ip": f"10.8.{number // 250}.{number % 250 + 2}",
        "netmask": "255.255.0.0",
        "cloud_properties": {"name": "DC0_DVPG0"},
    }
    shape = VmShape(
        stemcell_name="tiny",
        stemcell_version="1",
        stemcell_cid=stemcell,
        cloud_properties={"cpu": 1, "ram": 256, "disk": 1024},
        networks={"default": network},
    )
    return VmWish(name=VmName(f"alone-{number}"), deployment=BENCH, label="alone/0", shape=shape, az=None)


async def make(cloud: VsphereInfrastructure, request: VmRequest) -> None:
    cid = await cloud.create_vm(request)
    await cloud.clear_enrolment(cid)


def request_of(wish: VmWish, placements: Placements) -> VmRequest:
    enrolment = Enrolment(
        agent=AgentId(wish.name),
        token="t" * 43,
        ca_certificate="c" * 800,
        enrol_targets=(),  # the swarm leaves these alone
        agent_targets=(),
    )
    return VmRequest(
        name=wish.name,
        instance=InstanceId(wish.name),
        deployment=BENCH,
        shape=wish.shape,
        enrolment=enrolment,
        where=placements.vms[wish.name].where,
    )


async def main() -> None:
    host, port, user, password, count, slots = sys.argv[1:]
    sim = Vcsim(host=host, port=int(port), user=user, password=password, ca=None, pid=0)
    in_flight = {"vcenter": int(slots), "host": int(slots), "datastore": int(slots)}
    cloud = VsphereInfrastructure(
        properties_of(sim, operations_in_flight=in_flight), director_uuid=str(uuid.uuid4()), name="bench"
    )
    with tempfile.TemporaryDirectory() as directory:
        image = tiny_image(Path(directory))
        stemcell = await cloud.create_stemcell(StemcellRequest(key="tiny/1", image=image))
    wishes = [wish_of(number, stemcell) for number in range(int(count))]
    began, cpu = time.monotonic(), time.process_time()
    placements = await cloud.place(wishes, [])
    async with asyncio.TaskGroup() as group:
        for wish in wishes:
            group.create_task(make(cloud, request_of(wish, placements)))
    wall, used = time.monotonic() - began, time.process_time() - cpu
    await cloud.close()
    print(json.dumps({"wall_s": wall, "cpu_s": used, "connections": cloud.session.connections}))


if __name__ == "__main__":
    asyncio.run(main())
