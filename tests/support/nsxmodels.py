"""Says where a JSON body departs from NSX's official models, which come with PyPI's ``vcf-nsx``.

It knows the models and nothing of what a manager does with them. The models themselves are read here and nowhere else:
importing them takes a moment and some 50 MB, so it is done at the first question, once in a process.

Note: what the models leave out. Every field of theirs is optional, enums and limits stand in the classes' texts only,
and subtypes are not Python subclasses. So enums and limits are read from those texts, a subtype is told by its
discriminator (``resource_type``, or ``type`` as with ``LBSnatIpPool``), and what must be there is the table ``NEEDED``.
"""

import functools
import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

type_ = Any
"""A binding type, struct class or module of the SDK, which has no types of its own."""

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "ChildResourceReference": ("id", "target_type"),
    "Condition": ("key", "member_type", "operator", "value"),
    "ConjunctionOperator": ("conjunction_operator",),
    "ExternalIDExpression": ("external_ids", "member_type"),
    "ICMPTypeServiceEntry": ("protocol",),
    "IPAddressExpression": ("ip_addresses",),
    "IPProtocolServiceEntry": ("protocol_number",),
    "IpAddressBlock": ("cidr|cidrs|ranges",),
    "IpAddressPoolBlockSubnet": ("ip_block_path", "size|subnet_size"),
    "IpAddressPoolStaticSubnet": ("allocation_ranges", "cidr"),
    "IpPoolRange": ("start", "end"),
    "L4PortSetServiceEntry": ("l4_protocol",),
    "LBPoolMember": ("ip_address",),
    "LBPoolMemberGroup": ("group_path",),
    "LBSnatIpElement": ("ip_address",),
    "LBSnatIpPool": ("ip_addresses",),
    "LBVirtualServer": ("application_profile_path", "ip_address", "ports"),
    "NestedExpression": ("expressions",),
    "PathExpression": ("paths",),
    "PolicyNatRule": ("action",),
    "RouterNexthop": ("ip_address",),
    "SegmentSubnet": ("gateway_address",),
    "StaticRoutes": ("network", "next_hops"),
}
"""Fields without which an object cannot be, ``a|b`` = one of them (reference 5.7 and the models' texts)."""

NAT_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "SNAT": ("source_network", "translated_network"),
    "DNAT": ("destination_network", "translated_network"),
    "REFLEXIVE": ("source_network", "translated_network"),
    "NO_SNAT": ("source_network",),
    "NO_DNAT": ("destination_network",),
    "NAT64": ("source_network", "translated_network"),
}
ECHOED: Final = frozenset({"_revision", "resource_type", "id", "path", "parent_path", "relative_path"})
"""What a client may well send although only the manager sets it: it names the object, or its state."""
DISCRIMINATORS: Final = ("resource_type", "type")


def problems_of(resource_type: str, body: object, *, partial: bool = False, written: bool = False) -> list[str]:
    """Every departure of ``body`` from the model of ``resource_type``, each as ``path: what is wrong``; empty if none.

    ``partial``: a PATCH of something that is already there, so nothing is missed. ``written``: a body we send, so
    fields that only the manager sets are departures too (but ``ECHOED`` ones). Raises ``KeyError`` without a model.
    """
    return sorted(_Check(partial=partial, written=written).struct(_class_of(resource_type), body, ""))


def knows(resource_type: str) -> bool:
    """Whether there is a model of that name."""
    found: Any = getattr(models(), resource_type, None)
    return hasattr(found, "get_binding_type") and found.get_binding_type() is not None


def fields_of(resource_type: str) -> frozenset[str]:
    """The names of all fields of a model. Raises ``KeyError`` when there is none."""
    return frozenset(_class_of(resource_type).get_binding_type().get_field_names())


def read_only_of(resource_type: str) -> frozenset[str]:
    """The fields that only a manager sets. Raises ``KeyError`` when there is no such model."""
    return frozenset(name for name, rule in _rules(resource_type).items() if rule.read_only)


def enum_of(resource_type: str, field: str) -> frozenset[str]:
    """The values a field may have; empty when it is no enum, or not there. Raises ``KeyError`` without a model."""
    return _rules(resource_type).get(field, _Rule()).enum


