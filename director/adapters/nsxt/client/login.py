"""Who logs in where, and by what: addresses, passwords, certificates. Sends nothing."""

import os
import ssl
import tempfile
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_PEM: Final = "-----BEGIN"


class Auth(Enum):
    SESSION = "session"
    """One login, then a cookie and an XSRF token: what NSX recommends."""
    BASIC = "basic"
    """Name and password with every call: NSX logs in each time, which is slow."""
    CERTIFICATE = "certificate"
    """A client certificate registered as a principal identity; NSX lets it own what it makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NsxLogin:
    """``managers`` are hosts, ``host:port`` or base URLs of the managers of one cluster.

    ``certificate``, ``key`` and ``ca`` are PEM text or the path of a file; ``certificate`` may hold the key as well.
    Without ``ca`` the system's authorities are trusted. All clients with equal ``managers`` and ``user`` share one
    budget of requests, as NSX counts by user.
    """

    managers: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)
    auth: Auth = Auth.SESSION
    certificate: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    ca: str | None = field(default=None, repr=False)
    is_verified: bool = True

    @property
    def urls(self) -> tuple[str, ...]:
        """The managers' base URLs, without a slash at the end, each once. Raises ValueError, naming the bad one."""
        assert self.managers, "a login names at least one manager"
        return tuple(dict.fromkeys(_url_of(manager) for manager in self.managers))

    @property
    def account(self) -> tuple[str, str]:
        """Cluster and user: what NSX's limits go by, as far as can be told from here."""
        return ",".join(sorted(self.urls)), self.user or self.auth.value


def tls_context(login: NsxLogin) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one) when a file or a certificate cannot be read. Blocks for some ms."""
    context = _trust(login.ca)
    if not login.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if login.certificate is not None:
        _present(context, login.certificate, login.key)
    return context


def _trust(ca: str | None) -> ssl.SSLContext:
    if ca is None:
        return ssl.create_default_context()
    return ssl.create_default_context(cadata=_pem(ca))


def _pem(text: str) -> str:
    return text if _PEM in text else Path(text).read_text(encoding="ascii")


def _present(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
    """OpenSSL reads only files: one that nobody else can read, for as long as that takes."""
    text = _pem(certificate) + ("\n" + _pem(key) if key else "")
    handle, path = tempfile.mkstemp(prefix="nsxt-")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
        context.load_cert_chain(path, password=_no_password)
    finally:
        Path(path).unlink()


def _no_password() -> str:
    raise ssl.SSLError("the key is encrypted; give it without a password")


def _url_of(manager: str) -> str:
    parts = urlsplit(manager if "://" in manager else f"https://{manager}")
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username is not None:
        raise ValueError(
            f"{parts.hostname or manager!r} is no address of an NSX manager (host, host:port or https://host)"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
