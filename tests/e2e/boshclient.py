"""Builds and runs ``tests/tools/boshclient``: BOSH's own client library, driven by JSON lines."""

import json
import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.go_fixtures import built
from tests.support.go_program import TOOLS, GoProgram

PROGRAM = GoProgram(name="BOSH's own client", source=TOOLS / "boshclient")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How one command ended. ``states`` are (task, state) as they were told, ``output`` what the tasks printed."""

    op: str
    ok: bool
    value: Any
    error: str
    states: tuple[tuple[int, str], ...]
    output: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The event log of the tasks that were waited for."""
        return [json.loads(line) for line in self.output.splitlines()]


def build() -> Path:
    """The program. Without Go the test is skipped, or fails where CI must not miss it."""
    return built(PROGRAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoshClient:
    """``environment`` holds BOSH_ENVIRONMENT, BOSH_CLIENT, BOSH_CLIENT_SECRET and BOSH_CA_CERT, and nothing else."""

    program: Path
    environment: Mapping[str, str]

    def ask(self, op: str, *, timeout: float = 60, **arguments: Any) -> Answer:
        """One command; ``operations.go`` lists them."""
        (answer,) = self.ask_all([{"op": op, **arguments}], timeout=timeout)
        return answer

    def value(self, op: str, *, timeout: float = 60, **arguments: Any) -> Any:
        """The value of a command that must succeed."""
        answer = self.ask(op, timeout=timeout, **arguments)
        assert answer.ok, f"{op} {arguments}: {answer.error}\n{answer.output}"
        return answer.value

    def ask_all(self, commands: Sequence[Mapping[str, Any]], *, timeout: float = 60) -> list[Answer]:
        """Several commands by one process, in order."""
        lines = "".join(json.dumps(command) + "\n" for command in commands)
        kept = {
            key: value for key, value in os.environ.items() if not key.upper().startswith(("BOSH_", "HTTP", "ALL_P"))
        }
        ran = subprocess.run(
            [self.program],
            input=lines,
            env={**kept, **self.environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert ran.returncode == 0, f"the client ended with {ran.returncode}:\n{ran.stderr}"
        return list(_answers(ran.stdout.splitlines()))


class Session:
    """One process that answers command after command, for a test that has hundreds of them."""

    def __init__(self, program: Path) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith("BOSH_")}
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=kept)
        assert self._process.stdout is not None
        self._answers = _answers(self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def ask(self, op: str, **arguments: Any) -> Answer:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self._process.stdin.flush()
        return next(self._answers)


def _answers(lines: Iterable[str]) -> Iterator[Answer]:
    states: list[tuple[int, str]] = []
    output = ""
    for line in map(json.loads, lines):
        if "task" in line:
            output += line.get("chunk", "")
            states += [(line["task"], line["state"])] if "state" in line else []
            continue
        yield Answer(
            op=line["op"],
            ok=line["ok"],
            value=line.get("value"),
            error=line.get("error", ""),
            states=tuple(states),
            output=output,
        )
        states, output = [], ""
