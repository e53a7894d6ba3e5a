"""What went wrong in one template, and the problems an operator reads about it. Decides words only."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from director.model.problem import Problem
from director.model.tree import Node

CODE = "render.template"
NUMBER = 80006
MESSAGE_MAX = 400
SECRET_MIN = 4
"""Shorter values are no secrets worth the name, and hiding every "1" would make a message useless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """``reason`` ends a sentence that begins "cannot be filled in: "; ``fix`` is an imperative."""

    reason: str
    fix: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FaultAt:
    """Where a fault showed: ``label`` is ``group/index``, ``file`` as the job names it."""

    label: str
    job: str
    file: str


def missing_property(names: Sequence[str], job: str, line: int | None) -> Fault:
    """No value and no default for any of ``names``."""
    quoted = ", ".join(f'"{name}"' for name in names)
    many = f'none of the properties {quoted} of job "{job}" has a value'
    return Fault(
        reason=many if len(names) > 1 else f'property {quoted} of job "{job}" has no value',
        fix=f'set "{names[0]}" under the properties of job "{job}", or give it a default in the job\'s spec.',
        line=line,
    )


def missing_link(name: str, job: str, line: int | None) -> Fault:
    return Fault(
        reason=f'job "{job}" has no link "{name}"',
        fix=f'provide "{name}" to job "{job}" (consumes: in the manifest), or use if_link in the template.',
        line=line,
    )


def engine_error(message: str, line: int | None) -> Fault:
    """Any other error, in the engine's own words."""
    return Fault(
        reason=" ".join(message.split()),
        fix="correct the template, or the property it reads, and deploy again.",
        line=line,
    )


def problems_of(faults: Iterable[tuple[FaultAt, Fault]]) -> list[Problem]:
    """One problem for each distinct fault of a group, naming how many of its instances have it."""
    merged: dict[tuple[str, str, str, Fault], list[str]] = defaultdict(list)
    for at, fault in faults:
        merged[at.label.rpartition("/")[0], at.job, at.file, fault].append(at.label)
    problems = [_problem(job, file, fault, labels) for (_, job, file, fault), labels in merged.items()]
    return sorted(problems, key=lambda problem: problem.detail)


def _problem(job: str, file: str, fault: Fault, labels: list[str]) -> Problem:
    first, others = labels[0], len(labels) - 1
    more = f" and {others} more of its group" if others else ""
    line = f" in line {fault.line}" if fault.line else ""
    reason = fault.reason if len(fault.reason) <= MESSAGE_MAX else fault.reason[:MESSAGE_MAX] + "…"
    return Problem(
        code=CODE,
        summary="A template cannot be filled in",
        detail=f'{first}{more}: template "{file}" of job "{job}" cannot be filled in{line}: {reason}.',
        fix=fault.fix,
        number=NUMBER,
    )


class Veil:
    """Hides the values of variables in messages of engines, which may quote them."""

    def __init__(self, values: Mapping[str, Node]) -> None:
        self._words: dict[str, str] = {}
        for name, value in sorted(values.items()):
            self._learn(f"(({name}))", value)

    def over(self, text: str) -> str:
        # Longest first: a value that is part of another must not leave the other's rest behind.
        for word in sorted(self._words, key=len, reverse=True):
            text = text.replace(word, self._words[word])
        return text

    def _learn(self, name: str, value: Node) -> None:
        if isinstance(value, Mapping):
            for child in value.values():
                self._learn(name, child)
        elif isinstance(value, list):
            for child in value:
                self._learn(name, child)
        elif value is not None and len(str(value)) >= SECRET_MIN:
            for form in {str(value), json.dumps(value).strip('"'), " ".join(str(value).split())}:
                self._words[form] = name
