import ssl
import stat
from pathlib import Path

import pytest

from director.adapters.nsxt.client import Auth, NsxClient, NsxFault, NsxLogin
from director.adapters.nsxt.client.kinds import Kind
from director.adapters.nsxt.client.login import tls_context
from tests.support.certificate import write_certificate


def login(*managers: str, **more: object) -> NsxLogin:
    return NsxLogin(managers=managers, user="u", password="secret-word", **more)


def test_no_secret_shows():
    shown = repr(login("a", certificate="PEMCERT", key="PEMKEY", ca="PEMCA"))
    assert not [word for word in ("secret-word", "PEMCERT", "PEMKEY", "PEMCA") if word in shown]


def test_a_manager_is_a_host_a_port_or_a_url():
    urls = login("a", "b:8443", "https://c/", "http://127.0.0.1:80", "[::1]:9", "https://a").urls
    assert urls == ("https://a", "https://b:8443", "https://c", "http://127.0.0.1:80", "https://[::1]:9")


@pytest.mark.parametrize("manager", ["", "ftp://a", "https://", "https://user:pw@a"])
def test_what_is_no_address_is_refused_without_its_secrets(manager):
    with pytest.raises(ValueError, match="no address") as met:
        _ = login(manager).urls
    assert "pw" not in str(met.value)


def test_the_same_managers_in_another_order_are_one_account():
    assert login("a", "b").account == login("b", "https://a").account
    assert login("a").account != NsxLogin(managers=("a",), user="other").account


def test_certificates_are_verified_unless_told_otherwise():
    assert tls_context(login("a")).verify_mode is ssl.CERT_REQUIRED
    assert tls_context(login("a", is_verified=False)).verify_mode is ssl.CERT_NONE


def test_a_certificate_and_its_key_come_as_text_or_as_files_and_leave_no_copy(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    seen = []
    load = ssl.SSLContext.load_cert_chain

    def watched(self, path, **more):
        seen.append(stat.S_IMODE(Path(path).stat().st_mode))
        load(self, path, **more)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    certificate, key = write_certificate(tmp_path, "127.0.0.1")
    tls_context(login("a", auth=Auth.CERTIFICATE, certificate=str(certificate), key=str(key)))
    tls_context(login("a", auth=Auth.CERTIFICATE, certificate=certificate.read_text() + key.read_text()))
    tls_context(login("a", ca=str(certificate)))
    tls_context(login("a", ca=certificate.read_text()))
    assert seen == [0o600, 0o600]
    assert not [*(tmp_path / "temp").iterdir()]


@pytest.mark.parametrize("given", [{"ca": "/no/such/file"}, {"certificate": "-----BEGIN nonsense"}])
async def test_an_unreadable_certificate_is_told_at_once(given):
    with pytest.raises(NsxFault) as met:
        NsxClient(login("a", **given))
    assert met.value.kind is Kind.CERTIFICATE
    assert "cannot be read" in str(met.value)
