"""The table agrees with the official model's shapes, and the seed with both."""

import pytest

from tests.nsxsim import fields, kinds, kinds_all, shapes

assert kinds_all.TABLES


@pytest.mark.parametrize("name", sorted(kinds.KINDS))
def test_a_kinds_defaults_limits_and_formats_are_of_fields_it_has(name):
    kind = kinds.KINDS[name]
    known = set()
    for each in kind.resource_types:
        known |= set(shapes.shape(each)[0])
    inline = {field for field, _ in kind.inline}
    specs = [*kind.defaults, *kind.limits, *kind.formats, *kind.required, *kind.immutable]
    specs += [spec for made in kind.type_defaults.values() for spec in made]
    assert {spec.replace("[]", "").split(".")[0] for spec in specs} <= known | inline


@pytest.mark.parametrize("type_name", kinds.all_types())
def test_a_kinds_defaults_are_of_its_shape(type_name):
    kind = kinds.BY_TYPE[type_name]
    body = fields.with_defaults(kind, type_name, {"id": "x", "resource_type": type_name})
    assert [str(each) for each in shapes.problems(type_name, body)] == []


def test_every_kind_is_found_by_its_path_and_by_its_parent():
    for kind in kinds.KINDS.values():
        for template in kind.at:
            path = "/infra/" + template.replace("*", "x") + ("" if kind.singleton else "/x")
            found = kinds.place(path)
            assert found is not None
            assert found.kind is kind
            assert kinds.child_place(found.parent, kind, found.id) == found


def test_every_seeded_object_is_of_its_shape(world):
    found = [
        f"{path}: {wrong}"
        for path, node in world.sim.tree.nodes.items()
        if node.kind is not None
        for wrong in shapes.problems(node.body["resource_type"], node.body)
    ]
    assert found == []
