"""Where manifests are kept by others: a directory, a branch of a git repository."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from director.model.names import DeploymentName
from director.model.steady import Directory, Git
from director.ports.failure import Failure, Retry


class SourceFailure(Failure):
    """The source cannot be read, or what it holds must not be; reading again later may go well."""

    retry = Retry.SOON


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What a source holds of one deployment. ``revision`` names it (a commit; a digest of a directory's texts).

    ``ops`` are (file, text) in the order they apply, ``configs`` texts by type (cloud, runtime). ``file`` is what
    problems call the manifest.
    """

    revision: str
    file: str
    manifest: str = field(repr=False)
    ops: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    configs: Mapping[str, str] = field(default_factory=dict, repr=False)


class Sources(Protocol):
    async def read(self, source: Directory | Git, deployment: DeploymentName) -> Texts:
        """``NAME.yml``, ``NAME.ops/*.yml`` by name, ``configs/cloud.yml`` and ``configs/runtime.yml`` as they now are.

        Has a deadline of its own. Raises SourceFailure, with what to do and without credentials: when it cannot be
        reached, has no NAME.yml, a file is too large, no text, or leads out of the source.
        """
        ...

    async def forget(self, deployment: DeploymentName) -> None:
        """Removes what is kept of it on this machine."""
        ...
