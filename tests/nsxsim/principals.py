"""Principal identities and their certificates: /api/v1/trust-management. Reference 5.5.

A registered certificate logs its identity in by TLS; what such an identity makes, it owns.
"""

import ssl
import uuid
from typing import Any, Final

from tests.nsxsim import reads, tls
from tests.nsxsim.auth import Auth, der_of, fingerprint
from tests.nsxsim.problems import Json, Refusal, absent, invalid
from tests.nsxsim.routes import Answer, Call, action, computed, route
from tests.nsxsim.sim import Sim

BASE: Final = "/api/v1/trust-management"


class Trust:
    """Registered certificates and identities, by id."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.certificates: dict[str, Json] = {}
        self.identities: dict[str, Json] = {}

    def saved(self) -> Any:
        return {"certificates": self.certificates, "identities": self.identities}

    def restore(self, said: Any) -> None:
        self.certificates.update(said["certificates"])
        self.identities.update(said["identities"])
        for each in self.certificates.values():
            self._let_in(each["pem_encoded"])

    def add_certificate(self, pem: str, name: str) -> Json:
        der_of(pem)
        made: Json = {
            "id": str(uuid.uuid4()),
            "display_name": name,
            "pem_encoded": pem,
            "resource_type": "certificate_signed",
        }
        made |= {"_revision": 0, "_create_time": int(self.sim.clock.now() * 1000)}
        self.certificates[made["id"]] = made
        self._let_in(pem)
        return made

    def add_identity(self, body: Json, certificate: Json) -> Json:
        """Raises 400 for a name with the same node, or a certificate in use."""
        name, node = str(body["name"]), str(body.get("node_id", ""))
        for each in self.identities.values():
            if (each["name"], each["node_id"]) == (name, node):
                raise Refusal(400, 2051, f"Principal identity '{name}' with node '{node}' is registered already")
            if each["certificate_id"] == certificate["id"]:
                raise Refusal(400, 2052, f"Certificate {certificate['id']} is used by '{each['name']}' already")
        made: Json = {
            "resource_type": "PrincipalIdentity",
            "id": str(uuid.uuid4()),
            "name": name,
            "display_name": body.get("display_name") or f"{name}@{node}",
            "node_id": node,
            "certificate_id": certificate["id"],
            "is_protected": body.get("is_protected", True),
            "role": _role(body),
            "_revision": 0,
            "_create_time": int(self.sim.clock.now() * 1000),
        }
        self.identities[made["id"]] = made
        self._auth().principals[fingerprint(der_of(certificate["pem_encoded"]))] = (name, made["role"])
        return made

    def remove_identity(self, id: str) -> None:
        gone = self.identities.pop(id)
        held = self.certificates.get(gone["certificate_id"])
        if held is not None:
            self._auth().principals.pop(fingerprint(der_of(held["pem_encoded"])), None)

    def _auth(self) -> Auth:
        held: Auth = self.sim.rooms["auth"]
        return held

    def _let_in(self, pem: str) -> None:
        made: ssl.SSLContext | None = self.sim.rooms.get("tls")
        if made is not None:
            tls.trust(made, pem)


def install(sim: Sim) -> None:
    sim.rooms["trust"] = Trust(sim)


def _trust(call: Call) -> Trust:
    held: Trust = call.sim.rooms["trust"]
    return held


def _role(body: Json) -> str:
    if body.get("role"):
        return str(body["role"])
    for each in body.get("roles_for_paths") or ():
        for role in each.get("roles") or ():
            return str(role.get("role"))
    return "enterprise_admin"


def _needed(body: Json, *fields: str) -> None:
    for field in fields:
        if not body.get(field):
            raise invalid("Required property is missing", code=255, field=field)


@computed(f"{BASE}/principal-identities")
def identities(call: Call) -> Json:
    return reads.page(call, _trust(call).identities.values(), dict)


@route("POST", f"{BASE}/principal-identities")
def add_identity(call: Call) -> Answer:
    _needed(call.body, "name", "node_id", "certificate_id")
    held = _trust(call).certificates.get(call.body["certificate_id"])
    if held is None:
        raise invalid(f"there is no certificate {call.body['certificate_id']}", field="certificate_id")
    return Answer(201, _trust(call).add_identity(call.body, held))


@route("POST", f"{BASE}/principal-identities/with-certificate")
def add_identity_with_certificate(call: Call) -> Answer:
    _needed(call.body, "name", "node_id", "certificate_pem")
    held = _trust(call).add_certificate(call.body["certificate_pem"], str(call.body["name"]))
    made = _trust(call).add_identity(call.body, held)
    return Answer(201, {**made, "certificate_pem": call.body["certificate_pem"]})


@computed(f"{BASE}/principal-identities/*")
def identity(call: Call, id: str) -> Json:
    if id not in _trust(call).identities:
        raise absent(f"{BASE}/principal-identities/{id}")
    return _trust(call).identities[id]


@route("DELETE", f"{BASE}/principal-identities/*")
def remove_identity(call: Call, id: str) -> None:
    identity(call, id)
    _trust(call).remove_identity(id)


@action(f"{BASE}/certificates", "import")
@action(f"{BASE}/certificates", "")
def import_certificate(call: Call) -> Answer:
    _needed(call.body, "pem_encoded")
    made = _trust(call).add_certificate(call.body["pem_encoded"], str(call.body.get("display_name", "certificate")))
    return Answer(201, {"results": [made], "result_count": 1})


@computed(f"{BASE}/certificates")
def certificates(call: Call) -> Json:
    return reads.page(call, _trust(call).certificates.values(), dict)


@computed(f"{BASE}/certificates/*")
def certificate(call: Call, id: str) -> Json:
    if id not in _trust(call).certificates:
        raise absent(f"{BASE}/certificates/{id}")
    return _trust(call).certificates[id]


@route("DELETE", f"{BASE}/certificates/*")
def remove_certificate(call: Call, id: str) -> None:
    certificate(call, id)
    users = [each["name"] for each in _trust(call).identities.values() if each["certificate_id"] == id]
    if users:
        raise Refusal(400, 2025, f"Certificate {id} is used by {', '.join(sorted(users))}")
    del _trust(call).certificates[id]
