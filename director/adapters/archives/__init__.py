"""Reads uploaded release and stemcell archives without trusting a byte of them (bosh-director.md 8.2, 8.3)."""

from director.adapters.archives.reader import ArchiveReader

__all__ = ["ArchiveReader"]
