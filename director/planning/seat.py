"""The place one instance takes in its group: who it is, where it stands, which static addresses are its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from director.model.deployment import InstanceGroup
from director.model.names import AzName, InstanceId, NetworkName
from director.model.record import InstanceRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A slot of a group in a zone: taken by a recorded instance, or by a new one when ``recorded`` is None."""

    az: AzName | None
    recorded: InstanceRecord | None = None
    statics: Mapping[NetworkName, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A choice with its identity."""

    id: InstanceId
    group: InstanceGroup
    index: int
    az: AzName | None
    is_bootstrap: bool
    recorded: InstanceRecord | None
    statics: Mapping[NetworkName, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return f"{self.group.name}/{self.index}"
