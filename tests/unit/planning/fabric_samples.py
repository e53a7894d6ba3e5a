"""Deployments on managed networks, and fabrics whose blocks and pools are partly taken."""

from ipaddress import ip_address, ip_network

from director.model.cloud import Az, CloudConfig, Compilation, Network, Subnet, VmExtension, VmType
from director.model.deployment import Deployment, GroupNetwork, InstanceGroup
from director.model.fabric import Monitor, Room, StackRecord, StackState, Topology
from director.model.network_wish import AddressWish, BalancerWish, ManagedSubnet, NatWish, PoolWish, VirtualServerWish
from director.planning.fabric_names import Namer
from director.planning.fabric_ranges import choose_ranges, managed_clouds, rooms_wanted, uses_of
from director.planning.fabric_stacks import Fabrics, stacks_of
from tests.unit.planning.samples import UPDATE

NAMES = Namer(director="0a1b2c3d-0000-4000-8000-000000000001")
POOL = Room(name="floating", ranges=((int(ip_address("1.1.1.1")), int(ip_address("1.1.1.9"))),), taken=())
EDGES = {"tier0": "t0", "edge_cluster": "edges", "transport_zone": "overlay"}
BALANCER = BalancerWish(
    pools=(PoolWish(name="web", port=8080, monitor=Monitor(id="", name="", type="http", port=8080)),),
    virtual_servers=(VirtualServerWish(name="web", address=AddressWish(pool="floating"), ports=("80",), pool="web"),),
)
NAT = ManagedSubnet(
    **EDGES,
    topology=Topology.NAT,
    block="nodes",
    prefix=26,
    snat=AddressWish(pool="floating"),
    no_snat=("10.0.0.0/8",),
    balancer=BALANCER,
)


def block(cidr="10.0.0.0/16", *taken):
    return Room(name="nodes", ranges=(span(cidr),), taken=tuple(map(span, taken)))


def span(cidr):
    network = ip_network(cidr)
    return int(network.network_address), int(network.broadcast_address)


def managed(name, *asked, azs=("z1",), range=None, gateway=None, **rest):
    subnets = tuple(Subnet(range=range, gateway=gateway, azs=azs, managed=one, **rest) for one in asked)
    return Network(name=name, subnets=subnets)


def cloud(*networks, nsxt=None, compiles_on="elsewhere", cpis=("", "")):
    extension = VmExtension(name="fabric", cloud_properties={"nsxt": nsxt or {}})
    return CloudConfig(
        networks=(*networks, Network(name="elsewhere", subnets=(Subnet(range="172.16.0.0/24"),))),
        compilation=Compilation(workers=1, network=compiles_on, az="z1"),
        azs=(Az(name="z1", cpi=cpis[0] or None), Az(name="z2", cpi=cpis[1] or None)),
        vm_types=(VmType(name="small"),),
        vm_extensions=(extension,),
    )


def group(name="web", *networks, azs=("z1",), extensions=("fabric",)):
    return InstanceGroup(
        name=name,
        instances=1,
        stemcell="default",
        jobs=(),
        networks=tuple(GroupNetwork(name=n) for n in networks or ("web",)),
        update=UPDATE,
        azs=azs,
        vm_type="small",
        vm_extensions=extensions,
    )


def deployment(*groups, name="shop"):
    return Deployment(name=name, releases=(), stemcells=(), groups=groups or (group(),), update=UPDATE)


def passed(wanted, clouds, recorded=(), *, blocks=None, configs=(), cpis=("",)):
    """One pass up to the stacks, with problems instead of a refusal."""
    problems = []
    uses = uses_of(wanted, clouds, problems)
    here = {"block:nodes": block(), "pool:floating": POOL, **(blocks or {})}
    asked = rooms_wanted(uses, recorded, configs, NAMES)
    rooms = {cpi: {key: here[key] for key in keys if key in here} for cpi, keys in asked.items()}
    choices = choose_ranges(uses, recorded, rooms, configs, NAMES, problems)
    known = Fabrics(
        names=NAMES,
        deployment=wanted,
        clouds=managed_clouds(clouds, choices, NAMES),
        choices=choices,
        configs=tuple(configs),
        cpis=frozenset(cpis),
    )
    return known, stacks_of(known, recorded, problems), problems


def recorded_of(stacks, user="shop", state=StackState.READY):
    return tuple(StackRecord(stack=stack, state=state, users=(user,)) for stack in stacks)


def of_kind(stack, cls):
    return [one for one in stack.objects if isinstance(one, cls)]


def nat_wish(name="ssh", to="10.0.0.5", **rest):
    return NatWish(name=name, address=AddressWish(pool="floating"), to=to, **rest)
