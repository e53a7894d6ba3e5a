"""How load balancers, their virtual servers, pools and members are, and how full one is. Reference 5.2 and 5.7.

A member is up unless somebody said otherwise at the control door (PATCH /_sim/members/10.0.0.5 or 10.0.0.5:80), or
forward.py runs and could not connect to it a moment ago: nothing here probes.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from tests.nsxsim.door import knob
from tests.nsxsim.problems import Json, Refusal, absent
from tests.nsxsim.routes import Call, computed

if TYPE_CHECKING:
    from tests.nsxsim.cluster import Cluster
    from tests.nsxsim.sim import Sim

EP: Final = "/infra/sites/default/enforcement-points/default"
CAPACITY: Final[dict[str, tuple[int, int, int]]] = {
    "SMALL": (20, 60, 300),
    "MEDIUM": (100, 300, 2000),
    "LARGE": (1000, 3000, 7500),
    "XLARGE": (2000, 4000, 10000),
}
"""Virtual servers, pools and members that a load balancer of a size may have."""
ORANGE_PERCENT: Final = 60
RED_PERCENT: Final = 80


class Health:
    """Members that somebody said are down: `address` or `address:port`."""

    def __init__(self, sim: "Sim") -> None:
        self._sim = sim
        self.down: set[str] = set()

    def is_up(self, address: str, port: str) -> bool:
        if address in self.down or f"{address}:{port}" in self.down:
            return False
        forwarder: Any = self._sim.rooms.get("forwards")
        return not (forwarder is not None and port.isdigit() and forwarder.is_down(address, int(port)))


def members(sim: "Sim", pool: Json) -> list[tuple[Json, str]]:
    """(member, why it is not used or ""): those listed, or the addresses of the group."""
    if pool.get("members"):
        return [(each, _out_of_use(each)) for each in pool["members"]]
    group = pool.get("member_group") or {}
    path = group.get("group_path", "")
    if sim.tree.node(path) is None:
        return []
    addresses = sorted(each for each in sim.rooms["groups"].members(path).addresses if "/" not in each)
    most = group.get("max_ip_list_size") or len(addresses)
    port = {"port": str(group["port"])} if group.get("port") else {}
    return [
        ({"ip_address": each, "admin_state": "ENABLED", **port}, "" if index < most else "UNUSED")
        for index, each in enumerate(addresses)
    ]


def _out_of_use(member: Json) -> str:
    said = str(member.get("admin_state", "ENABLED"))
    return "" if said == "ENABLED" else said


def servers_of(sim: "Sim", service: str) -> list[Json]:
    """The virtual servers of a load balancer."""
    bodies = (sim.tree.get(path) for path in sorted(sim.tree.users(service)))
    return [body for body in bodies if body is not None and body["resource_type"] == "LBVirtualServer"]


def pools_of(server: Json) -> list[str]:
    return [server[key] for key in ("pool_path", "sorry_pool_path") if server.get(key)]


def member_statuses(sim: "Sim", pool: Json, servers: Iterable[Json]) -> list[Json]:
    """LBPoolMemberStatus of each; UNKNOWN while no enabled virtual server uses the pool."""
    using = [each for each in servers if each.get("enabled", True)]
    health: Health = sim.rooms["health"]
    return [_member_status(health, member, why, using) for member, why in members(sim, pool)]


def _member_status(health: Health, member: Json, why: str, using: list[Json]) -> Json:
    said: Json = {"ip_address": member["ip_address"]}
    ports = [str(member["port"])] if member.get("port") else _ports(using)
    if len(ports) == 1:
        said["port"] = ports[0]
    if why or not using:
        return {**said, "status": why or "UNKNOWN"}
    down = [port for port in ports or [""] if not health.is_up(member["ip_address"], port)]
    if down:
        return {**said, "status": "DOWN", "failure_cause": "Connect to Peer Failure"}
    return {**said, "status": "UP"}


def _ports(servers: list[Json]) -> list[str]:
    return sorted({str(port) for each in servers for port in each.get("default_pool_member_ports") or each["ports"]})


def pool_word(pool: Json, statuses: list[Json], *, is_used: bool) -> str:
    """From its members': backup ones stand in when fewer than `min_active_members` primary ones are up."""
    if not is_used:
        return "DETACHED"
    backups = [bool(each.get("backup_member")) for each in pool.get("members") or [{}] * len(statuses)]
    kept = [(each["status"], b) for each, b in zip(statuses, backups, strict=True) if each["status"] in ("UP", "DOWN")]
    primary = [word for word, is_backup in kept if not is_backup]
    up, spare = primary.count("UP"), any(word == "UP" and is_backup for word, is_backup in kept)
    if primary and up == len(primary):
        return "UP"
    if up and (up >= pool.get("min_active_members", 1) or not spare):
        return "PARTIALLY_UP"
    return "PRIMARY_DOWN" if spare else "DOWN"


def pool_status(sim: "Sim", service: str, path: str) -> Json:
    """An LBPoolStatus as this load balancer sees it."""
    pool = sim.tree.get(path)
    if pool is None:
        raise absent(path)
    using = [each for each in servers_of(sim, service) if path in pools_of(each)]
    statuses = member_statuses(sim, pool, using)
    word = pool_word(pool, statuses, is_used=bool(using))
    return {**_about(sim, "LBPoolStatus"), "pool_path": path, "status": word, "members": statuses}


