"""Text to plain data with places. Decides what may be read at all; knows nothing of manifests."""

import re
from typing import Final

from director.manifest import faults
from director.manifest.compose import Composer
from director.manifest.document import Document, kind_of
from director.manifest.report import problem_of
from director.model.problem import Mark, Refused

BYTES_MAX: Final = 4 * 1024 * 1024
"""A manifest of 200 000 lines fits; reading it takes some seconds."""

_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def read(text: str, file: str) -> Document:
    """A document whose root is a map. Raises Refused with every problem found; ``file`` is what problems call it."""
    document = read_any(text, file)
    if document.node is None:
        raise Refused([problem_of(faults.EMPTY, f"{file} is empty.", "write a map: keys and values.", _first(file))])
    if not isinstance(document.node, dict):
        detail = f"{file} holds {kind_of(document.node)}, not a map."
        mark = document.mark(())
        raise Refused([problem_of(faults.NOT_A_MAP, detail, "write keys and values, such as name: web.", mark)])
    return document


def read_any(text: str, file: str) -> Document:
    """A document with any root, as ops files and values of variables have. Raises Refused."""
    _check_size(text, file)
    _check_characters(text, file)
    return Composer(text, file).document()


def _first(file: str) -> Mark:
    return Mark(file=file, line=1, column=1)


def _check_size(text: str, file: str) -> None:
    if len(text) > BYTES_MAX or len(text.encode(errors="replace")) > BYTES_MAX:
        detail = f"{file} is larger than {BYTES_MAX // 1024 // 1024} MiB."
        raise Refused(
            [problem_of(faults.TOO_LARGE, detail, "split it, or remove what it does not need.", _first(file))]
        )


def _check_characters(text: str, file: str) -> None:
    found = _CONTROL.search(text)
    if found:
        before = text[: found.start()]
        mark = Mark(file=file, line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))
        detail = f"{file} has the control character U+{ord(found[0]):04X}, which YAML does not allow."
        fix = r'remove it, or write it inside double quotes as an escape such as "\x00".'
        raise Refused([problem_of(faults.CONTROL, detail, fix, mark)])
