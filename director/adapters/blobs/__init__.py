"""Blobs in a directory of this machine."""

from director.adapters.blobs.directory import DirectoryBlobs

__all__ = ["DirectoryBlobs"]
