"""An instance's places in the fabric, as steps in its chain: its ports' tags and groups, its server pools.

Whoever runs is announced, whoever is about to stop is withdrawn first; what a gone VM left behind is taken back.
"""

from dataclasses import replace
from typing import Final

from director.model.deployment import Lifecycle
from director.model.fabric import NOT_ATTACHED, Member
from director.model.names import VmName
from director.model.record import InstanceRecord, VmRecord
from director.model.sighting import Sighting
from director.model.step import AnnounceInstance, AttachPorts, DeleteVm, DetachPorts, WithdrawInstance
from director.model.tree import Tree
from director.model.wanted import VmShape, Want, WantedInstance
from director.planning.steps import Chain

KEY: Final = "nsxt"
"""Where BOSH has groups and server pools among a VM's cloud properties (agent-cpi-vsphere.md 3.2)."""


def vm_properties(merged: Tree, cpi: str, fabrics: frozenset[str]) -> Tree:
    """Cloud properties without what the fabric of ``cpi`` sees to; other CPIs see to it themselves."""
    return {key: merged[key] for key in merged if key != KEY} if cpi in fabrics else merged


def members_of(wanted: WantedInstance) -> tuple[Member, ...]:
    """The pools it is to serve: an errand serves nobody, nor does what is stopped."""
    serves = wanted.lifecycle is Lifecycle.SERVICE and wanted.want is Want.STARTED
    return wanted.members if serves else ()


def unsettled(record: InstanceRecord, wanted: WantedInstance, former: InstanceRecord | None) -> InstanceRecord:
    """While it changes it may be in the pools it was in and in those it is to be in, with its ports either way."""
    had = former.members if former else ()
    groups = (*(former.attachment.groups if former else ()), *wanted.attachment.groups)
    attachment = replace(wanted.attachment, groups=tuple(dict.fromkeys(groups)))
    return replace(record, members=tuple(dict.fromkeys((*had, *members_of(wanted)))), attachment=attachment)


def moving(record: InstanceRecord, former: InstanceRecord, wanted: WantedInstance) -> InstanceRecord:
    """While only its places change it stays settled, and what its ports are recorded with is not yet what is wanted:
    a director that dies on the way, or a fabric that fails, leaves that to be done and no job to be restarted.
    """
    begun = replace(former.attachment, groups=record.attachment.groups)
    attachment = former.attachment if begun == wanted.attachment else begun
    return replace(record, attachment=attachment, is_settled=former.is_settled)


def is_pending(recorded: InstanceRecord | None, wanted: WantedInstance) -> bool:
    """What an unsettled instance is recorded with was wanted, and may not have been done."""
    return recorded is not None and (not recorded.is_settled or recorded.attachment != wanted.attachment)


def settled(record: InstanceRecord, wanted: WantedInstance, *, has_vm: bool = True) -> InstanceRecord:
    attachment = wanted.attachment if has_vm else NOT_ATTACHED
    return replace(record, members=members_of(wanted), attachment=attachment, is_settled=True)


def reasons(wanted: WantedInstance, recorded: InstanceRecord | None, seen: Sighting) -> tuple[str, ...]:
    """Why an instance that is well otherwise is to be attached anew, in words."""
    if recorded is None:
        return ()
    wished, had = members_of(wanted), recorded.members
    found = [f"joins server pool {m.pool.to}" for m in wished if m not in had]
    found += [f"leaves server pool {m.pool.to}" for m in had if m not in wished]
    found += [f"was taken out of server pool {m.pool.to}" for m in wished if m in had and _is_lost(m, seen)]
    if recorded.attachment != wanted.attachment:
        found.append("port tags or groups changed")
    return tuple(found)


def _is_lost(member: Member, seen: Sighting) -> bool:
    """Only a fabric that was looked at can tell."""
    sighting = seen.fabrics.get(member.cpi)
    if sighting is None:
        return False
    shown = {(m.pool, m.label, m.ip, m.port) for m in sighting.members}
    return (member.pool.to, member.label, member.ip, member.port) not in shown


def add_withdraw(chain: Chain, recorded: InstanceRecord | None, *, keeping: tuple[Member, ...] = ()) -> None:
    """From every pool it may be in, except those of ``keeping``."""
    leaving = tuple(m for m in (recorded.members if recorded else ()) if m not in keeping)
    if recorded is not None and leaving:
        chain.add("withdraw", WithdrawInstance(instance=recorded.id, cpi=leaving[0].cpi, members=leaving))


def add_announce(chain: Chain, wanted: WantedInstance) -> None:
    members = members_of(wanted)
    if members:
        chain.add("announce", AnnounceInstance(instance=wanted.id, cpi=members[0].cpi, members=members))


def add_attach(chain: Chain, wanted: WantedInstance, vm: VmName, fabrics: frozenset[str]) -> None:
    """Needs a VM that is on: only then the fabric knows its ports."""
    if wanted.shape.cpi in fabrics and (wanted.segments or wanted.attachment != NOT_ATTACHED):
        step = AttachPorts(
            instance=wanted.id,
            vm=vm,
            cpi=wanted.shape.cpi,
            attachment=wanted.attachment,
            segments=wanted.segments,
        )
        chain.add("attach-ports", step)


def add_delete_vm(chain: Chain, recorded: InstanceRecord | None, vm: VmRecord, fabrics: frozenset[str]) -> None:
    """The VM goes, then what the fabric has of it. ``recorded`` knows the groups it was in."""
    groups = recorded.attachment.groups if recorded else ()
    leaves_ports = has_ports(vm.shape, groups, fabrics)
    step_of_vm = DeleteVm(instance=vm.instance, vm=vm.name, agent=vm.agent, has_ports=leaves_ports)
    chain.add(f"delete-vm-{vm.generation}", step_of_vm)
    if leaves_ports:
        step = DetachPorts(instance=vm.instance, vm=vm.name, cpi=vm.shape.cpi, groups=groups)
        chain.add(f"detach-ports-{vm.generation}", step)


def has_ports(shape: VmShape, groups: tuple[str, ...], fabrics: frozenset[str]) -> bool:
    """Whether a fabric of ours has something of such a VM that is to be taken back when it goes."""
    is_managed = any(_is_managed(network) for network in shape.networks.values())
    return shape.cpi in fabrics and (is_managed or bool(groups))


def _is_managed(network: object) -> bool:
    properties = network.get("cloud_properties") if isinstance(network, dict) else None
    return isinstance(properties, dict) and properties.get("managed") is True
