"""What a variable asks for, checked: options as typed values, or every problem with them. Pure.

The types and options are those of BOSH's command (bosh-director.md 3.8); an option it would pass over unread
is a problem here.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from director.model.deployment import Variable
from director.model.problem import Problem
from director.model.tree import Node, Tree

UPDATE_MODES: Final = ("converge", "no-overwrite", "overwrite")
KEY_LENGTHS: Final = (2048, 3072, 4096)
KEY_USAGES: Final = ("client_auth", "server_auth")
PASSWORD_LENGTH_MAX: Final = 1024
DURATION_DAYS_MAX: Final = 36_500
COMMON_NAME_MAX: Final = 64
"""By X.520; longer ones are refused by those who check certificates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    length: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """``is_ssh`` writes the public key as OpenSSH does, with its fingerprint."""

    key_length: int = 2048
    is_ssh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """``ca`` names the variable that signs; only a CA may be without."""

    common_name: str = ""
    organization: str = "Cloud Foundry"
    alternative_names: tuple[str, ...] = ()
    is_ca: bool = False
    ca: str | None = None
    extended_key_usage: tuple[str, ...] = ()
    duration_days: int = 365
    key_length: int = 3072


Wish = Password | KeyPair | Certificate

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "password": ("length",),
    "certificate": (
        "alternative_names",
        "ca",
        "common_name",
        "duration",
        "extended_key_usage",
        "is_ca",
        "key_length",
        "organization",
    ),
    "rsa": ("key_length",),
    "ssh": ("key_length",),
}
"""The options of each type, sorted."""


def problem(variable: Variable, code: str, detail: str, fix: str, *, number: int = 560000) -> Problem:
    """One thing wrong with a variable. ``detail`` goes on after its name."""
    summaries = {
        "bad-option": "Bad option of a variable",
        "ca": "Unusable CA of a certificate",
        "duplicate": "Variable declared twice",
        "type": "Unknown type of variable",
        "update-mode": "Unknown update mode",
    }
    return Problem(
        code=f"variable.{code}",
        summary=summaries[code],
        detail=f'Variable "{variable.name}" {detail}',
        fix=fix,
        mark=variable.mark,
        number=number,
    )


def read_wish(variable: Variable) -> tuple[Wish | None, tuple[Problem, ...]]:
    """What to generate, or None and everything that is wrong."""
    problems = list(_check_mode(variable))
    if variable.type not in NAMES:
        detail = f'has type "{variable.type}", which the director cannot generate.'
        problems.append(problem(variable, "type", detail, f"use one of {', '.join(sorted(NAMES))}."))
        return None, tuple(problems)
    reader = _Reader(variable=variable, problems=problems)
    reader.check_names()
    wish = _WISHES[variable.type](reader)
    return (wish if not problems else None), tuple(problems)