@functools.cache
def sdk(module: str) -> ModuleType:
    """A module of the SDK, which uses what Python means to drop. Raises ``ModuleNotFoundError`` without ``vcf-nsx``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module(module)


def models() -> ModuleType:
    """``vcf.nsx.model_client``. Raises ``ModuleNotFoundError`` where ``vcf-nsx`` is not installed."""
    return sdk("vcf.nsx.model_client")


def _class_of(resource_type: str) -> type_:
    if not knows(resource_type):
        raise KeyError(f"vcf-nsx has no model {resource_type}")
    return getattr(models(), resource_type)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    enum: frozenset[str] = frozenset()
    read_only: bool = False
    length_max: int | None = None
    least: int | None = None
    most: int | None = None


@functools.cache
def _rules(resource_type: str) -> Mapping[str, _Rule]:
    """What the text of a model's constructor says of each field, by the field's name on the wire."""
    cls = _class_of(resource_type)
    texts = re.split(r"^\s*:type  (\w+):", cls.__init__.__doc__ or "", flags=re.MULTILINE)
    by_python_name = dict(zip(texts[1::2], texts[2::2], strict=True))
    return {
        name: _rule(by_python_name.get(cls._get_pep_name(name), ""))
        for name in cls.get_binding_type().get_field_names()
    }


def _rule(text: str) -> _Rule:
    _, _, enum = text.partition("Possible values for this attribute:")
    constants = re.findall(r"\*\s+vcf\.nsx\.model\.(\w+)\.(\w+)", enum)
    return _Rule(
        enum=frozenset(getattr(getattr(models(), owner), constant) for owner, constant in constants),
        read_only="* Property is read-only." in text,
        length_max=_limit(r"maximum length of the string must be", text),
        least=_limit(r"minimum allowable value must be >=", text),
        most=_limit(r"maximum allowable value must be <=", text),
    )


def _limit(words: str, text: str) -> int | None:
    found = re.search(words.replace(" ", r"\s+") + r"\s+(-?\d+)\b(?!\.\d)", text)
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """One walk over a body; each method yields the departures below ``path``."""

    partial: bool
    written: bool

    def struct(self, cls: type_, body: object, path: str) -> Iterator[str]:
        if not isinstance(body, dict):
            yield f"{path or '.'}: {_shown(body)} is not an object ({cls.__name__})"
            return
        if "resource_type" in fields_of(cls.__name__) and body.get("resource_type", cls.__name__) != cls.__name__:
            yield f"{_at(path, 'resource_type')}: {_shown(body['resource_type'])} is not {cls.__name__!r}"
        if not self.partial:
            yield from _missing(cls.__name__, body, path)
        yield from self._fields(cls, body, path)
        yield from _child(cls.__name__, body, path)

    def _fields(self, cls: type_, body: Mapping[str, object], path: str) -> Iterator[str]:
        rules = _rules(cls.__name__)
        for name, value in body.items():
            at = _at(path, name)
            if name not in rules:
                yield f"{at}: {cls.__name__} has no such field"
            elif value is not None:
                if self.written and rules[name].read_only and name not in ECHOED:
                    yield f"{at}: only the manager sets it"
                yield from self._value(cls.get_binding_type().get_field(name), rules[name], value, at)

    def _value(self, typ: type_, rule: _Rule, value: object, at: str) -> Iterator[str]:
        match type(typ).__name__:
            case "OptionalType":
                yield from self._value(typ.element_type, rule, value, at)
            case "ListType":
                yield from self._items(typ.element_type, rule, value, at)
            case "ReferenceType":
                base = typ.resolved_type.binding_class
                yield from self.struct(_subtype(base, value) or base, value, at)
            case "DynamicStructType":
                yield from self._polymorphic(typ, value, at)
            case kind:
                yield from _scalar(kind, rule, value, at)

    def _items(self, typ: type_, rule: _Rule, value: object, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{at}: {_shown(value)} is not a list"
            return
        for index, item in enumerate(value):
            yield from self._value(typ, rule, item, f"{at}[{index}]")

    def _polymorphic(self, typ: type_, value: object, at: str) -> Iterator[str]:
        bases = [reference.resolved_type.binding_class for reference in typ.has_fields_of_type or ()]
        if not isinstance(value, dict):
            yield f"{at}: {_shown(value)} is not an object"
        elif (found := _discriminated(value)) is not None and all(_extends(found, base) for base in bases):
            yield from _listed(bases, found, at)
            yield from self.struct(found, value, at)
        elif bases or found is not None:
            wanted = " and ".join(base.__name__ for base in bases)
            yield f"{_at(at, 'resource_type')}: {_shown(value.get('resource_type'))} is not a kind of {wanted}"


def _discriminated(body: Mapping[str, object]) -> type_ | None:
    for field in DISCRIMINATORS:
        name = body.get(field)
        if isinstance(name, str) and knows(name):
            return _class_of(name)
    return None


def _subtype(base: type_, body: object) -> type_ | None:
    """A model that has all fields of ``base`` and that the body names in a field which ``base`` has too."""
    if not isinstance(body, dict):
        return None
    named = _discriminated({field: body.get(field) for field in DISCRIMINATORS if field in fields_of(base.__name__)})
    return named if named is not None and _extends(named, base) else None


def _extends(cls: type_, base: type_) -> bool:
    return fields_of(base.__name__) <= fields_of(cls.__name__)


def _listed(bases: list[type_], cls: type_, at: str) -> Iterator[str]:
    """Some bases list their subtypes; a model that merely has the same fields is not one of them."""
    for base in bases:
        enum = _rules(base.__name__)["resource_type"].enum if "resource_type" in fields_of(base.__name__) else None
        if enum and cls.__name__ not in enum:
            yield f"{_at(at, 'resource_type')}: {cls.__name__!r} is not a kind of {base.__name__}: {_choices(enum)}"


def _missing(name: str, body: Mapping[str, object], path: str) -> Iterator[str]:
    if body.get("marked_for_delete"):
        return
    action = body.get("action")
    nat = NAT_NEEDED.get(action, ()) if name == "PolicyNatRule" and isinstance(action, str) else ()
    for names in (*NEEDED.get(name, ()), *nat):
        if all(body.get(one) in (None, "", []) for one in names.split("|")):
            yield f"{_at(path, names)}: {name} needs it"


def _child(name: str, body: Mapping[str, object], path: str) -> Iterator[str]:
    """A wrapper of the hierarchical API carries its object under the object's name, and that has an id (5.8)."""
    wrapped = name.removeprefix("Child")
    if wrapped in (name, "ResourceReference", "PolicyConfigResource") or wrapped not in fields_of(name):
        return
    inner = body.get(wrapped)
    if not isinstance(inner, dict):
        yield f"{_at(path, wrapped)}: {name} needs it"
    elif not inner.get("id"):
        yield f"{_at(path, wrapped)}.id: {name} needs it"


