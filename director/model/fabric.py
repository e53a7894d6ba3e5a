"""What a network fabric (NSX-T) should hold: routers, segments, NAT, load balancers, groups, rules, as values.

Objects that come and go together form a stack: it is written in one transaction and removed in one. Names of things
the fabric's own people made (a tier-0, a transport zone) stay names here; the fabric says what they mean.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeAlias

from director.model.names import DeploymentName, NetworkName, ObjectId, StackName, VmCid, VmName
from director.model.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """``to`` is the id of an object of ours, or with ``is_ours`` False how the fabric's people call theirs: its display
    name, id or path.
    """

    to: str
    is_ours: bool = True


class Topology(Enum):
    """How VMs of a managed network reach the world: their own addresses known outside, or hidden behind one."""

    ROUTED = "routed"
    NAT = "nat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """A tier-1 router. ``edge_cluster`` is needed for NAT and load balancing: they run on edge nodes.

    ``advertises`` are among connected, nat, lb_vip, lb_snat, static.
    """

    kind: ClassVar[str] = "router"
    id: ObjectId
    name: str
    tier0: Ref | None = None
    edge_cluster: Ref | None = None
    advertises: tuple[str, ...] = ()
    failover: str = "NON_PREEMPTIVE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One layer-2 network. ``gateway`` is ``10.0.0.1/24``; without a router VMs reach nobody else."""

    kind: ClassVar[str] = "segment"
    id: ObjectId
    name: str
    router: Ref | None = None
    transport_zone: Ref | None = None
    gateway: str | None = None
    vlans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NatRule:
    """``action`` is SNAT, DNAT, NO_SNAT, NO_DNAT or REFLEXIVE; ``router`` may be a tier-0 of others.

    ``ports`` and ``translated_ports`` are for TCP, of DNAT only. ``priority``: the lower wins.
    """

    kind: ClassVar[str] = "nat rule"
    id: ObjectId
    name: str
    router: Ref
    action: str
    source: str | None = None
    destination: str | None = None
    translated: str | None = None
    ports: str | None = None
    translated_ports: str | None = None
    priority: int = 100
    is_enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticRoute:
    """``next_hops`` are addresses."""

    kind: ClassVar[str] = "static route"
    id: ObjectId
    name: str
    router: Ref
    network: str
    next_hops: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IpBlock:
    kind: ClassVar[str] = "ip block"
    id: ObjectId
    name: str
    cidr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IpPool:
    """``ranges`` are ``(first, last)``; all lie in ``cidr``."""

    kind: ClassVar[str] = "ip pool"
    id: ObjectId
    name: str
    cidr: str
    ranges: tuple[tuple[str, str], ...]
    gateway: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carving:
    """A subnet taken out of an IP block, at a place the plan has chosen: nobody else gets it."""

    kind: ClassVar[str] = "carving"
    id: ObjectId
    name: str
    block: Ref
    cidr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolAddress:
    """One address taken out of an IP pool, chosen by the plan."""

    kind: ClassVar[str] = "address"
    id: ObjectId
    name: str
    pool: Ref
    ip: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """VMs whose ports carry the tag (scope, tag); or fixed ``addresses`` (IPs, ranges, CIDRs)."""

    kind: ClassVar[str] = "group"
    id: ObjectId
    name: str
    port_tag: tuple[str, str] | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``sources``, ``destinations``: groups, or addresses as foreign Refs' text ``any``/CIDR; empty means any.

    ``services``: ``tcp/80``, ``udp/53``, ``tcp/8000-8010``, ``icmp``, or a predefined service's name; empty means any.
    """

    name: str
    action: str = "ALLOW"
    sources: tuple[Ref, ...] = ()
    destinations: tuple[Ref, ...] = ()
    services: tuple[str, ...] = ()
    direction: str = "IN_OUT"
    is_logged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityPolicy:
    """Distributed firewall rules in their order. ``scope`` are the groups it applies to; empty: everywhere."""

    kind: ClassVar[str] = "security policy"
    id: ObjectId
    name: str
    rules: tuple[Rule, ...]
    scope: tuple[Ref, ...] = ()
    category: str = "Application"
    priority: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer:
    kind: ClassVar[str] = "load balancer"
    id: ObjectId
    name: str
    router: Ref
    size: str = "SMALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """``type`` is tcp, http, https or icmp; ``path`` and ``status_codes`` are http's."""

    kind: ClassVar[str] = "monitor"
    id: ObjectId
    name: str
    type: str = "tcp"
    port: int | None = None
    path: str = "/"
    interval_s: int = 5
    timeout_s: int = 5
    rise: int = 3
    fall: int = 3
    status_codes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPool:
    """Its members are not part of it: instances are announced once they run, withdrawn before they stop.

    ``monitor`` may be a predefined one's name. ``group`` instead makes every VM of that group a member.
    """

    kind: ClassVar[str] = "server pool"
    id: ObjectId
    name: str
    algorithm: str = "ROUND_ROBIN"
    monitor: Ref | None = None
    group: Ref | None = None
    snat: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServer:
    """``profile`` is tcp, udp or http. ``ports`` as text, ranges allowed."""

    kind: ClassVar[str] = "virtual server"
    id: ObjectId
    name: str
    ip: str
    ports: tuple[str, ...]
    pool: Ref | None = None
    load_balancer: Ref | None = None
    profile: str = "tcp"
    persistence: str | None = None
    member_port: str | None = None


