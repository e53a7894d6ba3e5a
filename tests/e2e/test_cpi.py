"""Deployments whose VMs an external CPI program makes: two of them, and beside the director's own infrastructure."""

import hashlib
import io
import json
import os
import re
import signal
import tarfile
import tempfile
import time
from pathlib import Path

import pytest

from tests.contract.cpi_world import CpiWorld
from tests.e2e.conftest import IS_ROOT, Director, leftovers

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(200)]

SECRET = "vcenter-password-of-this-test"
MANIFEST = """
name: shop
releases: [{name: shop, version: create, url: "file://release"}]
stemcells: [{alias: default, os: process, version: latest}]
update: {canaries: 1, max_in_flight: 2, canary_watch_time: 0-30000, update_watch_time: 0-30000}
instance_groups:
- name: clock
  instances: 4
  azs: [z1, z2]
  stemcell: default
  vm_type: small
  persistent_disk: 100
  networks: [{name: default}]
  jobs: [{name: clock, release: shop}]
"""
RELEASE = {
    "config/final.yml": "name: shop\n",
    "jobs/clock/spec": "name: clock\ntemplates: {note.j2: config/note}\npackages: []\nproperties: {}\n",
    "jobs/clock/templates/note.j2": "{{ spec.az }}\n",
    "jobs/clock/monit": "",
}


class World:
    """A director with two CPIs, each with a state of its own, which are one program."""

    def __init__(self, director, folder):
        self.director, self.folder = director, folder
        self.cpis = {name: self._cpi(name, has_agent=True) for name in ("east", "west")}
        self.cpis["other"] = self._cpi("other", formats="other-raw")

    def _cpi(self, name, **options):
        directory = self.folder / name
        directory.mkdir()
        return CpiWorld(directory, **options)

    def config(self):
        entries = [
            {"name": name, "type": "process", "exec_path": str(cpi.program), "properties": {"password": SECRET}}
            for name, cpi in self.cpis.items()
        ]
        return self.write("cpi.yml", json.dumps({"cpis": entries}, indent=1))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def deploy(self, *more, **options):
        return self.director.run("-n", "deploy", self.folder / "shop.yml", *more, **options)

    def vms(self):
        return {name: cpi.vms() for name, cpi in self.cpis.items() if cpi.vms()}

    def newest_task(self):
        return self.director.rows("tasks", "--recent", "1")[0]["id"]

    def disks(self):
        return sum(len(cpi.disks()) for cpi in self.cpis.values())


@pytest.fixture(scope="module")
def world():
    with tempfile.TemporaryDirectory(prefix="director-cpi-") as name:
        director = Director(Path(name))
        made = World(director, Path(name))
        try:
            director.run("local", "start")
            director.run("-n", "update-cpi-config", made.config())
            director.run("-n", "update-cloud-config", made.write("cloud.yml", json.dumps(cloud(), indent=1)))
            made.write("shop.yml", MANIFEST)
            for path, text in RELEASE.items():
                made.write(f"release/{path}", text)
            yield made
        finally:
            director.run("-n", "local", "destroy")
            for cpi in made.cpis.values():
                cpi.end()
        assert leftovers(director) == []


def cloud():
    """z3 has no CPI: it is the director's own infrastructure's."""
    first = f"10.{100 + os.getpid() % 100}" if IS_ROOT else f"127.{100 + os.getpid() % 100}"
    subnets = [
        {"range": f"{first}.{number}.0/24", "gateway": f"{first}.{number}.1", "azs": [f"z{number}"]}
        for number in (1, 2, 3)
    ]
    return {
        "azs": [{"name": "z1", "cpi": "east"}, {"name": "z2", "cpi": "west"}, {"name": "z3"}],
        "networks": [{"name": "default", "type": "manual", "subnets": subnets}],
        "vm_types": [{"name": "small", "cloud_properties": {"cpu": 1, "ram": 256, "disk": 512}}],
        "compilation": {"workers": 1, "az": "z1", "network": "default", "vm_type": "small"},
    }


