"""Two hundred NAT'd networks behind load balancers in a simulated NSX-T, beside a plain program on the official SDK.

The simulator has its default limits (100 requests a second of a user, 40 at once) and lags, and is a process of its
own, like the director's network half (``nsxt_adapter.py``), the program (``nsxt_peer.py``) and each of two directors
that share a user. The bound of one is the rate that it allows itself, that of two the rate that NSX allows their user.
The two have a pool each: what they share is the budget of requests, not the addresses.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from bench.director import ROOT
from bench.figures import Figure
from director.adapters.nsxt.client.budget import RATE_S
from tests.support.nsxsim import Nsxsim, nsxsim

COUNT = 200
PEERS = 20
"""Networks of the plain program: it costs as much for each, however many there are."""
USER_RATE_S = 100.0
"""The simulator's default, as NSX's."""
TOO_MANY = 429
END_S = 120
POOL, OTHER_POOL = "floating-pool", "other-pool"
SDK = "vcf-nsx, a call and a poll each, same run"

Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What creating or removing took, and the least it could have taken at ``rate_s`` requests a second."""

    said: Said
    count: int
    rate_s: float = RATE_S

    @property
    def wall_s(self) -> float:
        return float(self.said["ended"] - self.said["began"])

    @property
    def over_bound(self) -> float:
        return round(self.wall_s * self.rate_s / float(self.said["requests"]), 4)

    @property
    def requests(self) -> float:
        return round(float(self.said["requests"]) / self.count, 4)

    @property
    def cpu_ms(self) -> float:
        return round(float(self.said["cpu_s"]) * 1000 / self.count, 3)

    @property
    def wall_ms(self) -> float:
        return round(self.wall_s * 1000 / self.count, 3)


def measure() -> list[Figure]:
    """All figures of this scenario: one director, the plain program, then two directors at once."""
    with _nsx() as sim:
        (ours,) = _run(sim, [("nsxt_adapter", COUNT, 1, POOL)])
        met = _throttled(sim)
        (peer,) = _run(sim, [("nsxt_peer", PEERS, COUNT + 1, OTHER_POOL)])
    with _nsx() as sim:
        half = COUNT // 2
        two = _run(sim, [("nsxt_adapter", half, 1, POOL), ("nsxt_adapter", half, half + 1, OTHER_POOL)])
        met_by_two = _throttled(sim)
    assert ours["changes_left"] == 0, "a look at what was just made finds it otherwise than wished"
    return [*_alone(ours, peer, met), *_beside(two, met_by_two)]


def _alone(ours: Said, peer: Said, met: int) -> list[Figure]:
    per = ours["objects"] / COUNT
    per_peer = peer["objects"] / PEERS
    create, remove = (Part(said=ours[part], count=COUNT) for part in ("create", "remove"))
    made, removed = (Part(said=peer[part], count=PEERS) for part in ("create", "remove"))
    return [
        Figure(name="nsxt_200_errors_that_reached_the_user", value=len(ours["errors"]), unit="errors", goal=0),
        Figure(name="nsxt_200_429s_met", value=met, unit="requests", goal=0),
        Figure(name="nsxt_200_create_wall_over_bound", value=create.over_bound, unit="ratio", goal=1.10),
        Figure(name="nsxt_200_remove_wall_over_bound", value=remove.over_bound, unit="ratio", goal=1.10),
        Figure(name="nsxt_200_create_requests_per_stack", value=create.requests, unit="requests", goal=6.5,
               peer=SDK, peer_value=made.requests),
        Figure(name="nsxt_200_remove_requests_per_stack", value=remove.requests, unit="requests", goal=6,
               peer=SDK, peer_value=removed.requests),
        Figure(name="nsxt_200_create_requests_per_object", value=round(create.requests / per, 4), unit="requests",
               goal=1, peer=SDK, peer_value=made.requests / per_peer),
        Figure(name="nsxt_200_remove_requests_per_object", value=round(remove.requests / per, 4), unit="requests",
               goal=1, peer=SDK, peer_value=removed.requests / per_peer),
        Figure(name="nsxt_200_noop_requests", value=ours["look"]["requests"], unit="requests", goal=8),
        Figure(name="nsxt_200_create_cpu_ms_per_stack", value=create.cpu_ms, unit="ms", goal=30,
               peer=SDK, peer_value=made.cpu_ms),
        Figure(name="nsxt_200_remove_cpu_ms_per_stack", value=remove.cpu_ms, unit="ms", goal=30,
               peer=SDK, peer_value=removed.cpu_ms),
        Figure(name="nsxt_200_create_wall_ms_per_stack", value=create.wall_ms, unit="ms", goal=90,
               peer=SDK, peer_value=made.wall_ms),
    ]  # fmt: skip


def _beside(two: Sequence[Said], met: int) -> list[Figure]:
    """The two as one, from the first's beginning to the last's end; looking is part of it."""
    parts = [each[part] for each in two for part in ("create", "look", "remove")]
    whole = Part(
        said={
            "began": min(part["began"] for part in parts),
            "ended": max(part["ended"] for part in parts),
            "requests": sum(part["requests"] for part in parts),
        },
        count=COUNT,
        rate_s=USER_RATE_S,
    )
    errors = sum(len(each["errors"]) for each in two)
    return [
        Figure(name="nsxt_two_directors_errors", value=errors, unit="errors", goal=0),
        Figure(name="nsxt_two_directors_wall_over_bound", value=whole.over_bound, unit="ratio", goal=1.3),
        Figure(name="nsxt_two_directors_429s_met", value=met, unit="requests", goal=25),
    ]


@contextmanager
def _nsx() -> Iterator[Nsxsim]:
    """With a second pool. What was made in the block must be gone at its end."""
    with nsxsim() as sim:
        api = f"{sim.url}/policy/api/v1/infra/ip-pools/{OTHER_POOL}"
        subnet = {
            "resource_type": "IpAddressPoolStaticSubnet",
            "cidr": "198.18.0.0/24",
            "allocation_ranges": [{"start": "198.18.0.10", "end": "198.18.0.250"}],
        }
        for path, body in ((api, {"resource_type": "IpAddressPool"}), (f"{api}/ip-subnets/range-1", subnet)):
            httpx.patch(path, json=body, auth=(sim.user, sim.password)).raise_for_status()
        sim.reset_calls()
        before = sim.state().keys()
        yield sim
        # The plain program does not wait for what it removes.
        left = [path for path, body in sim.state().items() if path not in before and not body.get("marked_for_delete")]
        assert not left, left[:5]


def _run(sim: Nsxsim, programs: Sequence[tuple[str, int, int, str]]) -> list[Said]:
    """All at once, each a process: module, count, first number, pool."""
    running = [
        subprocess.Popen(
            [sys.executable, "-m", f"bench.{name}", sim.url, sim.user, sim.password, str(count), str(first), pool],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, count, first, pool in programs
    ]
    try:
        said = [each.communicate(timeout=END_S)[0] for each in running]
    finally:
        for each in running:
            each.kill()
    assert all(each.returncode == 0 for each in running), [each.returncode for each in running]
    return [json.loads(line) for line in said]


def _throttled(sim: Nsxsim) -> int:
    return sum(1 for call in sim.calls() if call["status"] == TOO_MANY)
