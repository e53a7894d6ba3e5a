"""Rules of groups, policies, rules and services. Reference 5.7."""

from collections.abc import Iterator
from typing import Any, Final

from tests.nsxsim.kinds import Place
from tests.nsxsim.problems import Json, Refusal, invalid
from tests.nsxsim.rules import check, complete
from tests.nsxsim.tree import Tree

SECURITY_CATEGORIES: Final = ("Ethernet", "Emergency", "Infrastructure", "Environment", "Application")
GATEWAY_CATEGORIES: Final = (
    "Emergency",
    "SystemRules",
    "SharedPreRules",
    "LocalGatewayRules",
    "AutoServiceRules",
    "Default",
)
FIRST_RULE_ID: Final = 1000
CONDITIONS_MAX: Final = 5
PORTS_MAX: Final = 15


@complete("Group")
def group_expressions(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Json:
    """Every expression gets an id and a path-less identity, so that it can be addressed."""
    said = body.get("expression")
    if not isinstance(said, list):
        return body
    return {**body, "expression": [_named(index, each) for index, each in enumerate(said)]}


def _named(index: int, each: Any) -> Any:
    if not isinstance(each, dict) or each.get("id"):
        return each
    return {**each, "id": f"{str(each.get('resource_type', 'expression')).lower()}-{index}"}


@check("Group")
def odd_expressions(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    yield from _odd(body.get("expression") or [], "expression")


def _odd(listed: list[Json], where: str) -> Iterator[Refusal]:
    if listed and len(listed) % 2 == 0:
        yield invalid(f"has {len(listed)} elements; an odd number is needed", code=500064, field=where)
        return
    for index, each in enumerate(listed):
        is_conjunction = each["resource_type"] == "ConjunctionOperator"
        if is_conjunction != (index % 2 == 1):
            yield invalid("operands and ConjunctionOperators must alternate", code=500064, field=f"{where}[{index}]")
        elif is_conjunction and each.get("conjunction_operator") not in ("OR", "AND"):
            yield invalid("must be OR or AND", code=255, field=f"{where}[{index}].conjunction_operator")
        yield from _operand(each, f"{where}[{index}]")
    yield from _mixed(listed, where)


NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "Condition": ("member_type", "key", "operator", "value"),
    "ExternalIDExpression": ("member_type", "external_ids"),
    "PathExpression": ("paths",),
    "IPAddressExpression": ("ip_addresses",),
    "MACAddressExpression": ("mac_addresses",),
    "NestedExpression": ("expressions",),
}


def _operand(each: Json, where: str) -> Iterator[Refusal]:
    for field in NEEDS.get(each["resource_type"], ()):
        if not each.get(field):
            yield invalid("Required property is missing", code=255, field=f"{where}.{field}")
    if each["resource_type"] == "NestedExpression":
        yield from _odd(each.get("expressions") or [], f"{where}.expressions")
    if each["resource_type"] == "IPAddressExpression":
        families = {":" in str(address) for address in each.get("ip_addresses") or ()}
        if len(families) > 1:
            yield invalid("IPv4 and IPv6 cannot stand in one expression", field=f"{where}.ip_addresses")


def _mixed(listed: list[Json], where: str) -> Iterator[Refusal]:
    conditions = [each for each in listed if each["resource_type"] in ("Condition", "NestedExpression")]
    if len(conditions) > CONDITIONS_MAX:
        yield invalid(f"at most {CONDITIONS_MAX} conditions and nested expressions", field=where)
    for index in range(1, len(listed) - 1, 2):
        types = {listed[index - 1]["resource_type"], listed[index + 1]["resource_type"]}
        mixed = len(types) > 1 and not types <= {"Condition", "NestedExpression"}
        if mixed and listed[index].get("conjunction_operator") == "AND":
            yield invalid("expressions of different types can only be joined by OR", field=f"{where}[{index}]")


@complete("SecurityPolicy")
def security_policy(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Json:
    """Ethernet is stateless; tcp_strict follows stateful unless said."""
    if body["category"] == "Ethernet":
        body = {**body, "stateful": False}
    return {"tcp_strict": body["stateful"], **body}


@check("SecurityPolicy")
def security_category(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    if body["category"] not in SECURITY_CATEGORIES:
        yield invalid(f"'{body['category']}' is not one of {list(SECURITY_CATEGORIES)}", code=255, field="category")


@check("GatewayPolicy")
def gateway_category(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    if body["category"] not in GATEWAY_CATEGORIES:
        yield invalid(f"'{body['category']}' is not one of {list(GATEWAY_CATEGORIES)}", code=255, field="category")


@complete("Rule")
def rule_id(tree: Tree, _place: Place, body: Json, before: Json | None) -> Json:
    if before is not None and "rule_id" in before:
        return {**body, "rule_id": before["rule_id"]}
    taken = tree.next_number("rule_id", FIRST_RULE_ID)
    return {**body, "rule_id": taken}


@check("Rule")
def rule_fits(tree: Tree, place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    policy = tree.get(place.parent) or {}
    category = policy.get("category")
    if body["action"] == "REJECT" and category == "Ethernet":
        yield invalid("REJECT is not for layer 2", field="action")
    if body["action"] == "JUMP_TO_APPLICATION" and category != "Environment":
        yield invalid("JUMP_TO_APPLICATION is for the Environment category only", field="action")
    for field in ("source_groups", "destination_groups", "services", "scope", "profiles"):
        said = body.get(field) or []
        if "ANY" in said and len(said) > 1:
            yield invalid("ANY stands alone", field=field)


@check("ServiceEntry")
def service_entry(_tree: Tree, _place: Place, body: Json, _before: Json | None) -> Iterator[Refusal]:
    if body["resource_type"] != "L4PortSetServiceEntry":
        return
    if not body.get("l4_protocol"):
        yield invalid("Required property is missing", code=255, field="l4_protocol")
    for field in ("destination_ports", "source_ports"):
        count = sum(2 if "-" in each else 1 for each in body.get(field) or ())
        if count > PORTS_MAX:
            yield invalid(f"at most {PORTS_MAX} ports, a range counting as two", field=field)
