"""The client over real sockets and TLS, for what happens below HTTP. The server speaks just enough to be asked."""

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager

import pytest

from director.adapters.nsxt.client import Auth, Kind, NsxClient, NsxFault, NsxLogin
from tests.support.certificate import write_certificate

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n" + b'{"id":"a"}'


@asynccontextmanager
async def server(answer=OK, *, tls=None, closes_after=None):
    """Answers each request (of headers only) with the same bytes; yields its address and what connected."""
    connections, asked, tasks = [], [], set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        connections.append(writer)
        try:
            while closes_after is None or len(asked) < closes_after * len(connections):
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listening.sockets[0].getsockname()[1]}", connections, asked
    finally:
        listening.close()
        for writer in connections:
            writer.close()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def client(*managers, **login):
    nsx = NsxClient(NsxLogin(managers=managers, user="u", password="p", **{"auth": Auth.BASIC, **login}))
    try:
        yield nsx
    finally:
        await nsx.close()


@pytest.fixture
def files(tmp_path):
    return write_certificate(tmp_path, "127.0.0.1")


def tls_server(files, *, asks_for_client=False):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*files)
    if asks_for_client:
        context.load_verify_locations(files[0])
        context.verify_mode = ssl.CERT_REQUIRED
        # In TLS 1.3 the client learns of it only with its first answer, if the connection is not reset before that.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_connections_are_kept_and_bounded():
    async with server() as (url, connections, asked), client(url) as nsx:
        for _ in range(5):
            await nsx.get("/infra")
        assert len(connections) == 1
        await asyncio.gather(*(nsx.get("/infra") for _ in range(60)))
        assert len(connections) <= 32
        assert len(asked) == nsx.requests == 65


async def test_a_connection_that_the_manager_closed_meanwhile_is_no_fault():
    async with server(closes_after=1) as (url, connections, _), client(url) as nsx:
        for _ in range(3):
            await nsx.post("/infra/x", {})
            await asyncio.sleep(0.05)
        assert len(connections) == 3
        assert not nsx.faults


async def test_an_answer_cut_off_is_lost_and_may_have_happened():
    async with server(OK[:-4], closes_after=1) as (url, _, asked), client(url) as nsx:
        with pytest.raises(NsxFault) as met:
            await nsx.post("/infra/x")
        assert met.value.kind is Kind.UNREACHABLE
        assert met.value.may_have_happened
        assert len(asked) == 1


async def test_a_refused_connection_is_not_sent_and_another_manager_does():
    async with server() as (url, _, _), client(closed_port(), url) as nsx:
        assert await nsx.post("/infra/x") == {"id": "a"}
        assert nsx.faults[Kind.UNREACHABLE] == 1


async def test_cancelled_calls_do_not_use_up_the_connections():
    async with server(b"") as (silent, connections, _), client(silent) as nsx:
        for _ in range(3):
            calls = [asyncio.ensure_future(nsx.get("/infra")) for _ in range(40)]
            await asyncio.sleep(0.2)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(NsxFault, match="no answer"):
            await nsx.get("/infra", timeout_s=0.6)
        assert connections


@pytest.mark.parametrize("is_text", [True, False])
async def test_a_manager_is_trusted_by_the_authority_given(files, is_text):
    async with server(tls=tls_server(files)) as (url, _, asked):
        async with client(url, ca=files[0].read_text() if is_text else str(files[0])) as nsx:
            await nsx.get("/infra")
        assert asked[0].startswith(b"GET /policy/api/v1/infra HTTP/1.1\r\n")


async def test_a_manager_is_not_trusted_by_default(files):
    async with server(tls=tls_server(files)) as (url, _, asked):
        async with client(url) as nsx:
            with pytest.raises(NsxFault, match="certificate is not trusted") as met:
                await nsx.get("/infra")
        assert met.value.kind is Kind.CERTIFICATE
        assert not asked
        async with client(url, is_verified=False) as nsx:
            await nsx.get("/infra")


async def test_a_client_certificate_is_shown_and_nothing_else(files):
    identity = {"auth": Auth.CERTIFICATE, "certificate": str(files[0]), "key": files[1].read_text()}
    async with server(tls=tls_server(files, asks_for_client=True)) as (url, connections, asked):
        async with client(url, ca=str(files[0]), **identity) as nsx:
            await nsx.get("/infra")
        assert connections[0].get_extra_info("peercert")
        assert b"authorization" not in asked[0].lower()


async def test_a_manager_that_wants_a_client_certificate_got_nothing_else(files):
    async with server(tls=tls_server(files, asks_for_client=True)) as (url, _, asked):
        async with client(url, ca=str(files[0])) as nsx:
            with pytest.raises(NsxFault, match="want a client certificate") as met:
                await nsx.patch("/infra/segments/a", {}, timeout_s=1)
        assert not met.value.may_have_happened
        assert not asked


async def test_what_speaks_no_tls_is_unreachable_in_words():
    async with server(b"x") as (url, _, _), client(url.replace("http", "https")) as nsx:
        with pytest.raises(NsxFault, match=r"NSX manager 127\.0\.0\.1") as met:
            await nsx.get("/infra", timeout_s=1)
        assert met.value.kind is Kind.UNREACHABLE


async def test_what_speaks_no_http_is_told():
    async with server(b"SSH-2.0-OpenSSH_9\r\n\r\n") as (url, _, _), client(url) as nsx:
        with pytest.raises(NsxFault) as met:
            await nsx.get("/infra", timeout_s=1)
        assert met.value.kind is Kind.UNREACHABLE
