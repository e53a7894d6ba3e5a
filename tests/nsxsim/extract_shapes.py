"""Writes shapes.json: which fields, types and enums each resource type has, read off PyPI's official `vcf-nsx`.

Run by hand when kinds are added: `python -m tests.nsxsim.extract_shapes`. The simulator itself never imports the SDK.
Notation: s string, i integer, d number, b boolean, * anything, [x] list of x, {x} map to x, a type's name otherwise.
"""

import json
import re
from pathlib import Path
from typing import Any

import vcf.nsx.model_client as model  # type: ignore[import-untyped]  # the SDK has no types
from vmware.vapi.bindings import type as binding  # type: ignore[import-untyped]  # likewise

from tests.nsxsim import kinds, kinds_all, shapes

assert kinds_all.TABLES
OUT = Path(__file__).with_name("shapes.json")
LETTERS = {
    binding.StringType: "s",
    binding.IntegerType: "i",
    binding.DoubleType: "d",
    binding.BooleanType: "b",
    binding.URIType: "s",
    binding.DateTimeType: "s",
}


def note_of(kind: Any, met: set[str]) -> str:
    if isinstance(kind, binding.OptionalType):
        return note_of(kind.element_type, met)
    if isinstance(kind, (binding.ListType, binding.SetType)):
        return f"[{note_of(kind.element_type, met)}]"
    if isinstance(kind, binding.MapType):
        return "{" + note_of(kind.value_type, met) + "}"
    if isinstance(kind, binding.ReferenceType):
        return named(kind.resolved_type.binding_class.__name__, met)
    if isinstance(kind, binding.DynamicStructType):
        bases = kind.has_fields_of_type or []
        return named(bases[0].resolved_type.binding_class.__name__, met) if len(bases) == 1 else "*"
    return LETTERS.get(type(kind), "*")


def named(name: str, met: set[str]) -> str:
    if name in shapes.FREE:
        return "*"
    met.update(shapes.SUBTYPES.get(name, ()))
    met.add(name)
    return name


def enums_of(made: Any) -> dict[str, list[str]]:
    """Field to its values, from the constants each `:param` lists."""
    found: dict[str, list[str]] = {}
    parts = re.split(r":param (\w+):", made.__init__.__doc__ or "")
    for field, text in zip(parts[1::2], parts[2::2], strict=True):
        listed = text.split(":type", 1)[0]
        constants = re.findall(r"\*\s+vcf\.nsx\.model\.(\w+)\.(\w+)", listed)
        # A base's docs also name constants of types that never made it into the model.
        values = [value for owner, name in constants if (value := getattr(getattr(model, owner, made), name, None))]
        if values:
            found[field] = sorted(dict.fromkeys(values))
    return found


def shape_of(name: str, met: set[str]) -> dict[str, Any]:
    made = getattr(model, name)
    bound = made.get_binding_type()
    fields = {
        field: note_of(bound.get_field(field), met) for field in sorted(bound.get_field_names()) if field != "children"
    }
    managed = set(shapes.MANAGED) <= set(fields)
    kept = {field: note for field, note in fields.items() if not (managed and field in shapes.MANAGED)}
    said: dict[str, Any] = {"fields": kept}
    enums = {field: values for field, values in enums_of(made).items() if field in kept and field != "resource_type"}
    if enums:
        said["enums"] = enums
    if managed:
        said["managed"] = True
    return said


def main() -> None:
    met = set(kinds.all_types())
    done: dict[str, Any] = {}
    while todo := sorted(met - set(done)):
        for name in todo:
            done[name] = shape_of(name, met)
    OUT.write_text(json.dumps(done, indent=0, sort_keys=True, separators=(",", ":")) + "\n")
    print(f"{len(done)} types, {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
