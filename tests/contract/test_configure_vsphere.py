"""``director configure vsphere`` against the simulator: real command, real child, real files."""

import os
import pty
import re
import select
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

pytest.importorskip("pyVmomi")

from director.adapters.vsphere.settings import read_settings
from director.manifest.load import check_cloud_text
from tests.support import vcsim_fixtures

shared_sim = vcsim_fixtures.shared_sim
PASSWORD = "let me in, vCenter"


@pytest.fixture
def place(tmp_path):
    return tmp_path


def environment(place):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BOSH_", "DIRECTOR_"))}
    return {**kept, "DIRECTOR_STATE_DIR": str(place / "state"), "TERM": "dumb", "COLUMNS": "200"}


def flags(sim, **changes):
    given = {
        "host": f"{sim.host}:{sim.port}",
        "user": sim.user,
        "cluster": "DC0_C0",
        "datastore-pattern": "LocalDS_0",
        "network": "DC0_DVPG0",
        "range": "10.0.16.0/24",
        **changes,
    }
    return [word for key, value in given.items() if value for word in (f"--{key}", value)]


def configure(place, *words, stdin="", **more):
    return subprocess.run(
        [sys.executable, "-m", "director", "configure", "vsphere", *words],
        cwd=place, env={**environment(place), **more}, input=stdin,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def infrastructure(place):
    return place / "state" / "infrastructure.yml"


def test_from_flags_alone_both_files_are_written(shared_sim, place):
    words = [*flags(shared_sim), "--cluster", "DC0_C1", "--azs", "a,b", "--dns", "10.0.0.2", "--insecure"]
    ended = configure(place, *words, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert ended.returncode == 0, ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr
    written = infrastructure(place)
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    settings = read_settings(yaml.safe_load(written.read_text())["properties"])
    assert (settings.password, settings.is_verified) == (PASSWORD, False)
    config = (place / "cloud-config-vsphere.yml").read_text()
    assert check_cloud_text(config, "cloud.yml", strict=True) == ()
    assert [az["name"] for az in yaml.safe_load(config)["azs"]] == ["a", "b"]
    assert "✓ privileges on what was chosen" in ended.stdout


def test_the_certificate_given_is_the_one_trusted(shared_sim, place):
    authority = place / "ca.pem"
    authority.write_text(ssl.get_server_certificate((shared_sim.host, shared_sim.port)))
    words = [*flags(shared_sim), "--ca-cert", str(authority), "--password-file", str(place / "password")]
    (place / "password").write_text(f"{PASSWORD}\n")
    ended = configure(place, *words)
    assert ended.returncode == 0, ended.stderr
    settings = read_settings(yaml.safe_load(infrastructure(place).read_text())["properties"])
    assert settings.is_verified
    assert settings.ca_certificate == authority.read_text()


def test_a_certificate_nobody_vouches_for_is_shown_by_its_fingerprint(shared_sim, place):
    ended = configure(place, *flags(shared_sim), DIRECTOR_VSPHERE_PASSWORD=PASSWORD)
    assert ended.returncode == 1
    assert re.search(r"fingerprint is ([0-9A-F]{2}:){31}[0-9A-F]{2}\.", ended.stderr)
    assert "--ca-cert FILE" in ended.stderr
    assert not infrastructure(place).exists()


def test_every_missing_flag_is_named_at_once(place):
    ended = configure(place, "--host", "vcenter.invalid")
    assert ended.returncode == 2
    for flag in ("--user", "--password-file", "--cluster", "--datastore-pattern", "--network", "--range"):
        assert flag in ended.stderr
    assert "--host" not in ended.stderr


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"user": "nobody"}, ["does not let nobody in", "password is wrong"]),
        ({"host": "127.0.0.1:1"}, ["cannot be reached", "Connection refused"]),
        ({"host": "vcenter.invalid"}, ["cannot be reached", "Check --host"]),
        ({"datacenter": "DC9"}, ['no datacenter "DC9"', "DC0"]),
        (
            {"cluster": "C9", "datastore-pattern": "nvme", "network": "LAN", "gateway": "10.9.9.9"},
            ['cluster "C9"', "DC0_C0, DC0_C1, DC0_C2", "nvme matches no datastore", 'network "LAN"', "10.9.9.9"],
        ),
        ({"azs": "a,b"}, ["2 AZs for 1 clusters"]),
    ],
)
def test_what_is_wrong_is_told_in_words_and_nothing_is_written(shared_sim, place, changes, words):
    ended = configure(place, *flags(shared_sim, **changes), "--insecure", DIRECTOR_VSPHERE_PASSWORD=PASSWORD)
    assert ended.returncode in {1, 2}
    assert [word for word in words if word not in ended.stderr] == []
    assert "Traceback" not in ended.stderr
    assert PASSWORD not in ended.stderr + ended.stdout
    assert not infrastructure(place).exists()
    assert not (place / "cloud-config-vsphere.yml").exists()


