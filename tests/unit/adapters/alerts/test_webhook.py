"""Against a real HTTPS server on loopback."""

import asyncio
import json
import socket
import threading
import time

import pytest

from director.adapters.alerts import SinkFailure, Webhook
from director.adapters.alerts import webhook as module
from director.ports.failure import Retry
from tests.unit.adapters.alerts.rings import alert
from tests.unit.cli.fake import FakeDirector, Reply, write_certificate


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return write_certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(certificates):
    fake = FakeDirector(certificates[1])
    yield fake
    fake.close()


def hook(server, certificates, **more):
    return Webhook(f"https://{server.host}/hook?room=1", director="prod", ca_file=certificates[0], **more)


async def test_alerts_go_as_one_json_document_with_the_token(server, certificates):
    server.on("POST /hook", Reply(status=204))
    await hook(server, certificates, token="s3cret").deliver([alert(), alert(subject="web/web/1", is_over=True)])
    (asked,) = server.asked
    assert asked.query == {"room": "1"}
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.headers["content-type"] == "application/json"
    sent = json.loads(asked.body)
    assert sent["version"] == 1
    assert [(one["subject"], one["is_over"]) for one in sent["alerts"]] == [("web/web/0", False), ("web/web/1", True)]
    assert sent["alerts"][0] | {"director": "prod", "severity": "error", "at": 1000.0} == sent["alerts"][0]


@pytest.mark.parametrize(
    "status,retry", [(500, Retry.SOON), (503, Retry.SOON), (429, Retry.SOON), (400, Retry.NEVER), (302, Retry.NEVER)]
)
async def test_a_refusal_says_whether_to_try_again(server, certificates, status, retry):
    server.on("POST /hook", Reply(status=status, body="no such room"))
    with pytest.raises(SinkFailure, match=f"HTTP {status}: no such room") as failed:
        await hook(server, certificates).deliver([alert()])
    assert failed.value.retry is retry


async def test_a_server_with_an_unknown_certificate_gets_nothing(server):
    server.on("POST /hook", Reply())
    with pytest.raises(SinkFailure, match=r"cannot be reached.*CERTIFICATE_VERIFY_FAILED") as failed:
        await Webhook(f"https://{server.host}/hook", director="prod", token="s3cret").deliver([alert()])
    assert failed.value.retry is Retry.SOON
    assert server.asked == []


async def test_nobody_there_is_a_failure_to_try_again():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SinkFailure, match="cannot be reached") as failed:
        await Webhook(f"http://127.0.0.1:{port}/", director="prod").deliver([alert()])
    assert failed.value.retry is Retry.SOON


async def test_a_server_that_trickles_is_cut_off_at_the_deadline(monkeypatch):
    """Its timeouts begin anew with each byte; the deadline does not."""
    monkeypatch.setattr(module, "DEADLINE_S", 0.15)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def trickle():
            peer, _ = listening.accept()
            with peer:
                peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                try:
                    while not over.wait(0.01):
                        peer.sendall(b"x")
                except OSError:
                    over.set()

        server = threading.Thread(target=trickle)
        server.start()
        began = time.monotonic()
        with pytest.raises(SinkFailure, match="did not answer within"):
            await Webhook(f"http://127.0.0.1:{listening.getsockname()[1]}/", director="prod").deliver([alert()])
        assert time.monotonic() - began < 10.0
        assert await asyncio.to_thread(over.wait, 5.0), "the connection was not cut"
        server.join()


def test_a_token_needs_tls_and_an_address_must_be_one():
    with pytest.raises(ValueError, match="over https"):
        Webhook("http://127.0.0.1/", director="prod", token="s3cret")
    with pytest.raises(ValueError, match="must be an https"):
        Webhook("file:///etc/passwd", director="prod")


def test_what_is_shown_of_it_holds_no_secret():
    shown = repr(Webhook("https://hooks.example.com/T1/s3cret", director="prod", token="t0ken"))
    assert shown == "Webhook(hooks.example.com)"
