"""A real Kubernetes cluster: deployed, updated to the next version under load, its first master lost.

Root's only, and with Go: else it says so, and there are no figures of it. The first time on a machine the stemcell and
the programs of two versions are built, which is not measured. ``python -m bench.kubernetes`` runs it alone.
"""

import os
import signal
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.director import rss_mib
from bench.figures import Figure, add, show
from tests.support.go_program import go
from tests.support.healing import kill, until
from tests.support.kubernetes_clients import Asking, api, api_within, pages
from tests.support.kubernetes_cluster import ready, serve_page
from tests.support.kubernetes_deployed import FORMER, VERSION, Deployed, Release, make_release, ops, ready_director
from tests.support.kubernetes_etcd import is_whole, members
from tests.support.local_stemcell import CannotBuild, stemcell

NETWORKS: Final = "10.249."
"""Others than the demo's."""
READY_GOAL_S: Final = 30
UPDATE_GOAL_S: Final = 60
API_GOAL_S: Final = 5
SYNCED_GOAL_S: Final = 30
CPU_GOAL_S: Final = 30
RSS_GOAL_MIB: Final = 200
"""CPU and memory are held to what the demo is: it does about as much."""
REGISTRY: Final = ops("private-registry")
REPLICAS: Final = 2
PATIENCE_S: Final = 180


def measure() -> list[Figure]:
    """All figures of this scenario; none where it cannot be had."""
    compiler = compiler_for("Kubernetes")
    if compiler is None:
        return []
    with TemporaryDirectory(prefix="director-bench-programs-") as name:
        former, release = (make_release(Path(name), compiler, version) for version in (FORMER, VERSION))
        with ready_director(NETWORKS) as deployed:
            ready_s = _deploy(deployed, former, compiler)
            update_s, visitors = _update(deployed, release)
            figures = [
                _figure("kubernetes_ready_s", ready_s, "s", READY_GOAL_S),
                _figure("kubernetes_update_s", update_s, "s", UPDATE_GOAL_S),
                _figure("kubernetes_update_failed_requests", sum(visitors.failed.values()), "in all", 0),
                *_lose_leader(deployed, release),
                _figure("kubernetes_bench_director_cpu_s", deployed.director.cpu_s(), "s", CPU_GOAL_S),
                _figure("kubernetes_bench_director_rss_mib", rss_mib(deployed.director.pid), "MiB", RSS_GOAL_MIB),
            ]
    return figures


def compiler_for(what: str) -> str | None:
    """Go, where ``what`` can be measured; None after saying why it cannot. The stemcell is there then."""
    compiler = go()
    if os.geteuid() != 0 or compiler is None:
        lack = "root" if os.geteuid() != 0 else "Go 1.26"
        print(f"{what} is not measured: it needs {lack}.", flush=True)
        return None
    try:
        stemcell()
    except CannotBuild as why:
        print(f"{what} is not measured: {why}", flush=True)
        return None
    return compiler


def _figure(name: str, value: float, unit: str, goal: float) -> Figure:
    return Figure(name=name, value=round(value, 2), unit=unit, goal=goal)


def _deploy(deployed: Deployed, release: Release, compiler: str) -> float:
    """Seconds until the last node was Ready."""
    began = time.time()
    deployed.deploy(release, *REGISTRY)
    nodes = deployed.cluster(release).items("nodes")
    last = max(datetime.fromisoformat(ready(node)["lastTransitionTime"]) for node in nodes)
    deployed.push_page(compiler)
    return last.timestamp() - began


def _update(deployed: Deployed, release: Release) -> tuple[float, Asking]:
    """Seconds of one master and two workers, and what clients met at both workers meanwhile."""
    serve_page(deployed.cluster(release), REPLICAS)
    rows = deployed.instances()
    addresses = [rows[f"worker/{index}"]["ips"] for index in range(2)]
    for address in addresses:
        until(pages(address).is_answered, PATIENCE_S, what=f"the page is not met at {address}")
    with pages(*addresses) as visitors:
        began = time.monotonic()
        deployed.deploy(release, *REGISTRY)
        took_s = time.monotonic() - began
    print(
        f"while Kubernetes {FORMER} became {VERSION}, {visitors.asked} requests were made to a service of {REPLICAS} "
        f"replicas; {sum(visitors.failed.values())} failed, and at most {visitors.gap_s:.2f} s lay between two answers",
        *visitors.failed.most_common(3),
        sep="\n",
        flush=True,
    )
    return took_s, visitors


def _lose_leader(deployed: Deployed, release: Release) -> list[Figure]:
    """Of three masters the VM dies whose etcd leads: how long no API server answers, until it is back in sync."""
    deployed.deploy(release, *REGISTRY, *ops("three-masters"))
    cluster, rows, before = deployed.cluster(release), deployed.instances(), members(deployed)
    leader = next(member.name for member in before if member.is_leader).replace("-", "/")
    others = [label for label in rows if label.startswith("master/") and label != leader]
    with ExitStack() as stack:
        asked = [stack.enter_context(api(cluster.kubeconfig, rows[label]["ips"])) for label in others]
        gaps = stack.enter_context(api_within(deployed.pid("worker/0"), cluster.kubeconfig))
        time.sleep(1)  # all of them ask by now
        since = kill(deployed.pid(leader), signal.SIGKILL)
        until(lambda: not is_whole(deployed, others[0], before), what=f"nobody misses {leader}")
        until(lambda: is_whole(deployed, others[0], before), PATIENCE_S, what="etcd is not whole again")
        synced_s = time.monotonic() - since
    away = max(asking.gap_s for asking in asked)
    return [
        _figure("kubernetes_leader_lost_api_s", away, "s", API_GOAL_S),
        _figure("kubernetes_leader_lost_api_of_vms_s", gaps[0], "s", API_GOAL_S),
        _figure("kubernetes_leader_lost_synced_s", synced_s, "s", SYNCED_GOAL_S),
    ]


if __name__ == "__main__":
    found = measure()
    show(found)
    add(found, Path("build/bench.json"))
