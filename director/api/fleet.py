"""The fleet at a glance, for who looks every other second: small, answered from memory, the worst first.

Who belongs to what is read from the record once in a while; how they are is the agents' last word, each time. An
answer that is as the last one is not sent again (ETag).
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from director.api.ask import number
from director.api.services import Services, services_of
from director.model.names import AgentId
from director.model.record import Record
from director.model.sighting import SeenAgent
from director.model.tree import Node, Tree
from director.reconcile.show import expects_vm, job_state

KEPT_S: Final = 5.0
"""How old the record may be that is shown; reading all of it costs more than all else here."""
ROWS: Final = 30
ROWS_MAX: Final = 500
_LEAST_WORRY: Final = ("stopped", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One instance that has a VM or should have one."""

    deployment: str
    label: str
    az: str
    agent: AgentId | None


@dataclass(slots=True)
class _Members:
    at: float
    members: tuple[Member, ...]
    deployments: tuple[str, ...]


async def show_fleet(request: Request) -> Response:
    """``?deployment=`` and ``?limit=``, of rows; what is counted is never limited."""
    known = await _members(request)
    wanted = request.query_params.get("deployment", "")
    members = [one for one in known.members if wanted in {"", one.deployment}]
    limit = min(number(request, "limit") or ROWS, ROWS_MAX)
    seen = services_of(request).agents.seen()
    names = [name for name in known.deployments if wanted in {"", name}]
    # Of ten thousand instances this takes a tenth of a second, which the loop has not.
    body = await asyncio.to_thread(_body, names, members, seen, limit)
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag})


def _body(names: Sequence[str], members: Sequence[Member], seen: Mapping[AgentId, SeenAgent], limit: int) -> bytes:
    return json.dumps(fleet_tree(names, members, seen, limit), separators=(",", ":")).encode()


async def _members(request: Request) -> _Members:
    services = services_of(request)
    kept = getattr(request.app.state, "fleet", None)
    if isinstance(kept, _Members) and services.clock.monotonic() - kept.at < KEPT_S:
        return kept
    found = await _read(services)
    request.app.state.fleet = found
    return found


async def _read(services: Services) -> _Members:
    names = sorted(deployment.name for deployment in await services.store.deployments())
    members: list[Member] = []
    for name in names:
        record = await services.store.record(name)
        members += _members_of(record) if record else ()
    return _Members(services.clock.monotonic(), tuple(members), tuple(names))


def _members_of(record: Record) -> Iterable[Member]:
    newest = {vm.instance: vm for vm in sorted(record.vms, key=lambda vm: vm.generation)}
    for instance in sorted(record.instances, key=lambda one: (one.group, one.index)):
        vm = newest.get(instance.id)
        if not instance.is_compilation and (vm is not None or expects_vm(instance)):
            yield Member(
                deployment=record.deployment.name,
                label=f"{instance.group}/{instance.index}",
                az=instance.az or "",
                agent=vm.agent if vm else None,
            )


def fleet_tree(
    deployments: Sequence[str], members: Sequence[Member], seen: Mapping[AgentId, SeenAgent], limit: int
) -> Tree:
    """Pure. Percents and loads are numbers, or None where nobody knows."""
    rows = [_row(one, seen.get(one.agent) if one.agent else None) for one in members]
    by_deployment: dict[str, list[Tree]] = {name: [] for name in deployments}
    for row in rows:
        by_deployment.setdefault(str(row["deployment"]), []).append(row)
    connected = sum(agent.is_connected for agent in seen.values())
    return {
        "agents": {"connected": connected, "away": len(seen) - connected},
        "deployments": [_sum(name, of_it) for name, of_it in sorted(by_deployment.items())],
        "instances": list(sorted(rows, key=_worry)[:limit]),
        "total": len(rows),
    }


def _row(one: Member, seen: SeenAgent | None) -> Tree:
    vitals = seen.vitals if seen is not None and seen.is_connected else {}
    return {
        "deployment": one.deployment,
        "instance": one.label,
        "az": one.az,
        "state": job_state(seen, has_vm=one.agent is not None) or "no VM",
        "load": _first(vitals.get("load")),
        "cpu": _added(_figure(vitals, "cpu", "user"), _figure(vitals, "cpu", "sys")),
        "mem": _figure(vitals, "mem", "percent"),
        "disk": _fullest(vitals.get("disk")),
    }


def _sum(name: str, rows: Sequence[Tree]) -> Tree:
    states = Counter(str(row["state"]) for row in rows)
    return {
        "name": name,
        "instances": len(rows),
        "states": {state: states[state] for state in sorted(states)},
        "load": _mean(rows, "load"),
        "cpu": _mean(rows, "cpu"),
        "mem": _mean(rows, "mem"),
        "disk": max((_known(row["disk"]) for row in rows if row["disk"] is not None), default=None),
    }


def _worry(row: Tree) -> tuple[bool, float, str, str]:
    """Those that do not run first, then the fullest."""
    fullest = max((_known(row[key]) for key in ("cpu", "mem", "disk") if row[key] is not None), default=0.0)
    return row["state"] in _LEAST_WORRY, -fullest, str(row["deployment"]), str(row["instance"])


def _known(value: Node) -> float:
    assert isinstance(value, int | float), "asked only where somebody knows"
    return float(value)


def _mean(rows: Sequence[Tree], key: str) -> float | None:
    values = [_known(row[key]) for row in rows if row[key] is not None]
    return round(sum(values) / len(values), 2) if values else None


def _figure(vitals: Tree, *path: str) -> float | None:
    node: Node = vitals
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return _number(node)


def _number(node: Node) -> float | None:
    """The agent tells figures as text."""
    try:
        return round(float(node), 2) if isinstance(node, str | int | float) else None
    except ValueError:
        return None


def _first(node: Node) -> float | None:
    return _number(node[0]) if isinstance(node, list) and node else None


def _added(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one + other, 2)


def _fullest(node: Node) -> float | None:
    disks = node.values() if isinstance(node, dict) else ()
    known = [_number(disk.get("percent")) for disk in disks if isinstance(disk, dict)]
    return max((percent for percent in known if percent is not None), default=None)
