"""One visit to a VM by SSH, in a thread: connect, bring files, run the installer, clean up. Blocks; see ssh.py.

Nothing secret is on a command line: the enrolment goes by SFTP into a directory of the user's own (0700), and a
password that sudo asks for goes to its standard input.
"""

import io
import shlex
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import paramiko  # type: ignore[import-untyped]  # it has no stubs of its own

from director.adapters.vsphere.ssh import SshAccess
from director.ports.failure import InfrastructureFailure, Retry

_CONNECT_S: Final = 20.0
_AGAIN_S: Final = 2.0
_SAID_MAX: Final = 4000
_KEY_KINDS: Final = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


class Visit:
    def __init__(self, host: str, access: SshAccess, *, timeout_s: float) -> None:
        self._host = host
        self._access = access
        self._give_up = time.monotonic() + timeout_s
        self._ended = threading.Event()
        self._client = paramiko.SSHClient()
        self._client.set_missing_host_key_policy(paramiko.RejectPolicy())
        self._said = bytearray()

    def end(self) -> None:
        """From any thread: whatever the visit waits for ends."""
        self._ended.set()
        self._client.close()

    def said_last(self) -> str:
        """The end of what the last command printed, for people; empty when there was nothing."""
        text = bytes(self._said[-_SAID_MAX:]).decode("utf-8", "replace").strip()
        return f" It said: {text}" if text else ""

    def install(self, bundle: Path, enrolment: str, options: tuple[str, ...]) -> None:
        """Raises InfrastructureFailure."""
        self._trust()
        self._connect()
        try:
            place = self._run("mktemp -d").decode().strip()
            try:
                self._bring(place, bundle, enrolment)
                self._run_as_root(_installer(place, options))
            finally:
                self._clean_up(place)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise InfrastructureFailure(
                f"The connection to {self._host} was lost while the agent was installed ({error}); what was begun "
                f"there is done again at the next try.{self.said_last()}",
                retry=Retry.SOON,
            ) from error

    def _trust(self) -> None:
        name = self._host if self._access.port == paramiko.config.SSH_PORT else f"[{self._host}]:{self._access.port}"
        for line in self._access.host_keys:
            entry = paramiko.hostkeys.HostKeyEntry.from_line(f"{name} {line.strip()}")
            if entry is None or entry.key is None:
                raise InfrastructureFailure(
                    f"A host_key for {self._host} is no public key: give a line of /etc/ssh/ssh_host_*_key.pub."
                )
            self._client.get_host_keys().add(name, entry.key.get_name(), entry.key)

    def _connect(self) -> None:
        """Again and again while the VM boots: nothing tells when its SSH server listens."""
        key = self._key()
        while True:
            try:
                self._log_in(key)
            except paramiko.BadHostKeyException as error:
                raise InfrastructureFailure(self._not_trusted()) from error
            except paramiko.AuthenticationException as error:
                raise InfrastructureFailure(
                    f'{self._host} does not let "{self._access.user}" in: correct user and password or private_key in '
                    "agent_install.ssh in the infrastructure's properties."
                ) from error
            except (OSError, EOFError, paramiko.SSHException) as error:
                self._wait_or_raise(error)
            else:
                return

    def _log_in(self, key: Any) -> None:
        self._client.connect(
            self._host,
            port=self._access.port,
            username=self._access.user,
            password=self._access.password or None,
            pkey=key,
            timeout=_CONNECT_S,
            banner_timeout=_CONNECT_S,
            auth_timeout=_CONNECT_S,
            allow_agent=False,
            look_for_keys=False,
        )

    def _not_trusted(self) -> str:
        return (
            f"{self._host} shows another host key than agent_install.ssh has for its template, so nothing was sent to "
            "it: correct host_key if the template was made anew, or find out who answers at that address."
        )

    def _wait_or_raise(self, error: Exception) -> None:
        if "not found in known_hosts" in str(error):  # it has keys, but of no kind that we know one of
            raise InfrastructureFailure(self._not_trusted()) from error
        if self._ended.wait(_AGAIN_S) or time.monotonic() > self._give_up:
            raise InfrastructureFailure(
                f"{self._host} does not answer by SSH on port {self._access.port} ({error}): look whether the VM has "
                "booted and whether the director reaches its network.",
                retry=Retry.SOON,
            ) from error

    def _key(self) -> Any:
        if not self._access.private_key:
            return None
        for kind in _KEY_KINDS:
            with suppress(paramiko.SSHException, ValueError):
                return kind.from_private_key(io.StringIO(self._access.private_key))
        raise InfrastructureFailure(
            "A private_key in agent_install.ssh cannot be read: give an Ed25519, ECDSA or RSA key in PEM, unencrypted."
        )

    def _bring(self, place: str, bundle: Path, enrolment: str) -> None:
        with self._client.open_sftp() as sftp:
            sftp.get_channel().settimeout(self._left_s())
            for name, write in (
                ("bundle.tar.gz", lambda file: sftp.put(str(bundle), file)),
                ("enrolment.json", lambda file: sftp.putfo(io.BytesIO(enrolment.encode()), file)),
            ):
                _make_private(sftp, f"{place}/{name}", write)

    def _run_as_root(self, command: str) -> None:
        if self._access.user == "root":
            self._run(command)
        elif self._access.password:
            self._run(f"sudo -S -p '' {command}", self._access.password + "\n")
        else:
            self._run(f"sudo -n {command}")

    def _clean_up(self, place: str) -> None:
        """As root, to whom parts of it belong. Without a connection it stays: only its owner can read it."""
        with suppress(InfrastructureFailure, OSError, EOFError, paramiko.SSHException):
            self._run_as_root(f"rm -rf {shlex.quote(place)}")

    def _run(self, command: str, typed: str = "") -> bytes:
        """What it printed. Raises InfrastructureFailure when its exit code is not 0."""
        self._said.clear()
        with self._client.get_transport().open_session(timeout=self._left_s()) as channel:
            channel.set_combine_stderr(True)
            channel.settimeout(self._left_s())
            channel.exec_command(command)
            channel.sendall(typed.encode())
            channel.shutdown_write()
            while part := channel.recv(65536):
                self._said += part
                del self._said[: -2 * _SAID_MAX]
            code = channel.recv_exit_status()
        if code:
            raise InfrastructureFailure(
                f"The agent could not be installed on {self._host} by SSH: exit code {code}.{self.said_last()}"
            )
        return bytes(self._said)

    def _left_s(self) -> float:
        return max(1.0, self._give_up - time.monotonic())


def _installer(place: str, options: tuple[str, ...]) -> str:
    script = (
        'set -eu; mkdir "$0/bundle"; tar -xzf "$0/bundle.tar.gz" -C "$0/bundle"; '
        'exec sh "$0/bundle/install.sh" --enrolment "$0/enrolment.json" "$@"'
    )
    return shlex.join(["sh", "-c", script, place, *options])


def _make_private(sftp: Any, path: str, write: Callable[[str], object]) -> None:
    """Its mode is right before there is anything in it."""
    with sftp.open(path, "x") as file:
        file.chmod(0o600)
    write(path)