def stemcell(file, *, formats):
    image = b"an image of nothing"
    manifest = {
        "name": "process",
        "version": "1",
        "api_version": 3,
        "operating_system": "process",
        "sha1": hashlib.sha1(image, usedforsecurity=False).hexdigest(),
        "stemcell_formats": formats,
        "cloud_properties": {},
    }
    with tarfile.open(file, "w:gz") as archive:
        for name, content in (("stemcell.MF", json.dumps(manifest).encode()), ("image", image)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file


def until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def azs(rows):
    return sorted(row["az"] for row in rows.values())


def test_a_stemcell_goes_to_every_cpi_that_takes_its_format(world):
    world.director.run("-n", "upload-stemcell", stemcell(world.folder / "stemcell.tgz", formats=["local"]))
    rows = [row for row in world.director.rows("stemcells") if row["name"] == "process"]
    assert sorted(row["cpi"] for row in rows) == ["", "east", "west"]
    assert {name: len(cpi.calls("create_stemcell")) for name, cpi in world.cpis.items()} == {
        "east": 1,
        "west": 1,
        "other": 0,
    }


def test_each_zones_vms_are_made_by_its_cpi_and_their_agents_run_the_jobs(world):
    assert "Instances: create 4\n" in world.deploy()
    rows = world.director.instances("shop")
    assert azs(rows) == ["z1", "z1", "z2", "z2"]
    assert {row["process_state"] for row in rows.values()} == {"running"}
    for zone, name in (("z1", "east"), ("z2", "west")):
        cids = sorted(row["vm_cid"] for row in rows.values() if row["az"] == zone)
        assert sorted(world.cpis[name].vms()) == cids
        vms = world.cpis[name].vms().values()
        assert [len(vm["disks"]) for vm in vms] == [1, 1]
        assert {vm["metadata"]["deployment"] for vm in vms} == {"shop"}


def test_deploying_again_runs_no_program_that_changes_anything(world):
    before = {name: cpi.methods() for name, cpi in world.cpis.items()}
    assert "No changes" in world.deploy()
    after = {name: cpi.methods() for name, cpi in world.cpis.items()}
    fresh = {method for name in after for method in after[name][len(before[name]) :]}
    assert fresh <= {"info", "has_vm", "has_disk"}


def test_what_the_program_said_is_in_its_tasks_log_without_secrets(world):
    task = world.director.rows("tasks", "--recent", "30")
    number = next(row["id"] for row in reversed(task) if "create deployment" in row["description"])
    said = world.director.run("task", number, "--cpi")
    assert "create_vm request" in said
    assert "create_vm begins" in said, "what it printed to its standard error"
    tokens = [call["arguments"][5]["bosh"]["director_enrolment"]["token"] for call in _created(world)]
    assert len(tokens) == 4
    everything = said + world.director.run("task", number, "--debug")
    assert not [secret for secret in (SECRET, *tokens) if secret in everything]


def test_recreate_makes_another_vm_of_the_same_cpi_and_keeps_the_disk(world):
    before = world.director.instances("shop")
    label = next(label for label, row in sorted(before.items()) if row["az"] == "z2")
    world.director.run("-n", "-d", "shop", "recreate", label)
    after = world.director.instances("shop")
    assert [one for one in after if after[one]["vm_cid"] != before[one]["vm_cid"]] == [label]
    assert after[label]["vm_cid"] in world.cpis["west"].vms()
    assert before[label]["vm_cid"] not in world.cpis["west"].vms()
    assert after[label]["disks"] == before[label]["disks"]


def test_a_mistake_in_the_cpi_config_is_refused_with_its_place_and_changes_nothing(world):
    file = world.write("wrong.yml", "cpis:\n- name: east\n  type: process\n- name: east\n  typ: process\n")
    said = world.director.run("-n", "update-cpi-config", file, expect=2)
    assert re.search(r'wrong\.yml:4:9: error: The name "east"', said)
    assert re.search(r"wrong\.yml:5:3: error: .* typ,", said)
    assert "No changes" in world.deploy()


def test_an_error_of_the_cpi_reaches_the_operator_with_its_request_id(world):
    label = next(label for label, row in sorted(world.director.instances("shop").items()) if row["az"] == "z1")
    failure = {"do": "error", "type": "Bosh::Clouds::CloudError", "message": "the hypervisor is out of breath"}
    world.cpis["east"].tell("create_vm", failure)
    said = world.director.run("-n", "-d", "shop", "recreate", label, expect=1)
    assert "the hypervisor is out of breath" in said
    shown = re.search(r"CPI request ID: (cpi-[0-9a-f]+)", said)
    assert shown, said
    assert f"[{shown[1]}] create_vm" in world.director.run("task", world.newest_task(), "--cpi")
    world.deploy()
    assert {row["process_state"] for row in world.director.instances("shop").values()} == {"running"}


def test_a_vm_whose_making_outlives_the_director_is_adopted_by_the_next_deploy(world):
    east, gate = world.cpis["east"], world.cpis["east"].fifo()
    before = len(east.calls("create_vm"))
    east.tell("create_vm", {"do": "hold", "fifo": str(gate)})
    label = next(label for label, row in sorted(world.director.instances("shop").items()) if row["az"] == "z1")
    with world.director.start_command("-n", "-d", "shop", "recreate", label) as command:
        until(lambda: len(east.calls("create_vm")) > before)
        os.kill(world.director.facts["pid"], signal.SIGKILL)
        command.communicate(timeout=60)
    world.director.run("local", "start")
    with world.director.start_command("-n", "deploy", str(world.folder / "shop.yml")) as command:
        gate.write_text("go on")
        out, err = command.communicate(timeout=120)
    assert command.returncode == 0, out + err
    rows = world.director.instances("shop")
    assert len(east.calls("create_vm")) == before + 1
    assert sorted(east.vms()) == sorted(row["vm_cid"] for row in rows.values() if row["az"] == "z1")
    assert {row["process_state"] for row in rows.values()} == {"running"}


def test_a_deployment_lies_in_a_cpi_and_in_the_directors_own_infrastructure(world):
    mixed = MANIFEST.replace("name: shop\nrel", "name: mixed\nrel").replace("azs: [z1, z2]", "azs: [z2, z3]")
    before = len(world.cpis["west"].vms())
    world.director.run("-n", "deploy", world.write("mixed.yml", mixed))
    rows = world.director.instances("mixed")
    assert azs(rows) == ["z2", "z2", "z3", "z3"]
    assert {row["process_state"] for row in rows.values()} == {"running"}
    assert len(world.cpis["west"].vms()) == before + 2
    local = [path.name for path in (world.director.state / "vms").iterdir() if (path / "vm.json").exists()]
    assert sorted(local) == sorted(row["vm_cid"] for row in rows.values() if row["az"] == "z3")
    assert "\n0 differences\n" in world.director.run("drift")
    world.director.run("-n", "-d", "mixed", "delete-deployment")
    assert len(world.cpis["west"].vms()) == before


def test_nothing_is_left_of_a_deleted_deployment(world):
    world.director.run("-n", "-d", "shop", "delete-deployment")
    assert world.vms() == {}
    world.director.run("-n", "clean-up", "--all")
    assert world.disks() == 0
    assert [row for row in world.director.rows("stemcells") if row["name"] == "process"] == []


def _created(world):
    calls = [call for cpi in world.cpis.values() for call in cpi.calls("create_vm")]
    return calls[:4]
