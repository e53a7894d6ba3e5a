"""VMs that a person took for dead: how performing finds that out, and what becomes of the fence with its VM."""

from director.execution.world import World
from director.model.fence import Fence, fence_in, fence_name
from director.model.names import VmName
from director.model.record import VmRecord
from director.ports.failure import Failure
from director.ports.store import Change, DropSetting, DropVm


async def fence_of(vm: VmRecord, world: World) -> Fence | None:
    """None also while its agent answers: then it is not dead, whatever was said."""
    seen = world.agents.seen().get(vm.agent)
    if seen is not None and seen.is_connected:
        return None
    return fence_in(await world.store.setting(fence_name(vm.name)), vm)


def vm_dropped(vm: VmName) -> tuple[Change, ...]:
    """A VM's row goes, and with it what was said of the VM. Whoever drops such a row does it with these."""
    return DropVm(name=vm), DropSetting(name=fence_name(vm))


def forgotten_words(vm: VmRecord, fence: Fence, failure: Failure) -> str:
    name = f"{vm.name} (cid {vm.cid})" if vm.cid else vm.name
    return (
        f"VM {name} could not be deleted: {str(failure).rstrip('.')}. But {fence.by} had fenced it, so it is taken for "
        "dead and forgotten. Should it turn up, `director drift` shows it."
    )
