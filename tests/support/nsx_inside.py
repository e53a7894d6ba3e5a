"""A simulated cluster inside the test's process, its clock moved by hand, with two segments and VMs to report."""

from tests.nsxsim.clock import VirtualClock
from tests.nsxsim.cluster import Cluster
from tests.nsxsim.machines import Machine, Nic, vif_of
from tests.nsxsim.problems import Json
from tests.nsxsim.routes import Answer, Call
from tests.nsxsim.write import Who

ME = Who("admin")
WEB, DB = "/infra/segments/web", "/infra/segments/db"


def with_segments() -> Cluster:
    """Segments ``web`` and ``db``, realised."""
    made = Cluster(clock=VirtualClock())
    for path in (WEB, DB):
        made.sim.write(path, {}, ME)
    advance(made, 5)
    return made


def advance(cluster: Cluster, seconds: float) -> None:
    assert isinstance(cluster.clock, VirtualClock)
    cluster.clock.advance(seconds)


def vm(name: str = "web-1", *segments: str, **more: str) -> Machine:
    """``id-<name>``, with a NIC on each segment (by default on ``web``), all with address 10.0.0.5."""
    nics = tuple(
        Nic(segment=path, vif=vif_of(f"id-{name}", key), key=key, mac=f"00:50:56:00:00:0{key}", addresses=("10.0.0.5",))
        for key, path in enumerate(segments or (WEB,))
    )
    return Machine(external_id=f"id-{name}", name=name, nics=nics, moid="vm-1", **more)


def ask(cluster: Cluster, method: str, path: str, body: Json | None = None, **query: str) -> Json:
    """One request's answer; {} for an empty one. Raises Refusal."""
    call = Call(sim=cluster.sim, method=method, path=path, query=query, body=body or {}, who=ME)
    answer = cluster.sim.ask(call)
    assert not isinstance(answer, Answer)
    return answer or {}


def ports(cluster: Cluster, segment: str = WEB) -> list[Json]:
    return list(ask(cluster, "GET", f"{segment}/ports")["results"])


def report(cluster: Cluster, *machines: Machine, wait_s: float = 1.0) -> None:
    for machine in machines:
        cluster.sim.rooms["inventory"].report(machine)
    advance(cluster, wait_s)
