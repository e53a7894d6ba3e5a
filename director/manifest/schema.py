"""The shape of manifests and configs: JSON Schema errors told in an operator's words.

Decides nothing about meaning. The schemas carry words for messages under ``x-`` keys, told in ``manifest-v2.json``.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, TypeChecker, ValidationError, validators
from referencing import Registry, Resource

from director.manifest import faults
from director.manifest.document import Path, kind_of
from director.manifest.faults import Fault
from director.manifest.near import listed, misspelt, nearest
from director.manifest.report import Report
from director.model.problem import Severity
from director.model.tree import Node

MANIFEST: Final = "manifest-v2"
CLOUD: Final = "cloud-config"
RUNTIME: Final = "runtime-config"
CPI: Final = "cpi-config"
NETWORK: Final = "network-config"
RESURRECTION: Final = "resurrection-config"
_NAMES: Final = (MANIFEST, CLOUD, RUNTIME, CPI, NETWORK, RESURRECTION, "addon", "fabric")

_KINDS: Final[Mapping[str, str]] = {
    "object": "a map",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
_TEXT_MAX: Final = 60
_KEYS_MAX: Final = 1000


def schema_text(name: str) -> str:
    """The JSON text of a schema this room checks with: manifest-v2, cloud-, runtime-, cpi-, network- or
    resurrection-config, addon, or fabric.
    """
    return resources.files("director.manifest").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")


def check_shape(report: Report, schema: str, *, is_strict: bool) -> None:
    """Reports keys that are missing or unknown, values of the wrong type or out of bounds."""
    for error in _validator(schema).iter_errors(report.document.node):
        _report(report, error, is_strict=is_strict)


@cache
def _validator(name: str) -> Draft202012Validator:
    schemas = {known: json.loads(schema_text(known)) for known in _NAMES}
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()
    )
    checker: TypeChecker = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    ours = {"required": _required, "additionalProperties": _additional}
    extend = cast("Callable[..., type[Draft202012Validator]]", validators.extend)
    return extend(Draft202012Validator, ours, type_checker=checker)(schemas[name], registry=registry)


def _is_integer(_: TypeChecker, value: object) -> bool:
    """JSON Schema takes 3.0 for an integer; BOSH does not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _required(_: Any, keys: list[str], node: Any, __: Any) -> Iterator[ValidationError]:
    """One error per missing key, at the path of that key, none for a key that is there misspelt."""
    if isinstance(node, dict):
        for key in keys:
            if key not in node and not any(misspelt(other, [key]) for other in islice(node, _KEYS_MAX)):
                yield ValidationError("", path=[key])


def _additional(validator: Any, below: Any, node: Any, schema: Any) -> Iterator[ValidationError]:
    """One error per key that ``properties`` does not name, at the path of that key."""
    if not isinstance(node, dict):
        return
    for key in node:
        if key in schema.get("properties", {}):
            continue
        if below is False:
            yield ValidationError("", path=[key])
        else:
            yield from validator.descend(node[key], below, path=key)


def _report(report: Report, error: ValidationError, *, is_strict: bool) -> None:
    path: Path = tuple(error.absolute_path)
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    match error.validator:
        case "required":
            _report_missing(report, path, schema)
        case "additionalProperties":
            _report_unknown(report, path, schema, is_strict=is_strict)
        case "type" | "enum" | "pattern":
            fault = faults.WRONG_TYPE if error.validator == "type" else faults.BAD_VALUE
            _report_value(report, path, error, fault)
        case "minimum" | "maximum":
            fault = faults.BELOW_MIN if error.validator == "minimum" else faults.ABOVE_MAX
            _report_value(report, path, error, fault)
        case "minItems" | "minLength":
            fix = "add what belongs here, or remove the key."
            report.error(path, _numbered(faults.TOO_FEW, schema), f"{report.words(path)} is empty.", fix)
        case other:
            raise AssertionError(f"the schemas use {other}, for which there are no words")


def _report_missing(report: Report, path: Path, schema: Mapping[str, Any]) -> None:
    if path == ("instance_groups",):
        detail = "The manifest has no instance_groups, which could mean that every group shall be deleted."
        fix = "write instance_groups: [] to delete every group, or add the groups."
        report.error(path, faults.NO_GROUPS, detail, fix)
        return
    where = report.words(path[:-1])
    expect = _expect(schema.get("properties", {}).get(path[-1], {}))
    detail = f"{where} has no {path[-1]}, which is required."
    report.error(path, _numbered(faults.MISSING_KEY, schema), detail, f"add {path[-1]}: with {expect}.")


def _report_unknown(report: Report, path: Path, schema: Mapping[str, Any], *, is_strict: bool) -> None:
    key = str(path[-1])
    known = schema.get("properties", {})
    removed = schema.get("x-removed", {}).get(key)
    if removed:
        fault = faults.REMOVED_KEY._replace(number=removed["number"])
        where = report.words(path[:-1])
        report.at_key(path, fault, f"{where} has {key}, which does not belong here.", removed["fix"])
        return
    surely = misspelt(key, (*schema.get("x-important", ()), *schema.get("required", ())))
    guess = surely or nearest(key, known)
    detail = f"{report.words(path[:-1])} has the key {key}, which means nothing here and would be ignored."
    fix = f'did you mean "{guess}"?' if guess else f"remove it; keys known here: {listed(known)}."
    is_error = is_strict or surely is not None
    report.at_key(path, faults.UNKNOWN_KEY, detail, fix, Severity.ERROR if is_error else Severity.WARNING)


def _report_value(report: Report, path: Path, error: ValidationError, fault: Fault) -> None:
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    expect = _expect(schema)
    value = cast("Node", error.instance)
    found = kind_of(value) if schema.get("x-secret") else shown(value)
    if "x-code" in schema and error.validator != "type":
        fault = fault._replace(code=schema["x-code"])
    detail = f"{report.words(path)} must be {expect}, but is {found}."
    report.error(path, _numbered(fault, schema), detail, _fix(error, expect))


def _fix(error: ValidationError, expect: str) -> str:
    value = cast("Node", error.instance)
    if error.validator == "type" and "string" in _types(error.schema) and isinstance(value, int | float):
        return f'put it in quotes: "{str(value).lower()}".'
    if value is None:
        return f"give it {expect}, or remove the key."
    choices = cast("list[str]", error.validator_value) if error.validator == "enum" else []
    guess = nearest(value, choices) if isinstance(value, str) else None
    return f'did you mean "{guess}"?' if guess else f"write {expect}."


def shown(value: Node) -> str:
    """An offending value for a message: scalars themselves, never what is inside a map or list."""
    match value:
        case bool():
            return "the boolean true" if value else "the boolean false"
        case str():
            return f'"{value[:_TEXT_MAX]}"' + ("..." if len(value) > _TEXT_MAX else "")
        case int() | float():
            return f"the number {value}"
        case _:
            return kind_of(value)


def _expect(schema: Mapping[str, Any]) -> str:
    if "x-expect" in schema:
        return str(schema["x-expect"])
    if "enum" in schema:
        return "one of " + listed(schema["enum"])
    return " or ".join(_KINDS[kind] for kind in _types(schema) if kind != "null") or "a value"


def _types(schema: Any) -> tuple[str, ...]:
    types = schema.get("type", ()) if isinstance(schema, dict) else ()
    return (types,) if isinstance(types, str) else tuple(types)


def _numbered(fault: Fault, schema: Mapping[str, Any]) -> Fault:
    return fault._replace(number=schema.get("x-number", fault.number))
