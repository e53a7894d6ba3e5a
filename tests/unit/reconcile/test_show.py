"""One instance as a row: every key, whatever is missing."""

import json
from dataclasses import replace

import pytest

from director.model.deployment import Lifecycle
from director.model.names import NetworkName
from director.model.record import DiskState, VmState
from director.model.sighting import JobState
from director.model.wanted import Address, Want
from director.reconcile.show import expects_vm, instance_brief, instance_row
from tests.unit.api.samples import disk, instance, seen, vm

KEYS = {
    "vm_cid", "vm_created_at", "active", "cloud_properties", "disk_cid", "disk_cids", "ips", "dns", "agent_id",
    "job_name", "index", "id", "az", "job_state", "state", "vm_type", "resource_pool", "vitals", "processes",
    "resurrection_paused", "ignore", "bootstrap", "stemcell",
}  # fmt: skip

WEB = instance(0)
VM = vm(WEB)


def test_a_running_instance_has_every_key_of_the_full_listing() -> None:
    row = instance_row(WEB, VM, (disk(WEB),), seen(VM))
    assert row.keys() == KEYS
    assert row["job_state"] == "running"
    assert row["active"] is True
    assert row["stemcell"] == {"name": "local-stemcell", "version": "1", "api_version": None}
    assert row["processes"] == [
        {
            "name": "server", "state": "running", "uptime": {"secs": 12}, "mem": {"kb": 2048, "percent": 0.0},
            "cpu": {"total": 0.0},
        }
    ]  # fmt: skip
    json.dumps(row)


def test_an_instance_without_vm_has_every_key_too() -> None:
    row = instance_row(WEB, None, (), None)
    assert row.keys() == KEYS
    assert (row["vm_cid"], row["job_state"], row["vitals"], row["processes"]) == (None, None, {}, [])


@pytest.mark.parametrize("agent", [None, seen(VM, is_connected=False)])
def test_a_silent_agent_makes_the_instance_unresponsive_and_shows_nothing_old(agent) -> None:
    row = instance_row(WEB, VM, (), agent)
    assert (row["job_state"], row["vitals"], row["processes"]) == ("unresponsive agent", {}, [])


def test_the_agents_word_is_the_job_state() -> None:
    assert instance_row(WEB, VM, (), seen(VM, job_state=JobState.FAILING))["job_state"] == "failing"


def test_the_attached_disk_comes_first_and_orphans_are_not_shown() -> None:
    disks = (disk(WEB, "a", DiskState.DETACHED), disk(WEB, "b"), disk(WEB, "c", DiskState.ORPHANED))
    row = instance_row(WEB, VM, disks, None)
    assert (row["disk_cid"], row["disk_cids"]) == ("cid-b", ["cid-b", "cid-a"])


def test_figures_of_the_vitals_are_texts_and_uptime_is_whole_seconds() -> None:
    vitals = {"cpu": {"user": 1.5}, "load": [0.25, 1], "mem": {"kb": 9_000_000}, "uptime": {"secs": 4.9}}
    row = instance_row(WEB, VM, (), seen(VM, vitals=vitals))
    assert row["vitals"] == {
        "cpu": {"user": "1.5"}, "load": ["0.25", "1"], "mem": {"kb": "9000000"}, "uptime": {"secs": 4},
    }  # fmt: skip


def test_a_vm_half_made_is_not_active() -> None:
    assert instance_row(WEB, replace(VM, state=VmState.CREATING), (), None)["active"] is False


def test_flags_of_the_instance_are_shown() -> None:
    ignored = replace(WEB, is_ignored=True, want=Want.STOPPED)
    row = instance_row(ignored, VM, (), None, resurrection_paused=True)
    assert (row["ignore"], row["state"], row["bootstrap"], row["resurrection_paused"]) == (True, "stopped", True, True)


def test_an_address_not_known_yet_is_left_out() -> None:
    dynamic = replace(WEB, addresses=(Address(network=NetworkName("n"), ip=None),))
    assert instance_brief(dynamic, None, None)["ips"] == []


@pytest.mark.parametrize(
    "want,lifecycle,expected",
    [
        (Want.STARTED, Lifecycle.SERVICE, True),
        (Want.STOPPED, Lifecycle.SERVICE, True),
        (Want.DETACHED, Lifecycle.SERVICE, False),
        (Want.STARTED, Lifecycle.ERRAND, False),
    ],
)
def test_who_should_have_a_vm(want: Want, lifecycle: Lifecycle, expected: bool) -> None:
    assert expects_vm(replace(WEB, want=want, lifecycle=lifecycle)) is expected
