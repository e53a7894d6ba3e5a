"""Reads manifests where others keep them. Decides which files count, never what they mean."""

from director.adapters.sources.sources import FileSources

__all__ = ["FileSources"]
