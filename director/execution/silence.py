"""What to look at when a new VM's agent does not dial in: what the infrastructure sees of the VM. Repairs nothing."""

from director.execution.world import Run, World
from director.model.names import AgentId
from director.model.record import VmRecord
from director.model.sighting import Power, SeenVm
from director.ports.failure import InfrastructureFailure


async def why_silent(agent: AgentId, run: Run, world: World) -> str:
    """Sentences for the operator; "" when no VM of this run has that agent."""
    vm = next((vm for vm in run.vms.values() if vm.agent == agent), None)
    if vm is None:
        return ""
    try:
        seen = await world.infrastructures.of(vm.shape.cpi).find_vm(vm.name)
    except InfrastructureFailure as failure:
        return f'Its VM "{vm.name}" cannot be looked at either. {failure}'
    return _words(vm, seen)


def _words(vm: VmRecord, seen: SeenVm | None) -> str:
    if seen is None:
        return f'Its VM "{vm.name}" is gone: deploy again.'
    if seen.power is Power.OFF:
        return f'Its VM "{vm.name}" is switched off: see why, then deploy again.'
    where = f" on {seen.place}" if seen.place else ""
    guest = f"; {seen.guest}" if seen.guest else ""
    return (
        f'Its VM "{vm.name}" runs{where}{guest}. Look at its console: whether it booted, has the address of its '
        "manifest, and reaches the director's address for agents (`director doctor` tells which). Then deploy again: "
        "it is waited for once more, and made anew if its stemcell or VM type has changed."
    )
