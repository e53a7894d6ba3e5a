"""Planner cases as folders: ``manifest.yml``, what was there before, and the plan as text.

``case.yml`` may say: before (file of the manifest deployed before), gone, silent, failing (labels), fix, new_disks (for
all), recreate, restart (labels), stopped (labels), compiled, grows (disks do so in place). ``pytest tests/golden
--accept`` rewrites plan.txt; review the diff.
"""

import re
from pathlib import Path

import pytest
import yaml

from director.model.record import DeploymentRecord, Record
from director.model.sighting import Sighting
from director.model.wanted import Want
from director.planning.diff import Forced
from director.planning.explain import explain
from director.planning.inputs import Asked
from director.planning.make import make_plan
from tests.support.planning import CATALOG, compiled, deployed, inputs, seen_all, wish

CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_the_plan_is_the_one_agreed_on(case, request):
    folder = CASES / case
    plan = explain(_plan(folder)) + "\n"
    plan = _with_short_ids(plan)
    agreed = folder / "plan.txt"
    if request.config.getoption("--accept"):
        agreed.write_text(plan)
    assert plan == agreed.read_text()


def _plan(folder):
    case = yaml.safe_load((folder / "case.yml").read_text()) if (folder / "case.yml").exists() else {}
    cloud = (CASES.parent / "cloud.yml").read_text()
    manifest = (folder / "manifest.yml").read_text()
    record, catalog = _before(folder, case, cloud)
    by_label = {i.label: i.id for i in record.instances}
    stopped = {by_label[label]: Want.STOPPED for label in case.get("stopped", [])}
    known = record if record.instances else None
    wanted, clouds = wish(manifest, cloud, known, seed="now", catalog=catalog, states=stopped)
    if case.get("compiled"):
        catalog = compiled(wanted)
    lists = {key: case.get(key, []) for key in ("gone", "silent", "failing")}
    seen = seen_all(record, **lists) if record.instances else Sighting(at=0.0)
    forced = {
        i: Forced(
            fix=bool(case.get("fix")),
            recreate=label in case.get("recreate", []),
            restart=label in case.get("restart", []),
            new_disk=bool(case.get("new_disks")),
        )
        for label, i in by_label.items()
    }
    growers = frozenset({""} if case.get("grows") else ())
    return make_plan(inputs(wanted, clouds, record, seen, catalog=catalog, asked=Asked(forced=forced), growers=growers))


def _before(folder, case, cloud):
    if "before" not in case:
        name = yaml.safe_load((folder / "manifest.yml").read_text())["name"]
        return Record(deployment=DeploymentRecord(name=name)), CATALOG
    wanted, _ = wish((folder / case["before"]).read_text(), cloud, seed="before")
    return deployed(wanted), compiled(wanted)


def _with_short_ids(plan):
    """Ids are stable, but a person compares names."""
    ids = dict.fromkeys(re.findall(r"\b[0-9a-f]{8}(?=-\d+\b)", plan))
    for number, found in enumerate(ids):
        plan = plan.replace(found, f"<{number}>")
    return plan