def test_nothing_is_overwritten_unless_that_is_said(shared_sim, place):
    config = place / "cloud-config-vsphere.yml"
    config.write_text("mine\n")
    words = [*flags(shared_sim), "--insecure"]
    refused = configure(place, *words, DIRECTOR_VSPHERE_PASSWORD=PASSWORD)
    assert refused.returncode == 2
    assert "cloud-config-vsphere.yml would be overwritten" in refused.stderr
    assert config.read_text() == "mine\n"
    assert configure(place, *words, "--yes", DIRECTOR_VSPHERE_PASSWORD=PASSWORD).returncode == 0
    assert config.read_text() != "mine\n"


def test_a_server_that_is_no_vcenter_is_told(shared_sim, place):
    """A mail server, say."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        port = server.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "director", "configure", "vsphere",
             *flags(shared_sim, host=f"127.0.0.1:{port}"), "--insecure"],
            cwd=place, env={**environment(place), "DIRECTOR_VSPHERE_PASSWORD": PASSWORD},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        connection, _ = server.accept()
        connection.sendall(b"220 mail.example.com ESMTP\r\n")
        connection.close()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be reached" in errors
    assert "Traceback" not in errors


class Terminal:
    """A person at a terminal."""

    def __init__(self, place, *words):
        self._master, slave = pty.openpty()
        self.said = ""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "director", "configure", "vsphere", *words],
            cwd=place, env=environment(place), stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def answers(self, question, answer):
        before = len(self.said)
        self._read(until=lambda: question in self.said[before:])
        os.write(self._master, f"{answer}\n".encode())

    def end(self):
        self._read(until=lambda: False)
        code = self._process.wait(30)
        os.close(self._master)
        return code

    def _read(self, until, timeout_s=60):
        deadline = time.monotonic() + timeout_s
        while not until():
            ready, _, _ = select.select([self._master], [], [], max(0, deadline - time.monotonic()))
            assert ready, self.said
            try:
                part = os.read(self._master, 65536)
            except OSError:  # how Linux says that the other end has closed
                return
            self.said += part.decode()


def test_a_person_is_asked_with_what_there_is_to_choose_from(shared_sim, place):
    person = Terminal(place, "--insecure")
    person.answers("vCenter's name or address", f"{shared_sim.host}:{shared_sim.port}")
    person.answers("account", shared_sim.user)
    person.answers("password", PASSWORD)
    person.answers("Clusters for VMs", "1,DC0_C1")
    person.answers("AZs", "a,b")
    person.answers("Datastores for VMs", "2")
    person.answers("Datastores for persistent disks", "nvme")
    person.answers("Network of VMs", "9")
    person.answers("not in the list", "DC0_DVPG1")
    person.answers("Addresses of that network", "10.0.16.7/24")
    person.answers("host bits zero", "10.0.16.0/24")
    person.answers("gateway", "")
    person.answers("DNS", "")
    person.answers("never to be given", "10.0.16.2-10.0.16.9")
    assert person.end() == 2
    assert "nvme matches no datastore" in person.said
    assert PASSWORD not in person.said
    assert not infrastructure(place).exists()


def test_a_persons_answers_become_the_files(shared_sim, place):
    (place / "cloud-config-vsphere.yml").write_text("mine\n")
    words = flags(shared_sim, **{"datastore-pattern": "", "network": "DC0_DVPG1"})
    person = Terminal(place, *words, "--insecure")
    person.answers("password", PASSWORD)
    person.answers("AZs", "")
    person.answers("Datastores for VMs", "1")
    person.answers("Datastores for persistent disks", "")
    person.answers("gateway", "")
    person.answers("DNS", "")
    person.answers("never to be given", "")
    person.answers("Overwrite", "y")
    assert person.end() == 0, person.said
    datacenter = yaml.safe_load(infrastructure(place).read_text())["properties"]["datacenters"][0]
    assert datacenter["datastore_pattern"] == "^(LocalDS_0)$"
    assert datacenter["persistent_datastore_pattern"] == "^(LocalDS_0)$"
    subnet = yaml.safe_load((place / "cloud-config-vsphere.yml").read_text())["networks"][0]["subnets"][0]
    assert subnet == {
        "range": "10.0.16.0/24", "gateway": "10.0.16.1", "azs": ["z1"], "cloud_properties": {"name": "DC0_DVPG1"},
    }  # fmt: skip


def _said_by(process):
    """Arguments and environment of the child's own program, in that order: exec changes both at once."""
    arguments = (process / "cmdline").read_bytes()
    return arguments + (process / "environ").read_bytes() if b"director.setup" in arguments else b""


def test_a_password_is_in_no_argument_list_while_the_command_runs(shared_sim, place):
    """Its child's, read from /proc all the while; one that is forked and not yet its program is still the command."""
    process = subprocess.Popen(
        [sys.executable, "-m", "director", "configure", "vsphere", *flags(shared_sim), "--insecure"],
        cwd=place, env={**environment(place), "DIRECTOR_VSPHERE_PASSWORD": PASSWORD},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seen, children = [], 0
    while process.poll() is None:
        for child in (Path("/proc") / str(process.pid) / "task").glob("*/children"):
            try:
                told = [_said_by(Path("/proc") / pid) for pid in child.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
            children += sum(text != b"" for text in told)
            seen += [text for text in told if PASSWORD.encode() in text]
        time.sleep(0.005)
    assert process.returncode == 0
    assert children > 0
    assert seen == []
