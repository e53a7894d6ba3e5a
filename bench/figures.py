"""One measured figure, beside what it is held against; the table and ``build/bench.json``."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """``goal`` is the most that ``value`` may be. ``peer_value`` was measured apart, on two cores as well."""

    name: str
    value: float
    unit: str
    goal: float
    peer: str = ""
    peer_value: float | None = None

    @property
    def ratio(self) -> float | None:
        return round(self.value / self.peer_value, 4) if self.peer_value else None

    @property
    def met(self) -> bool:
        return self.value <= self.goal


def add(figures: Sequence[Figure], path: Path) -> None:
    """Into the file, beside what is there already of other names: demos and `make bench` share it."""
    names = {figure.name for figure in figures}
    others = json.loads(path.read_text()) if path.exists() else []
    rows = [*(row for row in others if row["name"] not in names), *map(_row, figures)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2) + "\n")


def _row(figure: Figure) -> dict[str, Any]:
    return {**asdict(figure), "ratio": figure.ratio, "met": figure.met}


def show(figures: Sequence[Figure]) -> None:
    print(f"{'figure':<42} {'value':>9} {'unit':<13} {'goal':>7} {'peer':>7} {'ratio':>7}  met")
    for f in figures:
        peer = f"{f.peer_value:g}" if f.peer_value else "-"
        ratio = f"{f.ratio:.3f}" if f.ratio else "-"
        met = "yes" if f.met else "NO"
        print(f"{f.name:<42} {f.value:>9.3f} {f.unit:<13} {f.goal:>7g} {peer:>7} {ratio:>7}  {met}")
