"""The ``nsxt`` properties of a CPI as values: BOSH's keys (agent-cpi-vsphere.md 3.13) and ours. Asks no NSX.

Ours are ``hosts``, ``insecure``, ``auth``, ``realisation_timeout``, ``removal_timeout`` and ``port_timeout`` (seconds).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from director.adapters.nsxt.client.login import Auth, NsxLogin
from director.manifest.near import instead_of
from director.model.problem import Problem, Refused
from director.model.tree import Tree

_CODE: Final = "nsxt.properties"
_PEM: Final = "-----BEGIN"
_SESSION: Final = ("username", "password")
_CERTIFICATE: Final = ("auth_certificate", "auth_private_key")


class VifType(Enum):
    """What a VM's ports are told to be: PARENT is for hosts of containers that have ports of their own."""

    NONE = ""
    PARENT = "PARENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class NsxtSettings:
    """Timeouts in seconds: until what was written is realised, what was removed is gone, a VM's ports show up."""

    login: NsxLogin
    vif_type: VifType = VifType.NONE
    allows_overwrite: bool = True
    realisation_s: float = 600.0
    removal_s: float = 180.0
    ports_s: float = 300.0


KEYS: Final = (
    "host",
    "hosts",
    "username",
    "password",
    "auth_certificate",
    "auth_private_key",
    "auth",
    "ca_cert",
    "insecure",
    "default_vif_type",
    "allow_overwrite",
    "use_policy_api",
    "policy_api_migration_mode",
    "remote_auth",
    "tag_nsx_vm_objects",
    "realisation_timeout",
    "removal_timeout",
    "port_timeout",
)


@dataclass(slots=True)
class _Keys:
    """The properties, read key by key; what is wrong is collected, and a usable value given."""

    tree: Mapping[str, object]
    problems: list[Problem] = field(default_factory=list)

    def text(self, key: str) -> str:
        value = self.tree.get(key)
        if value is not None and not isinstance(value, str):
            self.wrong(key, "is not a text", "write it as a text, in quotes if need be.")
        return value if isinstance(value, str) else ""

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.tree.get(key)
        if value is not None and not isinstance(value, bool):
            self.wrong(key, "is neither true nor false", "write true or false.")
        return value if isinstance(value, bool) else default

    def seconds(self, key: str, default: float) -> float:
        value = self.tree.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 86_400:
            self.wrong(key, "is no number of seconds", "give seconds, from 1 to 86400.")
            return default
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.tree.get(key)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
            self.wrong(key, "is not a list of texts", "list one manager a line.")
            return ()
        return tuple(str(each) for each in value)

    def wrong(self, key: str, what: str, fix: str) -> None:
        """``what`` never holds the value: it may be a secret."""
        self.problems.append(Problem(code=_CODE, summary="Wrong NSX-T property", detail=f"nsxt.{key} {what}.", fix=fix))


def read_settings(properties: Tree) -> NsxtSettings:
    """The tree below ``nsxt`` as settings. Raises Refused with all that is wrong at once."""
    keys = _Keys(properties)
    for key in sorted(set(properties) - set(KEYS)):
        keys.wrong(key, "is no property of NSX-T", instead_of(key, KEYS, "remove it"))
    _refuse_other_ways(keys)
    settings = NsxtSettings(
        login=_login(keys),
        vif_type=_vif_type(keys),
        allows_overwrite=keys.flag("allow_overwrite", default=True),
        realisation_s=keys.seconds("realisation_timeout", 600.0),
        removal_s=keys.seconds("removal_timeout", 180.0),
        ports_s=keys.seconds("port_timeout", 300.0),
    )
    if keys.problems:
        raise Refused(keys.problems)
    return settings


def _refuse_other_ways(keys: _Keys) -> None:
    """Only the Policy API is spoken; VMs' NSX objects are not tagged, their ports are."""
    if not keys.flag("use_policy_api", default=True):
        keys.wrong("use_policy_api", "is false, but only the Policy API is spoken", "remove it, or write true.")
    for key in ("policy_api_migration_mode", "remote_auth"):
        if keys.flag(key, default=False):
            keys.wrong(key, "is not supported", "remove it; use a local user, a session or a client certificate.")
    keys.flag("tag_nsx_vm_objects", default=False)


def _login(keys: _Keys) -> NsxLogin:
    certificate, key = keys.text("auth_certificate") or None, keys.text("auth_private_key") or None
    ca, is_insecure = keys.text("ca_cert") or None, keys.flag("insecure", default=False)
    for name, text in (("auth_certificate", certificate), ("auth_private_key", key), ("ca_cert", ca)):
        if text and _PEM not in text:
            keys.wrong(name, "is not in PEM form", f"give the text that begins with {_PEM}.")
    if ca and is_insecure:
        keys.wrong("insecure", "contradicts ca_cert", "remove one of the two; ca_cert is the safe one.")
    return NsxLogin(
        managers=_managers(keys),
        user=keys.text("username"),
        password=keys.text("password"),
        auth=_auth(keys, certificate, key),
        certificate=certificate,
        key=key,
        ca=ca,
        is_verified=not is_insecure,
    )


def _managers(keys: _Keys) -> tuple[str, ...]:
    """``host`` may hold several, divided by commas, as some of BOSH's manifests have it."""
    single = tuple(part.strip() for part in keys.text("host").split(",") if part.strip())
    managers = (*single, *keys.texts("hosts"))
    if not managers:
        keys.wrong("host", "is missing", "name an NSX manager, or all of the cluster's under hosts.")
        return ("none",)
    try:
        NsxLogin(managers=managers).urls  # noqa: B018  it is asked for what it refuses
    except ValueError as error:
        keys.wrong("host", f"does not do: {error}", "give a host, host:port or https://host.")
    return managers


def _auth(keys: _Keys, certificate: str | None, key: str | None) -> Auth:
    """A certificate where there is one, as with BOSH; else a session."""
    said = keys.text("auth").lower()
    known = {each.value: each for each in Auth}
    auth = known.get(said, Auth.CERTIFICATE if certificate or key else Auth.SESSION)
    if said and said not in known:
        keys.wrong("auth", "is no way to log in", f"use one of: {', '.join(sorted(known))}.")
    needed: tuple[str, ...] = _CERTIFICATE if auth is Auth.CERTIFICATE else _SESSION
    if auth is Auth.CERTIFICATE and certificate and "PRIVATE KEY" in certificate:
        needed = _CERTIFICATE[:1]
    for name in needed:
        if not keys.text(name):
            keys.wrong(name, "is missing", f"give {' and '.join(needed)}.")
    return auth


def _vif_type(keys: _Keys) -> VifType:
    said = keys.text("default_vif_type")
    known = {each.value: each for each in VifType}
    if said not in known:
        keys.wrong("default_vif_type", "is not supported", "write PARENT, or remove it.")
    return known.get(said, VifType.NONE)
