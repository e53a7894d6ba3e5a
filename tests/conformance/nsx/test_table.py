"""The simulator's table of kinds names only what the official models have, in the models' own types."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.nsxsim import kinds_all
from tests.nsxsim.kinds import KINDS, Kind
from tests.support.nsxmodels import fields_of, knows, models, problems_of

assert kinds_all.TABLES
each = pytest.mark.parametrize("name", sorted(KINDS))


@each
def test_its_resource_types_are_official(name: str) -> None:
    assert [one for one in KINDS[name].resource_types if not knows(one)] == []
    assert knows(f"Child{name}") or KINDS[name].read_only


@each
def test_its_fields_are_official(name: str) -> None:
    unknown = [
        field
        for field in named_fields(KINDS[name])
        if not any(reaches(one, field) for one in KINDS[name].resource_types)
    ]
    assert unknown == []


@each
def test_its_defaults_are_of_the_official_types(name: str) -> None:
    kind = KINDS[name]
    for one in kind.resource_types:
        whole = {**kind.defaults, **kind.type_defaults.get(one, {})}
        body = nested({field: value for field, value in whole.items() if "[]" not in field and reaches(one, field)})
        assert problems_of(one, body, partial=True) == []


def named_fields(kind: Kind) -> Iterator[str]:
    yield from (*kind.required, *kind.immutable, *kind.defaults, *kind.limits, *kind.formats)
    yield from (field for field, _ in kind.inline)
    for own in kind.type_defaults.values():
        yield from own


SUBTYPES = {"LBSnatTranslation": "LBSnatIpPool"}
"""Told by ``type``, which the models do not say of a field."""


def reaches(model: str, field: str) -> bool:
    """Whether ``a.b[].c`` leads somewhere in a model; below what has several kinds, in any of them or unchecked."""
    name, _, rest = field.partition(".")
    bare = name.removesuffix("[]")
    if bare not in fields_of(model):
        return False
    typ = getattr(models(), model).get_binding_type().get_field(bare)
    while hasattr(typ, "element_type"):
        typ = typ.element_type
    if not rest:
        return True
    if not hasattr(typ, "resolved_type"):
        return True
    below = typ.resolved_type.binding_class.__name__
    return reaches(SUBTYPES.get(below, below), rest)


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for field, value in flat.items():
        *above, last = field.split(".")
        inner = body
        for name in above:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return body
