"""Uploads, to an ESXi host that is a TLS server on this machine."""

import hashlib
import io
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from director.adapters.vsphere.upload import CHUNK, Stopped, Target, send
from director.ports.failure import InfrastructureFailure, Retry

BODY = bytes(range(256)) * 4096


@dataclass(slots=True)
class Host:
    port: int
    certificate: bytes
    ca: Path
    status: int = 200
    got: list[tuple[str, str, bytes, str]] = field(default_factory=list)

    def target(self, **changes: object) -> Target:
        tls = ssl.create_default_context(cafile=str(self.ca))
        return Target(**{"url": f"https://127.0.0.1:{self.port}/nfc/1/disk-0.vmdk", "tls": tls, **changes})


def _colons(certificate: bytes, name: str) -> str:
    return hashlib.new(name, certificate).digest().hex(":").upper()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    key, certificate = _certificate()
    pem = tmp_path / "host.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem)

    class Handler(BaseHTTPRequestHandler):
        def take(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.got.append((self.command, self.path, body, self.headers["Content-Type"]))
            self.send_response(there.status)
            self.end_headers()

        do_POST = do_PUT = take

        def log_message(self, *words: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are what is tested
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    there = Host(port=server.server_address[1], certificate=certificate.public_bytes(serialization.Encoding.DER), ca=ca)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def _certificate() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "esxi")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def upload(
    target: Target, *, body: bytes = BODY, size: int = len(BODY), stop: threading.Event | None = None
) -> list[int]:
    sent: list[int] = []
    send(io.BytesIO(body), size, target, sent=sent.append, stop=stop or threading.Event())
    return sent


def test_every_byte_arrives_in_chunks_that_are_told(host: Host) -> None:
    sent = upload(host.target())
    assert sent == [CHUNK] * (len(BODY) // CHUNK)
    assert host.got == [("POST", "/nfc/1/disk-0.vmdk", BODY, "application/x-vnd.vmware-streamVmdk")]


def test_a_file_that_does_not_exist_there_yet_is_put(host: Host) -> None:
    upload(host.target(is_created=True))
    assert host.got[0][0] == "PUT"


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_the_thumbprint_vcenter_named_is_trusted_without_an_authority(host: Host, digest: str) -> None:
    upload(host.target(tls=ssl.create_default_context(), thumbprint=_colons(host.certificate, digest)))
    assert len(host.got) == 1


@pytest.mark.parametrize("thumbprint", ["AA:" * 19 + "AA", "no such thing"])
def test_a_host_with_another_certificate_gets_nothing(host: Host, thumbprint: str) -> None:
    with pytest.raises(InfrastructureFailure, match="is not the ESXi host that vCenter knows"):
        upload(host.target(thumbprint=thumbprint))
    assert host.got == []


def test_a_certificate_that_nobody_signed_is_refused(host: Host) -> None:
    with pytest.raises(InfrastructureFailure, match=r"connection_options\.ca_cert"):
        upload(host.target(tls=ssl.create_default_context()))


def test_a_host_that_is_not_reached_is_named_with_its_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        target = Target(url=f"https://127.0.0.1:{port}/x", tls=ssl.create_default_context())
        with pytest.raises(InfrastructureFailure, match=rf"cannot reach host 127\.0\.0\.1:{port}: ") as raised:
            upload(target)
    assert raised.value.retry is Retry.BOUNDED


def test_a_refusal_is_told_in_the_hosts_words(host: Host) -> None:
    host.status = 507
    with pytest.raises(InfrastructureFailure, match="refused the upload: 507"):
        upload(host.target())


def test_who_stops_it_is_told_so_and_no_more_is_sent(host: Host) -> None:
    stop = threading.Event()
    sent: list[int] = []

    def told(size: int) -> None:
        sent.append(size)
        stop.set()

    with pytest.raises(Stopped):
        send(io.BytesIO(BODY), len(BODY), host.target(), sent=told, stop=stop)
    assert sent == [CHUNK]


def test_an_image_that_ends_early_is_no_upload(host: Host) -> None:
    with pytest.raises(InfrastructureFailure, match="10 bytes early"):
        upload(host.target(), size=len(BODY) + 10)
