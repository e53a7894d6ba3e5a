"""Digest strings (1.11): bare hex is sha1, else ``algo:hex[;algo:hex]``; the strongest known one is verified."""

import hashlib
from typing import Final

from agent.failure import Failed

_STRENGTH: Final = ("sha512", "sha256", "sha1")


class Check:
    """Is fed bytes, then says whether they are what ``digest`` promises. Raises Failed for a digest it cannot check."""

    def __init__(self, digest: str) -> None:
        self._algorithm, self._wanted = strongest(digest)
        self._hash = hashlib.new(self._algorithm, usedforsecurity=False)

    def update(self, data: bytes) -> None:
        self._hash.update(data)

    def finish(self, what: str) -> None:
        """Raises Failed, naming ``what``, when the bytes fed are others."""
        found = self._hash.hexdigest()
        if found != self._wanted:
            raise Failed(f"{what}: its {self._algorithm} is {found}, not {self._wanted} as promised")


def strongest(digest: str) -> tuple[str, str]:
    """(algorithm, hex) of the strongest known part. Raises Failed for none, or for an algorithm given twice."""
    parts: dict[str, str] = {}
    for part in digest.split(";"):
        algorithm, colon, value = part.strip().partition(":")
        if not colon:
            algorithm, value = "sha1", algorithm
        if algorithm in parts:
            raise Failed(f'digest "{digest}" gives {algorithm} twice')
        parts[algorithm] = value.lower()
    for algorithm in _STRENGTH:
        if parts.get(algorithm):
            return algorithm, parts[algorithm]
    raise Failed(f'digest "{digest}" has no algorithm known here ({", ".join(_STRENGTH)})')
