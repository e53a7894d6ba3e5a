"""A plain program on the official SDK that makes the networks ours makes: what an engineer would write in an afternoon.

``python -m bench.nsxt_peer URL USER PASSWORD COUNT FIRST POOL`` makes each object of a network by a call of its own
and asks for its realised state until that is there, as Terraform's provider does; ten networks at a time, as its
``-parallelism``. It removes them by one call each and does not wait. Prints one JSON line like ``nsxt_adapter.py``.
The first network is made and removed before the clock starts, so that the SDK is loaded.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from tests.support.nsxmodels import sdk
from tests.support.nsxtyped import Answer, Refusal, TypedClient

THREADS: Final = 10
POLL_S: Final = 0.3
"""A little more than a realisation takes: one question is enough for nearly all."""
RETRY_S: Final = 1.0
TOO_MANY: Final = 429
STATE: Final = "/infra/realized-state/realized-entities"
POINT: Final = "/infra/sites/default/enforcement-points/default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One object: the template and ids of its path, and its body."""

    template: str
    ids: tuple[str, ...]
    body: dict[str, Any]

    @property
    def path(self) -> str:
        return self.template.format(*self.ids)


def things(number: int, pool: str) -> Iterator[Thing]:
    """In the order that they need each other."""
    name = f"peer-{number}"
    router, pools = f"/infra/tier-1s/{name}", f"/infra/lb-pools/{name}"

    def thing(template: str, *ids: str, **body: Any) -> Thing:
        return Thing(template=template, ids=ids, body=body)

    yield thing("/infra/tier-1s/{}", name, tier0_path="/infra/tier-0s/tier-0", failover_mode="NON_PREEMPTIVE",
                route_advertisement_types=["TIER1_NAT", "TIER1_LB_VIP"])  # fmt: skip
    yield thing("/infra/tier-1s/{}/locale-services/{}", name, "default",
                edge_cluster_path=f"{POINT}/edge-clusters/edge-cluster-1")  # fmt: skip
    yield thing("/infra/segments/{}", name, connectivity_path=router,
                transport_zone_path=f"{POINT}/transport-zones/overlay-tz",
                subnets=[{"gateway_address": f"10.{number}.0.1/24"}])  # fmt: skip
    yield thing("/infra/ip-pools/{}/ip-allocations/{}", pool, name)
    yield thing("/infra/tier-1s/{}/nat/{}/nat-rules/{}", name, "USER", name, action="SNAT",
                source_network=f"10.{number}.0.0/24", translated_network=f"192.0.2.{number}")  # fmt: skip
    yield thing("/infra/lb-services/{}", name, connectivity_path=router, size="SMALL")
    yield thing("/infra/lb-monitor-profiles/{}", name, resource_type="LBHttpMonitorProfile", monitor_port=8080,
                request_url="/")  # fmt: skip
    yield thing("/infra/lb-pools/{}", name, active_monitor_paths=[f"/infra/lb-monitor-profiles/{name}"])
    yield thing("/infra/lb-virtual-servers/{}", name, ip_address=f"203.0.113.{number}", ports=["80"],
                application_profile_path="/infra/lb-app-profiles/default-tcp-lb-app-profile", pool_path=pools,
                lb_service_path=f"/infra/lb-services/{name}")  # fmt: skip


class Program:
    """Each thread has a client of its own."""

    def __init__(self, url: str, user: str, password: str, pool: str) -> None:
        self._url, self._login, self._pool = url, (user, password), pool
        self._own = threading.local()
        self._lock = threading.Lock()
        self.requests = self.throttled = 0

    def make(self, number: int) -> None:
        for thing in things(number, self._pool):
            self._call("PATCH", thing.template, *thing.ids, body=thing.body)
            while not self._is_realised(thing):
                pass

    def remove(self, number: int) -> None:
        for thing in reversed([*things(number, self._pool)]):
            self._call("DELETE", thing.template, *thing.ids)

    def _is_realised(self, thing: Thing) -> bool:
        time.sleep(POLL_S)
        entities = self._call("GET", STATE, intent_path=thing.path).body["results"]
        failed = [entity for entity in entities if entity["state"] == "ERROR"]
        assert not failed, failed
        return bool(entities) and all(entity["state"] == "REALIZED" for entity in entities)

    def _call(self, method: str, template: str, *ids: str, **more: Any) -> Answer:
        while True:
            self._count(requests=1)
            try:
                return self._client().call(method, template, *ids, **more)
            except Refusal as refusal:
                if refusal.status != TOO_MANY:
                    raise
            self._count(throttled=1)
            time.sleep(RETRY_S)

    def _count(self, *, requests: int = 0, throttled: int = 0) -> None:
        with self._lock:
            self.requests += requests
            self.throttled += throttled

    def _client(self) -> TypedClient:
        if not hasattr(self._own, "client"):
            session = sdk("requests").Session()
            session.auth = self._login
            self._own.client = TypedClient(self._url, session)
        client: TypedClient = self._own.client
        return client


def measured(program: Program, work: Callable[[int], None], numbers: range) -> dict[str, float]:
    began, cpu, sent = time.monotonic(), time.process_time(), program.requests
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(work, number) for number in numbers]:
            done.result()
    return {
        "began": began,
        "ended": time.monotonic(),
        "cpu_s": time.process_time() - cpu,
        "requests": program.requests - sent,
    }


def main() -> None:
    url, user, password, count, first, pool = sys.argv[1:]
    # The SDK complains of each 429, which it does not know, on standard error.
    logging.disable(logging.CRITICAL)
    program = Program(url, user, password, pool)
    program.make(int(first))
    program.remove(int(first))
    numbers = range(int(first) + 1, int(first) + 1 + int(count))
    said: dict[str, Any] = {
        "create": measured(program, program.make, numbers),
        "remove": measured(program, program.remove, numbers),
    }
    print(json.dumps({**said, "objects": int(count) * len([*things(1, pool)]), "throttled": program.throttled}))


if __name__ == "__main__":
    main()
