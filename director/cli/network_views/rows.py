"""Networks as flat tables, for programs: every object, segment, instance and member of a pool is a row."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from director.cli.show import Table

Tree = Mapping[str, Any]
Found = tuple[str, Tree]
"""Where it stands (names from the outermost router on, with slashes between), and what it is."""

OBJECTS: Final = {
    "cpi": "CPI",
    "place": "Place",
    "kind": "Kind",
    "name": "Name",
    "about": "About",
    "state": "State",
    "reason": "Reason",
    "stack": "Stack",
    "users": "Deployments",
    "id": "ID",
}
SEGMENTS: Final = {
    "cpi": "CPI",
    "name": "Segment",
    "network": "Network",
    "range": "Range",
    "gateway": "Gateway",
    "topology": "Topology",
    "outside": "Outside As",
    "instances": "Instances",
}
INSTANCES: Final = {
    "network": "Network",
    "segment": "Segment",
    "deployment": "Deployment",
    "instance": "Instance",
    "ip": "IP",
    "state": "State",
}
MEMBERS: Final = {
    "pool": "Pool",
    "deployment": "Deployment",
    "instance": "Instance",
    "ip": "IP",
    "port": "Port",
    "state": "State",
}


def tables_of(report: Tree) -> list[Table]:
    """Objects, segments, instances, members, in this order."""
    objects, segments, instances, members = [], [], [], []
    notes = tuple(f"{one['cpi'] or 'own'}: {one['unseen']}" for one in report["fabrics"] if one["unseen"])
    for fabric in report["fabrics"]:
        cpi = fabric["cpi"]
        objects += [_object(cpi, place, one) for place, one in _objects(fabric)]
        for place, segment in _segments(fabric["routers"], fabric["segments"]):
            segments.append(_segment(cpi, segment))
            instances += [_instance(one, segment["network"], place) for one in segment["instances"]]
        members += [_member(pool, one) for pool in _pools(fabric) for one in pool["members"]]
    instances += [_instance(one, net["name"], "") for net in report["plain"] for one in net["instances"]]
    return [
        Table(content="network objects", header=OBJECTS, rows=objects, notes=notes),
        Table(content="segments", header=SEGMENTS, rows=segments),
        Table(content="instances", header=INSTANCES, rows=instances),
        Table(content="members", header=MEMBERS, rows=members),
    ]


def _objects(fabric: Tree) -> Iterator[Found]:
    for router in fabric["routers"]:
        yield from _of_router(router, "")
    for segment in fabric["segments"]:
        yield "", segment["object"]
    for balancer in fabric["balancers"]:
        yield from _of_balancer(balancer, "")
    yield from (("", one) for key in ("others", "unrecorded") for one in fabric[key])


def _of_router(router: Tree, place: str) -> Iterator[Found]:
    if router["object"]:
        yield place, router["object"]
    inner = f"{place}/{router['name']}".strip("/")
    yield from ((inner, one) for key in ("nat", "routes") for one in router[key])
    yield from ((inner, segment["object"]) for segment in router["segments"])
    for balancer in router["balancers"]:
        yield from _of_balancer(balancer, inner)
    for below in router["routers"]:
        yield from _of_router(below, inner)


def _of_balancer(balancer: Tree, place: str) -> Iterator[Found]:
    if balancer["object"]:
        yield place, balancer["object"]
    inner = f"{place}/{balancer['name']}".strip("/")
    pools = [*balancer["pools"], *(s["pool"] for s in balancer["virtual_servers"] if s["pool"])]
    yield from ((inner, server["object"]) for server in balancer["virtual_servers"])
    seen = {pool["object"]["id"]: pool["object"] for pool in pools if pool["object"]}
    yield from ((inner, one) for one in seen.values())


def _segments(routers: list[Tree], loose: list[Tree]) -> Iterator[Found]:
    yield from ((segment["object"]["name"], segment) for segment in loose)
    for router in routers:
        yield from _segments(router["routers"], router["segments"])


def _pools(fabric: Tree) -> Iterator[Tree]:
    """Each once, though several virtual servers may send to it."""
    routers, told = list(fabric["routers"]), set()
    for router in routers:
        routers.extend(router["routers"])
    balancers = [*fabric["balancers"], *(one for router in routers for one in router["balancers"])]
    for balancer in balancers:
        for pool in [*(s["pool"] for s in balancer["virtual_servers"]), *balancer["pools"]]:
            key = pool and (pool["object"]["id"] if pool["object"] else pool["name"])
            if pool and key not in told:
                told.add(key)
                yield pool


def _object(cpi: str, place: str, one: Tree) -> dict[str, str]:
    kept = {key: str(one[key]) for key in ("kind", "name", "about", "state", "reason", "stack", "id")}
    return {"cpi": cpi, "place": place, **kept, "users": ", ".join(one["users"])}


def _segment(cpi: str, segment: Tree) -> dict[str, str]:
    kept = {key: segment[key] for key in ("network", "range", "gateway", "topology")}
    outside = ", ".join(segment["outside"])
    name = segment["object"]["name"]
    return {"cpi": cpi, "name": name, **kept, "outside": outside, "instances": str(len(segment["instances"]))}


def _instance(one: Tree, network: str, segment: str) -> dict[str, str]:
    kept = {key: one[key] for key in ("deployment", "ip", "state")}
    return {"network": network, "segment": segment, "instance": one["label"], **kept}


def _member(pool: Tree, one: Tree) -> dict[str, str]:
    kept = {key: one[key] for key in ("deployment", "instance", "ip", "state")}
    return {"pool": pool["name"], **kept, "port": str(one["port"] or "")}
