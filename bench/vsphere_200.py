"""Two hundred VMs in a simulated vCenter, 32 in flight, beside two plain pyVmomi programs in the same run.

The simulator and the agents (``tests/support/swarm.py``) are processes of their own: only the director's CPU is
counted, and the requests that reach vCenter. A task that takes 2 s is *running* for 2 s in the simulator; its call
returns at once.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.bound import over_bound
from bench.director import ROOT, Director, director
from bench.figures import Figure
from tests.support.simulated import write_infrastructure, write_stemcell
from tests.support.swarm import swarm
from tests.support.vcsim import Vcsim, vcsim

COUNT = 200
SLOTS = 32
TASK_MS = 2000
POLLER = "plain pyVmomi, one poller, same run"
SITE = {"clusters": 3, "hosts": 3, "datastores": 6, "portgroups": 2, "vms": 0}
IN_FLIGHT = {"vcenter": SLOTS, "host": SLOTS, "datastore": SLOTS}
"""The plain programs know no other limit either."""
IGNORED = frozenset({"Login", "Logout", "RetrieveServiceContent"})

CLOUD = """
azs:
- {name: z1, cloud_properties: {datacenters: [{name: DC0, clusters: [DC0_C0: {}, DC0_C1: {}, DC0_C2: {}]}]}}
vm_types:
- {name: tiny, cloud_properties: {cpu: 1, ram: 256, disk: 1024}}
- {name: more, cloud_properties: {cpu: 1, ram: 512, disk: 1024}}
networks:
- name: default
  subnets: [{range: 10.9.0.0/16, gateway: 10.9.0.1, az: z1, cloud_properties: {name: DC0_DVPG0}}]
compilation: {workers: 1, az: z1, network: default, vm_type: tiny, reuse_compilation_vms: true}
"""

MANIFEST = """
name: bench
releases: [{{name: bench, version: create, url: "file://release"}}]
stemcells: [{{alias: default, os: local, version: latest}}]
update: {{canaries: 0, max_in_flight: {slots}, canary_watch_time: 0-60000, update_watch_time: 0-60000}}
instance_groups:
- name: idle
  instances: {count}
  azs: [z1]
  stemcell: default
  vm_type: {vm_type}
  networks: [{{name: default}}]
  jobs: [{{name: idle, release: bench}}]
"""

FILES = {
    "config/final.yml": "name: bench\n",
    "jobs/idle/spec": "name: idle\ntemplates: {}\npackages: []\nproperties: {}\n",
    "jobs/idle/monit": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """One deploy: the director's CPU, requests by method, wall over bound."""

    cpu_s: float
    requests: int
    over_bound: float


def measure() -> list[Figure]:
    """All figures of this scenario: quick tasks first, then tasks of 2 s."""
    with _world(0) as world:
        first = world.deploy("tiny")
        again = world.counted("-n", "deploy", str(world.manifest))
        changed = world.deploy("more")
        connections = world.connections()
        alone = _program("vsphere_adapter", world.sim)
        poller = _program("vsphere_peers", world.sim, "poller")
        threads = _program("vsphere_peers", world.sim, "threads")
    with _world(TASK_MS) as world:
        slow = world.deploy("tiny")
        slow_threads = _program("vsphere_peers", world.sim, "threads")
    per = 1000 / COUNT
    return [
        Figure(name="vsphere_200_cpu_ms_per_vm", value=round(first.cpu_s * per, 3), unit="ms", goal=30,
               peer=POLLER, peer_value=round(poller["cpu_s"] * per, 3)),
        Figure(name="vsphere_adapter_cpu_over_poller", value=round(alone["cpu_s"] / poller["cpu_s"], 4), unit="ratio",
               goal=2),
        Figure(name="vsphere_200_requests_per_vm", value=first.requests / COUNT, unit="requests", goal=6,
               peer="plain pyVmomi, 32 threads, same run", peer_value=threads["requests"] / COUNT),
        Figure(name="vsphere_200_slow_requests_per_vm", value=slow.requests / COUNT, unit="requests", goal=6,
               peer="plain pyVmomi, 32 threads, same run", peer_value=slow_threads["requests"] / COUNT),
        Figure(name="vsphere_200_slow_wall_over_bound", value=round(slow.over_bound, 4), unit="ratio", goal=1.05),
        Figure(name="vsphere_200_noop_requests", value=again, unit="requests", goal=3),
        Figure(name="vsphere_200_memory_change_requests_per_vm", value=changed.requests / COUNT, unit="requests",
               goal=5),
        Figure(name="vsphere_connections", value=connections, unit="connections", goal=8),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A director whose infrastructure is a simulator, with a swarm of agents."""

    sim: Vcsim
    bench: Director
    manifest: Path

    def deploy(self, vm_type: str) -> Deployed:
        self.manifest.write_text(MANIFEST.format(slots=SLOTS, count=COUNT, vm_type=vm_type))
        before = self.bench.cpu_s()
        requests = self.counted("-n", "deploy", str(self.manifest))
        lines = self.bench.progress(self.bench.newest_task())
        return Deployed(cpu_s=self.bench.cpu_s() - before, requests=requests, over_bound=over_bound(lines, SLOTS))

    def counted(self, *words: str) -> int:
        """How many requests vCenter had of the director during one command. The swarm's waits are not counted."""
        before = _requests(self.sim) - self._of_swarm()
        self.bench.run(*words)
        return _requests(self.sim) - self._of_swarm() - before

    def _of_swarm(self) -> int:
        return int(self.manifest.with_name("swarm").read_text())

    def connections(self) -> int:
        """To vCenter, from the daemon, now."""
        port = f"{self.sim.port:04X}"
        inodes = {
            line.split()[9]
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
            if line.split()[2].endswith(f":{port}")
        }
        links = (str(fd.readlink()) for fd in Path(f"/proc/{self.bench.pid}/fd").iterdir() if fd.is_symlink())
        return sum(1 for link in links if link.removeprefix("socket:[").removesuffix("]") in inodes)


@contextmanager
def _world(task_ms: int) -> Iterator[World]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="director-bench-input-")))
        sim = stack.enter_context(vcsim(task_delay_ms=task_ms, **SITE))
        with (
            director(prepare=lambda state: write_infrastructure(state, sim, operations_in_flight=IN_FLIGHT)) as bench,
            swarm(sim, folder / "swarm"),
        ):
            (folder / "cloud.yml").write_text(CLOUD)
            for path, text in FILES.items():
                target = folder / "release" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
            bench.run("-n", "update-cloud-config", str(folder / "cloud.yml"))
            bench.run("-n", "upload-stemcell", str(write_stemcell(folder / "stemcell.tgz")))
            try:
                yield World(sim=sim, bench=bench, manifest=folder / "bench.yml")
            finally:
                bench.run("-n", "-d", "bench", "delete-deployment", "--force")


def _requests(sim: Vcsim) -> int:
    return sum(count for method, count in sim.counts().items() if method not in IGNORED)


def _program(name: str, sim: Vcsim, *how: str) -> Mapping[str, Any]:
    before = _requests(sim)
    command = [sys.executable, "-m", f"bench.{name}", *how, sim.host, str(sim.port), sim.user, sim.password]
    done = subprocess.run([*command, str(COUNT), str(SLOTS)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return {**json.loads(done.stdout), "requests": _requests(sim) - before}
