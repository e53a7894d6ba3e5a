"""Requests survive being stored with their task."""

import json

import pytest

from director.reconcile.requests import (
    ApplyNetworks,
    ApplyResolutions,
    CleanUp,
    DeleteDeployment,
    DeleteDisk,
    DeleteRelease,
    DeleteStemcell,
    Deploy,
    ExportRelease,
    FetchLogs,
    FixDrift,
    ListInstances,
    Overrides,
    Repair,
    RunErrand,
    ScanAndFix,
    ScanProblems,
    UpdateRelease,
    UpdateStemcell,
    from_tree,
    to_tree,
)
from director.reconcile.words import description_of, lock_of

REQUESTS = [
    Deploy(
        deployment="d",
        manifest="name: d",
        config_ids=(1, 2),
        overrides=Overrides(skip_drain=("a", "b/0"), state="stopped", target="a/0", strict=True),
    ),
    Deploy(deployment="d"),
    DeleteDeployment(deployment="d", force=True),
    RunErrand(deployment="d", errand="e", instances=("a/0",)),
    UpdateRelease(path="/x", sha1="1"),
    UpdateStemcell(path="/x"),
    ExportRelease(deployment="d", release="r", version="1", stemcell_os="o", stemcell_version="2", jobs=("a", "b")),
    DeleteRelease(name="r", version="1"),
    DeleteStemcell(name="s", version="1"),
    FetchLogs(deployment="d", target="*", filters=("a/*",)),
    ListInstances(deployment="d", vms_only=True),
    ApplyNetworks(dry_run=True, remove=True),
    CleanUp(remove_all=True),
    DeleteDisk(cid="c"),
    Repair(deployment="d", remedies=(("i-1", "reboot its VM"), ("i-2", "nothing")), by="ann"),
    ScanProblems(deployment="d"),
    ApplyResolutions(deployment="d", resolutions=((1, "ignore"), (2, None)), max_in_flight=(("a", "50%"),)),
    ScanAndFix(deployment="d", instances=("i-1",)),
    FixDrift(deployment="d", differences=(("vm off", "a-1"),)),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r.task_type)
def test_reading_what_was_written_gives_the_same_request(request_):
    stored = json.loads(json.dumps(to_tree(request_)))
    assert from_tree(request_.task_type, stored) == request_


def test_what_changes_a_deployment_has_it_to_itself_and_what_reads_waits_for_nobody():
    locks = {type(r).__name__: lock_of(r) for r in REQUESTS}
    assert locks["Deploy"] == locks["DeleteDeployment"] == locks["RunErrand"] == locks["Repair"] == "deployment:d"
    assert locks["ExportRelease"] == "deployment:d"
    assert {locks[name] for name in ("ScanProblems", "ApplyResolutions", "ScanAndFix", "FixDrift")} == {"deployment:d"}
    assert locks["ListInstances"] == locks["FetchLogs"] == ""


def test_every_request_has_a_description():
    assert all(description_of(r) for r in REQUESTS)
