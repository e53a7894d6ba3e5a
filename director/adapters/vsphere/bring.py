"""The agent's way onto a VM whose template has neither agent nor cloud-init: by SSH, once vCenter sees its address."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from director.adapters.vsphere.enrol import enrolment_text
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.seen import guest_of
from director.adapters.vsphere.ssh import access_for, install
from director.adapters.vsphere.watch import WatchedVm
from director.model.tree import Tree
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import VmRequest

ADDRESS_S: Final = 600.0


class Watching(Protocol):
    """What ``watch.Watch`` does."""

    @property
    def vms(self) -> Mapping[str, WatchedVm]: ...

    async def await_vm(self, moid: str, is_so: Callable[[WatchedVm], bool], timeout_s: float) -> WatchedVm: ...


async def bring_agent(
    watch: Watching, moid: str, request: VmRequest, agent_install: Tree, bundle: Callable[[], Awaitable[Path]]
) -> None:
    """Of a VM that is on. May be repeated. Raises InfrastructureFailure; Fault when no address appears in time.

    Which entry of ``agent_install`` is for it goes by the stemcell's name.
    """
    access = access_for(agent_install, request.shape.stemcell_name)
    file = await bundle()
    try:
        vm = await watch.await_vm(moid, lambda seen: bool(reachable(seen.addresses)), ADDRESS_S)
    except Fault as fault:
        seen = watch.vms.get(moid)
        if seen is None or not isinstance(fault.__cause__, TimeoutError):
            raise
        raise InfrastructureFailure(_without_address(request, seen)) from fault
    host = first_choice(reachable(vm.addresses), request)
    await install(host, access, file, enrolment_text(request))


def _without_address(request: VmRequest, seen: WatchedVm) -> str:
    return (
        f'VM "{request.name}" has shown no address that can be reached for {ADDRESS_S:.0f} s, so its agent cannot be '
        f"brought by SSH; {guest_of(seen)}. Its template must have VMware Tools (open-vm-tools) and get an address by "
        "itself: look at the VM's console, then deploy again."
    )


def reachable(addresses: Sequence[str]) -> tuple[str, ...]:
    """Those that another machine can reach: none of the link or of the VM itself."""
    parsed = (ipaddress.ip_address(address) for address in addresses)
    return tuple(str(address) for address in parsed if not address.is_link_local and not address.is_loopback)


def first_choice(addresses: Sequence[str], request: VmRequest) -> str:
    """One that the manifest gave, where the template took it; else the first IPv4 one, in order."""
    wanted = {str(network.get("ip")) for network in request.shape.networks.values()}
    return min(addresses, key=lambda address: (address not in wanted, ":" in address, address))
