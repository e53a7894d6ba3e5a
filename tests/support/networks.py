"""Networks as a director has them recorded, and a memory fabric that has them too: for what shows and compares them."""

from director.adapters.clock import SystemClock
from director.adapters.memory.fabric import MemoryFabric
from director.adapters.memory.fabric_world import FabricWorld, Made
from director.adapters.memory.store import MemoryStore
from director.execution.fabrics import Fabrics
from director.execution.infrastructures import Infrastructures
from director.execution.world import World
from director.model.fabric import (
    OUTLIVING,
    Carving,
    Group,
    IpPool,
    LoadBalancer,
    Member,
    Monitor,
    NatRule,
    PoolAddress,
    Ref,
    Router,
    Rule,
    SecurityPolicy,
    Segment,
    ServerPool,
    Stack,
    StackRecord,
    StackState,
    VirtualServer,
)
from director.model.names import (
    AgentId,
    DeploymentName,
    GroupName,
    InstanceId,
    NetworkName,
    ObjectId,
    StackName,
    StemcellCid,
    VmCid,
    VmName,
)
from director.model.record import DeploymentRecord, InstanceRecord, VmRecord, VmState
from director.model.sighting import JobState, SeenAgent
from director.model.wanted import Address, VmShape
from director.ports.store import JoinStack, PutDeployment, PutInstance, PutStack, PutVm

SHOP = DeploymentName("shop")
THEIRS = {"is_ours": False}


def ours(id: str) -> Ref:
    return Ref(to=id)


def theirs(name: str) -> Ref:
    return Ref(to=name, is_ours=False)


def id_of(kind: str, name: str) -> ObjectId:
    return ObjectId(f"{kind}-{name}-0a1b2c3d")


def managed(name: str, cidr: str, *, topology: str = "routed", outside: str = "198.51.100.10", vip: str = "") -> Stack:
    """A managed network: router and segment; with NAT an address and its rules; with ``vip`` a load balancer."""
    router, gateway = id_of("t1", name), cidr.replace(".0/", ".1/")
    objects = [
        Router(id=router, name=name, tier0=theirs("tier0"), edge_cluster=theirs("edges"), advertises=("connected",)),
        Carving(id=id_of("carving", name), name=name, block=theirs("nodes"), cidr=cidr),
        Segment(id=id_of("seg", name), name=f"{name}-0a1b2c3d", router=ours(router), gateway=gateway),
    ]
    if topology == "nat":
        objects += [
            PoolAddress(id=id_of("snat-ip", name), name=name, pool=theirs("floating"), ip=outside),
            NatRule(
                id=id_of("snat", name), name=f"{name}-snat", router=ours(router), action="SNAT", source=cidr,
                translated=outside,
            ),
            NatRule(
                id=id_of("nosnat", name), name=f"{name}-inside", router=ours(router), action="NO_SNAT", source=cidr,
                destination="10.0.0.0/8", priority=10,
            ),
        ]  # fmt: skip
    return Stack(
        name=StackName(f"network/{name}/0"),
        cpi="",
        owner=SHOP,
        objects=(*objects, *(_balancer(name, router, vip) if vip else ())),
        network=NetworkName(name),
    )


def _balancer(name, router, vip):
    lb, pool = id_of("lb", name), id_of("pool", name)
    return (
        LoadBalancer(id=lb, name=name, router=ours(router)),
        Monitor(id=id_of("monitor", name), name=name, type="http", path="/healthz", port=8080),
        ServerPool(id=pool, name="web", monitor=ours(id_of("monitor", name))),
        VirtualServer(id=id_of("vs", name), name="web", ip=vip, ports=("80",), pool=ours(pool), load_balancer=ours(lb)),
        VirtualServer(
            id=id_of("vs-s", name), name="web-tls", ip=vip, ports=("443",), pool=ours(pool), load_balancer=ours(lb)
        ),
    )  # fmt: skip


def group_stack(group: str = "web") -> Stack:
    own = id_of("group", group)
    rule = Rule(name="allow-web", sources=(theirs("any"),), destinations=(ours(own),), services=("tcp/8080",))
    return Stack(
        name=StackName(f"group/shop/{group}"),
        cpi="",
        owner=SHOP,
        objects=(
            Group(id=own, name=group, port_tag=("director/group", f"shop/{group}")),
            SecurityPolicy(id=id_of("policy", group), name=group, rules=(rule,), scope=(ours(own),)),
        ),
    )


