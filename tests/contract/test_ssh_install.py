"""The agent is brought to a machine by SSH: to the right machine only, quietly, and with words when it fails."""

import io
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from director.adapters.vsphere.ssh import SshAccess, access_for, install
from director.ports.failure import InfrastructureFailure, Retry
from tests.support.sshd import IS_ROOT, PASSWORD, SSHD, USER, Sshd, sshd

pytestmark = pytest.mark.skipif(SSHD is None, reason="no sshd: install openssh-server")
HOST = "127.0.0.1"
SECRET = "one-time-token-of-this-test"
# Notes what it was given, and everything that anyone on the machine could see meanwhile.
INSTALLER = """
set -eu
base=$4 enrolment=$2
stat -c %a "$enrolment" >"$base/mode"
stat -c %a "$(dirname "$enrolment")" >"$base/directory-mode"
dirname "$enrolment" >"$base/place"
cat "$enrolment" >"$base/enrolment"
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' >"$base/seen" || true
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd() as running:
        yield running


@pytest.fixture
def access(server: Sshd) -> SshAccess:
    return SshAccess(user=server.user, host_keys=(server.host_key,), private_key=server.private_key, port=server.port)


@pytest.fixture
def base(server: Sshd, request) -> Path:
    place = server.home / request.node.name.replace("[", "-").replace("]", "")
    place.mkdir()
    place.chmod(0o777)
    return place


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return _bundle(tmp_path, INSTALLER)


def _bundle(directory: Path, installer: str) -> Path:
    path = directory / "bundle.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("install.sh")
        entry.size = len(installer)
        archive.addfile(entry, io.BytesIO(installer.encode()))
    return path


async def _install(access: SshAccess, bundle: Path, base: Path, timeout_s: float = 30.0) -> None:
    await install(HOST, access, bundle, f'{{"token": "{SECRET}"}}', options=("--base", str(base)), timeout_s=timeout_s)


async def test_the_installer_runs_with_an_enrolment_that_only_its_owner_reads(access, bundle, base: Path) -> None:
    await _install(access, bundle, base)
    assert (base / "enrolment").read_text() == f'{{"token": "{SECRET}"}}'
    assert ((base / "mode").read_text(), (base / "directory-mode").read_text()) == ("600\n", "700\n")


async def test_no_secret_is_seen_in_the_process_list_or_an_environment(access, bundle, base: Path) -> None:
    await _install(access, bundle, base)
    seen = (base / "seen").read_text(errors="replace")
    assert "install.sh" in seen
    assert SECRET not in seen


async def test_nothing_is_left_beside_what_was_installed(access, bundle, base: Path) -> None:
    await _install(access, bundle, base)
    assert not Path((base / "place").read_text().strip()).exists()


async def test_a_machine_with_another_host_key_gets_nothing(server: Sshd, access, bundle, base: Path) -> None:
    with pytest.raises(InfrastructureFailure, match="shows another host key") as caught:
        await _install(replace(access, host_keys=(server.other_host_key,)), bundle, base)
    assert caught.value.retry is Retry.NEVER
    assert list(base.iterdir()) == []


async def test_a_machine_without_any_of_the_known_kinds_of_key_gets_nothing(access, bundle, base, tmp_path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", str(tmp_path / "rsa")], check=True)
    with pytest.raises(InfrastructureFailure, match="shows another host key"):
        await _install(replace(access, host_keys=((tmp_path / "rsa.pub").read_text(),)), bundle, base)
    assert list(base.iterdir()) == []


async def test_one_of_several_host_keys_suffices(server: Sshd, access, bundle, base: Path) -> None:
    await _install(replace(access, host_keys=(server.other_host_key, server.host_key)), bundle, base)
    assert (base / "enrolment").exists()


async def test_a_wrong_key_is_said_to_be_one_without_being_shown(access, bundle, base: Path, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "wrong")], check=True)
    wrong = (tmp_path / "wrong").read_text()
    with pytest.raises(InfrastructureFailure, match=r"does not let .* in: correct user and password") as caught:
        await _install(replace(access, private_key=wrong), bundle, base)
    assert wrong.splitlines()[1] not in str(caught.value)


async def test_what_a_failed_installer_said_is_told(access, base: Path, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, "echo no Python on this machine can run the agent >&2; exit 3")
    with pytest.raises(InfrastructureFailure, match=r"exit code 3. It said: no Python on this machine") as caught:
        await _install(access, bundle, base)
    assert SECRET not in str(caught.value)


async def test_an_installer_that_hangs_is_given_up(access, base: Path, tmp_path: Path) -> None:
    bundle = _bundle(tmp_path, "echo waiting for a lock; exec sleep 8")
    started = time.monotonic()
    with pytest.raises(InfrastructureFailure, match=r"within 2 s: .* It said: waiting for a lock"):
        await _install(access, bundle, base, timeout_s=2.0)
    assert time.monotonic() - started < 10


async def test_a_machine_that_does_not_answer_is_given_up_and_may_be_tried_again(access, bundle, base: Path) -> None:
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        nowhere = replace(access, port=closed.getsockname()[1])
        with pytest.raises(InfrastructureFailure, match=r"does not answer by SSH|within 1 s") as caught:
            await _install(nowhere, bundle, base, timeout_s=1.0)
    assert caught.value.retry is not Retry.NEVER


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="a further user, who has a password, needs root")
async def test_a_user_who_is_not_root_installs_by_sudo_with_the_password(server: Sshd, bundle, base: Path) -> None:
    access = SshAccess(user=USER, host_keys=(server.host_key,), password=PASSWORD, port=server.port)
    await _install(access, bundle, base)
    assert (server.home / "asked").read_text().startswith("sudo\n")
    assert (base / "enrolment").stat().st_uid != 0
    assert PASSWORD not in (base / "seen").read_text(errors="replace")


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="a further user, who has a password, needs root")
async def test_a_wrong_password_is_not_shown(server: Sshd, bundle, base: Path) -> None:
    access = SshAccess(user=USER, host_keys=(server.host_key,), password="wrong-pass-word", port=server.port)
    with pytest.raises(InfrastructureFailure, match='does not let "installer" in') as caught:
        await _install(access, bundle, base)
    assert "wrong-pass-word" not in str(caught.value) + repr(access)


def test_the_first_entry_that_fits_the_template_is_taken() -> None:
    tree = {
        "ssh": [
            {"template": "debian-*", "user": "admin", "password": "p", "host_key": "ssh-ed25519 AAAA"},
            {"private_key": "k", "host_key": ["ssh-ed25519 BBBB", "ssh-rsa CCCC"], "port": 2222},
        ]
    }
    first, second = access_for(tree, "debian-12"), access_for(tree, "rhel-9")
    assert (first.user, first.host_keys, first.port) == ("admin", ("ssh-ed25519 AAAA",), 22)
    assert (second.user, second.host_keys, second.port) == ("root", ("ssh-ed25519 BBBB", "ssh-rsa CCCC"), 2222)


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ({"template": "other"}, "has no entry for it"),
        ({"user": "a", "password": "p"}, "needs a host_key"),
        ({"host_key": "k"}, "either a password or a private_key"),
        ({"host_key": "k", "password": "p", "private_key": "q"}, "either a password or a private_key"),
        ({"host_key": "k", "password": "p", "port": "ssh"}, "is no number"),
    ],
)
def test_an_entry_that_would_lead_nowhere_is_refused(entry: dict[str, object], wrong: str) -> None:
    with pytest.raises(InfrastructureFailure, match=wrong):
        access_for({"ssh": entry}, "debian-12")
