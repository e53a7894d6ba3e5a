"""Offers the agent bundle to machines that have no agent yet: built when it is first asked for, signed, served.

Who signs is handed in: the director's certificate authority, whose key is known to every agent by its certificate.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from director.adapters.bundles.build import build
from director.ports.bundle import BundleOffer
from director.ports.failure import Failure

PATH: Final = "/agent/bundle.tar.gz"
"""Where the HTTP API serves it, to anybody: there is no secret in it."""

_BUILD_MAX_S: Final = 1500.0


class AgentBundle:
    """``sign`` gives an ECDSA signature (SHA-256, DER) that ``public_key_pem`` proves. ``url`` ends with PATH."""

    def __init__(
        self,
        directory: Path,
        *,
        url: str,
        sign: Callable[[bytes], bytes],
        public_key_pem: str,
        build: Callable[[Path], Path] = build,
    ) -> None:
        self._directory = directory
        self._url = url
        self._sign = sign
        self._public_key_pem = public_key_pem
        self._build = build
        self._once = asyncio.Lock()
        self._made: tuple[Path, BundleOffer] | None = None

    @property
    def file(self) -> Path | None:
        """None until it was first asked for: a stranger's request builds nothing."""
        return None if self._made is None else self._made[0]

    async def offer(self) -> BundleOffer:
        """Takes seconds the first time. Raises Failure when the bundle cannot be built."""
        _, offer = await self._ready()
        return offer

    async def path(self) -> Path:
        """The bundle on this machine, for who brings it to a guest himself. Raises as ``offer`` does."""
        file, _ = await self._ready()
        return file

    async def _ready(self) -> tuple[Path, BundleOffer]:
        async with self._once:
            if self._made is None:
                async with asyncio.timeout(_BUILD_MAX_S):
                    self._made = await asyncio.to_thread(self._make)
            return self._made

    def _make(self) -> tuple[Path, BundleOffer]:
        try:
            file = self._build(self._directory)
            content = file.read_bytes()
        except OSError as error:
            raise Failure(f"The agent bundle cannot be built in {self._directory}: {error.strerror}.") from error
        offer = BundleOffer(
            url=self._url,
            sha256=hashlib.sha256(content).hexdigest(),
            signature_b64=base64.b64encode(self._sign(content)).decode(),
            public_key_pem=self._public_key_pem,
        )
        return file, offer
