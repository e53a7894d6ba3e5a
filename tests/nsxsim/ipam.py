"""Address blocks and pools: who holds which network and which address. Reference 5.6 and 5.7.

Networks and addresses are given out when a subnet or allocation is realised, never when it is written: whatever can
then not be had is an ERROR with an alarm, as from NSX, which accepts any request and fails in realisation.

Note: what is held. A network is held from realisation until its subnet is really gone, an address until the pool's
`ip_release_delay` after that.
"""

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from tests.nsxsim import kinds, spans
from tests.nsxsim.problems import Json
from tests.nsxsim.realise import Alarm
from tests.nsxsim.settings import Settings
from tests.nsxsim.spans import Span
from tests.nsxsim.tree import Tree

if TYPE_CHECKING:
    from tests.nsxsim.sim import Sim

EXHAUSTED: Final = 8212
TAKEN: Final = 5141
"""What NSX says of an address that somebody holds."""
OVERLAPS: Final = 500105
AS_POOL_SAYS: Final = -1.0

for _name, _default, _text in (
    (
        "ip_release_s",
        AS_POOL_SAYS,
        "how long a released address is not given again; -1: the pool's ip_release_delay",
    ),
    ("ipam_fills_objects", True, "whether objects show the network or address they were given, as newer versions do"),
    ("allocations_wait", True, "whether an allocation waits for its pool's subnets; otherwise it is exhausted at once"),
):
    Settings.declare(_name, _default, _text)

NOTHING_USED: Final[Json] = dict.fromkeys(
    ("total_ips", "requested_ip_allocations", "allocated_ip_allocations", "available_ips"), 0
)

Releasing = dict[int, tuple[int, float]]
"""Address number to (IP version, when it is free again)."""

_OF_TREE: Final[WeakKeyDictionary[Tree, "Ipam"]] = WeakKeyDictionary()


class Ipam:
    """Who holds what. `carve` and `give` choose and change nothing; the realisers of ipam_rules.py note it."""

    def __init__(self, sim: "Sim") -> None:
        self.sim = sim
        self.carved: dict[str, Span] = {}
        """A block subnet's path to its network."""
        self.standing: set[str] = set()
        """Static subnets that are realised."""
        self.given: dict[str, dict[str, Span]] = {}
        """A pool's path to its allocations' paths and addresses."""
        self._releasing: dict[str, Releasing] = {}
        _OF_TREE[sim.tree] = self
        sim.tree.listen(self._changed)

    def of_block(self, block: str) -> dict[str, Span]:
        """Everything carved from a block, by subnet, also by those on their way out."""
        found = {}
        for path, span in self.carved.items():
            node = self.sim.tree.nodes.get(path)
            if node is not None and node.body.get("ip_block_path") == block:
                found[path] = span
        return found

    def free_of_block(self, block: str) -> list[Span]:
        body = self.sim.tree.get(block) or {}
        return spans.without(spaces(body), [*spans.of_ranges(body.get("excluded_ips")), *self.of_block(block).values()])

    def usable(self, pool: str) -> list[Span]:
        """The addresses that a pool's realised subnets offer."""
        found: list[Span] = []
        for node in self.sim.tree.children(pool, "ip-subnets"):
            if node.path in self.carved:
                found += _inside(self.carved[node.path], node.body)
            elif node.path in self.standing:
                found += offered(node.body)
        return found

    def held(self, pool: str) -> list[Span]:
        """Addresses that are not free: given, or released not long enough ago."""
        now = self.sim.clock.now()
        late = [Span(v, n, n) for n, (v, until) in self._releasing.get(pool, {}).items() if until > now]
        return [*self.given.get(pool, {}).values(), *late]

    def usage(self, pool: str) -> Json:
        """A PolicyPoolUsage. Released addresses count as allocated until they are free."""
        usable, held = self.usable(pool), self.held(pool)
        return {
            "total_ips": spans.count(usable),
            "requested_ip_allocations": sum(1 for _ in self.sim.tree.children(pool, "ip-allocations")),
            "allocated_ip_allocations": len(held),
            "available_ips": spans.count(usable) - sum(any(each.holds(one) for each in usable) for one in held),
        }

    def carve(self, body: Json) -> Span | Alarm:
        """A network for a block subnet: where it asked to begin, else the first that fits."""
        path, block, size = body["path"], body["ip_block_path"], size_of(body)
        if path in self.carved:
            return self.carved[path]
        free = self.free_of_block(block)
        if body.get("start_ip"):
            return self._at(body, block, size, free)
        met = next(spans.fits(free, size), None)
        if met is None:
            return Alarm(EXHAUSTED, f"IpAddressBlock path=[{block}] has no free network of {size} addresses.")
        return met[0]

    def _at(self, body: Json, block: str, size: int, free: list[Span]) -> Span | Alarm:
        start = spans.of_cidr(body["start_ip"])
        wanted = Span(start.version, start.first, start.first + size - 1)
        if start.first % size:
            return Alarm(500013, f"start_ip {body['start_ip']} is not the beginning of a network of {size} addresses.")
        if not any(space.holds(wanted) for space in spaces(self.sim.tree.get(block) or {})):
            return Alarm(500013, f"Subnet {spans.cidr_of(wanted)} is not inside IpAddressBlock path=[{block}].")
        if not any(each.holds(wanted) for each in free):
            taken = sorted(path for path, span in self.of_block(block).items() if span.meets(wanted))
            named = ",".join(taken) or "excluded_ips"
            return Alarm(OVERLAPS, f"Subnet {spans.cidr_of(wanted)} overlaps with [{named}] in path=[{block}].")
        return wanted

    def give(self, body: Json) -> Span | Alarm:
        """An address for an allocation: the one it asked for, else the first free one."""
        pool, path = body["parent_path"], body["path"]
        if path in self.given.get(pool, {}):
            return self.given[pool][path]
        usable, held = self.usable(pool), self.held(pool)
        if body.get("allocation_ip"):
            wanted = spans.of_cidr(body["allocation_ip"])
            if not any(each.holds(wanted) for each in usable):
                return Alarm(500013, f"Address {body['allocation_ip']} is in no subnet of IpAddressPool path=[{pool}].")
            if any(each.meets(wanted) for each in held):
                return Alarm(
                    TAKEN, f"Requested IP address {body['allocation_ip']} is already allocated (path=[{pool}])."
                )
            return wanted
        return _first(usable, held) or Alarm(EXHAUSTED, f"IpAddressPool path=[{pool}] is exhausted.")

    def take(self, path: str, pool: str, address: Span) -> None:
        self.given.setdefault(pool, {})[path] = address

    def release(self, path: str, pool: str) -> None:
        """The allocation is gone; the address is free after the delay."""
        address = self.given.get(pool, {}).pop(path, None)
        node = self.sim.tree.nodes.get(pool)
        if address is None or node is None:
            return
        wait_s = self.sim.settings.ip_release_s
        if wait_s < 0:
            wait_s = node.body.get("ip_release_delay", 0) / 1000
        if wait_s > 0:
            self._releasing.setdefault(pool, {})[address.first] = (address.version, self.sim.clock.now() + wait_s)
            self.sim.clock.later(wait_s, self._freed, pool)

    def _freed(self, pool: str) -> None:
        now, waiting = self.sim.clock.now(), self._releasing.get(pool, {})
        self._releasing[pool] = {number: late for number, late in waiting.items() if late[1] > now}
        self.tell_usage(pool)

    def fill(self, path: str, **fields: Any) -> None:
        """Puts what the manager sets into an object: no write of anybody's, so its revision stays."""
        node, place = self.sim.tree.node(path), kinds.place(path)
        if node is None or place is None or all(node.body.get(name) == value for name, value in fields.items()):
            return
        self.sim.tree.put(place, {**node.body, **fields})

    def tell_usage(self, pool: str) -> None:
        if self.sim.tree.node(pool) is not None:
            self.fill(pool, pool_usage=self.usage(pool))

    def _changed(self, path: str, _before: Json | None, after: Json | None) -> None:
        if after is None:
            self.given.pop(path, None)
            self._releasing.pop(path, None)
        pool, _, rest = path.partition("/ip-subnets/" if "/ip-subnets/" in path else "/ip-allocations/")
        if "/ip-pools/" in pool and (rest or after is not None):
            self.tell_usage(pool)

    def saved(self) -> Json:
        return {
            "carved": {path: str(span) for path, span in self.carved.items()},
            "given": {pool: {path: str(span) for path, span in held.items()} for pool, held in self.given.items()},
            "releasing": {
                pool: {spans.text(version, number): until for number, (version, until) in waiting.items()}
                for pool, waiting in self._releasing.items()
            },
        }

    def restore(self, said: Json) -> None:
        self.carved = {path: _read(span) for path, span in said["carved"].items()}
        self.given = {pool: {p: _read(span) for p, span in held.items()} for pool, held in said["given"].items()}
        for pool, waiting in said["releasing"].items():
            for address, until in waiting.items():
                one = spans.of_cidr(address)
                self._releasing.setdefault(pool, {})[one.first] = (one.version, until)
                self.sim.clock.later(until - self.sim.clock.now(), self._freed, pool)


