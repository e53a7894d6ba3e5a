"""What operators are shown of their networks: routers, segments, NAT, load balancers, and the instances on them.

Values only; every text in them is for people. Who is above or below whom is in the nesting.
"""

from dataclasses import dataclass
from enum import Enum

from director.model.names import DeploymentName, ObjectId, StackName

NO_STACK = StackName("")
NO_OWNER = DeploymentName("")


class Standing(Enum):
    """How an object is. The first three are of the record alone: nobody looked."""

    RECORDED = "recorded"
    CHANGING = "being changed"
    REMOVING = "being removed"
    REALISED = "realised"
    IN_PROGRESS = "in progress"
    FAILED = "failed"
    MISSING = "missing"
    CHANGED = "changed by others"
    LEAVING = "being deleted"
    FOREIGN = "another's object"
    UNRECORDED = "unrecorded"


class Announced(Enum):
    """Whether a load balancer sends to a member."""

    RECORDED = "recorded"
    ANNOUNCED = "announced"
    ABSENT = "not announced"
    FOREIGN = "not ours"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectView:
    """``about`` says in a few words what it is set to; ``reason`` why its state is not a good one."""

    id: ObjectId
    kind: str
    name: str
    about: str = ""
    stack: StackName = NO_STACK
    owner: DeploymentName = NO_OWNER
    users: tuple[DeploymentName, ...] = ()
    outlives_deployments: bool = False
    state: Standing = Standing.RECORDED
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceView:
    """``state`` is that of its jobs, or why there are none."""

    deployment: DeploymentName
    label: str
    ip: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """``instance`` is ``group/index``, or for a member of others the name it has there."""

    deployment: str
    instance: str
    ip: str
    port: int | None
    state: Announced


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolView:
    """``object`` is None for a pool of others that instances are put into."""

    name: str
    object: ObjectView | None
    members: tuple[MemberView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServerView:
    object: ObjectView
    ip: str
    ports: tuple[str, ...]
    pool: PoolView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancerView:
    """``name`` says whose it is when ``object`` is None. ``pools`` are those that no virtual server sends to."""

    name: str
    object: ObjectView | None
    virtual_servers: tuple[VirtualServerView, ...] = ()
    pools: tuple[PoolView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentView:
    """``topology`` is nat, routed or isolated; ``outside`` are the addresses its VMs are seen with behind a NAT."""

    object: ObjectView
    network: str
    range: str
    gateway: str
    topology: str
    outside: tuple[str, ...] = ()
    instances: tuple[InstanceView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterView:
    """``kind`` is tier-0, or router. ``object`` is None for one of others. ``routers`` stand below a tier-0."""

    kind: str
    name: str
    object: ObjectView | None = None
    nat: tuple[ObjectView, ...] = ()
    routes: tuple[ObjectView, ...] = ()
    balancers: tuple[BalancerView, ...] = ()
    segments: tuple[SegmentView, ...] = ()
    routers: tuple["RouterView", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricView:
    """``routers`` are the outermost ones. ``others`` are groups, policies, blocks and pools of addresses, and the like.

    ``unseen`` says why it could not be looked at; ``unrecorded`` are ours by their tags, but in no stack.
    """

    cpi: str
    is_looked_at: bool = False
    unseen: str = ""
    routers: tuple[RouterView, ...] = ()
    segments: tuple[SegmentView, ...] = ()
    balancers: tuple[BalancerView, ...] = ()
    others: tuple[ObjectView, ...] = ()
    unrecorded: tuple[ObjectView, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainNetworkView:
    """A network that nobody here manages: a port group, say, and who has an address on it."""

    name: str
    instances: tuple[InstanceView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworksReport:
    """By CPI; the director's own infrastructure has no name and comes first."""

    fabrics: tuple[FabricView, ...] = ()
    plain: tuple[PlainNetworkView, ...] = ()
