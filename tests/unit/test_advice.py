"""Commands that messages tell an operator to give are there, with their options."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from director.cli.app import cli

PACKAGE = Path(__file__).resolve().parents[2] / "director"
COMMAND = re.compile(r"`director ([^`]*)`")


def texts(module):
    """Every string in it; what is filled in later reads ``X``. Docstrings are for other readers."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def commands():
    found = {words for module in PACKAGE.rglob("*.py") for text in texts(module) for words in COMMAND.findall(text)}
    return sorted(words for words in found if not words.startswith("X"))


def test_there_is_advice():
    assert len(commands()) > 10


@pytest.mark.parametrize("words", commands())
def test_a_command_that_is_advised_exists(words):
    name, *rest = [word for word in shlex.split(words) if word not in {"-d", "X", "-n"}]
    named = [one for one in cli.list_commands(click.Context(cli)) if re.fullmatch(name.replace("X", ".+"), one)]
    assert named, f"there is no `director {name}`"
    command = cli.get_command(click.Context(cli), named[0])
    if isinstance(command, click.Group) and rest:
        command = command.get_command(click.Context(command), rest.pop(0))
        assert command is not None
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in rest if word.startswith("-")} <= options
