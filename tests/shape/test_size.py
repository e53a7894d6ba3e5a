"""The shape of the code: sizes, docstrings, nothing put off."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path.relative_to(ROOT)
    for package in ("director", "agent")
    for path in (ROOT / package).rglob("*.py")
    if "wire" not in path.parts
)
OUTERMOST = {Path("director/reconcile/driver.py"), Path("director/api/guard.py")}
LINES_MAX = 400
FUNCTION_LINES_MAX = 60


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_opens_with_its_purpose_and_stays_small(path):
    text = (ROOT / path).read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "says not what it is for"
    assert text.count("\n") <= LINES_MAX, "split it by meaning"
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert not long


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_is_put_off_and_nothing_swallowed(path):
    text = (ROOT / path).read_text()
    assert not [word for word in ("TODO", "FIXME", "XXX") if word in text]
    if path not in OUTERMOST:
        assert "except Exception" not in text, "only the outermost loop and the HTTP edge may"