def _check_mode(variable: Variable) -> Iterator[Problem]:
    if variable.update_mode not in UPDATE_MODES:
        detail = f'has update_mode "{variable.update_mode}".'
        yield problem(variable, "update-mode", detail, f"use one of {', '.join(UPDATE_MODES)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Takes options by name and kind, and notes what is wrong with them."""

    variable: Variable
    problems: list[Problem] = field(default_factory=list)

    @property
    def _options(self) -> Tree:
        return self.variable.options

    def check_names(self) -> None:
        known = NAMES[self.variable.type]
        for name in sorted(set(map(str, self._options)) - set(known)):
            detail = f'has option "{name}", which type {self.variable.type} does not know.'
            self.wrong(detail, f"remove it, or use one of {', '.join(known)}.")

    def wrong(self, detail: str, fix: str) -> None:
        self.problems.append(problem(self.variable, "bad-option", detail, fix))

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        value = self._options.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
            return value
        self.wrong(f"has {name} {_shown(value)}.", f"give a whole number from {lowest} to {highest}.")
        return default

    def key_length(self, default: int) -> int:
        value = self._options.get("key_length", default)
        if isinstance(value, int) and value in KEY_LENGTHS:
            return value
        self.wrong(f"has key_length {_shown(value)}.", f"use one of {', '.join(map(str, KEY_LENGTHS))}.")
        return default

    def text(self, name: str, default: str) -> str:
        value = self._options.get(name, default)
        if isinstance(value, str) and len(value) <= COMMON_NAME_MAX:
            return value
        self.wrong(f"has {name} {_shown(value)}.", f"give a text of at most {COMMON_NAME_MAX} characters.")
        return default

    def flag(self, name: str) -> bool:
        value = self._options.get(name, False)
        if isinstance(value, bool):
            return value
        self.wrong(f"has {name} {_shown(value)}.", "use true or false.")
        return False

    def texts(self, name: str, is_good: Callable[[str], bool], fix: str) -> tuple[str, ...]:
        value = self._options.get(name, [])
        items = value if isinstance(value, list | tuple) else [value]
        for item in items:
            if not isinstance(item, str) or not is_good(item):
                self.wrong(f"has {_shown(item)} under {name}.", fix)
        return tuple(item for item in items if isinstance(item, str))


def _shown(value: Node) -> str:
    """Never a whole tree, and nothing long: an option may be a secret put in the wrong place."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= COMMON_NAME_MAX else f"a text of {len(value)} characters"
    return {type(None): "null", list: "a list"}.get(type(value), "a map")


def _password(reader: _Reader) -> Password:
    return Password(length=reader.number("length", 20, 1, PASSWORD_LENGTH_MAX))


def _certificate(reader: _Reader) -> Certificate:
    ca = reader.variable.options.get("ca")
    if ca is not None and not (isinstance(ca, str) and ca):
        reader.wrong(f"has ca {_shown(ca)}.", "name a variable of type certificate with is_ca: true.")
        ca = None
    wish = Certificate(
        common_name=reader.text("common_name", ""),
        organization=reader.text("organization", "Cloud Foundry"),
        alternative_names=reader.texts("alternative_names", _is_alternative_name, "give host names or IP addresses."),
        is_ca=reader.flag("is_ca"),
        ca=ca if isinstance(ca, str) else None,
        extended_key_usage=reader.texts(
            "extended_key_usage", KEY_USAGES.__contains__, f"use {' or '.join(KEY_USAGES)}."
        ),
        duration_days=reader.number("duration", 365, 1, DURATION_DAYS_MAX),
        key_length=reader.key_length(3072),
    )
    if not wish.is_ca and reader.variable.options.get("ca") is None:
        reader.wrong("is a certificate that nobody signs.", "name its CA in option ca, or set is_ca: true.")
    return wish


def _is_alternative_name(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def is_address(text: str) -> bool:
    """Whether an alternative name is an IP address, not a host name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


_WISHES: Mapping[str, Callable[[_Reader], Wish]] = {
    "password": _password,
    "certificate": _certificate,
    "rsa": lambda reader: KeyPair(key_length=reader.key_length(2048)),
    "ssh": lambda reader: KeyPair(key_length=reader.key_length(2048), is_ssh=True),
}


def in_order(variables: Collection[Variable], wishes: Mapping[str, Wish]) -> tuple[list[Variable], list[Problem]]:
    """Each CA before what it signs; of a circle of CAs, each member is a problem."""
    waiting = {variable.name: variable for variable in variables}
    ordered: list[Variable] = []
    while ready := [v for v in waiting.values() if ca_of(wishes.get(v.name)) not in waiting]:
        ordered += ready
        for variable in ready:
            del waiting[variable.name]
    circle = [v for v in waiting.values() if v.name in _signers(v.name, wishes)]
    words = "is signed by a CA that it signs itself."
    return ordered, [problem(v, "ca", words, "break the circle: let one CA sign itself.") for v in circle]


def _signers(name: str, wishes: Mapping[str, Wish]) -> set[str]:
    """Every CA above ``name``, itself included when it stands in a circle."""
    found: set[str] = set()
    above = ca_of(wishes.get(name))
    while above is not None and above not in found:
        found.add(above)
        above = ca_of(wishes.get(above))
    return found


def ca_of(wish: Wish | None) -> str | None:
    """The variable that signs this one, if any."""
    return wish.ca if isinstance(wish, Certificate) else None