def _scalar(kind: str, rule: _Rule, value: object, at: str) -> Iterator[str]:
    match kind, value:
        case "BooleanType", bool():
            return
        case "IntegerType", int() if not isinstance(value, bool):
            yield from _range(rule, value, at)
        case "DoubleType", int() | float() if not isinstance(value, bool):
            yield from _range(rule, value, at)
        case (("StringType" | "SecretType" | "URIType" | "DateTimeType" | "IdType"), str()):
            yield from _text(rule, value, at)
        case "OpaqueType", _:
            return
        case _:
            yield f"{at}: {_shown(value)} is not of {kind.removesuffix('Type').lower()} type"


def _range(rule: _Rule, value: float, at: str) -> Iterator[str]:
    if rule.least is not None and value < rule.least:
        yield f"{at}: {value} is below {rule.least}"
    if rule.most is not None and value > rule.most:
        yield f"{at}: {value} is above {rule.most}"


def _text(rule: _Rule, value: str, at: str) -> Iterator[str]:
    if rule.enum and value not in rule.enum:
        yield f"{at}: {value!r} is none of {_choices(rule.enum)}"
    if rule.length_max is not None and len(value) > rule.length_max:
        yield f"{at}: {len(value)} characters are more than {rule.length_max}"


def _choices(enum: frozenset[str]) -> str:
    return ", ".join(sorted(enum))


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(value: object) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{type(value).__name__}"
