"""``FileSources``: the Sources port over directories of this machine and git repositories."""

import asyncio
from pathlib import Path

from director.adapters.sources.directory import read_directory
from director.adapters.sources.git import GitMirror
from director.model.names import DeploymentName
from director.model.steady import Directory, Git
from director.ports.sources import Texts


class FileSources:
    """Implements ``ports.sources.Sources``. ``room`` is a directory of the director's own, for what git brings."""

    def __init__(self, room: Path) -> None:
        self._mirror = GitMirror(room)

    async def read(self, source: Directory | Git, deployment: DeploymentName) -> Texts:
        if isinstance(source, Directory):
            return await asyncio.to_thread(read_directory, Path(source.path), deployment)
        return await self._mirror.read(source, deployment)

    async def forget(self, deployment: DeploymentName) -> None:
        await asyncio.to_thread(self._mirror.forget, deployment)
