"""What dies is back: a killed local VM as its client sees it, and two hundred of a thousand lost at once."""

import json
import os
import signal
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from bench.director import Director, director
from bench.figures import Figure
from bench.heal_mass import LOST, even, heal, uneven

COUNT = 6
KILLS = 4
"""Fewer than would be a meltdown."""
FETCH_S = 0.1
PAUSE_S = 0.02
PATIENCE_S = 90.0
PORT = 7102

CLOUD = """
azs: [{{name: z1}}]
vm_types: [{{name: tiny, cloud_properties: {{}}}}]
networks:
- name: default
  subnets: [{{range: {range}, gateway: {gateway}, az: z1}}]
compilation: {{workers: 1, az: z1, network: default, vm_type: tiny, reuse_compilation_vms: true}}
"""

MANIFEST = f"""
name: bench
releases: [{{name: bench, version: create, url: "file://release"}}]
stemcells: [{{alias: default, os: local, version: latest}}]
update: {{canaries: 0, max_in_flight: {COUNT}, canary_watch_time: 0-60000, update_watch_time: 0-60000}}
instance_groups:
- name: page
  instances: {COUNT}
  azs: [z1]
  stemcell: default
  vm_type: tiny
  networks: [{{name: default}}]
  jobs: [{{name: page, release: bench}}]
"""

BPM = f"""processes:
- name: page
  executable: {os.path.realpath(sys.executable)}
  args: [-m, http.server, "{PORT}", --bind, "{{{{ spec.address }}}}", --directory, /var/vcap/jobs/page/config]
"""

FILES = {
    "config/final.yml": "name: bench\n",
    "jobs/page/spec": "name: page\ntemplates: {bpm.yml.j2: config/bpm.yml}\npackages: []\nproperties: {}\n",
    "jobs/page/monit": "",
    "jobs/page/templates/bpm.yml.j2": BPM,
}


def measure() -> list[Figure]:
    """All figures of healing."""
    return [*_local(), *_mass()]


def _local() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="director-bench-input-") as name, director() as bench:
        manifest = _write_inputs(Path(name))
        bench.run("-n", "update-cloud-config", str(Path(name) / "cloud.yml"))
        bench.run("-n", "deploy", str(manifest))
        outages = [_outage_s(bench, number) for number in range(KILLS)]
        bench.run("-n", "-d", "bench", "delete-deployment")
    print("a killed local VM was missed by its client for", ", ".join(f"{s:.2f}" for s in outages), "s", flush=True)
    return [
        Figure(name="heal_local_vm_s", value=round(statistics.median(outages), 3), unit="s", goal=5),
        Figure(name="heal_local_vm_max_s", value=round(max(outages), 3), unit="s", goal=10),
    ]


def _outage_s(bench: Director, number: int) -> float:
    """From SIGKILL of its pid 1 until its page is served again, fetched all the time."""
    address, pid = _instance(bench, number)
    _await_page(address, number)
    os.kill(pid, signal.SIGKILL)
    began, was_away = time.monotonic(), False
    while time.monotonic() - began < PATIENCE_S:
        if not _answers(address):
            was_away = True
        elif was_away:
            took_s = time.monotonic() - began
            assert _instance(bench, number)[1] != pid, "its VM was never gone"
            return took_s
        time.sleep(PAUSE_S)
    raise SystemExit(f"page/{number} was not back within {PATIENCE_S:g} s:\n{bench.run('health')}")


def _await_page(address: str, number: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while not _answers(address):
        assert time.monotonic() < until, f"page/{number} does not even answer before it is killed"
        time.sleep(PAUSE_S)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}:{PORT}/bpm.yml", timeout=FETCH_S) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _instance(bench: Director, number: int) -> tuple[str, int]:
    """Its address, and the pid of its VM's pid 1."""
    rows = json.loads(bench.run("--json", "-d", "bench", "instances", "--details"))["Tables"][0]["Rows"]
    row = next(row for row in rows if row["index"] == str(number))
    found = json.loads((bench.state / "vms" / row["vm_cid"] / "vm.json").read_text())
    return str(row["ips"]), int(found["process"]["pid"])


def _write_inputs(folder: Path) -> Path:
    for path, text in FILES.items():
        target = folder / "release" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    network = ("10.246.0.0/24", "10.246.0.1") if os.geteuid() == 0 else ("127.46.0.0/24", "127.46.0.1")
    (folder / "cloud.yml").write_text(CLOUD.format(range=network[0], gateway=network[1]))
    manifest = folder / "bench.yml"
    manifest.write_text(MANIFEST)
    return manifest


def _mass() -> list[Figure]:
    """``even``: beside whole waves, which nothing beats. ``uneven``: beside a scheduler that leaves no slot free, which
    nothing beats that cannot know beforehand how long a creation will take.
    """
    alike, mixed = heal(even), heal(uneven)
    for name, one in (("even", alike), ("uneven", mixed)):
        print(
            f"{LOST} of 1000 lost, {name}: repaired in {one.seconds:.0f} s, bound {one.bound_s:.0f} s, list schedule "
            f"{one.list_s:.0f} s, {one.tasks} tasks, at most {one.most} at once, {one.looks} looks of "
            f"{1000 * one.looks_cpu_s / one.looks:.1f} ms",
            flush=True,
        )
    cpu = 1000 * (mixed.cpu_s - mixed.looks_cpu_s) / LOST
    look = 1000 * mixed.looks_cpu_s / mixed.looks
    return [
        Figure(name="heal_200_even_over_bound", value=round(alike.seconds / alike.bound_s, 4), unit="ratio", goal=1.05),
        Figure(
            name="heal_200_over_list_schedule", value=round(mixed.seconds / mixed.list_s, 4), unit="ratio", goal=1.05
        ),
        Figure(name="heal_200_over_work_bound", value=round(mixed.seconds / mixed.bound_s, 4), unit="ratio", goal=1.20),
        Figure(name="heal_200_cpu_ms_per_vm", value=round(cpu, 3), unit="ms", goal=30),
        Figure(name="watch_look_1000_cpu_ms", value=round(look, 3), unit="ms", goal=60),
    ]
