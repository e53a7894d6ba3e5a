"""Enrols this agent once: ``python -m agent.enrol --base DIR``, a process of its own that ends when it is done.

Apart from the agent because the cryptography library would stay in its memory for good. The token is used once;
the key never leaves the VM. Exit code 0: enrolled. 1: no director answered. 2: the director refused.
"""

import hashlib
import json
import sys
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent import identity
from agent.dial import OPTIONS
from agent.layout import Layout, write_atomically
from agent.settings import base_from
from agent.wire import agent_pb2 as wire
from agent.wire.agent_pb2_grpc import EnrolmentStub

_CALL_MAX_S = 20.0
_REFUSALS = frozenset(
    {
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
    }
)


def main() -> int:
    layout = Layout(base=base_from(sys.argv[1:]))
    file = identity.enrolment_file(layout)
    try:
        ticket = json.loads(file.read_bytes())
    except FileNotFoundError:
        return 0
    place = identity.directory(layout)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    if _token_used(place) != _mark(ticket["token"]):
        code = _enrol(ticket, place)
        if code:
            return code
    file.unlink()
    return 0


def _enrol(ticket: dict[str, str | list[str]], place: Path) -> int:
    key = _key(place)
    request = wire.EnrolRequest(
        agent_id=str(ticket["agent_id"]), token=str(ticket["token"]), csr_pem=_signing_request(key, ticket)
    )
    code = 1
    for target in ticket["enrol_targets"]:
        try:
            reply = _ask(target, str(ticket["ca_certificate"]), request)
        except grpc.RpcError as error:
            code = max(code, _explain(target, error))
            continue
        _keep(reply, ticket, place)
        return 0
    return code


def _explain(target: str, error: grpc.RpcError) -> int:
    assert isinstance(error, grpc.Call), "a failed call says how it failed"
    sys.stdout.write(f"enrolment failed target={target} code={error.code().name} why={error.details()}\n")
    return 2 if error.code() in _REFUSALS else 1


def _ask(target: str, ca: str, request: wire.EnrolRequest) -> wire.EnrolReply:
    credentials = grpc.ssl_channel_credentials(ca.encode())
    with grpc.secure_channel(target, credentials, list(OPTIONS)) as channel:
        return EnrolmentStub(channel).Enrol(request, timeout=_CALL_MAX_S)


def _key(place: Path) -> ec.EllipticCurvePrivateKey:
    """Made once and kept before it is first used, so that a lost reply does not leave a certificate without key."""
    path = place / "key.pem"
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey), "only this module writes that file"
        return key
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(path, pem, 0o600, durable=True)
    return key


def _signing_request(key: ec.EllipticCurvePrivateKey, ticket: dict[str, str | list[str]]) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(ticket["agent_id"]))])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


def _keep(reply: wire.EnrolReply, ticket: dict[str, str | list[str]], place: Path) -> None:
    about = {
        "agent_id": ticket["agent_id"],
        "agent_targets": ticket["agent_targets"],
        "token_used": _mark(str(ticket["token"])),
    }
    write_atomically(place / "certificate.pem", reply.certificate_pem, 0o600, durable=True)
    write_atomically(place / "ca.pem", reply.ca_pem or str(ticket["ca_certificate"]).encode(), 0o600, durable=True)
    write_atomically(place / "agent.json", json.dumps(about).encode(), 0o600, durable=True)


def _token_used(place: Path) -> str:
    """Set when the file was kept by an earlier run that was ended before it could remove the ticket."""
    try:
        return str(json.loads((place / "agent.json").read_bytes())["token_used"])
    except FileNotFoundError:
        return ""


def _mark(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
