"""The certificate a server shows, for a person to compare: nothing is trusted by looking at it."""

import asyncio
import hashlib
import ssl
from typing import Final

SHOW_S: Final = 10.0


async def fingerprint(host: str, port: int) -> str:
    """Its SHA-256 as people write it (``AB:CD:…``); "" when it cannot be had any more."""
    return (await shown(host, port))[1]


async def shown(host: str, port: int) -> tuple[str, str]:
    """The certificate in PEM form and its fingerprint; both "" when it cannot be had any more."""
    try:
        pem = await asyncio.to_thread(ssl.get_server_certificate, (host, port), timeout=SHOW_S)
    except OSError:
        return "", ""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    return pem, ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))
