"""What the topology page shows, as nested boxes of text: gateways, their segments and load balancers. Reads only.

page_svg.py draws them. Nothing is escaped here: it is text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.nsxsim import lb_status
from tests.nsxsim.inventory import Inventory
from tests.nsxsim.problems import Json
from tests.nsxsim.tree import Node

if TYPE_CHECKING:
    from tests.nsxsim.sim import Sim

LINES_MAX: Final = 24
"""Of one box; a segment may have hundreds of ports."""
DEPLOYMENT: Final = "director/deployment"
DIRECTOR: Final = "director/id"
SYSTEM: Final = "NSX"
_MAKERS: Final = {"system": SYSTEM, "nsx_policy": SYSTEM}
_TONES: Final = {"UP": "up", "DOWN": "down", "ERROR": "down"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose an object is. Ours are those of a director's deployments."""

    name: str
    is_ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of a box. `tone` is up, down, off, wait or empty; `path` the object it leads to."""

    text: str
    note: str = ""
    path: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One object; `children` stand to its right. An empty `path` is no object but a heading."""

    kind: str
    title: str
    path: str = ""
    owner: Owner = Owner(name=SYSTEM)
    tone: str = ""
    lines: tuple[Line, ...] = ()
    children: tuple["Box", ...] = ()


def owner_of(body: Json) -> Owner:
    """By a director's tags, else by who made it."""
    tags = {str(each.get("scope")): str(each.get("tag")) for each in body.get("tags") or ()}
    if DIRECTOR in tags or tags.get(DEPLOYMENT):
        return Owner(name=tags.get(DEPLOYMENT) or "director", is_ours=True)
    maker = str(body.get("_create_user", ""))
    return Owner(name=_MAKERS.get(maker, maker))


def boxes(sim: "Sim") -> list[Box]:
    """The roots: tier-0s, then what hangs on none, then what hangs on nothing."""
    picture = _Picture(sim)
    found = [picture.tier0(node) for node in _sorted(sim, "Tier0")]
    found += [
        picture.tier1(node) for node in _sorted(sim, "Tier1") if not sim.tree.get(node.body.get("tier0_path", ""))
    ]
    loose = [picture.segment(node) for node in _sorted(sim, "Segment") if not node.body.get("connectivity_path")]
    loose += [picture.service(node) for node in _sorted(sim, "LBService") if not node.body.get("connectivity_path")]
    loose += [picture.server(node.body) for node in _sorted(sim, "LBVirtualServer") if not _is_served(sim, node)]
    loose += [picture.pool("", node.path) for node in _sorted(sim, "LBPool") if not _is_used(sim, node)]
    return [*found, Box(kind="", title="On no gateway", children=tuple(loose))] if loose else found


def _is_served(sim: "Sim", node: Node) -> bool:
    return sim.tree.get(node.body.get("lb_service_path") or "") is not None


def _is_used(sim: "Sim", node: Node) -> bool:
    return any(sim.tree.nodes[path].body["resource_type"] == "LBVirtualServer" for path in sim.tree.users(node.path))


def _sorted(sim: "Sim", kind: str) -> list[Node]:
    return sorted(sim.tree.of_kind(kind), key=lambda node: (str(node.body["display_name"]), node.path))


