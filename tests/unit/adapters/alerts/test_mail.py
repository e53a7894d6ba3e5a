"""Against a real SMTP server (aiosmtpd) on loopback, with TLS and a password."""

import asyncio
import email
import email.policy
import ssl
from contextlib import asynccontextmanager

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from director.adapters.alerts import Mail, MailOptions, SinkFailure, Tls
from director.adapters.alerts.lane import BATCH_MAX
from director.ports.failure import Retry
from tests.support.certificate import write_certificate
from tests.unit.adapters.alerts.rings import alert

PASSWORD = "s3cret"


class Postbox:
    def __init__(self):
        self.letters = []
        self.refuses = ""

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.letters.append((envelope, email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 OK"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return write_certificate(tmp_path_factory.mktemp("smtp"), "127.0.0.1")


@asynccontextmanager
async def served(box, certificate, *, from_the_start=False):
    """A server; its port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)

    def check(server, session, envelope, mechanism, data):
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    def made():
        if from_the_start:  # it does not know that it speaks TLS, and warns of a password without
            return SMTP(box, authenticator=check, auth_require_tls=False)
        return SMTP(box, authenticator=check, auth_required=True, tls_context=tls, require_starttls=True)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(made, "127.0.0.1", 0, ssl=tls if from_the_start else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def mail(port, certificate, **more):
    options = {"user": "director", "password": PASSWORD, "ca_file": certificate[0], **more}
    return Mail(
        MailOptions(
            host="127.0.0.1",
            port=port,
            sender="director@example.com",
            recipients=("ops@example.com", "night@example.com"),
            **options,
        ),
        director="prod",
    )


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.FROM_THE_START])
async def test_one_letter_holds_all_alerts(certificate, tls):
    box = Postbox()
    async with served(box, certificate, from_the_start=tls is Tls.FROM_THE_START) as port:
        over = alert(subject="web/web/1", is_over=True, context={"since": "900"})
        await mail(port, certificate, tls=tls).deliver([alert(), over])
    ((envelope, letter),) = box.letters
    assert envelope.rcpt_tos == ["ops@example.com", "night@example.com"]
    assert letter["Subject"] == "[prod] ERROR: web/web/0: instance.missing-vm and 1 more"
    assert letter["Auto-Submitted"] == "auto-generated"
    text = letter.get_content()
    assert "The VM of web/0 is gone." in text
    assert "OVER  1970-01-01 00:16:40 UTC  web/web/1" in text
    assert "since: 900" in text


async def test_a_subject_cannot_add_headers_and_any_letter_may_stand_in_it(certificate):
    box = Postbox()
    async with served(box, certificate) as port:
        await mail(port, certificate).deliver([alert(subject="wéb\r\nBcc: all@example.com")])
    ((envelope, letter),) = box.letters
    assert letter["Bcc"] is None
    assert len(envelope.rcpt_tos) == 2
    assert "wéb Bcc: all@example.com" in letter["Subject"]


async def test_a_full_batch_is_one_letter(certificate):
    box = Postbox()
    async with served(box, certificate) as port:
        await mail(port, certificate).deliver([alert(subject=f"web/web/{n}") for n in range(BATCH_MAX)])
    assert len(box.letters) == 1


async def test_a_wrong_password_is_tried_a_few_times_only_and_never_told(certificate):
    async with served(Postbox(), certificate) as port:
        with pytest.raises(SinkFailure, match="535") as failed:
            await mail(port, certificate, password="wr0ng").deliver([alert()])
    assert failed.value.retry is Retry.BOUNDED
    assert "wr0ng" not in str(failed.value)


@pytest.mark.parametrize("said,retry", [("550 nobody of that name", Retry.NEVER), ("450 try later", Retry.SOON)])
async def test_a_refused_recipient_is_final_when_the_server_says_so(certificate, said, retry):
    box = Postbox()
    box.refuses = said
    async with served(box, certificate) as port:
        with pytest.raises(SinkFailure) as failed:
            await mail(port, certificate).deliver([alert()])
    assert failed.value.retry is retry


async def test_a_server_with_an_unknown_certificate_gets_no_password(certificate):
    box = Postbox()
    async with served(box, certificate) as port:
        with pytest.raises(SinkFailure, match="CERTIFICATE_VERIFY_FAILED"):
            await mail(port, certificate, ca_file=None).deliver([alert()])
    assert box.letters == []


def test_a_password_without_tls_is_refused_and_never_shown():
    options = MailOptions(host="h", sender="a@b", recipients=("c@d",), tls=Tls.NONE, password=PASSWORD)
    assert PASSWORD not in repr(options)
    with pytest.raises(ValueError, match="over TLS only"):
        Mail(options, director="prod")
