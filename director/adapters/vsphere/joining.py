"""What a VM of ours is a member of, or carries beside itself: DRS rules, groups, tags, custom attributes, policies."""

from collections.abc import Collection, Mapping
from typing import Final

import structlog

from director.adapters.vsphere.cloud import VmProperties
from director.adapters.vsphere.policies import Policies
from director.adapters.vsphere.rule_changes import Membership
from director.adapters.vsphere.rules import Rules
from director.adapters.vsphere.session import Session
from director.adapters.vsphere.settings import Settings
from director.adapters.vsphere.tags import CustomAttributes, Tags
from director.adapters.vsphere.where import VmWhere
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import VmRequest

_log: Final = structlog.get_logger(__name__)


class Joining:
    def __init__(self, session: Session, settings: Settings, *, director_uuid: str) -> None:
        self._settings = settings
        self._rules = Rules(session, prefix=director_uuid)
        self._tags = Tags(session)
        self._attributes = CustomAttributes(session)
        self._policies = Policies(session)

    def membership(self, request: VmRequest, properties: VmProperties, where: VmWhere) -> Membership:
        """Of a VM whose moid is not known yet."""
        group = _bosh_group(request) if self._settings.has_auto_anti_affinity else None
        return Membership(
            vm="",
            apart=tuple(rule for rule in (where.separate_rule, group) if rule),
            groups=(properties.vm_group,) if properties.vm_group else (),
            host_group=where.host_group,
            is_drs_off=properties.disable_drs,
        )

    async def join(self, cluster: str, membership: Membership) -> None:
        await self._rules.join(cluster, membership)

    async def leave(self, cluster: str, vm: str) -> None:
        await self._rules.leave(cluster, [vm])

    async def describe(self, vm: str, request: VmRequest, properties: VmProperties) -> None:
        """For people: what cannot be written is told in the log, and stops nothing (3.11)."""
        warnings: tuple[str, ...] = ()
        if properties.tags:
            warnings += await self._tags.attach(vm, [(tag.category, tag.tag) for tag in properties.tags])
        if self._settings.custom_attributes:
            values = {key: str(value) for key, value in sorted(request.tags.items())}
            warnings += await self._attributes.set(vm, values)
        for warning in warnings:
            _log.warning("a VM is not described as wished", vm=request.name, why=warning)

    async def policy_id(self, name: str) -> str:
        found, problems = await self._policies.ids([name])
        if problems:
            raise InfrastructureFailure(" ".join(f"{problem.detail} Fix: {problem.fix}" for problem in problems))
        return found[name]

    async def compatible(self, names: Collection[str], datastores: Collection[str]) -> Mapping[str, frozenset[str]]:
        return await self._policies.compatible(names, datastores)


def _bosh_group(request: VmRequest) -> str | None:
    """The name BOSH's directors give an instance group's VMs together (2.5)."""
    bosh = request.shape.env.get("bosh")
    group = bosh.get("group") if isinstance(bosh, Mapping) else None
    return str(group) if group else None
