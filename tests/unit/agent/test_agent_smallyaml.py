"""What the agent reads of YAML is what a real YAML library reads, and what it does not read it refuses."""

import pytest
import yaml

from agent.smallyaml import NotUnderstood, read

BLOCKS = """\
---
processes:
- name: web
  executable: /var/vcap/packages/web/bin/web
  args:
  - --port
  - 8080
  - "a b # c"   # comment
  - 'it''s'
  - --x={a}
  env:
    A: "1"
    URL: http://a:80/b#c
  limits: {open_files: 100, memory: 1G}
  hooks:
    pre_start: /var/vcap/jobs/x/bin/pre
# between
- name: other
  args: [a, "b, c", 'd', {e: f}]
  unsafe:
    unrestricted_volumes:
    - path: /a
      writable: true
    - {path: /b}
"""
SCALARS = """\
processes:
  - name: a
    args: &x
      - -c
      - |
        #!/bin/bash
        echo hi

        exit 1
      - >-
        folded text
        here

        para
    env: *x
  -
    name: b
    z: "long line
      goes on\\tx \\u00e9"
  - - nested
    - list
"""
FLOW = """\
a: plain text
  goes on
c: []
d: {}
e: "x"
f: -1
h: ['a',
  b,   # why
  c ]
k: it's fine
"q k": v
l: a - b
m: |+
  kept

n: '{"json": ["in", "text"]}'
"""


@pytest.mark.parametrize(
    "text",
    [
        BLOCKS,
        SCALARS,
        FLOW,
        '{"processes":[{"name":"x","args":["a","b:c"],"env":{"A":"http://x"}}]}',
        "- a\n- b: 1\n  c: 2\n-   d: 1\n    e: 2\n",
        "text",
    ],
)
def test_it_reads_what_a_yaml_library_reads(text: str) -> None:
    assert read(text) == yaml.load(text, yaml.BaseLoader)


def test_what_psych_dumps_is_read() -> None:
    text = yaml.safe_dump({"processes": [{"name": "x", "args": ["long " * 60, "a: b", "#c", ""], "env": {"Z": "~"}}]})
    assert read(text) == yaml.load(text, yaml.BaseLoader) or read(text) == {
        "processes": [{"name": "x", "args": [("long " * 60), "a: b", "#c", ""], "env": {"Z": "~"}}]
    }


def test_null_and_empty_are_none() -> None:
    assert read("a: ~\nb: null\nc:\nd: ''\n") == {"a": None, "b": None, "c": None, "d": ""}


def test_merge_keys_are_merged_under_what_stands_there() -> None:
    assert read("a: &x\n  k: 1\n  l: 2\nb:\n  <<: *x\n  k: 3\n")["b"] == {"k": "3", "l": "2"}  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    "text, line",
    [
        ("a: !ruby/object x\n", 1),
        ("a: 1\na: 2\n", 2),
        ("a: 1\n? b\n", 2),
        ("a: *b\n", 1),
        ('a: "open\n', 1),
        ("a: [1, 2\n", 1),
        ("a: [1 2] 3\n", 1),
        ("a: 1\n--- \nb: 2\n", 2),
    ],
)
def test_what_it_does_not_understand_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(NotUnderstood, match=f"line {line}:"):
        read(text)
