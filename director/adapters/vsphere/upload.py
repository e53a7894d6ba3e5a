"""Sends one file to the ESXi host that vCenter named for it. Blocks; holds one chunk in memory; decides nothing."""

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final
from urllib.parse import urlsplit

from director.ports.failure import InfrastructureFailure, Retry

CHUNK: Final = 256 << 10
CONNECT_S: Final = 20.0
STALL_S: Final = 120.0
"""A host that takes no byte for so long, or does not answer after the last one, is not going to."""
_DIGESTS: Final = {40: "sha1", 64: "sha256", 128: "sha512"}
"""By how many hex digits a thumbprint has."""


class Stopped(Exception):
    """The one who asked for the upload does not want it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """``thumbprint`` (hex with colons) is the certificate's as vCenter knows it; it says more than ``tls`` does.

    ``is_created``: the file does not exist there yet, as vCenter's import spec says.
    """

    url: str
    tls: ssl.SSLContext
    thumbprint: str = ""
    is_created: bool = False


def send(content: IO[bytes], size: int, target: Target, *, sent: Callable[[int], None], stop: threading.Event) -> None:
    """``sent`` is told how many bytes went out, each time some did.

    Raises InfrastructureFailure when the host cannot be reached, is another one, or refuses; Stopped after ``stop``;
    OSError when ``content`` cannot be read.
    """
    parts = urlsplit(target.url)
    if parts.scheme != "https" or not parts.hostname:
        raise InfrastructureFailure(f"vCenter wants the upload at {target.url}, which is no https address.")
    connection = http.client.HTTPSConnection(
        parts.hostname, parts.port or 443, timeout=CONNECT_S, context=_context(target)
    )
    where = f"{parts.hostname}:{parts.port or 443}"
    try:
        _connect(connection, target, where)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.putrequest("PUT" if target.is_created else "POST", path)
        connection.putheader("Content-Type", "application/x-vnd.vmware-streamVmdk")
        connection.putheader("Content-Length", str(size))
        connection.putheader("Overwrite", "t")
        connection.endheaders()
        _stream(content, size, _to_host(connection, where), sent, stop)
        _check_answer(connection, where)
    finally:
        connection.close()


def _context(target: Target) -> ssl.SSLContext:
    if not target.thumbprint:
        return target.tls
    # vCenter said which certificate it is; hosts commonly have one that no authority signed.
    pinned = ssl.create_default_context()
    pinned.check_hostname = False
    pinned.verify_mode = ssl.CERT_NONE
    return pinned


def _connect(connection: http.client.HTTPSConnection, target: Target, where: str) -> None:
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        raise InfrastructureFailure(
            f"The ESXi host at {where} shows a certificate that is not trusted ({error.verify_message}): add its "
            "authority to connection_options.ca_cert."
        ) from error
    except OSError as error:
        raise InfrastructureFailure(
            f"cannot reach host {where}: {error.strerror or error}. A stemcell is uploaded to the ESXi host itself: "
            "open that port from the director to every host of the cluster, and let the host's name resolve.",
            retry=Retry.BOUNDED,
        ) from error
    assert isinstance(connection.sock, ssl.SSLSocket), "connected by TLS"
    if target.thumbprint:
        _check_thumbprint(connection.sock.getpeercert(binary_form=True) or b"", target.thumbprint, where)
    connection.sock.settimeout(STALL_S)
    # Else each chunk's last packet waits for an answer to the one before it.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _check_thumbprint(certificate: bytes, thumbprint: str, where: str) -> None:
    expected = thumbprint.replace(":", "").lower()
    digest = _DIGESTS.get(len(expected))
    if digest is None or not hmac.compare_digest(hashlib.new(digest, certificate).hexdigest(), expected):
        raise InfrastructureFailure(
            f"What answers at {where} is not the ESXi host that vCenter knows: its certificate has another thumbprint. "
            "Look for a wrong DNS entry or a proxy in between, or reconnect the host in vCenter."
        )


def _to_host(connection: http.client.HTTPSConnection, where: str) -> Callable[[bytes], None]:
    def put(chunk: bytes) -> None:
        try:
            connection.send(chunk)
        except OSError as error:
            raise _lost(where, error) from error

    return put


def _stream(
    content: IO[bytes], size: int, put: Callable[[bytes], None], sent: Callable[[int], None], stop: threading.Event
) -> None:
    left = size
    while left:
        if stop.is_set():
            raise Stopped
        chunk = content.read(min(CHUNK, left))
        if not chunk:
            raise InfrastructureFailure(f"The stemcell's image ends {left} bytes early: fetch or build it again.")
        put(chunk)
        left -= len(chunk)
        sent(len(chunk))


def _check_answer(connection: http.client.HTTPSConnection, where: str) -> None:
    try:
        answer = connection.getresponse()
        said = answer.read(300).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise _lost(where, error) from error
    if answer.status not in {200, 201, 204}:
        raise InfrastructureFailure(
            f"The ESXi host at {where} refused the upload: {answer.status} {answer.reason} {said}".rstrip(),
            retry=Retry.BOUNDED,
        )


def _lost(where: str, error: Exception) -> InfrastructureFailure:
    return InfrastructureFailure(f"The upload to {where} broke off: {error}.", retry=Retry.BOUNDED)
