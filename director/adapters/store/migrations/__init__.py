"""The versions of the stored format, each led to by one Alembic migration from the one before."""

from pathlib import Path
from typing import Final

DIRECTORY: Final = Path(__file__).parent

HEAD: Final = "0005"
"""What this director writes. A new migration goes here, and the one before it to EARLIER."""

EARLIER: Final[frozenset[str]] = frozenset({"0001", "0002", "0003", "0004"})
