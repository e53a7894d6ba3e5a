"""`director build-stemcell` becomes the program that builds."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from director.cli.commands import stemcells
from director.stemcell.__main__ import _parser
from director.stemcell.recipe import Target


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, words: calls.append(list(words)))
    return calls


def run(*words: str) -> object:
    return CliRunner().invoke(stemcells.build_stemcell, words)


def test_what_is_asked_reaches_the_program_as_it_was_said(became: list[list[str]]) -> None:
    words = (
        "--for",
        "vsphere",
        "--version",
        "1.2",
        "--out",
        "made",
        "--mirror",
        "http://m",
        "--package",
        "a",
        "--package",
        "b",
    )
    assert run(*words, "--without-compilers").exit_code == 0

    (command,) = became
    assert tuple(command[: len(stemcells.COMMAND)]) == stemcells.COMMAND
    options = _parser().parse_args(command[len(stemcells.COMMAND) :])
    assert (options.version, str(options.out), options.mirror) == ("1.2", "made", "http://m")
    assert (options.package, options.without_compilers, options.security_mirror) == (["a", "b"], True, None)


def test_what_is_not_said_is_left_to_the_program(became: list[list[str]]) -> None:
    assert run("--for", "vsphere").exit_code == 0
    options = _parser().parse_args(became[0][len(stemcells.COMMAND) :])
    assert options.disk_mb == 4096
    assert options.version


def test_an_earlier_stemcell_reaches_it_too(became: list[list[str]], tmp_path: Path) -> None:
    (tmp_path / "old.tgz").touch()
    assert run("--for", "local", "--from", str(tmp_path / "old.tgz")).exit_code == 0
    options = _parser().parse_args(became[0][len(stemcells.COMMAND) :])
    assert (options.target, options.base) == (Target.LOCAL, tmp_path / "old.tgz")


@pytest.mark.parametrize(
    "words",
    [("--for", "vsphere"), ("--for", "local", "--package", "a"), ("--for", "local", "--without-compilers")],
)
def test_an_earlier_stemcell_can_only_be_taken_as_it_is(
    became: list[list[str]], tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "old.tgz").touch()
    assert run(*words, "--from", str(tmp_path / "old.tgz")).exit_code == 2
    assert became == []


@pytest.mark.parametrize(
    "words", [(), ("--for", "azure"), ("--for", "vsphere", "--version", "a/b"), ("--for", "vsphere", "--disk-mb", "10")]
)
def test_what_cannot_be_built_is_refused_before_anything_is_done(
    became: list[list[str]], words: tuple[str, ...]
) -> None:
    assert run(*words).exit_code == 2
    assert became == []
