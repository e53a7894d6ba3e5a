"""Who is asking: passwords, sessions with their XSRF tokens, client certificates. Reference 5.5."""

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.nsxsim.clock import Clock
from tests.nsxsim.problems import Refusal
from tests.nsxsim.settings import Settings
from tests.nsxsim.write import Who

WRONG: Final = "The credentials were incorrect or the account specified has been locked."


@dataclass(frozen=True, slots=True)
class User:
    name: str
    password: str
    role: str = "enterprise_admin"

    def __repr__(self) -> str:
        return f"User({self.name}, {self.role})"


@dataclass(slots=True)
class Session:
    user: User
    xsrf: str
    used_at: float


@dataclass(slots=True)
class Failed:
    count: int = 0
    locked_until: float = 0.0


def bad_session(why: str) -> Refusal:
    return Refusal(403, 98, f"{why} Log in again.", module="common-services")


def fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def der_of(pem: str) -> bytes:
    """The first certificate of a PEM text. Raises Refusal 400 when there is none."""
    try:
        return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError:
        raise Refusal(400, 2009, "No certificate in PEM form", module="internal-framework") from None


class Auth:
    """`who(headers, peercert)` says on whose behalf a request is, or raises the manager's refusal."""

    def __init__(self, clock: Clock, settings: Settings, users: tuple[User, ...]) -> None:
        self.clock, self.settings = clock, settings
        self.users = {user.name: user for user in users}
        self.sessions: dict[str, Session] = {}
        self.principals: dict[str, tuple[str, str]] = {}
        """Fingerprint of a certificate to (name, role) of its principal identity."""
        self._failed: dict[str, Failed] = {}

    def who(self, headers: Mapping[str, str], peercert: bytes | None = None) -> Who:
        overwrite = headers.get("x-allow-overwrite", "").lower() == "true"
        if peercert is not None and (known := self.principals.get(fingerprint(peercert))) is not None:
            return Who(known[0], known[1], principal=True, overwrite=overwrite)
        user = self._by_session(headers)
        if user is None:
            raise Refusal(401, 401, "Authentication is needed", module="common-services")
        return Who(user.name, user.role, overwrite=overwrite)

    def named(self, headers: Mapping[str, str]) -> str:
        """The user a request claims to be, unproved; for matching faults only."""
        session = self.sessions.get(self._cookie(headers) or "")
        if session is not None:
            return session.user.name
        _, _, said = headers.get("authorization", "").partition(" ")
        try:
            return base64.b64decode(said, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def _by_session(self, headers: Mapping[str, str]) -> User | None:
        basic = headers.get("authorization", "")
        held = self._cookie(headers)
        if held is None:
            return self._by_password(basic) if basic else None
        session = self.sessions.get(held)
        if session is not None and self._is_idle(session):
            self.sessions.pop(held)
            session = None
        if session is not None and secrets.compare_digest(headers.get("x-xsrf-token", ""), session.xsrf):
            session.used_at = self.clock.now()
            return session.user
        if basic:
            return self._by_password(basic)
        raise bad_session("The session has expired." if session is None else "The XSRF token is missing or wrong.")

    def _cookie(self, headers: Mapping[str, str]) -> str | None:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get("JSESSIONID")
        except CookieError:
            return None
        return None if morsel is None else morsel.value

    def _is_idle(self, session: Session) -> bool:
        return bool(self.clock.now() - session.used_at > self.settings.session_idle_s)

    def _by_password(self, header: str) -> User:
        scheme, _, said = header.partition(" ")
        if scheme.lower() not in ("basic", "remote"):
            raise Refusal(403, 403, WRONG, module="common-services")
        try:
            name, _, password = base64.b64decode(said, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Refusal(403, 403, WRONG, module="common-services") from None
        return self.login(name, password)

    def login(self, name: str, password: str) -> User:
        """Raises 403/403 for a wrong password, an unknown user or a locked account; locks after several in a row."""
        now = self.clock.now()
        failed = self._failed.get(name)
        user = self.users.get(name)
        if failed is not None and failed.locked_until > now:
            raise Refusal(403, 403, WRONG, module="common-services")
        if user is None or not secrets.compare_digest(user.password.encode(), password.encode()):
            failed = self._failed.setdefault(name, Failed())
            failed.count += 1
            if failed.count >= self.settings.lockout_failures:
                failed.count, failed.locked_until = 0, now + self.settings.lockout_s
            raise Refusal(403, 403, WRONG, module="common-services")
        self._failed.pop(name, None)
        return user

    def open_session(self, name: str, password: str) -> tuple[str, str]:
        """(JSESSIONID, XSRF token) of a new session."""
        user = self.login(name, password)
        held, xsrf = secrets.token_hex(16).upper(), secrets.token_hex(16)
        self.sessions[held] = Session(user, xsrf, self.clock.now())
        return held, xsrf

    def close_session(self, headers: Mapping[str, str]) -> None:
        if (held := self._cookie(headers)) is not None:
            self.sessions.pop(held, None)

    def expire_all(self, users: str = ".*") -> None:
        """Of the users whose whole name matches."""
        ended = [held for held, session in self.sessions.items() if re.fullmatch(users, session.user.name)]
        for held in ended:
            del self.sessions[held]
