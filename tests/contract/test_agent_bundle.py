"""The agent bundle from build to a running agent: fetched, checked by openssl, installed without pip, enrolled."""

import base64
import contextlib
import hashlib
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from director.adapters.agents.authority import Authority
from director.adapters.bundles import build, wheels
from director.adapters.clock import SystemClock
from director.ports.bundle import BundleOffer
from tests.e2e.fake_gateway import FakeGateway, World
from tests.support.certificate import write_certificate

TOKEN = "one-time-token-of-the-test"
DEADLINE_S = 60
TOOLS = (
    "sh",
    "mktemp",
    "rm",
    "sha256sum",
    "tar",
    "gzip",
    "mkdir",
    "mv",
    "ln",
    "cat",
    "head",
    "tail",
    "basename",
    "dirname",
    "sleep",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From what is installed here, so that no test needs a network."""
    return build(tmp_path_factory.mktemp("bundle"), is_online=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), SystemClock())


class Machine:
    """Where the agent is to be installed: a base, a place for units, a PATH of its own."""

    def __init__(self, directory: Path) -> None:
        self.base, self.units = directory / "vcap", directory / "units"
        self.programs = directory / "bin"
        self.key = directory / "key.pem"
        self.programs.mkdir(parents=True)
        self.give(*TOOLS, "openssl")
        (self.programs / "python3").symlink_to(sys.executable)

    def give(self, *names: str) -> None:
        for name in names:
            path = shutil.which(name)
            assert path is not None, f"{name} is not installed"
            (self.programs / name).symlink_to(path)

    def get_agent(self, offer: BundleOffer) -> "subprocess.CompletedProcess[str]":
        self.key.write_text(offer.public_key_pem)
        script = str(resources.files("director.adapters.vsphere") / "get-agent.sh")
        words = [offer.url, offer.sha256, offer.signature_b64, str(self.key)]
        options = ["--base", str(self.base), "--units", str(self.units), "--no-start"]
        env = {"PATH": str(self.programs), "GET_AGENT_WAIT_MAX_S": "0"}
        argv = ["/bin/sh", script, *words, *options]
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    @property
    def is_untouched(self) -> bool:
        return not self.base.exists() and not self.units.exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


@contextlib.contextmanager
def _served(directory: Path, tmp_path: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words: object) -> None:
            super().__init__(*words, directory=str(directory))

        def log_message(self, *_: object) -> None: ...

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*write_certificate(tmp_path, "127.0.0.1"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def _offer(bundle: Path, authority: Authority, url: str, **other: str) -> BundleOffer:
    content = bundle.read_bytes()
    fields = {
        "url": f"{url}/{bundle.name}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "signature_b64": base64.b64encode(authority.sign(content)).decode(),
        "public_key_pem": authority.public_key_pem,
    }
    return BundleOffer(**{**fields, **other})


@pytest.fixture
def url(bundle: Path, tmp_path: Path) -> Iterator[str]:
    with _served(bundle.parent, tmp_path) as url:
        yield url


def test_openssl_verifies_the_signature_with_the_authoritys_key(bundle, authority, tmp_path: Path) -> None:
    (tmp_path / "signature").write_bytes(authority.sign(bundle.read_bytes()))
    (tmp_path / "key.pem").write_text(authority.public_key_pem)
    argv = [
        "openssl",
        "dgst",
        "-sha256",
        "-verify",
        str(tmp_path / "key.pem"),
        "-signature",
        str(tmp_path / "signature"),
    ]
    assert "Verified OK" in subprocess.run([*argv, str(bundle)], capture_output=True, text=True, check=True).stdout
    other = tmp_path / "other"
    other.write_bytes(bundle.read_bytes() + b"\0")
    assert subprocess.run([*argv, str(other)], capture_output=True, check=False).returncode != 0


def test_the_same_agent_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    assert build(tmp_path, is_online=False).read_bytes() == bundle.read_bytes()


def test_there_is_nothing_of_this_machine_in_it(bundle: Path) -> None:
    with tarfile.open(bundle) as archive:
        entries = archive.getmembers()
    assert {entry.name.split("/")[0] for entry in entries} == {"agent", "digest", "install.sh", "unpack.py", "wheels"}
    assert {(entry.uid, entry.uname, entry.mtime) for entry in entries} == {(0, "", 0)}
    assert not any("__pycache__" in entry.name for entry in entries)


@pytest.mark.parametrize("fetcher", ["curl", "wget", "python3"])
def test_a_guest_fetches_it_with_what_it_has(machine: Machine, bundle, authority, url: str, fetcher: str) -> None:
    if fetcher != "python3":
        machine.give(fetcher)
    done = machine.get_agent(_offer(bundle, authority, url))
    assert done.returncode == 0, done.stderr
    assert (machine.base / "bosh/agent/current/agent/main.py").exists()
    assert (machine.base / "bosh/agent/current/grpc/__init__.py").exists()


def test_a_bundle_with_another_digest_is_not_installed(machine: Machine, bundle, authority, url: str) -> None:
    done = machine.get_agent(_offer(bundle, authority, url, sha256="00" * 32))
    assert done.returncode == 1
    assert "has another digest than the director said" in done.stderr
    assert machine.is_untouched


def test_a_bundle_that_another_signed_is_not_installed(machine: Machine, bundle, authority, url: str, tmp_path) -> None:
    stranger = Authority(tmp_path / "stranger", SystemClock())
    done = machine.get_agent(_offer(bundle, authority, url, public_key_pem=stranger.public_key_pem))
    assert done.returncode == 1
    assert "is not signed by the director" in done.stderr
    assert machine.is_untouched


def test_a_director_that_does_not_answer_is_named(machine: Machine, bundle, authority) -> None:
    done = machine.get_agent(_offer(bundle, authority, "https://127.0.0.1:1"))
    assert done.returncode == 1
    assert "could not be fetched from https://127.0.0.1:1/" in done.stderr


def test_a_guest_without_a_fitting_python_is_told_what_it_has(machine: Machine, bundle, authority, url: str) -> None:
    (machine.programs / "python3").unlink()
    (machine.programs / "python3").write_text("#!/bin/sh\necho Python 2.4 >&2; exit 1\n")
    (machine.programs / "python3").chmod(0o755)
    machine.give("curl")
    done = machine.get_agent(_offer(bundle, authority, url))
    assert done.returncode == 1
    assert "no Python on this machine can run the agent" in done.stderr
    assert "python3: Python 2.4" in done.stderr
    assert not machine.units.exists()


def test_installing_again_changes_nothing_but_the_enrolment(machine: Machine, bundle: Path, tmp_path: Path) -> None:
    place = tmp_path / "unpacked"
    with tarfile.open(bundle) as archive:
        archive.extractall(place, filter="data")
    argv = [
        "/bin/sh",
        str(place / "install.sh"),
        "--base",
        str(machine.base),
        "--units",
        str(machine.units),
        "--no-start",
    ]
    env = {"PATH": str(machine.programs)}
    subprocess.run(argv, env=env, check=True)
    before = (machine.base / "bosh/agent/current").resolve().stat()
    (tmp_path / "enrolment").write_text('{"token": "t"}')
    subprocess.run([*argv, "--enrolment", str(tmp_path / "enrolment")], env=env, check=True)
    assert (machine.base / "bosh/agent/current").resolve().stat() == before
    kept = machine.base / "bosh/enrolment.json"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ('{"token": "t"}', 0o600)
    assert not (tmp_path / "enrolment").exists()
    wanted = machine.units / "multi-user.target.wants/director-agent.service"
    assert wanted.resolve() == machine.units / "director-agent.service"


async def test_the_agent_in_it_enrols_and_connects(
    machine: Machine, bundle, authority, url: str, tmp_path: Path, tmp_path_factory
) -> None:
    machine.give("curl")
    assert machine.get_agent(_offer(bundle, authority, url)).returncode == 0
    world = World(tokens={"agent-1": TOKEN})
    gateway = FakeGateway(world, tmp_path_factory.mktemp("gw"))
    await gateway.start()
    ticket = {
        "agent_id": "agent-1",
        "token": TOKEN,
        "ca_certificate": world.authority.ca_pem.decode(),
        "enrol_targets": [gateway.enrol_target],
        "agent_targets": [gateway.agent_target],
    }
    (machine.base / "bosh/enrolment.json").write_text(json.dumps(ticket))
    unit = (machine.units / "director-agent.service").read_text()
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).removeprefix("ExecStart=")
    given = [line.removeprefix("Environment=") for line in unit.splitlines() if line.startswith("Environment=")]
    env = dict(word.split("=", 1) for line in given for word in line.split()) | {"PATH": os.defpath}
    # Without site packages: what the agent imports comes from the bundle or not at all.
    words = command.replace(" -m ", " -S -m ", 1).split()
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(words, env=env, cwd="/", stdout=log, stderr=log) as agent,
    ):
        try:
            await gateway.connected()
        finally:
            agent.terminate()
            agent.wait(timeout=20)
            await gateway.stop()
    assert world.hellos
    assert not (machine.base / "bosh/enrolment.json").exists()


def test_pythons_nobody_built_wheels_for_are_left_out(tmp_path: Path) -> None:
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\ncase "$*" in *--python-version=3.12*) exit 0 ;; *) echo none >&2; exit 1 ;; esac\n')
    pip.chmod(0o755)
    assert wheels.download(tmp_path, ("3.12", "3.99"), (str(pip),))
    assert not wheels.download(tmp_path, ("3.99",), (str(pip),))
