"""A VM as vCenter tells of it, property by property. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from director.adapters.vsphere.collector import VM_PATHS, moid_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedVm:
    """What is seen of a VM without reading its devices.

    ``power`` and ``tools`` are vCenter's words: poweredOn, poweredOff, suspended; guestToolsRunning, …
    ``host`` and ``folder`` are moids. ``question`` is vCenter's question that the VM waits to have answered.
    """

    moid: str
    name: str = ""
    instance_uuid: str = ""
    power: str = ""
    cpu: int = 0
    ram_mb: int = 0
    folder: str = ""
    host: str = ""
    addresses: tuple[str, ...] = ()
    tools: str = ""
    change_version: str = ""
    is_template: bool = False
    question: Any = None

    def changed(self, values: Mapping[str, Any]) -> "WatchedVm":
        """With what vCenter says is new, by its paths; None unsets."""
        fields = {VM_PATHS[path]: _read(VM_PATHS[path], value) for path, value in values.items() if path in VM_PATHS}
        return replace(self, **fields)


def _read(name: str, value: Any) -> Any:
    if name in {"folder", "host"}:
        return "" if value is None else moid_of(value)
    if name == "addresses":
        return (value,) if value else ()
    if name == "question":
        return value
    return _EMPTY[name] if value is None else type(_EMPTY[name])(value)


_EMPTY: Final[Mapping[str, Any]] = {
    "name": "",
    "instance_uuid": "",
    "power": "",
    "tools": "",
    "change_version": "",
    "cpu": 0,
    "ram_mb": 0,
    "is_template": False,
}
