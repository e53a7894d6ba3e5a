"""One file per mistake under ``bad/``; its first lines say what is wrong, how it is read, and what must be told."""

import re
from pathlib import Path

import pytest

from director.manifest.load import check_cloud_text, check_runtime_text
from director.manifest.read import read
from director.model.problem import Refused, Severity
from tests.unit.manifest.manifest_samples import load

CASES = sorted((Path(__file__).parent / "bad").glob("*.yml"))
HEADER = re.compile(r"# .+\n# kind: (\w+)\n# expect: ([a-z.0-9-]+) line (\d+)( warning)?\n")


def told(kind, text):
    match kind:
        case "yaml":
            return refused(lambda: read(text, "bad.yml"))
        case "manifest":
            return refused(lambda: load(text).warnings)
        case "cloud":
            return check_cloud_text(text, "bad.yml")
        case _:
            return check_runtime_text(text, "bad.yml")


def refused(call):
    try:
        return call()
    except Refused as refusal:
        return refusal.problems


def test_there_are_many_kinds_of_mistakes():
    assert len(CASES) >= 45


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_mistake_is_told_with_its_place_and_a_fix(path):
    text = path.read_text()
    header = HEADER.match(text)
    assert header, "the first three lines say what to expect"
    kind, code, line, warning = header.groups()
    problems = told(kind, text)
    matching = [problem for problem in problems if problem.code == code]
    assert matching, [str(problem) for problem in problems]
    assert int(line) in {problem.mark.line for problem in matching}, [str(problem) for problem in matching]
    assert {problem.severity for problem in matching} == {Severity.WARNING if warning else Severity.ERROR}
    assert all(problem.fix and problem.summary and problem.detail.rstrip(".!?") for problem in problems)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_one_mistake_is_told_once(path):
    kind, *_ = HEADER.match(path.read_text()).groups()
    errors = [problem for problem in told(kind, path.read_text()) if problem.severity is Severity.ERROR]
    assert len({problem.code for problem in errors}) <= 1, [str(problem) for problem in errors]
