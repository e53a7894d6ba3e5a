"""The certificate authority: made once, renewed in time, trusted by real TLS."""

import stat
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from director.adapters.agents.authority import Authority
from director.adapters.agents.identity import identity_of, key_hash_of, key_of
from director.model.names import AgentId
from director.ports.failure import Failure
from tests.unit.adapters.agents.scripted_agent import make_csr

NOW = 1_800_000_000.0
DAY = 86_400.0


@dataclass
class SetClock:
    at: float = NOW

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


def test_the_root_is_made_once_and_kept_for_the_owner_alone(tmp_path):
    first = Authority(tmp_path / "ca", SetClock())
    second = Authority(tmp_path / "ca", SetClock(NOW + 100 * DAY))
    assert first.certificate_pem == second.certificate_pem
    files = list((tmp_path / "ca").iterdir())
    assert [file.name for file in files] == ["authority.pem"]
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_a_damaged_root_is_said_to_be_damaged_and_never_replaced(tmp_path):
    Authority(tmp_path, SetClock())
    (tmp_path / "authority.pem").write_text("nonsense")
    with pytest.raises(Failure, match="restore it"):
        Authority(tmp_path, SetClock())
    assert (tmp_path / "authority.pem").read_text() == "nonsense"


def test_the_server_certificate_names_every_host_and_is_kept(tmp_path):
    authority = Authority(tmp_path, SetClock())
    pem, key = authority.server_certificate(["10.0.0.6", "vms.example"])
    names = _extension(pem, x509.SubjectAlternativeName)
    assert sorted(names.get_values_for_type(x509.DNSName)) == ["director", "localhost", "vms.example"]
    assert sorted(map(str, names.get_values_for_type(x509.IPAddress))) == ["10.0.0.6", "127.0.0.1"]
    assert authority.server_certificate(["vms.example", "10.0.0.6"]) == (pem, key)
    assert stat.S_IMODE(authority.server_path.stat().st_mode) == 0o600


@pytest.mark.parametrize(("days", "is_kept"), [(0, True), (334, True), (336, False), (400, False)])
def test_the_server_certificate_is_renewed_when_less_than_30_days_are_left(tmp_path, days, is_kept):
    clock = SetClock()
    authority = Authority(tmp_path, clock)
    before = authority.server_certificate()
    clock.at += days * DAY
    assert (authority.server_certificate() == before) is is_kept


def test_the_server_certificate_is_made_anew_for_another_host_or_another_root(tmp_path):
    authority = Authority(tmp_path, SetClock())
    before = authority.server_certificate()
    with_host = authority.server_certificate(["vms.example"])
    assert with_host != before
    (tmp_path / "authority.pem").unlink()
    assert Authority(tmp_path, SetClock()).server_certificate(["vms.example"]) != with_host


def test_an_agent_certificate_names_one_agent_by_the_requests_key_alone(tmp_path):
    authority = Authority(tmp_path, SetClock())
    key = ec.generate_private_key(ec.SECP256R1())
    pem = authority.issue(AgentId("a/1 ü"), key_of(make_csr(key)))
    identity = identity_of(pem)
    assert identity.agent == "a/1 ü"
    assert identity.key_hash == key_hash_of(key.public_key())
    assert list(_extension(pem, x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate = x509.load_pem_x509_certificate(pem)
    assert "somebody else" not in certificate.subject.rfc4514_string()
    assert certificate.not_valid_before_utc.timestamp() == NOW - 3600
    assert certificate.not_valid_after_utc.timestamp() == NOW + 365 * DAY
    root = x509.load_pem_x509_certificate(authority.certificate_pem)
    certificate.verify_directly_issued_by(root)


def test_the_servers_own_certificate_is_no_agents(tmp_path):
    assert identity_of(Authority(tmp_path, SetClock()).server_certificate()[0]) is None


@pytest.mark.parametrize(
    ("csr", "why"),
    [
        (b"", "Unable to load PEM"),
        (b"nonsense", "Unable to load PEM"),
        (make_csr(rsa.generate_private_key(public_exponent=65537, key_size=2048)), "P-256"),
        (make_csr(ec.generate_private_key(ec.SECP384R1())), "P-256"),
    ],
    ids=["empty", "nonsense", "rsa", "p-384"],
)
def test_only_a_p256_request_is_taken(csr, why):
    with pytest.raises(ValueError, match=why):
        key_of(csr)


def test_a_request_signed_by_another_key_is_not_taken():
    pem = make_csr(ec.generate_private_key(ec.SECP256R1()))
    request = x509.load_pem_x509_csr(pem)
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(ValueError, match="not signed"):
        key_of(forged)


def _extension(pem, kind):
    return x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(kind).value
