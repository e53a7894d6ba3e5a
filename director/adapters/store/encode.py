"""Model values as plain JSON trees and back: the shape of everything the store keeps.

It decides no policy. Every field is written, also one that has its default, so that a later change of a
default does not change what was recorded; a field missing in what is read takes its default.

Note: plain trees. Properties, env and cloud properties are JSON already and pass through unwalked.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from director.model.fabric import NetworkObject
from director.model.plan import Plan
from director.model.release import Job, LinkConsumed, LinkProvided, PropertySpec
from director.model.step import Step
from director.model.tree import Node, Tree

T = TypeVar("T")

STEP_TAG = "step"
"""The key that tells one class of the Step union from another, by its name."""


OBJECT_TAG = "object"
"""Likewise of the NetworkObject union."""


def plan_to_tree(plan: Plan) -> Tree:
    """The plan as plain data, for ``PlanRecord.body``."""
    return to_tree(plan)


def plan_from_tree(tree: Tree) -> Plan:
    """The plan that ``plan_to_tree`` wrote. Raises KeyError or ValueError for a tree of no plan."""
    return _CONVERTER.structure(tree, Plan)


def to_tree(value: object) -> Tree:
    """A model dataclass as a tree of dicts and lists; the plain trees inside it are shared, not copied."""
    tree: Tree = _CONVERTER.unstructure(value)
    return tree


def from_tree(tree: Tree, kind: type[T]) -> T:
    """The value of ``kind`` that ``to_tree`` wrote."""
    return _CONVERTER.structure(tree, kind)


def to_text(value: object) -> str:
    """A model dataclass as compact JSON."""
    return text_of(_CONVERTER.unstructure(value))


def from_text(text: str, kind: type[T]) -> T:
    """The value of ``kind`` that ``to_text`` wrote."""
    return _CONVERTER.structure(json.loads(text), kind)


def text_of(tree: Tree) -> str:
    """A plain tree as compact JSON; frozen mappings count as objects, tuples as arrays."""
    return _JSON.encode(tree)


def tree_of(text: str) -> Tree:
    """The plain tree that ``text_of`` wrote."""
    tree: Tree = json.loads(text)
    return tree


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not plain data")


def _is_tree(kind: Any) -> bool:
    return bool(kind == Tree)


def _same(value: Any, _kind: Any = None) -> Any:
    return value


def _property_to_tree(spec: PropertySpec) -> dict[str, Node]:
    return {"default": spec.default, "description": spec.description, "type": spec.type}


def _property_from_tree(tree: Any, _kind: Any) -> PropertySpec:
    return PropertySpec(**tree)


def _job_to_tree(job: Job) -> dict[str, Node]:
    """By hand, as for PropertySpec: cattrs cannot resolve the recursive alias Node in their annotations."""
    return {
        "name": job.name,
        "fingerprint": job.fingerprint,
        "blob": job.blob,
        "digest": job.digest,
        "templates": dict(job.templates),
        "packages": list(job.packages),
        "properties": {name: _property_to_tree(spec) for name, spec in job.properties.items()},
        "provides": [_CONVERTER.unstructure(link) for link in job.provides],
        "consumes": [_CONVERTER.unstructure(link) for link in job.consumes],
        "properties_schema": job.properties_schema,
    }


def _job_from_tree(tree: Any, _kind: Any) -> Job:
    read = {
        "packages": tuple(tree["packages"]),
        "properties": {name: PropertySpec(**spec) for name, spec in tree["properties"].items()},
        "provides": _CONVERTER.structure(tree["provides"], tuple[LinkProvided, ...]),
        "consumes": _CONVERTER.structure(tree["consumes"], tuple[LinkConsumed, ...]),
    }
    return Job(**{**tree, **read})


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False, unstruct_collection_overrides={tuple: list})
    converter.register_structure_hook_func(_is_tree, _same)
    converter.register_unstructure_hook_func(_is_tree, _same)
    converter.register_structure_hook(bytes, lambda text, _: base64.b64decode(text))
    converter.register_unstructure_hook(bytes, lambda raw: base64.b64encode(raw).decode("ascii"))
    converter.register_structure_hook(PropertySpec, _property_from_tree)
    converter.register_unstructure_hook(PropertySpec, _property_to_tree)
    converter.register_structure_hook(Job, _job_from_tree)
    converter.register_unstructure_hook(Job, _job_to_tree)
    configure_tagged_union(NetworkObject, converter, tag_name=OBJECT_TAG)
    configure_tagged_union(Step, converter, tag_name=STEP_TAG)
    return converter


_CONVERTER = _make_converter()
_JSON = json.JSONEncoder(separators=(",", ":"), default=_plain, check_circular=False)
