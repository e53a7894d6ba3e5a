"""CPI configs: what is read from them, and every mistake with its line."""

import pytest

from director.manifest.load import check_cpi_text, load_cpis
from director.model.cpi import CpiEntry, find_cpi
from director.model.problem import Refused, Severity

GOOD = """\
cpis:
- name: east
  type: aws
  properties: {region: us-east-1, secret: ((/aws_secret))}
- name: west
  type: vsphere
  exec_path: /opt/cpi
  migrated_from: [{name: old-west}, {name: ""}]
"""


def told(text, **how):
    return [(problem.code, problem.mark.line, problem.number) for problem in check_cpi_text(text, "cpi.yml", **how)]


def test_a_good_config_becomes_its_entries():
    assert check_cpi_text(GOOD, "cpi.yml") == ()
    east, west = load_cpis([("default", GOOD)])
    assert east == CpiEntry(name="east", type="aws", properties={"region": "us-east-1", "secret": "((/aws_secret))"})
    assert (east.program, west.program) == ("/var/vcap/jobs/aws_cpi/bin/cpi", "/opt/cpi")
    assert "us-east-1" not in repr(east)


def test_a_former_name_still_finds_its_cpi():
    entries = load_cpis([("default", GOOD)])
    assert [find_cpi(entries, name).name for name in ("east", "west", "old-west", "")] == [
        "east",
        "west",
        "west",
        "west",
    ]
    assert find_cpi(entries, "north") is None


def test_no_cpis_is_a_wish_but_no_key_is_a_mistake():
    assert told("cpis: []\n") == []
    assert told("x: 1\n") == [("manifest.missing-key", 1, 40001), ("manifest.unknown-key", 1, 40004)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("cpis:\n- {name: a, type: x}\n- {name: a, type: y}\n", ("cpi.duplicate", 3, 550000)),
        (
            "cpis:\n- {name: a, type: x}\n- name: b\n  type: y\n  migrated_from: [{name: a}]\n",
            ("cpi.duplicate", 5, 550000),
        ),
        ("cpis:\n- name: a\n", ("manifest.missing-key", 2, 40001)),
        ("cpis:\n- name: a\n  type: 7\n", ("manifest.wrong-type", 3, 40000)),
        ("cpis:\n- name: a\n  type: x\n  exec_path: bin/cpi\n", ("manifest.invalid-value", 4, 40005)),
        ("cpis:\n- name: a\n  typ: x\n", ("manifest.unknown-key", 3, 40004)),
        ("cpis:\n- name: a\n  type: x\n  properties:\n    key: ((k))\n", ("cpi.relative-variable", 5, 540004)),
        ("cpis:\n- name: ((n))\n  type: x\n", ("manifest.unfilled-placeholder", 2, 540001)),
        ("cpis: [\n", ("yaml.syntax", 2, 440001)),
    ],
)
def test_a_mistake_is_told_with_its_line(text, expected):
    assert expected in told(text)


def test_a_name_of_another_config_is_taken_but_only_this_ones_problems_are_told():
    mine = "cpis:\n- {name: east, type: x}\n"
    assert told(mine, others=[("default", GOOD + "- {name: west, type: z}\n")]) == [("cpi.duplicate", 2, 550000)]


def test_secret_properties_are_not_shown_in_problems():
    text = "cpis:\n- name: a\n  type: x\n  properties: hunter2hunter2\n"
    assert "hunter2" not in str(check_cpi_text(text, "cpi.yml")[0])


def test_current_configs_with_mistakes_are_refused_together():
    with pytest.raises(Refused) as refused:
        load_cpis([("a", "cpis: 7\n"), ("b", "cpis:\n- {name: x}\n")])
    assert [problem.mark.file for problem in refused.value.problems] == ["cpi-config/a", "cpi-config/b"]


def test_an_unknown_key_is_only_a_warning():
    (problem,) = check_cpi_text("cpis:\n- {name: a, type: x, colour: red}\n", "cpi.yml")
    assert problem.severity is Severity.WARNING
    (problem,) = check_cpi_text("cpis:\n- {name: a, type: x, colour: red}\n", "cpi.yml", strict=True)
    assert problem.severity is Severity.ERROR
