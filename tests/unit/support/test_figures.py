"""Figures in a file: those that are measured apart leave the others there."""

import json

from bench.figures import Figure, add


def figure(name, value):
    return Figure(name=name, value=value, unit="s", goal=2)


def test_figures_added_replace_those_of_their_names_only(tmp_path):
    path = tmp_path / "build" / "bench.json"
    add([figure("a", 1), figure("b", 1)], path)
    add([figure("b", 3), figure("c", 1)], path)
    assert [(row["name"], row["value"], row["met"]) for row in json.loads(path.read_text())] == [
        ("a", 1, True),
        ("b", 3, False),
        ("c", 1, True),
    ]


def test_figures_are_added_where_no_file_is(tmp_path):
    add([figure("a", 1)], tmp_path / "build" / "bench.json")
    assert [row["name"] for row in json.loads((tmp_path / "build" / "bench.json").read_text())] == ["a"]
