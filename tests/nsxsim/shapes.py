"""Holds bodies to the shapes of the official model (shapes.json): unknown fields, types, enums.

Which fields a type has and what they may hold is data; this only walks it. Reference 5.7.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.nsxsim.problems import Json, Refusal, invalid, unknown_field

SUBTYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "Expression": (
        "Condition",
        "ConjunctionOperator",
        "ExternalIDExpression",
        "IPAddressExpression",
        "IdentityGroupExpression",
        "MACAddressExpression",
        "NestedExpression",
        "PathExpression",
    ),
    "ServiceEntry": (
        "ALGTypeServiceEntry",
        "EtherTypeServiceEntry",
        "ICMPTypeServiceEntry",
        "IGMPTypeServiceEntry",
        "IPProtocolServiceEntry",
        "L4PortSetServiceEntry",
        "NestedServiceServiceEntry",
    ),
    "LBSnatTranslation": ("LBSnatAutoMap", "LBSnatDisabled", "LBSnatIpPool"),
}
"""A base type and what may stand in its place; the element's resource_type (or type) says which."""

DISCRIMINATORS: Final[Mapping[str, str]] = {"LBSnatTranslation": "type"}

FREE: Final = frozenset({"LBRuleAction", "LBRuleCondition", "ResourceLink", "SelfResourceLink"})
"""Types whose insides are not looked at."""

MANAGED: Final = (
    "_create_time", "_create_user", "_last_modified_time", "_last_modified_user", "_links", "_protection", "_revision",
    "_schema", "_self", "_system_owned", "description", "display_name", "id", "marked_for_delete", "origin_site_id",
    "overridden", "owner_id", "parent_path", "path", "realization_id", "relative_path", "remote_path", "resource_type",
    "tags", "unique_id",
)  # fmt: skip
"""Fields every object of the tree has."""

_MANAGED_NOTES: Final = {
    **dict.fromkeys(MANAGED, "s"),
    **dict.fromkeys(("_create_time", "_last_modified_time", "_revision"), "i"),
    **dict.fromkeys(("_system_owned", "marked_for_delete", "overridden"), "b"),
    "_links": "*", "_self": "*", "tags": "[Tag]",
}  # fmt: skip

_PLAIN: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "s": ((str,), "a string"),
    "i": ((int,), "an integer"),
    "d": ((int, float), "a number"),
    "b": ((bool,), "a boolean"),
}


@cache
def shape(name: str) -> tuple[Mapping[str, str], Mapping[str, frozenset[Any]]]:
    """(field to its notation, field to its values) of a type."""
    said = _all()[name]
    fields = {**(_MANAGED_NOTES if said.get("managed") else {}), **said["fields"]}
    return fields, {field: frozenset(values) for field, values in said.get("enums", {}).items()}


@cache
def _all() -> Json:
    loaded: Json = json.loads(Path(__file__).with_name("shapes.json").read_text())
    return loaded


def problems(type_name: str, body: Mapping[str, Any], *, strict: bool = True) -> Iterator[Refusal]:
    """Every way a body departs from its type's shape; nulls say nothing."""
    yield from _struct(type_name, body, "", strict)


def _struct(type_name: str, body: Mapping[str, Any], where: str, strict: bool) -> Iterator[Refusal]:
    fields, enums = shape(type_name)
    for name, value in body.items():
        if name not in fields:
            if strict:
                yield unknown_field(type_name, where + name)
        elif value is not None:
            yield from _value(fields[name], value, where + name, strict)
            if name in enums:
                yield from _listed(enums[name], value, where + name)


def _listed(allowed: frozenset[Any], value: Any, where: str) -> Iterator[Refusal]:
    for each in value if isinstance(value, list) else (value,):
        if isinstance(each, str) and each not in allowed:
            named = ", ".join(sorted(map(str, allowed)))
            yield invalid(f"'{each}' is not one of [{named}]", code=255, field=where)


def _value(note: str, value: Any, where: str, strict: bool) -> Iterator[Refusal]:
    if note == "*":
        return
    if note[0] == "[":
        yield from _list(note[1:-1], value, where, strict)
    elif note[0] == "{":
        if not isinstance(value, dict):
            yield _wrong(value, "an object", where)
    elif note in _PLAIN:
        kinds, words = _PLAIN[note]
        if not isinstance(value, kinds) or (isinstance(value, bool) and note != "b"):
            yield _wrong(value, words, where)
    elif not isinstance(value, dict):
        yield _wrong(value, "an object", where)
    else:
        yield from _named(note, value, where, strict)


def _list(note: str, value: Any, where: str, strict: bool) -> Iterator[Refusal]:
    if not isinstance(value, list):
        yield _wrong(value, "a list", where)
        return
    for index, each in enumerate(value):
        yield from _value(note, each, f"{where}[{index}]", strict)


def _named(base: str, value: Json, where: str, strict: bool) -> Iterator[Refusal]:
    name = base
    if base in SUBTYPES:
        key = DISCRIMINATORS.get(base, "resource_type")
        name = value.get(key, "")
        if name not in SUBTYPES[base]:
            yield invalid(f"'{name}' is not one of {list(SUBTYPES[base])}", code=255, field=f"{where}.{key}")
            return
    yield from _struct(name, value, where + ".", strict)


def _wrong(value: Any, words: str, where: str) -> Refusal:
    return Refusal(400, 220, f"Field '{where}' must be {words}, not {value!r}", module="common-services")
