"""Realisation: what was accepted is carried out a while later, and can be asked about meanwhile. Reference 5.6.

A realised object has entities. After a creation there are none for `realize_start_lag_s`; then they are UNREALIZED for
`realize_lag_s` and until what they wait for is there; then REALIZED, or ERROR with an alarm. Each effective write sets
them UNREALIZED again. A `Realiser` may say what to wait for, add attributes, or fail.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.nsxsim.kinds import BY_TYPE
from tests.nsxsim.problems import Json

if TYPE_CHECKING:
    from tests.nsxsim.sim import Sim

WAIT_AGAIN_S: Final = 0.05
NOT_READY: Final = 500042
"""The one alarm that is not final: what the object stands on is not there yet, and it is tried again."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Why an entity is in ERROR. `code` 500042 means not ready yet, 8212 an exhausted pool."""

    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Realiser:
    """What is special about realising a kind. All callables get (sim, body).

    `ready`: may it be realised now? `realise` fills the entity (`extended_attributes`) and may return an Alarm.
    `removed` is called when the object is really gone.
    """

    ready: Callable[["Sim", Json], bool] | None = None
    realise: Callable[["Sim", Json, Json], Alarm | None] | None = None
    removed: Callable[["Sim", Json], None] | None = None


REALISERS: Final[dict[str, Realiser]] = {}


def realiser(kind: str, made: Realiser) -> None:
    """Registers what is special about a kind (by its name in the table)."""
    REALISERS[kind] = made


_PLAIN: Final = Realiser()


@dataclass(slots=True)
class State:
    """What is known of one path."""

    round: int = 0
    entities: list[Json] = field(default_factory=list)


class Realisation:
    """All paths' states: `entities(path)`, `is_realised(path)`. `failing(path)` may say an Alarm (faults set it)."""

    def __init__(self, sim: "Sim") -> None:
        self.sim = sim
        self.states: dict[str, State] = {}
        self.failing: Callable[[str], Alarm | None] = lambda _path: None
        sim.tree.listen(self._changed)

    def entities(self, path: str) -> list[Json]:
        state = self.states.get(path)
        return [] if state is None else state.entities

    def is_realised(self, path: str) -> bool:
        found = self.entities(path)
        return bool(found) and all(each["state"] == "REALIZED" for each in found)

    def again(self, path: str) -> None:
        """Realises once more, as POST ?action=refresh does."""
        if (body := self.sim.tree.get(path)) is not None:
            self._begin(path, body, 0.0)

    def _changed(self, path: str, before: Json | None, after: Json | None) -> None:
        body = after or before
        assert body is not None
        kind = BY_TYPE.get(body["resource_type"])
        if kind is None or not kind.entities:
            return
        if after is None:
            self.states.pop(path, None)
            gone = REALISERS.get(kind.name, _PLAIN).removed
            if gone is not None:
                gone(self.sim, body)
        elif not after.get("marked_for_delete") and (before is None or before["_revision"] != after["_revision"]):
            # What leaves the revision as it was is the manager's own note, not a wish.
            settings = self.sim.settings
            self._begin(path, after, 0.0 if path in self.states else settings.realize_start_lag_s)

    def _begin(self, path: str, body: Json, lag_s: float) -> None:
        state = self.states.setdefault(path, State())
        state.round += 1
        if body.get("sync_realization"):
            self._start(path, state.round, 0.0)
        else:
            self.sim.clock.later(lag_s, self._start, path, state.round, self.sim.settings.realize_lag_s)

    def _current(self, path: str, round: int) -> Json | None:
        state = self.states.get(path)
        return self.sim.tree.get(path) if state is not None and state.round == round else None

    def _start(self, path: str, round: int, lag_s: float) -> None:
        body = self._current(path, round)
        if body is None:
            return
        state = self.states[path]
        had = {each["entity_type"]: each for each in state.entities}
        kind = BY_TYPE[body["resource_type"]]
        state.entities = [self._entity(path, body, name, had.get(name)) for name in kind.entities]
        self.sim.clock.later(lag_s, self._finish, path, round)

    def _entity(self, path: str, body: Json, name: str, had: Json | None) -> Json:
        now = int(self.sim.clock.now() * 1000)
        made = had["id"] if had else str(uuid.uuid4())
        return {
            "resource_type": "GenericPolicyRealizedResource",
            "entity_type": name,
            "id": made,
            "display_name": body.get("display_name", body["id"]),
            "path": f"/infra/realized-state/enforcement-points/default/{name}/{body['id']}",
            "relative_path": body["id"],
            "parent_path": "/infra/realized-state/enforcement-points/default",
            "intent_paths": [path],
            "intent_reference": [path],
            "realization_specific_identifier": body.get("realization_id", made),
            "realization_api": "",
            "enforcement_point_path": "/infra/sites/default/enforcement-points/default",
            "state": "UNREALIZED",
            "publish_status": "IN_PROGRESS",
            "runtime_status": "UNINITIALIZED",
            "alarms": [],
            "extended_attributes": list(had["extended_attributes"]) if had else [],
            "unique_id": made,
            "_create_time": had["_create_time"] if had else now,
            "_last_modified_time": now,
            "_revision": 0,
        }

    def _finish(self, path: str, round: int) -> None:
        body = self._current(path, round)
        if body is None:
            return
        special = REALISERS.get(BY_TYPE[body["resource_type"]].name, _PLAIN)
        if special.ready is not None and not special.ready(self.sim, body):
            self.sim.clock.later(WAIT_AGAIN_S, self._finish, path, round)
            return
        alarm = self.failing(path)
        for entity in self.states[path].entities:
            found = alarm
            if found is None and special.realise is not None:
                found = special.realise(self.sim, body, entity)
            self._end(entity, found)
            if found is not None and found.code == NOT_READY:
                self.sim.clock.later(WAIT_AGAIN_S, self._finish, path, round)

    def _end(self, entity: Json, alarm: Alarm | None) -> None:
        entity["_last_modified_time"] = int(self.sim.clock.now() * 1000)
        if alarm is None:
            entity.update(state="REALIZED", publish_status="REALIZED", runtime_status="UP", alarms=[])
            return
        entity.update(state="ERROR", publish_status="ERROR", runtime_status="DOWN")
        entity["alarms"] = [
            {
                "resource_type": "PolicyAlarmResource",
                "id": str(uuid.uuid4()),
                "source_reference": entity["intent_paths"][0],
                "message": alarm.message,
                "error_details": {
                    "error_code": alarm.code,
                    "error_message": alarm.message,
                    "module_name": "policy",
                },
            }
        ]