class _Picture:
    def __init__(self, sim: "Sim") -> None:
        self.sim = sim
        inventory: Inventory = sim.rooms["inventory"]
        nics = [(machine, nic) for machine in inventory.machines.values() for nic in machine.nics]
        self.by_vif = {nic.vif: (machine, nic) for machine, nic in nics}
        self.by_address = {address: machine.name for machine, nic in nics for address in nic.addresses}

    def tier0(self, node: Node) -> Box:
        lower = [self.tier1(each) for each in self.on(node, "Tier1")]
        lines = [Line(text=str(node.body.get("ha_mode", "")).replace("_", " ").lower())]
        lines += [
            Line(text=each.id, note=", ".join(_interface(each.body)), path=each.path)
            for services in self.sim.tree.children(node.path, "locale-services")
            for each in self.sim.tree.children(services.path, "interfaces")
        ]
        return self.box("Tier-0", node.body, lines, [*self.nat(node), *lower, *self.segments(node)])

    def tier1(self, node: Node) -> Box:
        lines = [
            Line(text=f"route {each.body['network']}", note=_hops(each.body), path=each.path)
            for each in self.sim.tree.children(node.path, "static-routes")
        ]
        services = [self.service(each) for each in self.on(node, "LBService")]
        return self.box("Tier-1", node.body, lines, [*self.nat(node), *self.segments(node), *services])

    def on(self, node: Node, kind: str) -> list[Node]:
        """Those of a kind that hang on a gateway."""
        field = "tier0_path" if kind == "Tier1" else "connectivity_path"
        found = [self.sim.tree.nodes[path] for path in self.sim.tree.users(node.path)]
        found += [each for each in self.sim.tree.children(node.path, "segments") if kind == "Segment"]
        hanging = {
            each.path: each
            for each in found
            if each.kind is not None and each.kind.name == kind and each.body.get(field) == node.path
        }
        return sorted(hanging.values(), key=lambda each: (str(each.body["display_name"]), each.path))

    def segments(self, node: Node) -> list[Box]:
        return [self.segment(each) for each in self.on(node, "Segment")]

    def nat(self, node: Node) -> Iterator[Box]:
        """One box for all rules of a gateway, in their order."""
        rules = [
            rule
            for section in self.sim.tree.children(node.path, "nat")
            for rule in self.sim.tree.children(section.path, "nat-rules")
        ]
        rules.sort(key=lambda rule: (rule.body.get("sequence_number", 0), rule.path))
        if rules:
            lines = [
                Line(text=_nat_text(each.body), path=each.path, tone=self.tone(each.path) or "up") for each in rules
            ]
            title = f"{len(rules)} rule{'s' * (len(rules) > 1)}"
            yield Box(kind="NAT", title=title, path=rules[0].parent, owner=owner_of(rules[0].body), lines=_few(lines))

    def segment(self, node: Node) -> Box:
        body = node.body
        lines = [Line(text=each["gateway_address"], note="gateway") for each in body.get("subnets") or ()]
        if body.get("vlan_ids"):
            lines.append(Line(text="VLAN " + ", ".join(map(str, body["vlan_ids"]))))
        ports = list(self.sim.tree.children(node.path, "ports"))
        inner = [self.ports(node, ports)] if ports else []
        return self.box("Segment", body, lines, inner)

    def ports(self, segment: Node, ports: list[Node]) -> Box:
        """All ports of a segment, by the names of their VMs."""
        lines = sorted((self.port(each) for each in ports), key=lambda line: (line.text, line.path))
        title = f"{len(ports)} port{'s' * (len(ports) > 1)}"
        owners = {owner_of(each.body) for each in ports if owner_of(each.body).name != SYSTEM}
        owner = owners.pop() if len(owners) == 1 else owner_of(segment.body)
        return Box(kind="VMs", title=title, path=segment.path, owner=owner, lines=_few(lines))

    def port(self, node: Node) -> Line:
        vif = str((node.body.get("attachment") or {}).get("id") or "")
        machine, nic = self.by_vif.get(vif, (None, None))
        bound = [each["ip_address"] for each in node.body.get("address_bindings") or () if each.get("ip_address")]
        if machine is None or nic is None:
            return Line(text=node.body["display_name"], note=", ".join(bound), path=node.path, tone="off")
        tone = "up" if machine.power == "VM_RUNNING" else "off"
        return Line(text=machine.name, note=", ".join(bound or nic.addresses), path=node.path, tone=tone)

    def service(self, node: Node) -> Box:
        said = lb_status.service_status(self.sim, node.path)["service_status"]
        lines = [Line(text=str(node.body["size"]).lower(), note=said.lower(), tone=_TONES.get(said, "wait"))]
        servers = [self.server(each) for each in lb_status.servers_of(self.sim, node.path)]
        return self.box("Load balancer", node.body, lines, servers)

    def server(self, body: Json) -> Box:
        service = body.get("lb_service_path") or ""
        said = lb_status.server_status(self.sim, service, body["path"])["status"]
        at = f"{body['ip_address']}:{','.join(map(str, body['ports']))}"
        lines = [Line(text=at, note=said.lower().replace("_", " "), tone=_TONES.get(said, "wait"))]
        pools = [self.pool(service, path) for path in lb_status.pools_of(body)]
        return self.box("Virtual server", body, lines, pools)

    def pool(self, service: str, path: str) -> Box:
        said = lb_status.pool_status(self.sim, service, path)
        lines = [self.member(each) for each in said["members"]]
        body = self.sim.tree.nodes[path].body
        if not lines:
            lines = [Line(text="no members")]
        return self.box("Pool", body, lines, [])

    def member(self, said: Json) -> Line:
        port = f":{said['port']}" if said.get("port") else ""
        address = said["ip_address"]
        tone = _TONES.get(said["status"], "off")
        note = self.by_address.get(address) or said["status"].lower().replace("_", " ")
        return Line(text=f"{address}{port}", note=note, tone=tone)

    def box(self, kind: str, body: Json, lines: list[Line], children: list[Box]) -> Box:
        alarms = [alarm["message"] for each in self.sim.realisation.entities(body["path"]) for alarm in each["alarms"]]
        return Box(
            kind=kind,
            title=str(body["display_name"]),
            path=body["path"],
            owner=owner_of(body),
            tone=self.tone(body["path"]),
            lines=_few([*lines, *(Line(text=text, tone="down") for text in alarms)]),
            children=tuple(children),
        )

    def tone(self, path: str) -> str:
        """Of realisation; done says nothing."""
        states = {each["state"] for each in self.sim.realisation.entities(path)}
        if "ERROR" in states:
            return "down"
        return "" if states <= {"REALIZED"} and states else "wait"


def _few(lines: list[Line]) -> tuple[Line, ...]:
    if len(lines) <= LINES_MAX:
        return tuple(lines)
    return (*lines[: LINES_MAX - 1], Line(text=f"and {len(lines) - LINES_MAX + 1} more"))


def _interface(body: Json) -> Iterator[str]:
    for subnet in body.get("subnets") or ():
        yield from (f"{address}/{subnet['prefix_len']}" for address in subnet["ip_addresses"])


def _hops(route: Json) -> str:
    return "via " + ", ".join(str(hop["ip_address"]) for hop in route["next_hops"])


def _nat_text(rule: Json) -> str:
    action = rule["action"]
    if action in ("NO_SNAT", "NO_DNAT"):
        return f"{action} {rule.get('source_network') or 'any'} to {rule.get('destination_network') or 'any'}"
    said = rule.get("destination_network") if action == "DNAT" else rule.get("source_network")
    ports = f":{rule['translated_ports']}" if rule.get("translated_ports") else ""
    return f"{action} {said or 'any'} → {rule.get('translated_network', '')}{ports}"
