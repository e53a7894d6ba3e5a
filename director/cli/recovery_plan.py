"""Recovery plan files, in the form that ``bosh create-recovery-plan`` writes and ``bosh recover`` reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from director.cli.errors import CommandFailed, Exit


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """``resolutions`` by type of problem."""

    name: str
    max_in_flight: str = ""
    resolutions: Mapping[str, str] = field(default_factory=dict)


def write_plan(path: Path, groups: Sequence[GroupPlan]) -> None:
    rows = []
    for group in groups:
        limit = {"max_in_flight_override": group.max_in_flight} if group.max_in_flight else {}
        rows.append({"name": group.name, **limit, "planned_resolutions": dict(group.resolutions)})
    path.write_text(yaml.safe_dump({"instance_groups_plan": rows}, sort_keys=False))


def read_plan(path: Path) -> tuple[GroupPlan, ...]:
    """Raises CommandFailed for a file that is no recovery plan, with its place."""
    try:
        tree = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} is not YAML: {error}", Exit.BAD_INPUT) from error
    rows = tree.get("instance_groups_plan") if isinstance(tree, dict) else None
    if not isinstance(rows, list):
        raise CommandFailed(f"{path} is no recovery plan: it has no list instance_groups_plan.", Exit.BAD_INPUT)
    groups = tuple(_group(path, number, row) for number, row in enumerate(rows))
    twice = sorted({one.name for one in groups if sum(other.name == one.name for other in groups) > 1})
    if twice:
        raise CommandFailed(f"{path}: {', '.join(twice)} is in it more than once.", Exit.BAD_INPUT)
    return groups


def _group(path: Path, number: int, row: Any) -> GroupPlan:
    where = f"{path}: instance_groups_plan[{number}]"
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        raise CommandFailed(f"{where} must be a map with a name.", Exit.BAD_INPUT)
    unknown = sorted(set(row) - {"name", "max_in_flight_override", "planned_resolutions"})
    if unknown:
        raise CommandFailed(f"{where} has unknown keys: {', '.join(map(str, unknown))}.", Exit.BAD_INPUT)
    planned = row.get("planned_resolutions") or {}
    if not isinstance(planned, dict) or not all(isinstance(one, str) for pair in planned.items() for one in pair):
        raise CommandFailed(f"{where}.planned_resolutions must map types of problems to names.", Exit.BAD_INPUT)
    limit = row.get("max_in_flight_override")
    return GroupPlan(name=row["name"], max_in_flight="" if limit is None else str(limit), resolutions=planned)
