"""External CPI programs as a CPI config names them (bosh-director.md 2.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from director.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class CpiEntry:
    """``exec_path`` None: where BOSH's releases put the program of that type, see ``program``.

    ``migrated_from`` are names this CPI had before. ``properties`` keep their placeholders, all of them absolute.
    """

    name: str
    type: str
    properties: Tree = field(default_factory=dict, repr=False)
    exec_path: str | None = None
    migrated_from: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        return self.exec_path or f"/var/vcap/jobs/{self.type}_cpi/bin/cpi"


def find_cpi(entries: Sequence[CpiEntry], name: str) -> CpiEntry | None:
    """The CPI of that name, or the one that had it before."""
    return next((entry for entry in entries if name in {entry.name, *entry.migrated_from}), None)
