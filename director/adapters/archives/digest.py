"""BOSH's digests: a bare sha1, ``sha256:hex`` or ``sha512:hex``, several joined by ``;`` (section 8.5)."""

import hashlib
import hmac
import re
from pathlib import Path
from typing import Final

_LENGTHS: Final = {"sha1": 40, "sha256": 64, "sha512": 128}


def strongest(digest: str) -> tuple[str, str] | None:
    """(algorithm, hex) of the strongest part that can be checked; None when there is none or one is malformed."""
    parts: dict[str, str] = {}
    for part in digest.strip().split(";"):
        algorithm, _, value = part.rpartition(":")
        algorithm = algorithm or "sha1"
        if algorithm not in _LENGTHS or not re.fullmatch(rf"[0-9a-f]{{{_LENGTHS[algorithm]}}}", value):
            return None
        parts[algorithm] = value
    best = max(parts, key=lambda algorithm: _LENGTHS[algorithm])
    return best, parts[best]


def digest_problem(path: Path, digest: str) -> str:
    """Why the file is not what ``digest`` says, as the end of a sentence about it; empty when it is. Blocks."""
    wanted = strongest(digest)
    if wanted is None:
        return f"has the digest {digest!r}, which is neither a sha1 nor sha256:… nor sha512:…"
    algorithm, value = wanted
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, algorithm).hexdigest()
    if hmac.compare_digest(actual, value):
        return ""
    return f"has the {algorithm} {actual}, but should have {value}"
