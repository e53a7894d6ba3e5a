"""An agent without an enrolment finds one where infrastructures leave it, once, and leaves none behind."""

import base64
import gzip
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from agent import machine, sources
from agent.failure import Failed
from agent.identity import enrolment_file
from agent.layout import Layout

TICKET = {"agent_id": "agent-1", "token": "s3cret", "enrol_targets": ["d:1"], "agent_targets": ["d:2"]}
NO_CD = Path("/nonexistent/cd")

# Keeps its variables as files; says what VMware's own tool says.
RPCTOOL = """#!/bin/sh
set -eu
[ "${1#--}" = "$1" ] || shift
set -- $1
case $1 in
    info-get) [ -e "$VARIABLES/$2" ] && cat "$VARIABLES/$2" || { echo "No value found"; exit 1; } ;;
    info-set) [ ! -e "$VARIABLES/locked" ] || exit 1; name=$2; shift 2; printf %s "$*" >"$VARIABLES/$name" ;;
esac
"""
Variables = Callable[..., Path]


@pytest.fixture(params=["vmware-rpctool", "vmtoolsd"])
def variables(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Variables:
    """Gives the VM's guestinfo variables, and returns their directory."""
    programs, directory = tmp_path / "bin", tmp_path / "variables"
    programs.mkdir()
    directory.mkdir()
    (programs / request.param).write_text(RPCTOOL)
    (programs / request.param).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.defpath}")
    monkeypatch.setenv("VARIABLES", str(directory))

    def give(**values: str) -> Path:
        for name, value in values.items():
            (directory / f"guestinfo.{name.replace('__', '.')}").write_text(value)
        return directory

    return give


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def _encoded(tree: object, squeeze: Callable[[bytes], bytes] = bytes) -> str:
    return base64.b64encode(squeeze(json.dumps(tree).encode())).decode()


def _settings(**more: object) -> dict[str, object]:
    return {"agent_id": "other", "env": {"bosh": {"director_enrolment": TICKET}, "persistent_disk_fs": "xfs"}, **more}


def _kept(layout: Layout) -> dict[str, object]:
    return json.loads(enrolment_file(layout).read_bytes())


def test_guestinfo_is_kept_for_root_alone_and_overwritten(layout: Layout, variables: Variables) -> None:
    directory = variables(director__enrolment=_encoded(TICKET))
    assert sources.fetch(layout, NO_CD)
    assert _kept(layout) == TICKET
    assert stat.S_IMODE(enrolment_file(layout).stat().st_mode) == 0o600
    assert (directory / "guestinfo.director.enrolment").read_text() == "---"


def test_what_was_read_once_is_not_found_again(layout: Layout, variables: Variables) -> None:
    variables(director__enrolment=_encoded(TICKET))
    assert sources.fetch(layout, NO_CD)
    enrolment_file(layout).unlink()
    assert not sources.fetch(layout, NO_CD)


def test_a_guest_that_may_not_write_enrols_all_the_same(layout: Layout, variables: Variables, caplog) -> None:
    directory = variables(director__enrolment=_encoded(TICKET))
    (directory / "locked").touch()
    assert sources.fetch(layout, NO_CD)
    assert "stays readable in vCenter until the director removes it" in caplog.text
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize(
    ("encoding", "squeeze"), [("base64", bytes), ("gzip+base64", gzip.compress), ("gz+b64", gzip.compress)]
)
def test_settings_of_a_bosh_cpi_carry_it_in_user_data(
    layout: Layout, variables: Variables, encoding: str, squeeze
) -> None:
    networks = {"default": {"type": "manual", "ip": "10.0.0.5", "mac": "00:50:56:00:00:01"}}
    settings = _settings(networks=networks, disks={"ephemeral": {"id": "e"}, "persistent": {}})
    directory = variables(userdata=_encoded(settings, squeeze), userdata__encoding=encoding)
    assert sources.fetch(layout, NO_CD)
    kept = _kept(layout)
    assert kept["agent_id"] == "agent-1"
    assert kept["networks"] == networks
    assert kept["env"] == {"persistent_disk_fs": "xfs"}
    assert (directory / "guestinfo.userdata").read_text() == "---"
    assert (directory / "guestinfo.userdata.encoding").read_text() == ""


def test_user_data_of_another_is_left_alone(layout: Layout, variables: Variables) -> None:
    value = base64.b64encode(b"#cloud-config\n{}").decode()
    directory = variables(userdata=value, userdata__encoding="base64")
    assert not sources.fetch(layout, NO_CD)
    assert (directory / "guestinfo.userdata").read_text() == value


def test_damaged_guestinfo_is_told_without_its_content(layout: Layout, variables: Variables) -> None:
    variables(director__enrolment=base64.b64encode(b'{"token": "s3cret"').decode())
    with pytest.raises(Failed, match="is not JSON") as caught:
        sources.fetch(layout, NO_CD)
    assert "s3cret" not in str(caught.value)


def test_a_file_that_a_cpi_laid_into_the_vm_is_read(layout: Layout, nowhere: None) -> None:
    (layout.bosh / "warden-cpi-agent-env.json").write_text(json.dumps(_settings()))
    assert sources.fetch(layout, NO_CD)
    assert _kept(layout)["token"] == "s3cret"


def test_settings_that_are_not_ours_are_no_enrolment(layout: Layout, nowhere: None) -> None:
    (layout.bosh / "warden-cpi-agent-env.json").write_text(json.dumps({"agent_id": "x", "env": {"bosh": {}}}))
    assert not sources.fetch(layout, NO_CD)
    assert not enrolment_file(layout).exists()


def test_what_the_vm_was_told_about_itself_outlives_the_enrolment_without_its_secret(layout: Layout) -> None:
    assert machine.is_to_set_up(layout)
    told = {"hostname": "web-0", "networks": {"default": {"type": "dynamic"}}}
    enrolment_file(layout).write_text(json.dumps(TICKET | told))
    machine.keep(layout)
    enrolment_file(layout).unlink()
    assert machine.about(layout) == told
    assert machine.is_to_set_up(layout)
    assert "s3cret" not in (layout.bosh / "machine.json").read_text()


def test_a_vm_that_was_told_nothing_but_the_director_has_nothing_to_set_up(layout: Layout) -> None:
    enrolment_file(layout).write_text(json.dumps(TICKET))
    machine.keep(layout)
    assert not machine.is_to_set_up(layout)
