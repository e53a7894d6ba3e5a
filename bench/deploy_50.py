"""Fifty local instances of a trivial job, 32 in flight: what BOSH's director was measured doing."""

import os
import statistics
import tempfile
from pathlib import Path

from bench.bound import over_bound
from bench.director import Director, director, rss_mib
from bench.figures import Figure

COUNT = 50
SLOTS = 32
REPEATS = 5
BOSH = "BOSH director 283, fast CPI, two cores"

CLOUD = """
azs: [{{name: z1}}]
vm_types: [{{name: tiny, cloud_properties: {{}}}}]
networks:
- name: default
  subnets: [{{range: {range}, gateway: {gateway}, az: z1}}]
compilation: {{workers: 1, az: z1, network: default, vm_type: tiny, reuse_compilation_vms: true}}
"""

MANIFEST = """
name: bench
releases: [{{name: bench, version: create, url: "file://release"}}]
stemcells: [{{alias: default, os: local, version: latest}}]
update: {{canaries: 1, max_in_flight: {slots}, canary_watch_time: 0-60000, update_watch_time: 0-60000}}
instance_groups:
- name: idle
  instances: {count}
  azs: [z1]
  stemcell: default
  vm_type: tiny
  networks: [{{name: default}}]
  jobs: [{{name: idle, release: bench, properties: {{note: {note}}}}}]
"""

FILES = {
    "config/final.yml": "name: bench\n",
    "jobs/idle/spec": "name: idle\ntemplates: {note.txt.j2: config/note.txt, bpm.yml: config/bpm.yml}\npackages: []\n"
    "properties: {note: {default: first}}\n",
    "jobs/idle/monit": "",
    "jobs/idle/templates/note.txt.j2": "{{ p('note') }}\n",
    "jobs/idle/templates/bpm.yml": "processes: [{name: idle, executable: /bin/sleep, args: [infinity]}]\n",
}


def measure() -> list[Figure]:
    """All figures of this scenario, from one director."""
    with tempfile.TemporaryDirectory(prefix="director-bench-input-") as name, director() as bench:
        folder = Path(name)
        manifest = _write_inputs(folder)
        bench.run("-n", "update-cloud-config", str(folder / "cloud.yml"))
        first_cpu = _cpu_of(bench, manifest)
        beyond = over_bound(bench.progress(bench.newest_task()), SLOTS)
        noop = [bench.timed("-n", "deploy", str(manifest)) for _ in range(REPEATS)]
        listing = [bench.timed("-d", "bench", "instances") for _ in range(REPEATS)]
        manifest.write_text(MANIFEST.format(slots=SLOTS, count=COUNT, note="second"))
        change_cpu = _cpu_of(bench, manifest)
        director_rss, agents = rss_mib(bench.pid), bench.agent_rss_mib()
        assert len(agents) == COUNT, f"{len(agents)} agents were found"
        bench.run("-n", "-d", "bench", "delete-deployment")
    return _figures(first_cpu, beyond, noop, change_cpu, listing, director_rss, agents)


def _figures(
    first_cpu: float,
    beyond: float,
    noop: list[float],
    change_cpu: float,
    listing: list[float],
    director_rss: float,
    agents: list[float],
) -> list[Figure]:
    per = 1000 / COUNT
    return [
        _figure("deploy_50_cpu_ms_per_instance", first_cpu * per, "ms", 50, 510),
        Figure(name="deploy_50_wall_over_bound", value=round(beyond, 4), unit="ratio", goal=1.10),
        _figure("noop_deploy_50_s", statistics.median(noop), "s", 0.7, 3.6),
        _figure("property_change_50_cpu_ms_per_instance", change_cpu * per, "ms", 25, 180),
        _figure("instances_50_s", statistics.median(listing), "s", 0.4, 1.2),
        _figure("director_rss_mib", director_rss, "MiB", 150, 550),
        Figure(name="agent_rss_mib", value=round(statistics.median(agents), 2), unit="MiB", goal=40),
    ]


def _figure(name: str, value: float, unit: str, goal: float, peer_value: float) -> Figure:
    return Figure(name=name, value=round(value, 4), unit=unit, goal=goal, peer=BOSH, peer_value=peer_value)


def _write_inputs(folder: Path) -> Path:
    for path, text in FILES.items():
        target = folder / "release" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    own_network = os.geteuid() == 0
    network = ("10.246.0.0/24", "10.246.0.1") if own_network else ("127.46.0.0/24", "127.46.0.1")
    (folder / "cloud.yml").write_text(CLOUD.format(range=network[0], gateway=network[1]))
    manifest = folder / "bench.yml"
    manifest.write_text(MANIFEST.format(slots=SLOTS, count=COUNT, note="first"))
    return manifest


def _cpu_of(bench: Director, manifest: Path) -> float:
    before = bench.cpu_s()
    bench.run("-n", "deploy", str(manifest))
    return bench.cpu_s() - before