def _first(usable: list[Span], held: list[Span]) -> Span | None:
    """The first address that nobody holds."""
    taken = {(each.version, each.first) for each in held}
    for span in usable:
        for number in range(span.first, span.last + 1):
            if (span.version, number) not in taken:
                return Span(span.version, number, number)
    return None


def _read(span: str) -> Span:
    first, _, last = span.partition("-")
    return spans.of_range(first, last)


def spaces(block: Json) -> list[Span]:
    """What a block consists of."""
    cidrs = [each for each in (block.get("cidr"), *(block.get("cidrs") or ())) if each]
    return spans.merged([*map(spans.of_cidr, cidrs), *spans.of_ranges(block.get("ranges"))])


def size_of(subnet: Json) -> int:
    return int(subnet.get("subnet_size") or subnet["size"])


def offered(subnet: Json) -> list[Span]:
    """The ranges of a static subnet without its gateway."""
    gateway = [spans.of_cidr(subnet["gateway_ip"])] if subnet.get("gateway_ip") else []
    return spans.without(spans.of_ranges(subnet.get("allocation_ranges")), gateway)


def _inside(network: Span, subnet: Json) -> list[Span]:
    """What a carved subnet offers: not the network's own two addresses, nor the gateway's."""
    if network.size <= 2:
        return [network]
    first = network.first + (2 if subnet.get("auto_assign_gateway", True) else 1)
    last = network.last - (1 if network.version == 4 else 0)
    limit = int(subnet.get("allocation_range") or 0)
    return [Span(network.version, first, min(last, first + limit - 1) if limit else last)] if first <= last else []


def gateway_of(network: Span, subnet: Json) -> str:
    if network.size <= 2 or not subnet.get("auto_assign_gateway", True):
        return ""
    return spans.text(network.version, network.first + 1)


def of_tree(tree: Tree) -> Ipam:
    """For rules, which see no more than the tree."""
    return _OF_TREE[tree]


def install(sim: "Sim") -> None:
    sim.rooms["ipam"] = Ipam(sim)