def config_stack(name: str = "shared") -> Stack:
    return Stack(
        name=StackName(f"config/{name}"),
        cpi="",
        owner=OUTLIVING,
        objects=(
            IpPool(
                id=id_of("pool", "vips"), name="vips", cidr="198.51.100.0/24",
                ranges=(("198.51.100.100", "198.51.100.120"),),
            ),
            NatRule(
                id=id_of("dnat", "bastion"), name="bastion", router=theirs("tier0"), action="DNAT",
                destination="198.51.100.5", translated="10.1.0.5", ports="22", translated_ports="22",
            ),
        ),
    )  # fmt: skip


def instance(
    group: str, index: int, *nics: tuple[str, str], deployment: str = SHOP, members: tuple[Member, ...] = ()
) -> InstanceRecord:
    """``nics`` are (network, ip)."""
    return InstanceRecord(
        id=InstanceId(f"{deployment}-{group}-{index}"),
        deployment=DeploymentName(deployment),
        group=GroupName(group),
        index=index,
        addresses=tuple(Address(network=NetworkName(network), ip=ip) for network, ip in nics),
        members=members,
    )


def vm_of(instance: InstanceRecord, **plugged: str) -> VmRecord:
    """``plugged`` maps networks to what they are called in the infrastructure."""
    networks = {net: {"cloud_properties": {"name": name}} for net, name in plugged.items()}
    return VmRecord(
        name=VmName(f"vm-{instance.id}"),
        instance=instance.id,
        deployment=instance.deployment,
        agent=AgentId(f"agent-{instance.id}"),
        generation=1,
        shape=VmShape(
            stemcell_name="s", stemcell_version="1", stemcell_cid=StemcellCid("s"), cloud_properties={},
            networks=networks,
        ),
        state=VmState.CREATED,
        created_at=0.0,
        cid=VmCid(f"cid-{instance.id}"),
    )  # fmt: skip


def member(network: str, instance_id: str, ip: str, port: int = 8080) -> Member:
    return Member(pool=ours(id_of("pool", network)), label=f"vm-{instance_id}", ip=ip, port=port)


class Agents:
    """All that is asked here of agents: who was heard, and how they are."""

    def __init__(self) -> None:
        self.heard: dict[AgentId, SeenAgent] = {}

    def seen(self):
        return self.heard

    def hear(self, vm: VmRecord, state: JobState = JobState.RUNNING) -> None:
        self.heard[vm.agent] = SeenAgent(id=vm.agent, is_connected=True, silent_s=1.0, job_state=state)


class NoVms:
    """An infrastructure in which nothing is."""

    async def find_vms(self, deployment=None, *, doubted=None, in_detail=False):
        return {}

    async def find_disks(self, deployment=None):
        return {}


def new_world() -> World:
    """Its default fabric is a MemoryFabric: ``fabric_of`` gives what that holds."""
    fabric = MemoryFabric(FabricWorld())
    return World(
        store=MemoryStore(),
        infrastructures=Infrastructures(NoVms()),
        agents=Agents(),
        secrets=None,
        tasklog=None,
        clock=SystemClock(),
        fabrics=Fabrics(fabric),
    )


def fabric_of(world: World) -> FabricWorld:
    return world.fabrics.of("").world


async def record(
    world: World, stack: Stack, *users: str, state: StackState = StackState.READY, made: bool = True
) -> None:
    """Recorded with its users and, when ``made``, there in the fabric."""
    for user in users or (stack.owner,):
        await world.store.commit(JoinStack(stack=stack, user=DeploymentName(user)))
    await world.store.commit(PutStack(record=StackRecord(stack=stack, state=state)))
    if made:
        for one in stack.objects:
            fabric_of(world).objects[one.id] = Made(object=one, owner=stack.owner, stack=stack.name, cpi=stack.cpi)


async def deploy(world: World, *instances: InstanceRecord, state: JobState = JobState.RUNNING, **plugged: str) -> None:
    """Instances with VMs whose agents are heard, of their deployments."""
    for one in instances:
        if await world.store.deployment(one.deployment) is None:
            await world.store.commit(PutDeployment(record=DeploymentRecord(name=one.deployment)))
        vm = vm_of(one, **plugged)
        await world.store.commit(PutInstance(record=one), PutVm(record=vm))
        world.agents.hear(vm, state)
