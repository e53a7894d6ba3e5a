"""What is sent of a file: its own bytes, or what ops files and variables make of it."""

import json

import pytest

MANIFEST = "name: web\nvalue: ((given))\nsecret: ((kept.back))\nlist: [{name: a, size: 1}, {name: b}]\n"


@pytest.fixture
def files(tmp_path):
    def write(**texts: str):
        for name, text in texts.items():
            (tmp_path / f"{name}.yml").write_bytes(text.encode())
        return tmp_path

    return write


def interpolated(command, path, *words, stdin=""):
    ended = command("interpolate", path, *words, stdin=stdin)
    assert ended.code == 0, ended.err
    return ended.out


@pytest.mark.parametrize(
    "text",
    [
        "name: web\r\nb: 2\r\n",
        "# comment\nname:   web # aside\n",
        "name: 'wéb ✓'",
        "\ufeffname: web\n",
        "a: &x 1\nb: *x\n",
    ],
)
def test_a_text_that_nothing_edits_is_sent_byte_for_byte(director, fake, files, text):
    path = files(m=text) / "m.yml"
    fake.begins("POST /deployments")
    assert director("-n", "deploy", path).code == 0
    (asked,) = fake.said("POST /deployments")
    assert asked.body == path.read_bytes()
    assert asked.query["source"] == str(path)
    assert asked.headers["content-type"] == "text/yaml"


def test_variables_without_a_value_are_left_for_the_director(command, files):
    out = interpolated(command, files(m=MANIFEST) / "m.yml", "-v", "given=5")
    assert "value: 5\n" in out
    assert "secret: ((kept.back))" in out


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("given=5", "value: 5"),
        ("given='5'", "value: '''5'''"),
        ("given=true", "value: true"),
        ("given=text", "value: text"),
        ("given={a: [1]}", "value:\n  a:\n  - 1"),
        ("given=a=b", "value: a=b"),
    ],
)
def test_the_value_of_v_is_yaml_but_a_text_stays_as_it_is_written(command, files, given, shown):
    assert shown in interpolated(command, files(m=MANIFEST) / "m.yml", "-v", given)


def test_v_with_dots_builds_a_map_beside_what_is_there(command, files):
    root = files(m="a: ((x))\n", vars="x: {b: {c: 1}, d: 2}\n")
    out = interpolated(command, root / "m.yml", "-l", root / "vars.yml", "-v", "x.b.e=3", "-v", "x.b.f=4")
    assert out == "a:\n  b:\n    c: 1\n    e: 3\n    f: 4\n  d: 2\n"


def test_later_kinds_of_variables_win_over_earlier_ones(command, files, monkeypatch):
    root = files(m="[((a)), ((b)), ((c)), ((d))]", vars="{b: file, c: file, d: file}", text="text\n")
    for name in "abcd":
        monkeypatch.setenv(f"PRE_{name}", "env")
    edits = ["--vars-env", "PRE", "-l", root / "vars.yml", "--var-file", f"c={root / 'text.yml'}"]
    edits += ["--var-file", f"d={root / 'text.yml'}", "-v", "d=flag"]
    out = interpolated(command, root / "m.yml", *edits)
    assert out.splitlines()[:2] == ["- env", "- file"]
    assert out.splitlines()[-1] == "- flag"
    assert "text" in out


def test_an_empty_vars_file_has_no_variables(command, files):
    root = files(m="a: ((x))\n", vars="")
    assert interpolated(command, root / "m.yml", "-l", root / "vars.yml") == "a: ((x))\n"


def test_ops_go_first_then_variables_then_the_path(command, files):
    ops = "- {type: replace, path: /list/name=b/size?, value: ((size))}\n"
    root = files(m=MANIFEST, ops=ops)
    edits = [root / "m.yml", "-o", root / "ops.yml", "-v", "size=7"]
    assert interpolated(command, *edits, "--path", "/list/name=b") == "name: b\nsize: 7\n"
    assert interpolated(command, *edits, "--path", "/list/name=b/size") == "7\n"
    assert interpolated(command, *edits, "--path", "/list/name=b/name") == "b\n"


def test_an_edited_text_means_the_same_to_whoever_reads_it(command, files):
    """What only looks like a number or a boolean stays text."""
    text = 'a: "y"\nb: "1e3"\nc: "0x1f"\nd: "12:30"\ne: "null"\nf: 1.5\ng: "- x"\nh: |\n  two\n  lines\n'
    root = files(m=text, ops="- {type: replace, path: /i?, value: 1}\n")
    once = interpolated(command, root / "m.yml", "-o", root / "ops.yml")
    (root / "again.yml").write_text(once)
    assert interpolated(command, root / "again.yml", "-o", root / "ops.yml") == once
    assert interpolated(command, root / "again.yml", "--path", "/b") == "1e3\n"


def test_standard_input_is_a_file_too(command):
    assert interpolated(command, "-", "-v", "x=1", stdin="a: ((x))\n") == "a: 1\n"
    assert interpolated(command, "-", stdin="a: ((x))  # as it is\n") == "a: ((x))  # as it is\n"


def test_interpolated_json_is_one_block(command, files):
    ended = command("--json", "int", files(m="a: 1\n") / "m.yml")
    assert json.loads(ended.out)["Blocks"] == ["a: 1\n"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-v", "given"], "NAME=VALUE"),
        (["-v", "given="], "NAME=VALUE"),
        (["-v", "=5"], "NAME=VALUE"),
        (["-v", "given={"], "not valid YAML"),
        (["--var-file", "given=/nowhere"], "/nowhere cannot be read"),
        (["-o", "/nowhere"], "/nowhere"),
        (["--var-errs"], "((given))"),
        (["-v", "unused=1", "--var-errs-unused"], '"unused"'),
        (["--path", "/nothing"], "nothing"),
    ],
)
def test_a_wrong_edit_is_bad_input(command, files, words, said):
    ended = command("interpolate", files(m=MANIFEST) / "m.yml", *words)
    assert ended.code == 2
    assert said in ended.err


def test_every_mistake_of_an_ops_file_is_told_with_its_place(command, files):
    root = files(m=MANIFEST, ops="- {type: replace, path: /a}\n- {type: mend, path: /a, value: 1}\n")
    ended = command("interpolate", root / "m.yml", "-o", root / "ops.yml")
    assert ended.code == 2
    assert f"{root / 'ops.yml'}:1:" in ended.err
    assert f"{root / 'ops.yml'}:2:" in ended.err
    assert ended.err.count("to fix it:") == 2


def test_a_file_that_is_no_text_is_bad_input(command, tmp_path):
    (tmp_path / "m.yml").write_bytes(b"a: \xff\n")
    ended = command("interpolate", tmp_path / "m.yml")
    assert (ended.code, ended.err) == (2, f"{tmp_path / 'm.yml'} is not UTF-8 text (byte 3).\n")
