"""Where a persistent disk's file lies: ``[store] <disk_path>/<director uuid>/<deployment>/<disk>.vmdk``. Pure.

The folder per deployment lets one search of a datastore answer for one deployment or for all. Two kinds of file lie
beside the disks: ``<disk>-snapshot-<id>.vmdk``, and ``<disk>-moving.vmdk`` while a copy to another datastore runs,
so that a half-written copy is never taken for the disk.
"""

from dataclasses import dataclass
from typing import Final

from director.model.names import DeploymentName, DiskName
from director.ports.failure import InfrastructureFailure

_SUFFIX: Final = ".vmdk"
_MOVING: Final = "-moving"
_SNAPSHOT: Final = "-snapshot-"
# What vSphere itself keeps beside a disk: its bytes, its changes, its change tracking.
_PARTS: Final = ("-flat", "-delta", "-ctk", "-sesparse", "-rdm", "-rdmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePath:
    """A datastore path as vSphere writes it, ``[store] folder/file``."""

    store: str
    path: str

    def __str__(self) -> str:
        return f"[{self.store}] {self.path}"


def read_path(text: str) -> FilePath:
    """Raises InfrastructureFailure for what is no datastore path."""
    store, found, path = text.removeprefix("[").partition("]")
    if not (text.startswith("[") and found):
        raise InfrastructureFailure(f'vCenter gave "{text}" as the place of a file, which is no datastore path.')
    return FilePath(store=store, path=path.strip())


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskId:
    """``is_moving``: the file is a copy being made under a name of its own. A snapshot's name is its whole cid."""

    deployment: DeploymentName
    name: DiskName
    is_moving: bool = False

    @property
    def is_snapshot(self) -> bool:
        return _SNAPSHOT in self.name

    @property
    def moving(self) -> "DiskId":
        return DiskId(deployment=self.deployment, name=self.name, is_moving=True)

    def snapshot(self, snapshot: str) -> "DiskId":
        return DiskId(deployment=self.deployment, name=DiskName(f"{self.name}{_SNAPSHOT}{snapshot}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskHome:
    """The folder of one director's disks, the same on every datastore. ``disk_path`` as in 3.1, ``BOSH_Disks``."""

    disk_path: str
    director: str

    def folder(self, store: str, deployment: DeploymentName | None = None) -> FilePath:
        path = f"{self.disk_path.strip('/')}/{self.director}"
        return FilePath(store=store, path=path if deployment is None else f"{path}/{deployment}")

    def file(self, store: str, disk: DiskId) -> FilePath:
        folder = self.folder(store, disk.deployment)
        name = f"{disk.name}{_MOVING}" if disk.is_moving else disk.name
        return FilePath(store=store, path=f"{folder.path}/{name}{_SUFFIX}")

    def disk_at(self, path: FilePath) -> DiskId | None:
        """Which disk of this director lies there; None when the path is none of ours.

        Only the end of the path counts: vSAN shows the first folder by an id of its own (3.8).
        """
        parts = path.path.split("/")
        if len(parts) < 3 or parts[-3] != self.director:
            return None
        return disk_of(parts[-2], parts[-1])


def disk_of(folder: str, file: str) -> DiskId | None:
    """The disk or snapshot whose file this is, in a deployment's folder; None for parts of a disk and other files."""
    name = file.removesuffix(_SUFFIX)
    if name == file or name.endswith(_PARTS):
        return None
    disk = DiskName(name.removesuffix(_MOVING))
    return DiskId(deployment=DeploymentName(folder), name=disk, is_moving=disk != name)
