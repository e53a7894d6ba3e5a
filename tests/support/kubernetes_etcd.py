"""etcd's members on the masters of a deployed cluster, asked as an operator would: with etcdctl, in a master's VM."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from tests.support.kubernetes_cluster import Wrong
from tests.support.kubernetes_deployed import Deployed

ETCDCTL: Final = "/var/vcap/packages/hyperkube/bin/etcdctl"
CONFIG: Final = "/var/vcap/jobs/etcd/config"
ANSWER_S: Final = 10
BEHIND: Final = 100
"""Changes that a member may lack that is in sync: etcd goes on while one after another is asked. Its own limit for a
learner that is to vote is a tenth of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """``index`` is of the last change that it has applied; None for one that does not answer."""

    name: str
    id: int
    is_learner: bool
    is_leader: bool
    index: int | None


def members(deployed: Deployed, label: str = "master/0") -> tuple[Member, ...]:
    """By name, as the member on ``label`` knows them. One that has never started has no name.

    Raises Wrong when it does not know, as without a leader.
    """
    pid = deployed.pid(label)
    answers = [one["Status"] for one in _ctl(pid, "endpoint", "status", "--cluster")]
    status = {one["header"]["member_id"]: one for one in answers}
    found = [_member(one, status.get(one["ID"])) for one in _ctl(pid, "member", "list")["members"]]
    return tuple(sorted(found, key=lambda member: member.name))


def are_in_sync(found: tuple[Member, ...]) -> bool:
    """All of them answer, vote, and have what the others have."""
    indices = [member.index for member in found if member.index is not None and not member.is_learner]
    return len(indices) == len(found) and max(indices) - min(indices) <= BEHIND


def is_whole(deployed: Deployed, label: str, before: tuple[Member, ...]) -> bool:
    """Whether they are the same members as before, and in sync, as the one on ``label`` knows them."""
    try:
        now = members(deployed, label)
    except Wrong:
        return False
    return are_in_sync(now) and [one.id for one in now] == [one.id for one in before]


def _member(listed: dict[str, Any], status: dict[str, Any] | None) -> Member:
    return Member(
        name=listed.get("name", ""),
        id=listed["ID"],
        is_learner=listed.get("isLearner", False),
        is_leader=status is not None and status["leader"] == listed["ID"],
        index=None if status is None else status["raftAppliedIndex"],
    )


def _ctl(pid: int, *words: str) -> Any:
    """Of members that do not answer nothing is in it. Raises Wrong when there is no answer at all."""
    tls = [f"--cacert={CONFIG}/ca.crt", f"--cert={CONFIG}/client.crt", f"--key={CONFIG}/client.key"]
    within = ["nsenter", f"--target={pid}", "--mount", "--net", "--root"]
    asked = [ETCDCTL, "--endpoints=https://127.0.0.1:2379", *tls, "--command-timeout=2s", "--write-out=json", *words]
    done = subprocess.run([*within, *asked], capture_output=True, text=True, timeout=ANSWER_S, check=False)
    if not done.stdout:
        raise Wrong(f"etcdctl {' '.join(words)} ended with {done.returncode}.\n{done.stderr}")
    return json.loads(done.stdout)