NetworkObject: TypeAlias = (
    Router
    | Segment
    | NatRule
    | StaticRoute
    | IpBlock
    | IpPool
    | Carving
    | PoolAddress
    | Group
    | SecurityPolicy
    | LoadBalancer
    | Monitor
    | ServerPool
    | VirtualServer
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Network objects that live and die together. ``cpi`` says in which fabric; ``owner`` is the deployment that first
    asked for it, or OUTLIVING. ``claims`` are ``block-or-pool|cidr-or-ip``: no two stacks may hold the same.
    ``network`` is set for the stack of a managed network, its subnet's place in ``subnet``.
    """

    name: StackName
    cpi: str
    owner: DeploymentName
    objects: tuple[NetworkObject, ...]
    claims: tuple[str, ...] = ()
    network: NetworkName | None = None
    subnet: int = 0


OUTLIVING = DeploymentName("(networks)")
"""Owner of what network configs say: it belongs to no deployment. No deployment can have this name."""


class StackState(Enum):
    """CHANGING and REMOVING are intents: of the recorded objects any may exist."""

    CHANGING = "changing"
    READY = "ready"
    REMOVING = "removing"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRecord:
    """A stack as it was last made, or, while CHANGING, what it was together with what it becomes.

    ``users`` are the deployments that need it; the last one to go takes it along.
    """

    stack: Stack
    state: StackState
    users: tuple[DeploymentName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An instance behind a server pool: ``label`` marks it as ours, whichever VM it has at the time."""

    pool: Ref
    label: str
    ip: str
    port: int | None = None
    cpi: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What a group's vm extensions ask of the fabric for each of its instances.

    ``pools`` are (pool, port); ``groups`` exist already and are joined by name; ``tags`` (scope, tag) go onto the
    ports, in them those that our own groups look for. ``vif_type`` is PARENT or none.
    """

    pools: tuple[tuple[Ref, int | None], ...] = ()
    groups: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    vif_type: str | None = None


NOT_ATTACHED = Attachment()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The logical ports of one VM, to be tagged and grouped. ``segments`` are ids of ours it has NICs on."""

    vm: VmName
    cid: VmCid
    attachment: Attachment
    segments: tuple[ObjectId, ...] = ()


class ObjectState(Enum):
    ABSENT = "absent"
    REALISED = "realised"
    IN_PROGRESS = "in progress"
    FAILED = "failed"
    LEAVING = "being deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenObject:
    """One object as it is there. ``differences`` say, in words, how it is not what was wished for.

    ``revision`` names the very state that was looked at: who writes to another one has to look again. With
    ``is_foreign`` somebody else's object has our id. ``error`` is the fabric's reason when FAILED. ``parent`` is what
    it lies in, where its id alone does not tell: the router of a NAT rule or route, the pool of an address.
    """

    id: ObjectId
    kind: str
    name: str
    state: ObjectState = ObjectState.REALISED
    owner: DeploymentName | None = None
    stack: StackName | None = None
    revision: str = ""
    differences: tuple[str, ...] = ()
    is_foreign: bool = False
    error: str = ""
    cpi: str = ""
    parent: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What is free in an IP block or pool: inclusive ranges as integers, all that is taken likewise."""

    name: str
    ranges: tuple[tuple[int, int], ...]
    taken: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMember:
    pool: str
    label: str
    ip: str
    port: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricSighting:
    """One look at a fabric for the stacks wished for and recorded. ``objects`` has each of their ids that is there.

    ``members`` are of the pools asked for, by the text of their Ref. ``problems`` are what no plan may go on with: a
    name nobody there has, an immutable field that would have to change.
    """

    objects: tuple[SeenObject, ...] = ()
    members: tuple[SeenMember, ...] = ()
    problems: tuple[Problem, ...] = ()

    def of(self, id: ObjectId) -> SeenObject | None:
        return next((o for o in self.objects if o.id == id), None)
