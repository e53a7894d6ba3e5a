"""What a YAML 1.1 scalar means, as BOSH's tools read it. Decides types only; says what it did not like.

Note: differences from PyYAML. ``y`` and ``n`` are booleans, ``1e3`` is a number, base-60 numbers (``22:22``) and dates
stay text: so does the command that BOSH's users send their manifests with.
"""

import re
from typing import Final, NamedTuple

from director.model.tree import Scalar

STR: Final = "tag:yaml.org,2002:str"
INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**64 - 1
"""The numbers every reader of our JSON and every database column behind it can hold."""

_DIGITS_MAX: Final = 70
"""Longest number worth converting: 64 binary digits with a sign and a prefix."""
_FIRST: Final = frozenset("0123456789+-.~nNyYtTfFoO")
_TRUE: Final = ("true", "yes", "on")
_FALSE: Final = ("false", "no", "off")
_CLEAR: Final = frozenset(("true", "True", "TRUE", "false", "False", "FALSE"))
_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)")
_FLOAT: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*\.[0-9_]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
)
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def _cases(word: str) -> tuple[str, str, str]:
    return word, word.capitalize(), word.upper()


_WORDS: Final[dict[str, Scalar]] = {
    "": None,
    "~": None,
    **dict.fromkeys(_cases("null")),
    **{case: True for word in _TRUE for case in _cases(word)},
    **{case: False for word in _FALSE for case in _cases(word)},
    **dict.fromkeys(("y", "Y"), True),
    **dict.fromkeys(("n", "N"), False),
}


class Meaning(NamedTuple):
    """``odd``: read as a boolean although it may be meant as text. ``wrong``: why it cannot be used at all."""

    value: Scalar
    is_odd: bool = False
    wrong: str = ""


def meaning_of(text: str) -> Meaning:
    """What the plain (unquoted) scalar ``text`` means."""
    if text and text[0] not in _FIRST:
        return Meaning(text)
    if text in _WORDS:
        value = _WORDS[text]
        return Meaning(value, is_odd=isinstance(value, bool) and text not in _CLEAR)
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _NOT_FINITE.fullmatch(text):
        return Meaning(None, wrong="is not a finite number")
    return Meaning(text)


def meaning_of_tagged(tag: str, text: str) -> Meaning:
    """What ``text`` under a tag of its own means; only the tags of plain data are known."""
    if tag in ("!", STR):
        return Meaning(text)
    plain = meaning_of(text)
    kind = _TAGGED.get(tag)
    if kind is None:
        return Meaning(None, wrong="has a tag that manifests may not use")
    if type(plain.value) not in kind:
        return Meaning(None, wrong="does not fit its tag")
    return plain._replace(is_odd=False)


_TAGGED: Final[dict[str, tuple[type, ...]]] = {
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (int, float),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:null": (type(None),),
}


def _integer(text: str) -> Meaning:
    digits = text.replace("_", "")
    if len(digits) > _DIGITS_MAX:
        return Meaning(None, wrong="is a number too long to handle")
    try:
        value = int(digits, _base(digits))
    except ValueError:
        return Meaning(text)
    if not INT_MIN <= value <= INT_MAX:
        return Meaning(None, wrong="is a number that does not fit in 64 bits")
    return Meaning(value)


def _base(digits: str) -> int:
    bare = digits.lstrip("+-")
    if bare[:2] in ("0b", "0x", "0o"):
        return 0
    return 8 if len(bare) > 1 and bare[0] == "0" else 10


def _float(text: str) -> Meaning:
    if len(text) > _DIGITS_MAX:
        return Meaning(None, wrong="is a number too long to handle")
    value = float(text.replace("_", ""))
    if value in (float("inf"), float("-inf")):
        return Meaning(None, wrong="is not a finite number")
    return Meaning(value)