def server_status(sim: "Sim", service: str, path: str) -> Json:
    """An LBVirtualServerStatus: that of its pool, when it is on."""
    server = sim.tree.get(path)
    if server is None:
        raise absent(path)
    if server.get("lb_service_path") != service:
        word = "DETACHED"
    elif not server.get("enabled", True):
        word = "DISABLED"
    else:
        word = pool_status(sim, service, server["pool_path"])["status"] if server.get("pool_path") else "UP"
    return {**_about(sim, "LBVirtualServerStatus"), "virtual_server_path": path, "status": word}


def service_status(sim: "Sim", path: str) -> Json:
    """An LBServiceStatus with those of its virtual servers and pools."""
    body = sim.tree.get(path)
    if body is None:
        raise absent(path)
    servers = servers_of(sim, path)
    pools = sorted({pool for each in servers for pool in pools_of(each)})
    edges = list(_edges(sim, body.get("connectivity_path") or ""))
    alarms = [alarm["message"] for entity in sim.realisation.entities(path) for alarm in entity["alarms"]]
    said: Json = {
        **_about(sim, "LBServiceStatus"),
        "service_path": path,
        "service_status": _service_word(sim, body),
        "virtual_servers": [server_status(sim, path, each["path"]) for each in servers],
        "pools": [pool_status(sim, path, each) for each in pools],
        "cpu_usage": 1,
        "memory_usage": 1,
        "active_transport_nodes": edges[:1],
        "standby_transport_nodes": edges[1:2],
    }
    return {**said, "error_message": alarms[0]} if alarms else said


def _service_word(sim: "Sim", body: Json) -> str:
    if not body.get("connectivity_path"):
        return "DETACHED"
    if not body.get("enabled", True):
        return "DISABLED"
    states = {each["state"] for each in sim.realisation.entities(body["path"])}
    if "ERROR" in states:
        return "ERROR"
    return "UP" if states == {"REALIZED"} else "UNKNOWN"


def _edges(sim: "Sim", gateway: str) -> Iterator[str]:
    for services in sim.tree.children(gateway, "locale-services"):
        cluster = services.body.get("edge_cluster_path") or ""
        yield from (node.id for node in sim.tree.children(cluster, "edge-nodes"))


def service_usage(sim: "Sim", path: str) -> Json:
    """An LBServiceUsage. What a distributed one may hold is not known here."""
    body = sim.tree.get(path)
    if body is None:
        raise absent(path)
    servers = servers_of(sim, path)
    used = {path for server in servers for path in pools_of(server)}
    pools = [found for path in sorted(used) if (found := sim.tree.get(path)) is not None]
    counts = (len(servers), len(pools), sum(len(members(sim, pool)) for pool in pools))
    names = ("virtual_server", "pool", "pool_member")
    said: Json = {f"current_{name}_count": count for name, count in zip(names, counts, strict=True)}
    limits = CAPACITY.get(body["size"])
    if limits is not None:
        percent = max(100 * count / limit for count, limit in zip(counts, limits, strict=True))
        said |= {f"{name}_capacity": limit for name, limit in zip(names, limits, strict=True)}
        said["usage_percentage"] = round(percent, 2)
        said["severity"] = "RED" if percent > RED_PERCENT else "ORANGE" if percent > ORANGE_PERCENT else "GREEN"
    return {**_about(sim, "LBServiceUsage"), "service_path": path, "service_size": body["size"], **said}


def _about(sim: "Sim", type_name: str) -> Json:
    now_ms = int(sim.clock.now() * 1000)
    return {"resource_type": type_name, "enforcement_point_path": EP, "last_update_timestamp": now_ms}


def _aggregate(path: str, one: Json) -> Json:
    return {"intent_path": path, "results": [one]}


def _service(call: Call, service: str) -> str:
    path = f"/infra/lb-services/{service}"
    if call.sim.tree.node(path) is None:
        raise absent(path)
    return path


@computed("/infra/lb-services/*/detailed-status")
def detailed_status(call: Call, service: str) -> Json:
    path = _service(call, service)
    return _aggregate(path, service_status(call.sim, path))


@computed("/infra/lb-services/*/service-usage")
def usage(call: Call, service: str) -> Json:
    path = _service(call, service)
    return _aggregate(path, service_usage(call.sim, path))


@computed("/infra/lb-services/*/lb-pools/*/detailed-status")
def detailed_pool_status(call: Call, service: str, pool: str) -> Json:
    path = f"/infra/lb-pools/{pool}"
    return _aggregate(path, pool_status(call.sim, _service(call, service), path))


@computed("/infra/lb-services/*/lb-virtual-servers/*/detailed-status")
def detailed_server_status(call: Call, service: str, server: str) -> Json:
    path = f"/infra/lb-virtual-servers/{server}"
    return _aggregate(path, server_status(call.sim, _service(call, service), path))


@knob("PATCH", "members")
def _say_health(cluster: "Cluster", body: Json, more: list[str]) -> None:
    """PATCH /_sim/members/10.0.0.5:80 {"up": false}: monitors find it down until it is up again."""
    if len(more) != 1 or not more[0] or not isinstance(body.get("up"), bool):
        raise Refusal(400, 1, 'Say which address or address:port, and {"up": true or false}', module="nsxsim")
    health: Health = cluster.sim.rooms["health"]
    (health.down.discard if body["up"] else health.down.add)(more[0])


@knob("GET", "members")
def _show_health(cluster: "Cluster", _body: Json, _more: list[str]) -> Json:
    return {"down": sorted(cluster.sim.rooms["health"].down)}


def install(sim: "Sim") -> None:
    sim.rooms["health"] = Health(sim)
