"""What a machine needs to fetch the agent from the director and to know that it is the director's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOffer:
    """``sha256`` is hex; ``signature_b64`` is ECDSA over the bundle with SHA-256, in DER, as ``openssl dgst`` takes it.

    Nothing of it is secret. Trust comes with the offer, so the way the bundle itself takes need not be trusted.
    """

    url: str
    sha256: str
    signature_b64: str
    public_key_pem: str


class Bundle(Protocol):
    """The director's agent, ready to be installed: built when first asked for. Both raise Failure."""

    async def offer(self) -> BundleOffer:
        """For a machine that fetches it."""
        ...

    async def path(self) -> Path:
        """The file, for whoever brings it to a machine."""
        ...
