"""A real agent on a VM that has nothing but guestinfo: it finds its enrolment, uses it up and connects."""

import asyncio
import base64
import json
import os
import stat
from pathlib import Path

import pytest

from tests.e2e.test_agent_process import TOKEN, Machine, gateway, machine  # noqa: F401 - fixtures
from tests.unit.agent.test_agent_sources import RPCTOOL

pytestmark = pytest.mark.e2e
VARIABLE = "guestinfo.director.enrolment"


@pytest.fixture
def variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the VM's variables are, as files."""
    programs, directory = tmp_path / "bin", tmp_path / "variables"
    programs.mkdir()
    directory.mkdir()
    (programs / "vmware-rpctool").write_text(RPCTOOL)
    (programs / "vmware-rpctool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("VARIABLES", str(directory))
    return directory


def _give(machine: Machine, variables: Path) -> None:  # noqa: F811
    machine.give_ticket()
    ticket = machine.bosh / "enrolment.json"
    fresh = variables / "new"
    fresh.write_text(base64.b64encode(ticket.read_bytes()).decode())
    ticket.unlink()
    fresh.rename(variables / VARIABLE)


async def test_an_agent_that_finds_it_in_guestinfo_enrols_and_leaves_none(machine: Machine, variables: Path) -> None:  # noqa: F811
    _give(machine, variables)
    await machine.connected()
    assert (variables / VARIABLE).read_text() == "---"
    assert not (machine.bosh / "enrolment.json").exists()
    key = machine.bosh / "identity/key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    about = json.loads((machine.bosh / "identity/agent.json").read_bytes())
    assert (about["agent_id"], TOKEN in str(about)) == ("agent-1", False)


async def test_an_agent_started_before_it_was_given_one_finds_it_later(machine: Machine, variables: Path) -> None:  # noqa: F811
    (machine.bosh / "enrolment.json").unlink()
    count = len(machine.world.hellos)
    await machine.start()
    await _said(machine, "enrolment found=False")
    _give(machine, variables)
    await machine.world.until(lambda: len(machine.world.hellos) > count)


async def _said(machine: Machine, words: str) -> None:  # noqa: F811
    async with asyncio.timeout(20):
        while words not in machine.log.read_text():
            await asyncio.sleep(0.05)
