"""A Kubernetes cluster that grows to hundreds of nodes: what a change costs there, beside the same change without them.

The many nodes are kwok's, beside one real master and two real workers, which alone are deployed, updated and repaired.
So it is seen what does not stay the same for one node when there are many others: nothing should.

Root's only, and with Go: else it says so, and there are no figures of it. The first time on a machine stemcell,
programs and kwok are built, which is not measured. ``python -m bench.kubernetes_many`` runs it alone.
"""

import signal
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.director import TICKS, rss_mib
from bench.figures import Figure, add, show
from bench.kubernetes import compiler_for
from tests.support.healing import kill
from tests.support.kubernetes_cluster import Cluster
from tests.support.kubernetes_deployed import DEPLOYMENT, Deployed, Release, make_release, ops, ready_director
from tests.support.kubernetes_fake import PROGRAM, fake_nodes, fake_pods, subnets

NETWORKS: Final = "10.243."
"""Others than those of the other benchmarks and demos."""
NODES: Final = 500
PODS: Final = 3000
ROOM: Final = (*ops("pod-range"), "-v", "pod_range=10.200.0.0/14")
"""The sample's own range is for 256 nodes."""
TOOLS: Final = ("api_proxy.py", "pod_network.py")
"""What of ours runs on every VM all the time."""
ROUNDS: Final = 3
"""Of each change; the median counts."""
REPAIR: Final = "dead worker repaired"
REST_S: Final = 20
RATIO_GOAL: Final = 1.2
REST_GOAL_MS: Final = 10
START_GOAL_S: Final = 1
RSS_GOAL_MIB: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Lap:
    """Seconds of each change, and of our tools on a node made anew: CPU until it was Ready, at rest, and memory."""

    seconds: dict[str, float]
    start_cpu_s: float
    rest_cpu_ms_per_s: float
    rss_mib: float

    def tell(self, nodes: int) -> None:
        took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        print(
            f"beside {nodes} other nodes: {took}; our tools of a node took {self.start_cpu_s:.2f} s of CPU to start, "
            f"{self.rest_cpu_ms_per_s:.1f} ms/s at rest, {self.rss_mib:.0f} MiB",
            flush=True,
        )


def measure() -> list[Figure]:
    """All figures of this scenario; none where it cannot be had."""
    compiler = compiler_for("Kubernetes with many nodes")
    if compiler is None:
        return []
    program = PROGRAM.build()
    with TemporaryDirectory(prefix="director-bench-programs-") as name:
        release = make_release(Path(name), compiler)
        with ready_director(NETWORKS) as deployed:
            few, many = _both(deployed, release, program)
    return _figures(few, many)


def _both(deployed: Deployed, release: Release, program: Path) -> tuple[Lap, Lap]:
    deployed.deploy(release, *ROOM)
    cluster = deployed.cluster(release)
    few = _lap(deployed, release, cluster, dies="worker/1")
    few.tell(0)
    with fake_nodes(cluster, program, deployed.folder, subnets(NETWORKS), NODES):
        fake_pods(cluster, deployed.folder, PODS, NODES)
        many = _lap(deployed, release, cluster, dies="worker/0")
    many.tell(NODES)
    return few, many


def _lap(deployed: Deployed, release: Release, cluster: Cluster, dies: str) -> Lap:
    """``dies`` is another worker each time: between two repairs of one instance the director waits."""
    changes: dict[str, Callable[[], object]] = {
        "worker more": lambda: deployed.deploy(release, *ROOM, *ops("workers"), "-v", "workers=3"),
        "worker less": lambda: deployed.deploy(release, *ROOM),
        "no change": lambda: deployed.deploy(release, *ROOM),
        "worker made anew": lambda: deployed.director.run("-n", "-d", DEPLOYMENT, "recreate", "worker/0"),
    }
    rounds = [{name: _timed(change) for name, change in changes.items()} for _ in range(ROUNDS)]
    tools = _tools(deployed, "worker/0")
    start_cpu_s = sum(map(_cpu_s, tools))
    time.sleep(REST_S)
    rest_cpu_s = sum(map(_cpu_s, tools)) - start_cpu_s
    held_mib = sum(map(rss_mib, tools))
    medians = {name: statistics.median(each[name] for each in rounds) for name in changes}
    return Lap(
        seconds={**medians, REPAIR: _timed(lambda: _kill(deployed, cluster, dies))},
        start_cpu_s=start_cpu_s,
        rest_cpu_ms_per_s=1000 * rest_cpu_s / REST_S,
        rss_mib=held_mib,
    )


def _kill(deployed: Deployed, cluster: Cluster, label: str) -> None:
    """Until its node is Ready again."""
    name = label.replace("/", "-")
    former = cluster.boot_id(name)
    kill(deployed.pid(label), signal.SIGKILL)
    cluster.await_reboot(name, former)


def _timed(change: Callable[[], object]) -> float:
    began = time.monotonic()
    change()
    return time.monotonic() - began


def _tools(deployed: Deployed, label: str) -> list[int]:
    """Their pids on this instance's VM."""
    vm = deployed.instances()[label]["vm_cid"]
    pids = [deployed.vms.find(vm, words) for words in TOOLS]
    assert None not in pids, f"{TOOLS} do not all run on {label}"
    return [pid for pid in pids if pid is not None]


def _cpu_s(pid: int) -> float:
    """With all programs it has run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(n) for n in fields[11:15]) / TICKS


def _figures(few: Lap, many: Lap) -> list[Figure]:
    """Changes are held to what they take without the other nodes; the tools, which cost next to nothing, to a bound.

    Masters, kwok and whatever else runs share this machine's cores: of one change alone the ratio says little.
    """
    changes = sum(many.seconds.values()) / sum(few.seconds.values())
    found = {
        "all_changes": (changes, "ratio", RATIO_GOAL),
        "tools_start_cpu_s": (many.start_cpu_s, "s", START_GOAL_S),
        "tools_rest_cpu_ms": (many.rest_cpu_ms_per_s, "ms per s", REST_GOAL_MS),
        "tools_rss_mib": (many.rss_mib, "MiB", RSS_GOAL_MIB),
    }
    return [
        Figure(name=f"kubernetes_{NODES}_{name}", value=round(value, 2), unit=unit, goal=goal)
        for name, (value, unit, goal) in found.items()
    ]


if __name__ == "__main__":
    measured = measure()
    show(measured)
    add(measured, Path("build/bench.json"))
    raise SystemExit(not all(figure.met for figure in measured))
