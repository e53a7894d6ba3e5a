"""Resurrection configs: what is read from them, and every mistake with its line."""

import pytest

from director.manifest.load import check_resurrection_text, load_resurrection
from director.model.problem import Refused, Severity
from director.model.resurrection import ResurrectionFilter, ResurrectionRule

GOOD = """\
rules:
- enabled: true
  include:
    deployments: [shop, blog]
    instance_groups: [web]
- enabled: false
  exclude:
    deployments: [shop]
"""


def told(text, **how):
    return [(problem.code, problem.mark.line) for problem in check_resurrection_text(text, "r.yml", **how)]


def test_a_good_config_becomes_its_rules():
    assert told(GOOD) == []
    assert load_resurrection(GOOD, "r.yml") == (
        ResurrectionRule(
            is_enabled=True,
            include=ResurrectionFilter(deployments=("shop", "blog"), instance_groups=("web",)),
        ),
        ResurrectionRule(is_enabled=False, exclude=ResurrectionFilter(deployments=("shop",))),
    )


def test_no_rules_is_a_wish():
    assert told("rules: []\n") == []
    assert load_resurrection("rules: []\n", "r.yml") == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x: 1\n", ("manifest.missing-key", 1)),
        ("rules: 7\n", ("manifest.wrong-type", 1)),
        ("rules:\n- include: {}\n", ("manifest.missing-key", 2)),
        ("rules:\n- enabled: maybe\n", ("manifest.wrong-type", 2)),
        ("rules:\n- enabled: true\n  include: [shop]\n", ("manifest.wrong-type", 3)),
        ("rules:\n- enabled: true\n  include:\n    deployments: shop\n", ("manifest.wrong-type", 4)),
        ("rules:\n- enabled: true\n  exclude:\n    deployments: [a, 7]\n", ("manifest.wrong-type", 4)),
        ("rules:\n- enabled: true\n  exclude:\n    deployments: ['']\n", ("manifest.empty-list", 4)),
        ("rules:\n- enabled: true\n  includes: {}\n", ("manifest.unknown-key", 3)),
        ("rules:\n- enabled: true\n  include:\n    instance-groups: [a]\n", ("manifest.unknown-key", 4)),
        ("rules:\n- enabled: ((on))\n", ("manifest.unfilled-placeholder", 2)),
        ("rules: [\n", ("yaml.syntax", 2)),
    ],
)
def test_a_mistake_is_told_with_its_line_and_refused(text, expected):
    assert expected in told(text)
    with pytest.raises(Refused):
        load_resurrection(text, "r.yml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rules:\n- enabled: false\n  include:\n    deployments: []\n", ("resurrection.empty-filter", 4)),
        (
            "rules:\n- enabled: false\n  include: {deployments: [a]}\n  exclude: {deployments: [a, b]}\n",
            ("resurrection.never-applies", 4),
        ),
        (
            "rules:\n- enabled: false\n  include:\n    instance_groups: [a]\n    colour: red\n",
            ("manifest.unknown-key", 5),
        ),
    ],
)
def test_what_is_only_odd_is_a_warning(text, expected):
    assert told(text) == [expected]
    (problem,) = check_resurrection_text(text, "r.yml")
    assert problem.severity is Severity.WARNING
    assert load_resurrection(text, "r.yml")


@pytest.mark.parametrize(
    "text",
    [
        "rules:\n- enabled: false\n  include: {deployments: [a, b]}\n  exclude: {deployments: [a]}\n",
        "rules:\n- enabled: true\n  include: {deployments: [a]}\n  exclude: {deployments: [a], instance_groups: [g]}\n",
        "rules:\n- enabled: false\n  exclude: {deployments: [a]}\n",
    ],
)
def test_a_rule_that_leaves_something_is_not_odd(text):
    assert told(text) == []


def test_strict_makes_an_unknown_key_an_error():
    (problem,) = check_resurrection_text("rules: []\ncolour: red\n", "r.yml", strict=True)
    assert problem.severity is Severity.ERROR
