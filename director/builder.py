"""Builds infrastructures from what names them: ``infrastructure.yml`` the director's own, CPI configs the others.

Adapters are imported when one is asked for: a director without vSphere never loads its library.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from director.adapters.bundles import AgentBundle
from director.adapters.local import LocalInfrastructure
from director.manifest.fill import fill
from director.manifest.read import read
from director.model.cpi import CpiEntry
from director.model.problem import Problem, Refused
from director.model.tree import Tree
from director.ports.fabric import Fabric
from director.ports.infrastructure import Infrastructure
from director.ports.tasklog import TaskLog
from director.reconcile.driver import current_task
from director.settings import Settings

FILE: Final = "infrastructure.yml"
LOCAL, VSPHERE = "local", "vsphere"
FABRIC_KEY: Final = "nsxt"
"""Where BOSH's vSphere CPI has it among its properties (agent-cpi-vsphere.md 3.1)."""
_NO_LIBRARY: Final = Problem(
    code="settings.no-library",
    summary="A library is missing",
    detail="The library for vCenter (pyVmomi) is not installed beside the director.",
    fix="install the director with its vSphere extra: `make install-vsphere` in its checkout.",
)
_NO_HTTPX: Final = Problem(
    code="settings.no-library",
    summary="A library is missing",
    detail="The library for NSX-T's API (httpx) is not installed beside the director.",
    fix="install the director with its vSphere extra: `make install-vsphere` in its checkout.",
)
_NO_LOCAL_FABRIC: Final = Problem(
    code="settings.local-fabric",
    summary="NSX-T cannot connect VMs of this machine",
    detail="The properties of the local infrastructure name an NSX-T, whose segments only VMs in a vCenter can be on.",
    fix="remove `nsxt` there, or name a vCenter with `director configure vsphere`.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """``bundle`` is how a VM that has no agent gets one."""

    settings: Settings
    director_uuid: str
    tasklog: TaskLog
    bundle: AgentBundle

    def own(self) -> Infrastructure:
        """The director's own: what ``infrastructure.yml`` says, else this machine. Raises Refused."""
        path = self.settings.state_dir / FILE
        return self.of(_entry_in(path)) if path.exists() else self._local()

    def of(self, entry: CpiEntry) -> Infrastructure:
        """Raises Refused when its properties are wrong. Connects to nothing yet."""
        properties = _properties(entry)
        if entry.exec_path is None and entry.type == LOCAL:
            return self._local()
        if entry.exec_path is None and entry.type == VSPHERE:
            return self._vsphere(entry.name, {key: properties[key] for key in properties if key != FABRIC_KEY})
        return self._program(entry, properties)

    def own_fabric(self) -> Fabric | None:
        """The one of the director's own infrastructure. Raises Refused."""
        path = self.settings.state_dir / FILE
        return self.fabric_of(replace(_entry_in(path), name="")) if path.exists() else None

    def fabric_of(self, entry: CpiEntry) -> Fabric | None:
        """What the entry's ``nsxt`` names; a CPI program sees to its networks itself. Raises Refused."""
        found = _properties(entry).get(FABRIC_KEY)
        if found is None or entry.exec_path is not None:
            return None
        if entry.type == LOCAL:
            raise Refused([_NO_LOCAL_FABRIC])
        if entry.type != VSPHERE:
            return None
        try:
            from director.adapters.nsxt import NsxtFabric  # noqa: PLC0415  see the module
        except ModuleNotFoundError as error:
            if error.name != "httpx":
                raise
            raise Refused([_NO_HTTPX]) from error
        return NsxtFabric(cast("Tree", found), director_uuid=self.director_uuid, name=entry.name)

    def _local(self) -> Infrastructure:
        return LocalInfrastructure(
            self.settings.state_dir,
            agent_command=(sys.executable, "-m", "agent"),
            sockets_dir=self.settings.sockets_dir,
            calls_in_flight=self.settings.calls_in_flight,
        )

    def _vsphere(self, name: str, properties: Tree) -> Infrastructure:
        try:
            from director.adapters.vsphere.infrastructure import VsphereInfrastructure  # noqa: PLC0415  see the module
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("pyVmomi"):
                raise
            raise Refused([_NO_LIBRARY]) from error
        return VsphereInfrastructure(properties, director_uuid=self.director_uuid, name=name, bundle=self.bundle)

    def _program(self, entry: CpiEntry, properties: Tree) -> Infrastructure:
        from director.adapters.cpi import CpiInfrastructure, CpiOptions  # noqa: PLC0415  see the module

        options = CpiOptions(
            name=entry.name,
            program=Path(entry.program),
            properties=properties,
            director_uuid=self.director_uuid,
            director_name=self.settings.name,
            former_names=entry.migrated_from,
            calls_in_flight=self.settings.calls_in_flight,
        )
        return CpiInfrastructure(options, self.settings.state_dir / "cpi", say=self._say)

    def _say(self, line: object) -> None:
        """What a CPI program says goes into its task's ``--cpi`` output."""
        task = current_task.get()
        if task is not None:
            self.tasklog.append(task, "cpi", f"{line}\n")


def _properties(entry: CpiEntry) -> Tree:
    return cast("Tree", fill(entry.properties, {}, must_fill=True))


def own_is_here(settings: Settings) -> bool:
    """Whether the director's own infrastructure is this machine. Raises Refused for a file that says nothing."""
    path = settings.state_dir / FILE
    return not path.exists() or _entry_in(path).type == LOCAL


def _entry_in(path: Path) -> CpiEntry:
    """What the file says. Raises Refused with everything wrong in it."""
    root = read(path.read_text(), str(path)).root
    kind, properties = root.get("type"), root.get("properties", {})
    wrong = [f"{key} is not known here" for key in sorted(root.keys() - {"type", "name", "properties", "exec_path"})]
    if not isinstance(kind, str):
        wrong.append("type is missing: local, vsphere, or what a CPI program makes")
    if not isinstance(properties, Mapping):
        wrong.append("properties must be a map")
    if wrong:
        raise Refused([_unusable(path, why) for why in wrong])
    exec_path = root.get("exec_path")
    return CpiEntry(
        name=str(root.get("name", kind)),
        type=str(kind),
        properties=cast("Tree", properties),
        exec_path=str(exec_path) if exec_path else None,
    )


def _unusable(path: Path, why: str) -> Problem:
    return Problem(
        code="settings.infrastructure",
        summary="The infrastructure file cannot be used",
        detail=f"{path}: {why}.",
        fix="put it right, or write it anew with `director configure vsphere`.",
    )
