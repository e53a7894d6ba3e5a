"""A node's way in and out of the cluster: `node.py CONFIG.json post-start|pre-stop|drain [ARGUMENT]...`

post-start  waits until the kubelet that runs now, in this boot of the VM, says Ready and the node has a range for its
            pods; sets labels; ends the cordon. A node without a range is cordoned
pre-stop    notes whether the node is to come back: a drain is not told
drain       cordons, and evicts the pods within a limit; names those that do not go. Left out where pods can stay: jobs
            that change and no program with them. Takes the node away, when its instance goes for good: afterwards
            nothing on the VM reaches the API server. Prints 0, how long to wait then
"""

import json
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

from patience import GaveUp, NotYet, say, until

KUBECTL = "/var/vcap/packages/hyperkube/bin/kubectl"
ASK_S = 5
REACHED_S = 15
RANGE_S = 30
REMOVE_S = 30
START_TICKS = 19
"""Field 22 of proc(5)'s stat, counted from after the program's name."""
LOG_END = 20_000
LINE_END = 500
COMPLAINT = re.compile(r"[EF]\d{4} |Error: ")
DRAINED = "drained-by-deployment"


class Unknown(NotYet):
    """Kubernetes has no such object."""


class Node:
    def __init__(self, config: dict) -> None:
        self.config, self.name = config, config["node"]
        self.note = Path(config["note"])

    def kubectl(self, *words: str, limit_s: float = ASK_S) -> str:
        """Raises NotYet with kubectl's own words, Unknown for what is not there."""
        argv = [self.config.get("kubectl", KUBECTL), f"--kubeconfig={self.config['kubeconfig']}"]
        argv += [f"--request-timeout={limit_s}s", *words]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=limit_s + ASK_S, check=False)
        except subprocess.TimeoutExpired:
            raise NotYet(f"kubectl {words[0]} does not end") from None
        if done.returncode:
            kind = Unknown if "(NotFound)" in done.stderr else NotYet
            raise kind(" ".join(done.stderr.split())[-500:] or f"kubectl ended with {done.returncode}")
        return done.stdout

    def object(self) -> dict:
        return json.loads(self.kubectl("get", "node", self.name, "-o", "json"))


def post_start(node: Node) -> None:
    try:
        found = until(f"node {node.name} to be Ready", node.config["ready_s"], lambda: ready(node))
    except GaveUp as error:
        raise GaveUp(f"{error}{last_words(node)}") from None
    await_range(node, found)
    labels = [f"{key}={value}" for key, value in sorted(node.config["labels"].items())]
    if any(found["metadata"]["labels"].get(word.partition("=")[0]) != word.partition("=")[2] for word in labels):
        until(
            "the labels to be set", REMOVE_S, lambda: node.kubectl("label", "node", node.name, "--overwrite", *labels)
        )
    if DRAINED in found["metadata"].get("annotations", {}):
        until("the cordon to end", REMOVE_S, lambda: node.kubectl("uncordon", node.name))
        until("the note to go", REMOVE_S, lambda: node.kubectl("annotate", "node", node.name, f"{DRAINED}-"))
    node.note.unlink(missing_ok=True)


def ready(node: Node) -> dict:
    found = node.object()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    if found["status"].get("nodeInfo", {}).get("bootID") != boot:
        raise NotYet("what is known of it is from before this boot")
    condition = next((c for c in found["status"].get("conditions", []) if c["type"] == "Ready"), None)
    if condition is None or condition["status"] != "True":
        raise NotYet(condition["message"] if condition else "it has not said how it is")
    if seconds(condition["lastHeartbeatTime"]) <= int(started_at(node)):
        raise NotYet("its kubelet has not spoken since it was started")
    return found


def await_range(node: Node, found: dict) -> None:
    """A node says Ready without one, too; pods that are sent there never start."""

    def check() -> None:
        if not node.object()["spec"].get("podCIDR"):
            raise NotYet(f"all of {node.config['pod_range']} may be taken; it can be enlarged, by pod_range")

    if found["spec"].get("podCIDR"):
        return
    try:
        until(f"a range for the pods of {node.name}", node.config.get("range_s", RANGE_S), check)
    except GaveUp:
        until("the cordon", REMOVE_S, lambda: mark(node))
        until("the cordon", REMOVE_S, lambda: node.kubectl("cordon", node.name))
        raise


