"""Just enough of HTTP/1.1 for a proxy: messages read whole from a stream. What is odd is a broken connection."""

import asyncio
from dataclasses import dataclass
from typing import Final

HEAD_MAX: Final = 1 << 16
BODY_MAX: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request or a reply. ``headers`` keep their order; names are lower case."""

    first: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    def without(self, *names: str) -> "Message":
        kept = tuple((key, value) for key, value in self.headers if key not in names)
        return Message(first=self.first, headers=kept, body=self.body)

    def encode(self) -> bytes:
        """With a length of its own, whatever it came with."""
        lines = [f"{key}: {value}" for key, value in self.headers if key not in {"content-length", "transfer-encoding"}]
        head = [self.first, *lines, f"content-length: {len(self.body)}", "", ""]
        return "\r\n".join(head).encode("latin-1") + self.body


async def read_request(stream: asyncio.StreamReader) -> Message | None:
    """The next request, or None at the connection's end."""
    head = await _head(stream)
    if head is None:
        return None
    first, headers = head
    return Message(first=first, headers=headers, body=await _body(stream, headers, until_end=False))


async def read_reply(stream: asyncio.StreamReader, method: str) -> Message | None:
    """The reply to a request of this HTTP method, or None at the connection's end."""
    head = await _head(stream)
    if head is None:
        return None
    first, headers = head
    has_none = method == "HEAD" or first.split(" ")[1] in {"204", "304"}
    body = b"" if has_none else await _body(stream, headers, until_end=True)
    return Message(first=first, headers=headers, body=body)


async def _head(stream: asyncio.StreamReader) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    try:
        text = (await stream.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = text.removesuffix("\r\n\r\n").split("\r\n")
    if first.startswith("HTTP/1.1 100"):
        return await _head(stream)
    pairs = (line.partition(":") for line in lines)
    return first, tuple((key.strip().lower(), value.strip()) for key, _, value in pairs)


async def _body(stream: asyncio.StreamReader, headers: tuple[tuple[str, str], ...], *, until_end: bool) -> bytes:
    known = dict(headers)
    if known.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(stream)
    if "content-length" in known:
        return await stream.readexactly(min(int(known["content-length"]), BODY_MAX))
    return await stream.read(BODY_MAX) if until_end and known.get("connection") == "close" else b""


async def _chunks(stream: asyncio.StreamReader) -> bytes:
    whole = b""
    while size := int((await stream.readline()).split(b";")[0], 16):
        whole += await stream.readexactly(size)
        await stream.readline()
    while (await stream.readline()).strip():
        pass
    return whole
