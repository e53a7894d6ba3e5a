"""The three ways to log in, and what they end in when they fail, through vcf-nsx's clients (reference 5.5)."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conformance.nsx.checked import CheckedClient, basic, check_error
from tests.support.nsxmodels import sdk
from tests.support.nsxsim import Nsxsim, nsxsim
from tests.support.nsxtyped import Refusal, TypedClient

TIER1S = "/infra/tier-1s"


@pytest.fixture
def session(nsx: Nsxsim) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.verify, made.trust_env = False, False
        yield made


def log_in(nsx: Nsxsim, session: requests.Session, password: str = "") -> requests.Response:
    form = {"j_username": nsx.user, "j_password": password or nsx.password}
    return session.post(f"{nsx.url}/api/session/create", data=form, timeout=30)


def status_of(client: CheckedClient) -> tuple[int, int]:
    try:
        client.call("GET", TIER1S)
    except Refusal as refusal:
        return refusal.status, refusal.code
    return 200, 0


def test_a_session_with_its_token_is_let_in(nsx: Nsxsim, session: requests.Session) -> None:
    login = log_in(nsx, session)
    assert login.status_code == 200
    client = CheckedClient(nsx.url, session)
    session.headers["X-XSRF-TOKEN"] = login.headers["X-XSRF-TOKEN"]
    assert status_of(client) == (200, 0)


def test_a_session_without_its_token_is_refused_with_98(nsx: Nsxsim, session: requests.Session) -> None:
    log_in(nsx, session)
    assert status_of(CheckedClient(nsx.url, session)) == (403, 98)


def test_an_expired_session_is_refused_with_98_and_a_new_one_is_let_in(nsx: Nsxsim, session: requests.Session) -> None:
    session.headers["X-XSRF-TOKEN"] = log_in(nsx, session).headers["X-XSRF-TOKEN"]
    client = CheckedClient(nsx.url, session)
    nsx.expire_sessions()
    assert status_of(client) == (403, 98)
    session.headers["X-XSRF-TOKEN"] = log_in(nsx, session).headers["X-XSRF-TOKEN"]
    assert status_of(client) == (200, 0)


def test_the_sdks_own_security_contexts_are_let_in(nsx: Nsxsim, session: requests.Session) -> None:
    made = sdk("vmware.vapi.security.user_password").create_user_password_security_context
    context = made(nsx.user, nsx.password)
    assert status_of(CheckedClient(nsx.url, session, security_context=context)) == (200, 0)


def test_a_wrong_password_is_refused_and_too_many_lock_the_account(nsx: Nsxsim, session: requests.Session) -> None:
    nsx.settings(lockout_failures=3)
    for _ in range(3):
        answer = log_in(nsx, session, "wrong")
        assert (answer.status_code, answer.json()["error_code"]) == (403, 403)
        check_error(answer.json())
    assert log_in(nsx, session).status_code == 403


def test_basic_is_let_in_beside_a_session_that_has_expired(nsx: Nsxsim, session: requests.Session) -> None:
    session.headers["X-XSRF-TOKEN"] = log_in(nsx, session).headers["X-XSRF-TOKEN"]
    session.auth = (nsx.user, nsx.password)
    nsx.expire_sessions()
    assert status_of(CheckedClient(nsx.url, session)) == (200, 0)


def test_nobody_is_not_let_in(nsx: Nsxsim, session: requests.Session) -> None:
    answer = session.get(f"{nsx.url}/policy/api/v1{TIER1S}", timeout=30)
    assert answer.status_code in (401, 403)
    check_error(answer.json())


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_a_client_certificate_is_a_principal_whose_objects_are_its_own(tmp_path: Path) -> None:
    certificate, both = principal(tmp_path)
    with nsxsim("--tls") as nsx, basic(nsx) as admin, requests.Session() as session:
        identity = {"name": "director", "node_id": "one", "role": "enterprise_admin", "certificate_pem": certificate}
        made = admin.session.post(
            f"{nsx.url}/api/v1/trust-management/principal-identities/with-certificate", json=identity, timeout=30
        )
        assert made.status_code in (200, 201), made.text
        session.verify, session.trust_env, session.cert = False, False, str(both)
        director = CheckedClient(nsx.url, session)
        director.call("PATCH", TIER1S + "/{}", "owned", body={})
        assert director.call("GET", TIER1S + "/{}", "owned").typed.protection == "NOT_PROTECTED"
        assert admin.call("GET", TIER1S + "/{}", "owned").typed.protection == "REQUIRE_OVERRIDE"
        with pytest.raises(Refusal) as protected:
            admin.call("DELETE", TIER1S + "/{}", "owned")
        assert protected.value.status in (400, 403)
        admin.session.headers["X-Allow-Overwrite"] = "true"
        admin.call("DELETE", TIER1S + "/{}", "owned")


def principal(directory: Path) -> tuple[str, Path]:
    """A self-signed certificate: its PEM text, and a file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "director")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both = directory / "principal.pem"
    both.touch(0o600)
    both.write_bytes(text + private)
    return text.decode(), both


@pytest.mark.parametrize(
    "error, status, typed",
    [
        ("aborted", 500, "ApiError"),
        ("overloaded", 503, "ApiError"),
        ("throttled", 429, "UnresolvedError"),
        ("stale-409", 409, "UnresolvedError"),
        ("gateway-timeout", 504, "ApiError"),
        ("licence", 403, "ApiError"),
        ("search-out-of-sync", 400, "ApiError"),
        ("backend-not-found", 404, "ApiError"),
    ],
)
def test_every_fault_comes_out_as_the_class_the_sdk_has_for_it(
    nsx: Nsxsim, error: str, status: int, typed: str
) -> None:
    nsx.fault(error=error)
    with requests.Session() as session:
        session.auth = (nsx.user, nsx.password)
        with pytest.raises(Refusal) as refusal:
            TypedClient(nsx.url, session).call("GET", TIER1S)
    assert refusal.value.status == status
    assert type(refusal.value.error).__name__ == typed
    check_error(refusal.value.body)
