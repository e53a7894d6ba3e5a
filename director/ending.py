"""Ends all that a director made on this machine, and only when nothing of it would be left alone elsewhere."""

from typing import Final

from director.adapters.local import destroy, remove_tree
from director.adapters.store import SqlStore
from director.builder import own_is_here
from director.home import Home
from director.ports.failure import Failure
from director.settings import Settings

NAMED_MAX: Final = 5


async def left_elsewhere(settings: Settings) -> tuple[str, ...]:
    """VMs and disks that the record has on other infrastructures than this machine, and all that lies in a fabric."""
    database = Home(settings.state_dir).database
    if not database.exists():
        return ()
    store = await SqlStore.open(database)
    try:
        is_here = own_is_here(settings)
        vms = [vm.name for vm in await store.vms() if vm.shape.cpi or not is_here]
        disks = [disk.name for disk in await store.disks() if disk.cpi or not is_here]
        stacks = [f"networks {record.stack.name}" for record in await store.stacks()]
    finally:
        await store.close()
    return (*vms, *disks, *stacks)


async def end_everything(settings: Settings, *, forgets: bool = False) -> None:
    """Every VM, network and file of this director on this machine goes.

    Raises InfrastructureFailure naming what stayed; and, unless it ``forgets``, before anything is removed, Failure
    when VMs or disks live elsewhere: without this record nobody would know whose they are.
    """
    left = () if forgets else await left_elsewhere(settings)
    if left:
        named = ", ".join(left[:NAMED_MAX]) + (f" and {len(left) - NAMED_MAX} more" if len(left) > NAMED_MAX else "")
        raise Failure(
            f"{len(left)} VMs, disks and networks are not on this machine and would be left behind: {named}. Delete "
            "their deployments and orphaned disks first, or repeat with --forget-elsewhere to leave them there."
        )
    await destroy(settings.state_dir)
    for directory in (settings.sockets_dir, settings.state_dir):
        await remove_tree(directory)
