"""What can be turned while it runs (GET/PATCH /_sim/settings): one table of names, defaults and meanings.

Other modules add their own with `Settings.declare` at import; a value keeps its default's type.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from tests.nsxsim.problems import Json, Refusal


@dataclass(frozen=True, slots=True)
class Setting:
    default: Any
    text: str


class Settings:
    """`settings.delete_lag_s` reads one; `change({...})` sets several or raises a Refusal and sets none."""

    table: ClassVar[dict[str, Setting]] = {}

    def __init__(self, **values: Any) -> None:
        self._values = {name: each.default for name, each in self.table.items()}
        self.change(values)

    @classmethod
    def declare(cls, name: str, default: Any, text: str) -> None:
        cls.table[name] = Setting(default, text)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            if name in self.table:
                return self.table[name].default
            raise AttributeError(name) from None

    def change(self, values: Json) -> None:
        fresh = {name: self._checked(name, value) for name, value in values.items()}
        self._values.update(fresh)

    def all(self) -> Json:
        return {name: getattr(self, name) for name in sorted(self.table)}

    def _checked(self, name: str, value: Any) -> Any:
        if name not in self.table:
            known = ", ".join(sorted(self.table))
            raise Refusal(400, 1, f"No setting is called {name}; there are: {known}", module="nsxsim")
        wanted = type(self.table[name].default)
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise Refusal(400, 1, f"Setting {name} is a {wanted.__name__}, not {value!r}", module="nsxsim")
        return value


for _name, _default, _text in (
    ("delete_lag_s", 0.2, "how long an object marked for delete lingers before it is really gone"),
    ("lingering_blocks", False, "whether children and users being deleted still keep their parent from being deleted"),
    ("realize_start_lag_s", 0.05, "how long realized-entities stays empty after a creation"),
    ("realize_lag_s", 0.2, "how long from then until REALIZED"),
    ("search_lag_s", 0.3, "how long until a change shows in /search"),
    ("latency_s", 0.0, "added to every answer: makes requests overlap"),
    ("stale_status", 412, "status of a write with a stale _revision: 412, 409 or 400"),
    ("stale_code", 604, "error_code of it (500087, 500232 or 100148 with 400)"),
    ("protected_status", 403, "status of a write to another principal's object without X-Allow-Overwrite"),
    ("session_idle_s", 1800.0, "a session not used for so long is expired"),
    ("lockout_failures", 5, "wrong passwords in a row until an account is locked"),
    ("lockout_s", 900.0, "how long it stays locked"),
    ("rate_per_s", 100, "requests each second per user before 429; 0 = no limit"),
    ("in_flight_max", 40, "requests at once per user before 429; 0 = no limit"),
    ("overload_in_flight_max", 199, "requests at once of all users before 503; 0 = no limit"),
    ("body_bytes_max", 20_000_000, "largest request body"),
    ("hapi_intents_max", 5000, "objects in one hierarchical request"),
    ("strict_fields", True, "refuse properties a type does not have (400/220)"),
):
    Settings.declare(_name, _default, _text)
