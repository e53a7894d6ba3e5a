"""Hundreds of nodes beside the real ones of a cluster: kwok plays all their kubelets in one process of this machine.

It touches no node but those made here, which say so by an annotation. Nothing but pods made here runs on them: a taint
keeps all others away. Knows nothing of pytest. Needs Go and its module proxy, the first time; ``python -m
tests.support.kubernetes_fake`` builds kwok ahead.
"""

import contextlib
import ipaddress
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.support.go_program import TOOLS, GoProgram
from tests.support.kubernetes_cluster import READY, Cluster, Wrong

PROGRAM: Final = GoProgram(name="kwok", source=TOOLS / "kwok", target="sigs.k8s.io/kwok/cmd/kwok")
MARK: Final = "kwok.x-k8s.io/node"
"""The annotation and taint of a fake node; its value is FAKE."""
FAKE: Final = "fake"
ALL_READY_S: Final = 180
END_S: Final = 20
AT_ONCE: Final = 6
"""kubectl's own limit is 50 objects a second for each of its processes, after the first 300."""
FIRST_ADDRESS: Final = 100
"""The last byte of the first fake node's: lower ones of a subnet are real VMs'."""


@contextlib.contextmanager
def fake_nodes(cluster: Cluster, kwok: Path, folder: Path, subnets: tuple[str, ...], count: int) -> Iterator[None]:
    """``count`` nodes fake-0, fake-1, …, all Ready. Afterwards nobody speaks for them, but they are still known.

    Their addresses are the upper ones of ``subnets``, in turns, though nobody has them. Raises Wrong.
    """
    with (folder / "kwok.log").open("ab") as log, _running(cluster, kwok, log) as process:
        try:
            create(cluster, folder, [node(number, address_of(number, subnets)) for number in range(count)])
            await_all(cluster, "nodes", count)
        except Wrong as why:
            raise Wrong(f"{why}\n{_last(folder / 'kwok.log')}") from why
        assert process.poll() is None, _last(folder / "kwok.log")
        yield


@contextlib.contextmanager
def _running(cluster: Cluster, kwok: Path, log: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """Ends with the block, and with this process, however that ends. It listens nowhere."""
    command = [
        *("setpriv", "--pdeathsig", "KILL", str(kwok), f"--kubeconfig={cluster.kubeconfig}"),
        *(f"--config={PROGRAM.source / 'stages.yml'}", "--manage-all-nodes=false", "--node-port=0"),
        *(f"--manage-nodes-with-annotation-selector={MARK}={FAKE}", "--node-lease-duration-seconds=40", "--v=WARN"),
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()


def subnets(networks: str) -> tuple[str, ...]:
    """Of the sample's cloud config on networks that begin as ``networks``, such as ``10.220.``."""
    return tuple(f"{networks}{zone}.0/24" for zone in (1, 2, 3))


def address_of(number: int, subnets: tuple[str, ...]) -> str:
    """Each subnet is a /24, written whole."""
    turn, which = divmod(number, len(subnets))
    return str(ipaddress.ip_network(subnets[which])[FIRST_ADDRESS + turn % (255 - FIRST_ADDRESS)])


def node(number: int, address: str) -> dict[str, Any]:
    name, room = f"fake-{number}", {"cpu": "8", "memory": "32Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": {MARK: FAKE}, "labels": {"type": FAKE}},
        "spec": {"taints": [{"key": MARK, "value": FAKE, "effect": "NoSchedule"}]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "capacity": room,
            "allocatable": room,
        },
    }


def fake_pods(cluster: Cluster, folder: Path, count: int, nodes: int) -> None:
    """Runs ``count`` pods on ``nodes`` fake ones, without asking the scheduler. Raises Wrong."""
    create(cluster, folder, [pod(number, f"fake-{number % nodes}") for number in range(count)])
    await_all(cluster, "pods", count)


def pod(number: int, node: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"fake-{number}", "labels": {"type": FAKE}},
        "spec": {"nodeName": node, "containers": [{"name": "main", "image": FAKE}], "tolerations": [{"key": MARK}]},
    }


def create(cluster: Cluster, folder: Path, objects: list[dict[str, Any]]) -> None:
    """By several clients at once. Raises Wrong."""

    def part(which: int) -> None:
        file = folder / f"objects-{which}.json"
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects[which::AT_ONCE]}))
        cluster.ask("create", "-f", str(file))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(part, range(min(AT_ONCE, len(objects)))))


def await_all(cluster: Cluster, kind: str, count: int) -> None:
    """Until so many fake ones are Ready. They are watched. Raises Wrong."""
    shape = f"custom-columns=NAME:.metadata.name,READY:{READY.strip('{}')}"
    words = ["get", kind, f"--selector=type={FAKE}", "--watch", f"--request-timeout={ALL_READY_S}s"]
    words += ["--no-headers", "-o", shape]
    ready: set[str] = set()
    command = [str(cluster.kubectl), f"--kubeconfig={cluster.kubeconfig}", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                name, state = line.split()
                (ready.add if state == "True" else ready.discard)(name)
                if len(ready) >= count:
                    return
        finally:
            process.kill()
    raise Wrong(f"After {ALL_READY_S} s {len(ready)} of {count} {kind} are Ready.")


def _last(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])


if __name__ == "__main__":
    print(PROGRAM.build())
