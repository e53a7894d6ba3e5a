"""Storage policies: their ids by name, and the datastores each is content with (PBM, agent-cpi-vsphere.md 3.11).

Reads only. Names are read once for each plan that asks; they are few, and an administrator may change them any time.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

from pyVmomi import pbm, vim

from director.adapters.vsphere.session import Session
from director.model.problem import Problem

_PATH: Final = "/pbm"
_VERSION: Final = "pbm.version.version2"
_COOKIE: Final = "vcSessionCookie"

T = TypeVar("T")


class Policies:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def ids(self, names: Collection[str]) -> tuple[Mapping[str, str], tuple[Problem, ...]]:
        """Name → profile id of those that exist; a problem for each that does not. Raises Fault."""
        if not names:
            return {}, ()
        known = await self._all(await self._managers())
        missing = sorted(frozenset(names) - known.keys())
        found = {name: known[name] for name in sorted(names) if name in known}
        return found, tuple(unknown_policy(name, known) for name in missing)

    async def compatible(self, names: Collection[str], datastores: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Every policy's name → the datastores (moids, of these) it may be used on; none for those not in ``names``."""
        if not names:
            return {}
        managers = await self._managers()
        known = await self._all(managers)
        asked = sorted(frozenset(names) & known.keys())
        fit = await asyncio.gather(*(self._fit(managers, name, known[name], datastores) for name in asked))
        return {name: frozenset() for name in known} | dict(zip(asked, fit, strict=True))

    async def _managers(self) -> Any:
        return await self._ask("find the storage policy service", _content)

    async def _all(self, managers: Any) -> Mapping[str, str]:
        storage = pbm.profile.ResourceType(resourceType="STORAGE")
        found = await self._ask(
            "list storage policies",
            lambda stub: _at(stub, managers.profileManager).QueryProfile(storage, "REQUIREMENT"),
        )
        if not found:
            return {}
        profiles = await self._ask(
            "read storage policies", lambda stub: _at(stub, managers.profileManager).RetrieveContent(list(found))
        )
        return {one.name: one.profileId.uniqueId for one in sorted(profiles, key=lambda one: str(one.name))}

    async def _fit(self, managers: Any, name: str, profile: str, datastores: Collection[str]) -> frozenset[str]:
        hubs = [pbm.placement.PlacementHub(hubType="Datastore", hubId=moid) for moid in sorted(datastores)]
        results = await self._ask(
            f'ask which datastores storage policy "{name}" may be used on',
            lambda stub: _at(stub, managers.placementSolver).CheckCompatibility(
                hubs, pbm.profile.ProfileId(uniqueId=profile)
            ),
        )
        asked = frozenset(datastores)
        return frozenset(one.hub.hubId for one in results if not one.error and one.hub.hubId in asked)

    async def _ask(self, what: str, do: Callable[[Any], T]) -> T:
        """The service trusts the session's cookie, which a new login changes: so it is put in at each try."""

        def request() -> T:
            stub = self._session.stub(_PATH, _VERSION)
            stub.requestContext = {_COOKIE: self._session.cookie().partition("=")[2].strip('"')}
            return do(stub)

        return await self._session.call(what, request)


def vm_profiles(profile: str) -> Sequence[vim.vm.DefinedProfileSpec]:
    """For ``vmProfile`` of a VM's spec and ``profile`` of a disk's device spec."""
    return [vim.vm.DefinedProfileSpec(profileId=profile)]


def unknown_policy(name: str, known: Collection[str]) -> Problem:
    there = ", ".join(sorted(known)) or "none"
    return Problem(
        code="vsphere.unknown-storage-policy",
        summary="Unknown storage policy",
        detail=f'There is no storage policy "{name}" in vCenter.',
        fix=f"make it in vCenter, or name one of these: {there}.",
    )


def _content(stub: Any) -> Any:
    return pbm.ServiceInstance("ServiceInstance", stub).RetrieveContent()


def _at(stub: Any, manager: Any) -> Any:
    """The manager on another stub than the one it was found with."""
    return type(manager)(manager._moId, stub)  # noqa: SLF001  the only name pyVmomi has for it
