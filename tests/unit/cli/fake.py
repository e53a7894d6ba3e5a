"""A director made of canned answers: a real HTTPS server on loopback that notes what it is asked."""

import json
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """Files: a CA's certificate, and a key with the certificate for 127.0.0.1 that it signed."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test CA")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test director")])
    ca = _signed(ca_name, ca_name, ca_key, ca_key, is_ca=True)
    leaf = _signed(name, ca_name, key, ca_key, is_ca=False)
    ca_file, pem = directory / "ca.pem", directory / "server.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + leaf.public_bytes(serialization.Encoding.PEM))
    return ca_file, pem


def _signed(name, issuer, key, ca_key, *, is_ca):
    now = datetime.now(UTC)
    unused = ("content_commitment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only")
    usage = dict.fromkeys(unused, False)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_encipherment=False, key_cert_sign=is_ca, crl_sign=is_ca, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


@dataclass(frozen=True, kw_only=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Reply:
    """``hangs_up`` closes the connection after so many bytes of the body; -1 before anything is said."""

    status: int = 200
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    hangs_up: int | None = None

    @property
    def bytes(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


Answering = Callable[[Asked], Reply]


class FakeDirector:
    """``on`` says what is answered; what nobody foresaw is 404 in plain words, as an unknown route is."""

    def __init__(self, pem: Path) -> None:
        self.asked: list[Asked] = []
        self._routes: dict[tuple[str, str], Answering] = {}
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def on(self, route: str, *replies: Reply | Answering | object) -> None:
        """``route`` is "GET /path". Several replies come one after the other, the last again and again."""
        method, path = route.split(" ")
        left = list(replies)

        def answer(asked: Asked) -> Reply:
            reply = left.pop(0) if len(left) > 1 else left[0]
            if callable(reply):
                return reply(asked)
            return reply if isinstance(reply, Reply) else Reply(body=reply)

        self._routes[(method, path)] = answer

    def begins(self, route: str, task: int = 1, **more: object) -> None:
        """``route`` starts a task that has ended by the time anybody asks."""
        self.on(route, Reply(status=302 if route.startswith("GET") else 303, headers={"Location": f"/tasks/{task}"}))
        self.task(task, **more)

    def task(self, number: int, *, state: str = "done", result: str | None = None, **outputs: str) -> None:
        """A task that has ended. ``outputs`` are its logs by kind."""
        row = {"id": number, "state": state, "result": result, "started_at": 100, "timestamp": 161, "user": "admin"}
        row |= {"deployment": "web", "description": "create deployment", "context_id": ""}
        self.on(f"GET /tasks/{number}", row)
        kept = {kind: text.encode() for kind, text in outputs.items()}
        self.on(f"GET /tasks/{number}/output", lambda asked: part_of(kept.get(asked.query["type"], b""), asked))

    def said(self, route: str) -> list[Asked]:
        """The requests of one route."""
        return [asked for asked in self.asked if f"{asked.method} {asked.path}" == route]

    def answer(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        answering = self._routes.get((asked.method, asked.path))
        text = f"Endpoint '{asked.method} {asked.path}' not found."
        return answering(asked) if answering else Reply(status=404, body=text)


def part_of(text: bytes, asked: Asked) -> Reply:
    """As the real route answers a Range (bosh-director.md D.1)."""
    found = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
    if found is None:
        return Reply(body=text) if text else Reply(status=204)
    start = int(found[1])
    return Reply(status=206, body=text[start:]) if start < len(text) else Reply(status=416)


def _handler_for(director: FakeDirector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = director.answer(
                Asked(
                    method=self.command,
                    path=parts.path,
                    query=dict(parse_qsl(parts.query)),
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=body,
                )
            )
            self._say(reply)

        def _say(self, reply: Reply) -> None:
            if reply.hangs_up == -1:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.bytes)))
            self.end_headers()
            self.wfile.write(reply.bytes[: reply.hangs_up])
            self.close_connection = self.close_connection or reply.hangs_up is not None

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, *args) -> None: ...

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ssl.SSLError, TimeoutError):
                self.close_connection = True

    return Handler
