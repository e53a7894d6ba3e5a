"""Tables: in a pipe, as JSON, on a terminal."""

import json

import pytest

from director.cli import show as module
from director.cli.show import Table, say_plan, show, show_json, show_text

TABLE = Table(
    content="instances",
    header={"name": "Name", "ips": "IPs", "state": "State"},
    rows=[
        {"name": "web/0", "ips": "10.0.0.1\n10.0.1.1", "state": "running", "hidden": "x"},
        {"name": "db [a]/0", "ips": "", "state": "failing"},
        {"state": "running"},
    ],
    notes=("A note.",),
    count=2,
)


def test_a_pipe_gets_one_line_per_row(capsys):
    show(TABLE, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "Name      IPs                 State",
        "web/0     10.0.0.1, 10.0.1.1  running",
        "db [a]/0  -                   failing",
        "-         -                   running",
        "A note.",
        "2 instances",
    ]


def test_an_empty_table_says_that_it_is_empty(capsys):
    show(Table(content="tasks", header={"id": "ID"}, rows=[]), as_json=False)
    assert capsys.readouterr().out.splitlines() == ["ID", "0 tasks"]


def test_json_has_boshs_shape_and_every_column_of_every_row(capsys):
    show(TABLE, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document == {
        "Tables": [
            {
                "Content": "instances",
                "Header": {"name": "Name", "ips": "IPs", "state": "State"},
                "Rows": [
                    {"name": "web/0", "ips": "10.0.0.1\n10.0.1.1", "state": "running"},
                    {"name": "db [a]/0", "ips": "", "state": "failing"},
                    {"name": "", "ips": "", "state": "running"},
                ],
                "Notes": ["A note."],
            }
        ],
        "Blocks": None,
        "Lines": None,
    }


def test_json_may_hold_texts_and_lines(capsys):
    show_json(blocks=["a: ü\n"], lines=["Task 1 done"])
    assert json.loads(capsys.readouterr().out) == {"Tables": None, "Blocks": ["a: ü\n"], "Lines": ["Task 1 done"]}


@pytest.mark.parametrize("text", ["a: 1\n", "a: 1", "a: |\n  x\n\n"])
def test_a_text_is_printed_with_one_line_end(text, capsys):
    show_text(text, as_json=False)
    assert capsys.readouterr().out == text.removesuffix("\n") + "\n"


def test_a_terminal_gets_names_whole_and_no_markup_from_data(capsys, monkeypatch):
    monkeypatch.setattr(module, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    show(TABLE, as_json=False)
    out = capsys.readouterr().out
    assert "db [a]/0" in out
    assert out.splitlines()[-2:] == ["A note.", "2 instances"]


def test_a_plan_is_printed_line_by_line(capsys):
    text = "Instances: create 1\n  + web/0  create: new\n\nSteps\n+ added\n-removed"
    say_plan(text)
    assert capsys.readouterr().out == text + "\n"
