"""What a case of the suites is, and how the ones that come up again and again are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SITE: Final = "/infra/sites/default/enforcement-points/default"
DOMAIN: Final = "/infra/domains/default"
T0: Final = "/infra/tier-0s/ground-t0"
T1: Final = "/infra/tier-1s/ground-t1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``template`` with ``parents`` and an id of the test's is the object; ``change`` what the second write sets."""

    template: str
    model: str
    body: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    change: Mapping[str, Any] = field(default_factory=lambda: {"description": "changed"})
    name: str = ""

    @property
    def collection(self) -> str:
        return self.template.removesuffix("/{}")

    def path(self, id_: str) -> str:
        return self.template.format(*self.parents, id_)

    def __str__(self) -> str:
        return self.name or self.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Paths of what the simulator begins with, looked up and not assumed."""

    edge_cluster: str
    edge_node: str
    overlay: str
    vlan: str


def condition(value: str) -> dict[str, Any]:
    """VMs with a tag ``scope|tag``."""
    return {
        "resource_type": "Condition",
        "member_type": "VirtualMachine",
        "key": "Tag",
        "operator": "EQUALS",
        "value": value,
    }


def typed(resource_type: str, **fields: Any) -> dict[str, Any]:
    return {"resource_type": resource_type, **fields}


def l4_entry(ports: str, **fields: Any) -> dict[str, Any]:
    return typed("L4PortSetServiceEntry", l4_protocol="TCP", destination_ports=[ports], **fields)


def profile(kind: str, model: str, body: Mapping[str, Any]) -> Case:
    return Case(template=f"/infra/lb-{kind}-profiles/{{}}", model=model, body=typed(model, **body))


def locale_services(routers: str, router: str, seed: Seed, name: str = "") -> Case:
    return Case(
        template=f"/infra/{routers}/{{}}/locale-services/{{}}",
        model="LocaleServices",
        parents=(router,),
        body={"edge_cluster_path": seed.edge_cluster},
        name=name,
    )


def nat_rule(routers: str, router: str, name: str, body: Mapping[str, Any]) -> Case:
    return Case(
        template=f"/infra/{routers}/{{}}/nat/{{}}/nat-rules/{{}}",
        model="PolicyNatRule",
        parents=(router, "USER"),
        body=body,
        change={"sequence_number": 10},
        name=name,
    )


def segment(body: Mapping[str, Any], parent: str = "", name: str = "", **rest: Any) -> Case:
    template, parents = ("/infra/tier-1s/{}/segments/{}", (parent,)) if parent else ("/infra/segments/{}", ())
    return Case(template=template, model="Segment", parents=parents, body=body, name=name, **rest)


def static_subnet(pool: str, net: str, **rest: Any) -> Case:
    ranges = [{"start": f"{net}.10", "end": f"{net}.90"}]
    body = typed("IpAddressPoolStaticSubnet", cidr=f"{net}.0/24", allocation_ranges=ranges, gateway_ip=f"{net}.1")
    model = "IpAddressPoolStaticSubnet"
    return Case(template="/infra/ip-pools/{}/ip-subnets/{}", model=model, parents=(pool,), body=body, **rest)


def policy(kind: str, body: Mapping[str, Any]) -> Case:
    model = "SecurityPolicy" if kind == "security-policies" else "GatewayPolicy"
    template = f"/infra/domains/{{}}/{kind}/{{}}"
    change = {"sequence_number": 7}
    return Case(template=template, model=model, parents=("default",), body=body, change=change)
