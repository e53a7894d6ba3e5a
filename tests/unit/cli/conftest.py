"""A fake director, and the real command run against it."""

import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from director.cli.app import main
from director.cli.client import Client
from director.cli.target import named_target
from tests.unit.cli.fake import FakeDirector, write_certificate


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> tuple[Path, Path]:
    return write_certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def fake(certificates):
    director = FakeDirector(certificates[1])
    yield director
    director.close()


@pytest.fixture
def client(fake, certificates) -> Client:
    """It pauses never, and asks twice again."""
    made = Client(named_target(fake.host, "admin", "secret", str(certificates[0])), pauses_s=(0.0, 0.0))
    yield made
    made.close()


@dataclass(frozen=True, kw_only=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def state(tmp_path, monkeypatch) -> Path:
    """A state directory of its own, and no BOSH_ or DIRECTOR_ variable of whoever runs the tests."""
    for name in os.environ:
        if name.startswith(("BOSH_", "DIRECTOR_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DIRECTOR_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def command(state, monkeypatch, capsys):
    """Runs ``director`` with these words, in this process; ``stdin`` is what is typed."""

    def run(*words: object, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["director", *map(str, words)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return Ended(code=int(stop.value.code or 0), out=out, err=err)

    return run


@pytest.fixture
def director(command, fake, certificates, monkeypatch):
    """As ``command``, with the fake director named by BOSH_* variables."""
    monkeypatch.setenv("BOSH_ENVIRONMENT", f"https://{fake.host}")
    monkeypatch.setenv("BOSH_CA_CERT", str(certificates[0]))
    monkeypatch.setenv("BOSH_CLIENT", "admin")
    monkeypatch.setenv("BOSH_CLIENT_SECRET", "secret")
    return command