def started_at(node: Node) -> float:
    """When the process began that is its kubelet, by this VM's clock, as all that a kubelet says is. What bears that
    second or an older one is left from the kubelet before: a new one waits the second out, then begins by saying how it
    is, in whole seconds. Its lease tells less: it is renewed first, while the Ready of before stands, and a runtime
    that is not up yet is told of afterwards.
    """
    try:
        stat = Path(f"/proc/{int(Path(node.config['pidfile']).read_text())}/stat").read_text()
    except (OSError, ValueError):
        raise NotYet("its kubelet does not run") from None
    after_boot_s = int(stat.rpartition(")")[2].split()[START_TICKS]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + after_boot_s


def last_words(node: Node) -> str:
    """What its kubelet complained of last, as it says it."""
    try:
        lines = Path(node.config["log"]).read_text(errors="replace")[-LOG_END:].splitlines()
    except FileNotFoundError:
        return ""
    complaints = [line for line in lines if COMPLAINT.match(line)]
    return f"; its kubelet's last error: {complaints[-1][-LINE_END:]}" if complaints else ""


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def pre_stop(node: Node) -> None:
    node.note.parent.mkdir(parents=True, exist_ok=True)
    states = ("BOSH_VM_NEXT_STATE", "BOSH_INSTANCE_NEXT_STATE", "BOSH_DEPLOYMENT_NEXT_STATE")
    node.note.write_text(json.dumps({name: os.environ.get(name, "") for name in states}))


def next_state(node: Node, of: str) -> str:
    try:
        return json.loads(node.note.read_text()).get(f"BOSH_{of}_NEXT_STATE", "")
    except FileNotFoundError:
        return ""


def drain(node: Node, *words: str) -> None:
    try:
        evict(node, words)
        take_away(node)
    finally:
        print(0, flush=True)


def evict(node: Node, words: tuple[str, ...]) -> None:
    reason = why_not(node, words)
    if reason:
        say(f"no pod is moved: {reason}")
        return
    try:
        is_known = until("the API server", REACHED_S, lambda: mark(node))
    except GaveUp as error:
        # Without an API server nobody could put the pods elsewhere either.
        say(f"no pod is moved: {error}")
        return
    if not is_known:
        say("no pod is moved: its kubelet never made the node known")
        return
    limit_s = node.config["drain_s"]
    say(f"moving the pods of {node.name}, for {limit_s} s at most")
    begun = time.monotonic()
    argv = [node.config.get("kubectl", KUBECTL), f"--kubeconfig={node.config['kubeconfig']}", "drain", node.name]
    argv += ["--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={limit_s}s"]
    argv += [f"--grace-period={node.config['grace_s']}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=limit_s + 60, check=False)
    if done.returncode == 0:
        say(f"all moved after {time.monotonic() - begun:.1f} s")
        return
    blocking = reasons(done.stderr)
    say(f"pods of {node.name} did not go within {limit_s} s:\n" + "\n".join(blocking))
    if not node.config["goes_on"]:
        raise SystemExit(1)


def mark(node: Node) -> bool:
    """Whether there is such a node, marked from now on as one whose cordon is the deployment's."""
    try:
        node.kubectl("annotate", "node", node.name, "--overwrite", f"{DRAINED}=true")
    except Unknown:
        return False
    return True


def why_not(node: Node, words: tuple[str, ...]) -> str:
    if next_state(node, "DEPLOYMENT") == "delete":
        return "the whole deployment is deleted"
    if words[:1] == ("job_shutdown",):
        return ""
    changed = sorted(set(words[2:]) & set(node.config["programs"]))
    if not changed and next_state(node, "VM") != "delete":
        return "no program changes, so they can go on"
    return ""


def reasons(text: str) -> list[str]:
    """The last word on each pod; a budget that blocks one is told again every 5 s."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))[-20:]


def take_away(node: Node) -> None:
    """Its kubelet still runs, but makes itself known only when it starts."""
    if next_state(node, "INSTANCE") != "delete" or next_state(node, "DEPLOYMENT") == "delete":
        return
    try:
        until("the API server", REMOVE_S, lambda: node.kubectl("delete", "node", node.name, "--ignore-not-found"))
        say(f"node {node.name} is taken away")
    except GaveUp as error:
        say(f"node {node.name} stays in the list: {error}")


STEPS = {"post-start": post_start, "pre-stop": pre_stop, "drain": drain}

if __name__ == "__main__":
    STEPS[sys.argv[2]](Node(json.loads(Path(sys.argv[1]).read_text())), *sys.argv[3:])
