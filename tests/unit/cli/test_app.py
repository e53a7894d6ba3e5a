"""The command as a whole: help, near misses, exit codes, and what it loads."""

import os
import subprocess
import sys

import pytest

from director.cli.app import ALIASES, COMMANDS
from tests.unit.cli.fake import Reply

HEAVY = {"rich", "yaml", "jsonschema", "httpx", "asyncio", "sqlalchemy", "starlette", "grpc", "pydantic"}
"""Each costs more than a short command may take."""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_a_help_that_begins_with_a_sentence_and_explains_each_flag(command, name):
    ended = command(name, "--help")
    assert ended.code == 0
    usage, _, first, *rest = ended.out.splitlines()
    assert usage.startswith(f"Usage: director {name}")
    assert first.strip()[0].isupper()
    flags = [line for line in rest if line.lstrip().startswith("-")]
    assert all(
        "  " in line.strip() or later.startswith("   ")
        for line, later in zip(rest, [*rest[1:], ""], strict=True)
        if line in flags
    ), flags


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_every_alias_is_a_command(command, alias):
    assert command(alias, "-h").code == 0


def test_without_a_command_it_shows_what_there_is(command):
    ended = command()
    assert ended.code == 2
    assert all(name in ended.out + ended.err for name in COMMANDS)


@pytest.mark.parametrize(
    ("words", "said"), [([], "deploy"), (["deploy"], "MANIFEST"), (["local", "start"], "local start")]
)
def test_help_is_also_a_command(command, words, said):
    ended = command("help", *words)
    assert ended.code == 0
    assert said in ended.out


def test_help_of_no_command_is_bad_input(command):
    assert command("help", "nothing").code == 2


@pytest.mark.parametrize(
    ("word", "near"), [("deplyo", "deploy"), ("instance", "instances"), ("upload-relase", "upload-release")]
)
def test_an_unknown_command_names_near_ones(command, word, near):
    ended = command(word)
    assert ended.code == 2
    assert f'There is no command "{word}". Did you mean ' in ended.err
    assert near in ended.err.partition("Did you mean")[2]


def test_an_unknown_command_like_no_other_is_just_unknown(command):
    assert "Did you mean" not in command("xyzzy").err


@pytest.mark.parametrize(
    "words",
    [["instances", "--nonsense"], ["deploy"], ["task", "x"], ["-d"], ["tasks", "--recent", "x"], ["ignore", "web"]],
)
def test_a_wrong_line_is_bad_input(director, words):
    ended = director(*words)
    assert ended.code == 2
    assert ended.err
    assert "Traceback" not in ended.err


def test_the_version_is_told(command):
    assert command("--version").out == command("-v").out == "director, version 0.1.0\n"


def test_with_no_director_at_all_it_says_how_to_get_one(command):
    ended = command("instances")
    assert ended.code == 3
    assert "director local start" in ended.err
    assert "BOSH_ENVIRONMENT" in ended.err


def test_a_director_that_does_not_answer_is_exit_code_3(command):
    assert command("-e", "127.0.0.1:1", "instances", "-d", "web").code == 3


def test_refused_credentials_are_exit_code_3(director, fake):
    fake.on("GET /deployments/web/instances", Reply(status=401, body="Not authorized"))
    assert director("instances", "-d", "web").code == 3


def test_credentials_come_from_flags_before_variables(director, fake):
    fake.on("GET /info", {"name": "n", "user": None})
    director("environment", "--client", "me", "--client-secret", "mine")
    assert fake.asked[0].headers["authorization"] == "Basic bWU6bWluZQ=="


def test_a_file_that_cannot_be_read_is_named(director, tmp_path):
    ended = director("deploy", tmp_path / "nowhere.yml")
    assert (ended.code, ended.err) == (2, f"{tmp_path / 'nowhere.yml'} cannot be read: No such file or directory.\n")


def _loaded(*words: str) -> set[str]:
    code = "import sys; from director.cli.app import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BOSH_", "DIRECTOR_"))}
    ran = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=kept, timeout=60, check=False
    )
    return {name.partition(".")[0] for name in ran.stderr.split()} | set(ran.stderr.split())


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "--version",
        "deploy --help",
        "local status",
        "-e 127.0.0.1:1 -d web instances",
        "-e 127.0.0.1:1 releases",
    ],
)
def test_a_short_command_loads_nothing_heavy(line):
    loaded = _loaded(*line.split())
    assert "director.cli.app" in loaded
    assert loaded & HEAVY == set()


def test_help_loads_no_http():
    assert "http.client" not in _loaded("deploy", "--help")
