"""One object of each kind, as planning makes them, and what strangers' names mean: for tests of the pure parts."""

from director.adapters.nsxt.paths import HOMES, What, of_ours
from director.model.fabric import (
    Carving,
    Group,
    IpBlock,
    IpPool,
    LoadBalancer,
    Monitor,
    NatRule,
    NetworkObject,
    PoolAddress,
    Ref,
    Router,
    Rule,
    SecurityPolicy,
    Segment,
    ServerPool,
    StaticRoute,
    VirtualServer,
)
from director.model.names import ObjectId


def ours(text: str) -> Ref:
    return Ref(to=text)


def theirs(text: str) -> Ref:
    return Ref(to=text, is_ours=False)


def resolve(what: What, ref: Ref) -> str:
    return of_ours(what, ref.to) if ref.is_ours else f"{HOMES[what][0]}/{ref.to}"


def i(text: str) -> ObjectId:
    return ObjectId(text)


ROUTER = Router(id=i("r"), name="web", tier0=theirs("t0"), edge_cluster=theirs("edges"), advertises=("nat", "lb_vip"))
SEGMENT = Segment(
    id=i("s"), name="web", router=ours("r"), transport_zone=theirs("overlay"), gateway="10.0.0.1/24", vlans=("7",)
)
MONITOR = Monitor(id=i("m"), name="web", type="http", path="/healthz", port=8080, status_codes=(200, 204))
POOL = ServerPool(id=i("p"), name="web", monitor=theirs("default-tcp-lb-monitor"), snat=False)
SERVER = VirtualServer(
    id=i("v"),
    name="web",
    ip="192.0.2.9",
    ports=("80", "8000-8010"),
    pool=ours("p"),
    load_balancer=ours("b"),
    profile="http",
    persistence="cookie",
    member_port="8080",
)
SNAT = NatRule(
    id=i("out"), name="out", router=ours("r"), action="SNAT", source="10.0.0.0/24", translated="192.0.2.9", priority=7
)
DNAT = NatRule(
    id=i("in"),
    name="ssh",
    router=theirs("t0"),
    action="DNAT",
    destination="192.0.2.9",
    translated="10.0.0.5",
    ports="22",
    translated_ports="2222",
)
POLICY = SecurityPolicy(
    id=i("policy"),
    name="web",
    scope=(ours("g"),),
    rules=(
        Rule(
            name="allow web",
            sources=(theirs("any"),),
            destinations=(ours("g"), theirs("192.0.2.0/24"), theirs("their group")),
            services=("tcp/8080-8090", "udp/53", "icmp"),
        ),
        Rule(name="ssh", sources=(theirs("10.0.0.1-10.0.0.9"),), services=("SSH",), is_logged=True),
        Rule(name="rest", action="DROP"),
    ),
)
EVERY: tuple[NetworkObject, ...] = (
    ROUTER,
    Router(id=i("bare"), name="bare"),
    SEGMENT,
    Segment(id=i("plain"), name="plain"),
    SNAT,
    DNAT,
    NatRule(id=i("no"), name="no", router=ours("r"), action="NO_SNAT", source="10.0.0.0/24", destination="10.0.0.0/8"),
    NatRule(id=i("both"), name="both", router=ours("r"), action="REFLEXIVE", source="10.0.0.5", translated="192.0.2.7"),
    StaticRoute(id=i("route"), name="lab", router=ours("r"), network="0.0.0.0/0", next_hops=("10.1.1.1", "10.1.1.2")),
    IpBlock(id=i("block"), name="nodes", cidr="10.128.0.0/16"),
    IpPool(id=i("pool"), name="out", cidr="192.0.2.0/24", ranges=(("192.0.2.8", "192.0.2.20"),), gateway="192.0.2.1"),
    Carving(id=i("carving"), name="web", block=ours("block"), cidr="10.128.4.0/24"),
    PoolAddress(id=i("address"), name="out", pool=theirs("floating"), ip="192.0.2.9"),
    Group(id=i("g"), name="web", port_tag=("director/group", "web")),
    Group(id=i("fixed"), name="fixed", addresses=("192.0.2.1", "10.0.0.0/24")),
    Group(id=i("empty"), name="empty"),
    POLICY,
    LoadBalancer(id=i("b"), name="web", router=ours("r"), size="medium"),
    MONITOR,
    Monitor(id=i("mt"), name="tcp"),
    Monitor(id=i("mi"), name="ping", type="icmp"),
    Monitor(id=i("ms"), name="tls", type="https"),
    POOL,
    ServerPool(id=i("dynamic"), name="dynamic", group=ours("g"), algorithm="least_connection"),
    SERVER,
    VirtualServer(id=i("loose"), name="loose", ip="192.0.2.8", ports=("53",), profile="udp"),
)
