"""A real SSH server on loopback, for one test: OpenSSH's own, with its own configuration, keys and, as root, users.

As root it lives in a mount namespace where /etc/passwd has a user more, who is let in by password and has a ``sudo``
of the test's: nothing of the machine is changed. As an ordinary user it lets in that user, by key.
"""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

IS_ROOT = os.geteuid() == 0
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin")
USER = "installer"
USER_ID = 54321
PASSWORD = "correct horse"

# Wants the password as the real one would with -S, and none with -n; becomes nobody else.
SUDO = """#!/bin/sh
set -eu
if [ "$1" = -S ]; then
    IFS= read -r typed
    [ "$typed" = "correct horse" ] || { echo "Sorry, try again." >&2; exit 1; }
    shift 3
else
    shift
fi
echo sudo >>"$HOME/asked"
exec "$@"
"""


@dataclass
class Sshd:
    """``home`` is the further user's, and writable for the one who is let in by key too."""

    port: int
    host_key: str
    other_host_key: str
    user: str
    private_key: str
    home: Path


@contextmanager
def sshd() -> Iterator[Sshd]:
    """Listens when it is given; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sshd-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        server = _prepare(directory)
        with subprocess.Popen(
            _command(directory), stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            try:
                _await_listening(process)
                yield server
            finally:
                process.terminate()
                process.wait(timeout=20)


def _prepare(directory: Path) -> Sshd:
    for key in ("host", "other", "client"):
        path = directory / key
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    (directory / "authorized_keys").write_text((directory / "client.pub").read_text())
    home, programs = directory / "home", directory / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "sudo").write_text(SUDO)
    (programs / "sudo").chmod(0o755)
    if IS_ROOT:
        _add_user(directory, home)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "config").write_text(_config(directory, port))
    return Sshd(
        port=port,
        host_key=(directory / "host.pub").read_text(),
        other_host_key=(directory / "other.pub").read_text(),
        user=getpass.getuser(),
        private_key=(directory / "client").read_text(),
        home=home,
    )


def _add_user(directory: Path, home: Path) -> None:
    os.chown(home, USER_ID, USER_ID)
    hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True).stdout
    for name, line in (
        ("passwd", f"{USER}:x:{USER_ID}:{USER_ID}::{home}:/bin/sh\n"),
        ("shadow", f"{USER}:{hashed.strip()}:19000:0:99999:7:::\n"),
    ):
        (directory / name).write_text(Path("/etc", name).read_text() + line)
        (directory / name).chmod(0o600 if name == "shadow" else 0o644)


def _config(directory: Path, port: int) -> str:
    return f"""
ListenAddress 127.0.0.1:{port}
HostKey {directory}/host
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
AuthorizedKeysFile {directory}/authorized_keys
Subsystem sftp internal-sftp
SetEnv PATH={directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""


def _command(directory: Path) -> list[str]:
    assert SSHD is not None
    server = [SSHD, "-D", "-e", "-f", str(directory / "config")]
    if not IS_ROOT:
        return server
    lines = [
        "set -e",
        "mount -t tmpfs -o mode=755 tmpfs /run",
        "mkdir /run/sshd",
        *(f"mount --bind {shlex.quote(str(directory / name))} /etc/{name}" for name in ("passwd", "shadow")),
        f"exec {shlex.join(server)}",
    ]
    return ["unshare", "--mount", "sh", "-c", "\n".join(lines)]


def _await_listening(process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "Server listening" in line:
            return
    raise AssertionError("sshd ended: " + "".join(said))
