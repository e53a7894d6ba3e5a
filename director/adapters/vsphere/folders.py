"""VM folders of ours in vCenter's inventory: found by path, made when they are not there."""

from collections.abc import Sequence
from typing import Any

from pyVmomi import vim

from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.session import Session
from director.ports.failure import InfrastructureFailure


async def find_folder(session: Session, path: Sequence[str]) -> Any:
    """The folder at ``path`` (datacenter, ``vm``, …), or None."""
    return await _at(session, "/".join(path))


async def ensure_folder(session: Session, path: Sequence[str]) -> Any:
    """The folder (vim.Folder). Repeatable, and safe beside another director that makes the same.

    Raises InfrastructureFailure when there is no such datacenter.
    """
    there = await find_folder(session, path)
    if there is not None:
        return there
    parent = await _at(session, "/".join(path[:2]))
    if parent is None:
        raise InfrastructureFailure(f'vCenter has no datacenter "{path[0]}": set datacenters[0].name to one it has.')
    for depth in range(2, len(path)):
        parent = await _ensure_child(session, parent, path[: depth + 1])
    return parent


async def _ensure_child(session: Session, parent: Any, path: Sequence[str]) -> Any:
    child = await _at(session, "/".join(path))
    if child is not None:
        return child
    try:
        return await session.call(f'make folder "{"/".join(path)}"', lambda: parent.CreateFolder(path[-1]))
    except Fault as fault:
        if not fault.is_a(vim.fault.DuplicateName):
            raise
        return getattr(fault.fault, "object", None) or await _at(session, "/".join(path))


async def _at(session: Session, path: str) -> Any:
    return await session.call(f'find "{path}"', lambda: session.content.searchIndex.FindByInventoryPath(path))
