"""The director's certificate authority: one P-256 root, the server's certificate, a certificate for each agent.

It signs for whoever calls it. Who may have a certificate, and whose is still good, is decided in ``admission``.

Opening the authority and ``server_certificate`` read and write files: call them before the loop is busy, or in a
thread. ``issue`` touches no file and takes well under a millisecond.
"""

import contextlib
import datetime as dt
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from director.adapters.agents import keep
from director.adapters.agents.identity import uri_of
from director.adapters.agents.keep import Pair
from director.model.names import AgentId
from director.ports.clock import Clock

SERVER_NAME: Final = "director"
"""What a client expects of the server's certificate, however it reached it."""

_BACKDATED: Final = dt.timedelta(hours=1)  # a VM's clock may be behind ours (performance-reliability 5.3 #11)
_ROOT_LIFE: Final = dt.timedelta(days=20 * 365)
_LEAF_LIFE: Final = dt.timedelta(days=365)
_RENEW_BEFORE: Final = dt.timedelta(days=30)


class Authority:
    """The root in ``directory``, made there by the first who opens it. Opening blocks on files."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._clock = clock
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._root = self._open_root(directory / "authority.pem")

    @property
    def certificate_pem(self) -> bytes:
        """The root's certificate: what agents and HTTP clients trust. Not a secret."""
        return self._root.certificate_pem

    @property
    def server_path(self) -> Path:
        """The file ``server_certificate`` keeps: key and certificate, for servers that only take a path."""
        return self._directory / "server.pem"

    def server_certificate(self, hosts: Iterable[str] = ()) -> tuple[bytes, bytes]:
        """(certificate, key) in PEM for ``director``, localhost, 127.0.0.1 and ``hosts``. Blocks on files.

        Kept on disk; made anew when less than 30 days are left, a host is missing, or the root is another.
        """
        wanted = frozenset({SERVER_NAME, "localhost", "127.0.0.1", *hosts})
        pair = keep.read(self.server_path)
        if pair is None or not self._is_good(pair.certificate, wanted):
            pair = self._make_server(wanted)
            keep.replace(self.server_path, pair)
        return pair.certificate_pem, pair.key_pem

    def issue(self, agent: AgentId, key: ec.EllipticCurvePublicKey) -> bytes:
        """The certificate, in PEM, by which the holder of ``key`` is ``agent`` for a year."""
        certificate = self._sign_leaf(key, "agent", [uri_of(agent)], ExtendedKeyUsageOID.CLIENT_AUTH)
        return certificate.public_bytes(Encoding.PEM)

    @property
    def public_key_pem(self) -> str:
        """Of the root: proves what ``sign`` signed, to ``openssl dgst -verify`` too."""
        key = self._root.key.public_key()
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, content: bytes) -> bytes:
        """ECDSA with SHA-256, in DER. For files only: whoever may choose ``content`` could choose a certificate."""
        return self._root.key.sign(content, ec.ECDSA(hashes.SHA256()))

    def _open_root(self, path: Path) -> Pair:
        pair = keep.read(path)
        if pair is None:
            # Another director may be making it too: the first file there wins, and both read that one.
            with contextlib.suppress(FileExistsError):
                keep.create(path, self._make_root())
            pair = keep.read(path)
        assert pair is not None, f"{path} was written and is gone"
        return pair

    def _make_root(self) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _common_name("director CA")
        usage = _usage(signs_certificates=True)
        builder = self._builder(key.public_key(), name, name, _ROOT_LIFE)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return Pair(key=key, certificate=builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()))

    def _make_server(self, hosts: frozenset[str]) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [_general_name(host) for host in sorted(hosts)]
        certificate = self._sign_leaf(key.public_key(), SERVER_NAME, names, ExtendedKeyUsageOID.SERVER_AUTH)
        return Pair(key=key, certificate=certificate)

    def _sign_leaf(
        self, key: ec.EllipticCurvePublicKey, common: str, names: list[x509.GeneralName], purpose: x509.ObjectIdentifier
    ) -> x509.Certificate:
        root_key = self._root.key.public_key()
        return (
            self._builder(key, _common_name(common), self._root.certificate.subject, _LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key), critical=False)
            .sign(self._root.key, hashes.SHA256())
        )

    def _builder(
        self, key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, life: dt.timedelta
    ) -> x509.CertificateBuilder:
        now = self._now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + life)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def _is_good(self, certificate: x509.Certificate, hosts: frozenset[str]) -> bool:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        is_ours = key == x509.AuthorityKeyIdentifier.from_issuer_public_key(self._root.key.public_key())
        left = certificate.not_valid_after_utc - self._now()
        return is_ours and left >= _RENEW_BEFORE and {_general_name(host) for host in hosts} <= set(names)

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock.now(), dt.UTC)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
