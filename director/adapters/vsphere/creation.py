"""A VM request carried out: its clone from a template on the right datastore, what the clone cannot say, power, groups.

Decides the order only; ``spec`` says what vCenter is told, ``vms`` tells it, ``joining`` makes the VM a member.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from pyVmomi import vim

from director.adapters.vsphere.bring import bring_agent
from director.adapters.vsphere.cloud import VmProperties, read_vm_properties
from director.adapters.vsphere.enrol import Install, guestinfo_of
from director.adapters.vsphere.faults import Fault
from director.adapters.vsphere.identity import (
    AWAITS,
    Identity,
    annotation_of,
    identity_of,
    instance_uuid,
    read_identity,
    to_extra_config,
)
from director.adapters.vsphere.joining import Joining
from director.adapters.vsphere.replicas import Replica
from director.adapters.vsphere.rule_changes import Membership
from director.adapters.vsphere.seen import ON
from director.adapters.vsphere.segments import Segments
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.spec import (
    ApplyPolicy,
    FollowUp,
    GrowRoot,
    OverrideDrs,
    UpgradeHardware,
    clone_spec,
    ephemeral_unit,
    follow_ups,
    grow_spec,
    policy_spec,
    powers_on_in_clone,
)
from director.adapters.vsphere.stemcells import Stemcells
from director.adapters.vsphere.vms import Clone, Vms
from director.adapters.vsphere.where import VmWhere, vm_where
from director.model.problem import Problem, Severity
from director.ports.bundle import Bundle
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import VmRequest

UPGRADE_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    request: VmRequest
    properties: VmProperties
    where: VmWhere
    replica: Replica
    ups: tuple[FollowUp, ...]
    guestinfo: Mapping[str, str]
    membership: Membership

    @property
    def powers_on_in_clone(self) -> bool:
        return powers_on_in_clone(self.ups) and self.membership.is_empty


class Creation:
    def __init__(
        self,
        session: Session,
        vms: Vms,
        stemcells: Stemcells,
        joining: Joining,
        settings: Settings,
        *,
        director_uuid: str,
        bundle: Bundle | None,
    ) -> None:
        self._segments = Segments(session, settings.datacenter.name, wait_s=settings.segment_wait_s)
        self._session, self._vms, self._stemcells, self._joining = session, vms, stemcells, joining
        self._settings, self._director = settings, director_uuid
        self._bundle = bundle

    async def create(self, request: VmRequest) -> tuple[str, Identity]:
        """The VM's moid and what is written on it. Made, or adopted with its enrolment renewed; powered on."""
        async with self._vms.alone(request.name):
            await self._vms.folder(is_made=True)
            wish, moid, is_new = await self._cloned_or_found(request)
            if is_new:
                is_on = wish.powers_on_in_clone
            else:
                if wish.guestinfo:
                    await self._vms.write_options(f'enrol VM "{request.name}" again', moid, wish.guestinfo)
                known = self._session.watch.vms.get(moid)
                is_on = known is not None and known.power == ON
            await self._finish(wish, moid, is_on=is_on)
        return moid, self._identity(wish)

    async def _cloned_or_found(self, request: VmRequest) -> tuple[_Wish, str, bool]:
        there = self._vms.known(request.name)
        wish, moid, is_new = await self._cloned(request) if there is None else (None, there.moid, False)
        if wish is None or not is_new:
            wish = await self._wish(await self._as_made(request, moid))
        return wish, moid, is_new

    async def _as_made(self, request: VmRequest, moid: str) -> VmRequest:
        """With the MACs that the VM has: this plan may have chosen others than the one that it was made by."""
        path = "config.extraConfig"
        vm = self._session.of(vim.VirtualMachine, moid)
        read = await self._session.read(f'read how VM "{request.name}" was made', vim.VirtualMachine, (path,), [vm])
        macs = read_identity(read.get(moid, {}).get(path) or ()).macs
        return replace(request, where={**request.where, "macs": list(macs)}) if macs else request

    async def _cloned(self, request: VmRequest) -> tuple[_Wish, str, bool]:
        made: list[_Wish] = []

        async def ask() -> Clone:
            wish = await self._wish(request)
            made.append(replace(wish, where=await self._segments.found(wish.where)))
            return self._clone(made[-1])

        moid, is_new = await self._vms.clone(ask, lambda: self._stemcells.forget(request.shape.stemcell_cid))
        return made[-1], moid, is_new

    async def _wish(self, request: VmRequest) -> _Wish:
        properties, where = _properties_of(request), _where_of(request)
        replica = await self._stemcells.ensure_replica(request.shape.stemcell_cid, where)
        return _Wish(
            request=request,
            properties=properties,
            where=where,
            replica=replica,
            ups=follow_ups(properties, self._settings, replica.template),
            guestinfo=await self._guestinfo(request, replica),
            membership=self._joining.membership(request, properties, where),
        )

    async def _guestinfo(self, request: VmRequest, replica: Replica) -> Mapping[str, str]:
        is_fetched = self._bundle is not None and replica.install == Install.CLOUD_INIT.value
        offer = await self._bundle.offer() if self._bundle and is_fetched else None
        return guestinfo_of(_with_hint(request, replica), install=replica.install, bundle=offer)

    def _identity(self, wish: _Wish) -> Identity:
        cluster = "" if wish.membership.is_empty else wish.where.cluster
        return identity_of(wish.request, cluster=cluster, moves=wish.where.moves)

    def _clone(self, wish: _Wish) -> Clone:
        name = wish.request.name
        identity = replace(self._identity(wish), awaits_agent=wish.replica.install == Install.SSH.value)
        spec = clone_spec(
            wish.request,
            wish.properties,
            wish.where,
            wish.replica.template,
            self._settings,
            extra_config={**to_extra_config(identity), **wish.guestinfo},
            instance_uuid=instance_uuid(self._director, name),
            annotation=annotation_of(wish.request),
        )
        spec.powerOn = wish.powers_on_in_clone
        slots = [f"datastore:{wish.where.datastore}"] + ([f"host:{wish.where.host}"] if wish.where.host else [])
        return Clone(name=name, template=wish.replica.template.moid, spec=spec, slots=tuple(slots))

    async def _finish(self, wish: _Wish, moid: str, *, is_on: bool) -> None:
        """Each step may be done again; those that need the VM off were done already when it is on."""
        name = wish.request.name
        if not is_on:
            for up in wish.ups:
                await self._do(up, name, moid)
        if not wish.membership.is_empty:
            await self._joining.join(wish.where.cluster, replace(wish.membership, vm=moid))
        if not is_on:
            await self._vms.power_on(name, moid)
        if wish.replica.install == Install.SSH.value:
            await self._bring_agent(wish, moid)
        await self._joining.describe(moid, wish.request, wish.properties)

    async def _bring_agent(self, wish: _Wish, moid: str) -> None:
        if self._bundle is None:
            raise InfrastructureFailure(
                f'VM "{wish.request.name}" gets its agent by SSH, and this director has no bundle of it to bring.'
            )
        watch, access = self._session.watch, self._settings.agent_install
        await bring_agent(watch, moid, wish.request, access, self._bundle.path)
        await self._vms.write_options(f'note that VM "{wish.request.name}" has its agent', moid, {AWAITS: ""})

    async def _do(self, up: FollowUp, name: str, moid: str) -> None:
        match up:
            case UpgradeHardware():
                await self._upgrade(name, moid, up.version)
            case GrowRoot():
                spec = grow_spec(up, await self._devices(name, moid))
                await self._vms.reconfigure(f'grow the root disk of VM "{name}"', moid, spec)
            case ApplyPolicy():
                spec = policy_spec(await self._joining.policy_id(up.policy), await self._devices(name, moid))
                await self._vms.reconfigure(f'give VM "{name}" storage policy "{up.policy}"', moid, spec)
            case OverrideDrs():
                pass  # a part of joining
            case _:
                assert_never(up)

    async def _upgrade(self, name: str, moid: str, version: str) -> None:
        vm = self._session.of(vim.VirtualMachine, moid)
        what = f'upgrade the hardware of VM "{name}" to {version}'
        try:
            await self._session.task(what, lambda: vm.UpgradeVM_Task(version), timeout_s=UPGRADE_S)
        except Fault as fault:
            if not fault.is_a(vim.fault.AlreadyUpgraded):
                raise

    async def _devices(self, name: str, moid: str) -> Any:
        path = "config.hardware.device"
        vm = self._session.of(vim.VirtualMachine, moid)
        read = await self._session.read(f'read the devices of VM "{name}"', vim.VirtualMachine, (path,), [vm])
        return read.get(moid, {}).get(path, ())


def _with_hint(request: VmRequest, replica: Replica) -> VmRequest:
    """The agent finds the ephemeral disk by its unit on the SCSI controller, as BOSH's agents do (3.7)."""
    return replace(request, where={**request.where, "ephemeral_hint": str(ephemeral_unit(replica.template))})


def _properties_of(request: VmRequest) -> VmProperties:
    problems: list[Problem] = []
    properties = read_vm_properties(request.shape.cloud_properties, f'VM "{request.name}"', problems)
    errors = [f"{problem.detail} Fix: {problem.fix}" for problem in problems if problem.severity is Severity.ERROR]
    if errors:
        raise InfrastructureFailure(" ".join(errors))
    return properties


def _where_of(request: VmRequest) -> VmWhere:
    if not request.where:
        raise InfrastructureFailure(
            f'The plan gives VM "{request.name}" no place in vCenter; it is from before vCenter was used. Deploy again.'
        )
    return vm_where(request.where)
