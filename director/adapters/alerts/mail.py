"""Alerts as e-mail: one letter holds all that came since the last one."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Final

from director.adapters.alerts.sink import SinkFailure
from director.adapters.alerts.thread import Cord, in_thread
from director.adapters.alerts.words import headline, letter
from director.model.alert import Alert
from director.ports.failure import Retry

DEADLINE_S: Final = 60.0
SOCKET_S: Final = 15.0
PACE_S: Final = 60.0


class Tls(Enum):
    STARTTLS = "starttls"
    FROM_THE_START = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailOptions:
    """``password`` is sent over TLS only. ``ca_file`` is trusted in place of the system's CAs."""

    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 587
    tls: Tls = Tls.STARTTLS
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    pace_s: float = PACE_S


class Mail:
    """Implements ``Sink``. Raises OSError for a CA file that cannot be read, ValueError for a password without TLS."""

    name = "mail"

    def __init__(self, options: MailOptions, *, director: str) -> None:
        if options.tls is Tls.NONE and options.password:
            raise ValueError("a password is sent over TLS only")
        self._options = options
        self._director = director
        self._tls = ssl.create_default_context(cafile=options.ca_file)

    @property
    def pace_s(self) -> float:
        return self._options.pace_s

    async def deliver(self, alerts: Sequence[Alert]) -> None:
        host = self._options.host
        try:
            await in_thread(partial(self._send, self._message(alerts)), DEADLINE_S, "alerts mail")
        except TimeoutError:
            raise SinkFailure(f"{host} did not take the mail within {DEADLINE_S:g} s.", retry=Retry.SOON) from None
        except smtplib.SMTPException as error:
            raise SinkFailure(f"{host} did not take the mail: {_words(error)}.", retry=_retry(error)) from error
        except OSError as error:
            raise SinkFailure(f"{host} cannot be reached: {error}.", retry=Retry.SOON) from error

    async def close(self) -> None:
        """Nothing is kept open."""

    def _message(self, alerts: Sequence[Alert]) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._options.sender
        message["To"] = ", ".join(self._options.recipients)
        message["Subject"] = f"[{self._director}] {headline(alerts)}"
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._options.sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter(alerts))
        return message

    def _send(self, message: EmailMessage, cord: Cord) -> None:
        """One server, one letter, goodbye."""
        server = self._connect()
        try:
            assert server.sock is not None, "it is connected when it is made"
            cord.hold(server.sock)
            if self._options.tls is Tls.STARTTLS:
                server.starttls(context=self._tls)
                cord.hold(server.sock)
            if self._options.user:
                server.login(self._options.user, self._options.password)
            server.send_message(message)
            server.quit()
        finally:
            server.close()

    def _connect(self) -> smtplib.SMTP:
        where = (self._options.host, self._options.port)
        name = socket.gethostname()
        if self._options.tls is Tls.FROM_THE_START:
            return smtplib.SMTP_SSL(*where, local_hostname=name, timeout=SOCKET_S, context=self._tls)
        return smtplib.SMTP(*where, local_hostname=name, timeout=SOCKET_S)


def _words(error: smtplib.SMTPException) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        return f"{error.smtp_code} {said.decode(errors='replace') if isinstance(said, bytes) else said}"
    return str(error) or type(error).__name__


def _retry(error: smtplib.SMTPException) -> Retry:
    """Wrong passwords are not tried often: that locks accounts."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Retry.BOUNDED
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return Retry.SOON if any(code < 500 for code, _ in error.recipients.values()) else Retry.NEVER
    if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= 500:
        return Retry.NEVER
    return Retry.SOON
