"""Whatever is killed, stopped, frozen or cut off comes back by itself, once, with its address and its data."""

import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import threading
import time
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import grpc
import pytest
import yaml

from agent.dial import OPTIONS
from agent.wire import agent_pb2 as wire
from agent.wire.agent_pb2_grpc import GatewayStub
from director.reconcile.doubt import RECONNECT_S
from tests.e2e.conftest import IS_ROOT, one_director, own_net
from tests.support.healing import DIRECT, Api, Listener, Visitor, Vms, is_alive, kill, management, reached_at, until
from tests.support.ordinary_user import home_of_a_user, pytest_as_user

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
THIS = "tests/e2e/test_heal.py"
STORM_S = 20
SEED = int(os.environ.get("HEAL_SEED", "6"))
FLEET = {"store/0": "store.py", "web/0": "web.py", "web/1": "web.py", "web/2": "web.py", "proxy/0": "proxy.py"}
"""Every instance of the sample that runs all the time, and what its process is called."""
LOOSE = {"HEARTBEAT_S": 2, "PATIENCE_S": 2, "MELTDOWN_COUNT": 1000}
DEATHS_EACH = 1
"""Of a VM. Kills of the director and of the VM's job take up repairs too, and after three one is given up."""
SILENT_S = 3
"""Three heartbeats of the strict director's agents."""


class Fleet:
    """A director with the guestbook deployed, and everything a test sees of it."""

    def __init__(self, director):
        self.director = director
        self.vms = Vms(director.state)
        self.api = Api(director.state)
        self.began = time.monotonic()
        director.deploy()
        self.rows = director.instances()
        self.page = director.url()

    def vm(self, label):
        """Its VM's name; there is one only."""
        mine = [name for name in self.vms.names() if name.startswith(f"{label.replace('/', '-')}-")]
        assert len(mine) <= 1, f"{label} has two VMs: {mine}"
        return mine[0] if mine else None

    def sign(self, text):
        body = json.dumps({"name": "test", "text": text}).encode()
        asked = urllib.request.Request(f"{self.page}entries", body, {"Content-Type": "application/json"})
        with DIRECT.open(asked, timeout=5) as answer:
            assert answer.status == 201

    def entries(self):
        with DIRECT.open(f"{self.page}entries", timeout=5) as answer:
            return {entry["text"] for entry in json.load(answer)}

    def events(self, action, after=0):
        """Newer ones of instances; a task has events of the same names."""
        rows = self.api.get("/events?deployment=guestbook&object_type=instance")
        return [row for row in rows if row["action"] == action and int(row["id"]) > after]

    @property
    def newest(self):
        return max(int(row["id"]) for row in self.api.get("/events"))

    def health(self):
        return self.api.get("/health?deployment=guestbook")

    def is_well(self):
        with contextlib.suppress(OSError):
            found = self.health()
            return found["counts"] == {"running": len(FLEET)} and not found["instances"] and not self._tasks()
        return False

    def _tasks(self):
        return self.api.get("/tasks?state=queued,processing,cancelling")

    def await_well(self, seconds=90):
        until(self.is_well, seconds, what="it does not become well")
        after = until(self._all_running, what="not all of it runs")
        assert {name: row["ips"] for name, row in after.items()} == {
            name: row["ips"] for name, row in self.rows.items()
        }
        assert sorted(row["vm_cid"] for row in after.values() if row["vm_cid"]) == self.vms.names()
        assert len(self.vms.names()) == len(FLEET)

    def _all_running(self):
        rows = self.director.instances()
        return {row["process_state"] for row in rows.values() if row["vm_cid"]} == {"running"} and rows

    def await_trust(self):
        """Until the director, just come up, believes what it does not hear."""
        time.sleep(max(0.0, self.began + RECONNECT_S - time.monotonic()))

    def health_says(self, words, deployment="guestbook", seconds=30):
        """What the command prints, once that is in it."""
        until(lambda: words in json.dumps(self.api.get(f"/health?deployment={deployment}")), seconds, what=words)
        said = self.director.run("-d", deployment, "health", expect=1)
        assert words in " ".join(said.split()), said
        return said


def _addresses(rows):
    return {label: row["ips"] for label, row in rows.items()}


@pytest.fixture(scope="module")
def loose():
    """Its agents speak every two seconds; it waits little, and never for a meltdown to end."""
    with one_director(**LOOSE) as director:
        yield Fleet(director)


@pytest.fixture
def stormy():
    """One for one test alone, as patient as usual: what is repaired often within minutes is given up.

    A VM that dies again while it is repaired holds the deployment's other repairs until its agent is no longer waited
    for.
    """
    with one_director(HEARTBEAT_S=2, AGENT_WAIT_S=10, MELTDOWN_COUNT=1000) as director:
        yield Fleet(director)


@pytest.fixture(scope="module")
def strict():
    """Its agents speak every second, as root over the VMs' own network only; a meltdown ends after some seconds."""
    with contextlib.ExitStack() as stack:
        own = {}
        if IS_ROOT:
            address = f"{own_net(second=True)}.0.1"
            stack.enter_context(management(address, f"heal-{os.getpid()}"))
            own = {key.removeprefix("DIRECTOR_"): value for key, value in reached_at(address).items()}
        yield Fleet(
            stack.enter_context(one_director(second=True, HEARTBEAT_S=1, PATIENCE_S=2, MELTDOWN_WINDOW_S=8, **own))
        )


# Killing


class Writer(threading.Thread):
    """Signs the book again and again; ``signed`` is what was acknowledged."""

    def __init__(self, fleet):
        super().__init__(daemon=True)
        self._fleet = fleet
        self._ended = threading.Event()
        self.signed = set()

    def run(self):
        while not self._ended.wait(0.3):
            text = uuid.uuid4().hex
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._fleet.sign(text)
                self.signed.add(text)

    def end(self):
        self._ended.set()
        self.join()


def test_vms_jobs_agents_and_the_director_killed_at_random_leave_all_running_and_nothing_lost_or_doubled(stormy):
    chance = random.Random(SEED)
    print(f"HEAL_SEED={SEED}")
    writer, left, killed = Writer(stormy), dict.fromkeys(FLEET, DEATHS_EACH), []
    directors = [STORM_S * share for share in (0.3, 0.7)]
    began = time.monotonic()
    with Visitor(url=stormy.page, words="Guestbook") as visitor:
        writer.start()
        while (passed := time.monotonic() - began) < STORM_S:
            if directors and passed > directors[0]:
                directors.pop(0)
                killed.append(("director", kill(stormy.api.pid(), signal.SIGKILL)))
                stormy.director.run("local", "start")
            killed.append(_kill_something(stormy, chance, left))
            time.sleep(chance.uniform(0.1, 0.8))
        try:
            until(stormy.is_well, 120)
        except AssertionError:
            pytest.fail(f"It does not become well: {stormy.health()} after {killed}.")
        until(lambda: not visitor.is_away, what="the page is not there")
        time.sleep(3)  # the writer's last signatures are written to what came back
        writer.end()
    away = [f"{start - began:.1f} to {end - began:.1f}" for start, end in visitor.outages]
    print(f"killed {killed}; the page was away, in s: {away}; {len(writer.signed)} entries")
    stormy.await_well()
    assert len([one for one in killed if one]) > 10
    assert len(writer.signed) > 3
    assert writer.signed <= stormy.entries()
    assert "No changes" in stormy.director.deploy()


def _kill_something(fleet, chance, left):
    label, kind = chance.choice(sorted(FLEET)), chance.choice(["job", "agent", "vm"])
    name = fleet.vm(label)
    if name is None or (kind == "vm" and not left[label]):
        return None
    with contextlib.suppress(OSError, TypeError, KeyError):
        found = {"job": FLEET[label], "agent": "-m agent"}.get(kind)
        pid = fleet.vms.find(name, found) if found else fleet.vms.pid(name)
        if pid is not None:
            kill(pid, signal.SIGKILL)
            left[label] -= kind == "vm"
            return f"{kind} {label}"
    return None


def test_a_director_killed_while_it_repairs_goes_on_with_that_and_makes_one_vm(loose):
    text = uuid.uuid4().hex
    loose.sign(text)
    after = loose.newest
    with Listener(api=loose.api) as listener:
        since = kill(loose.vms.pid(loose.vm("store/0")), signal.SIGKILL)
        begun = until(lambda: listener.first(loose.rows["store/0"]["instance"], "repair", since))
        kill(loose.api.pid(), signal.SIGKILL)
    loose.director.run("local", "start")
    loose.await_well()
    task = loose.api.get(f"/tasks/{begun.event['task']}")
    assert task["state"] == "done", task
    assert len(loose.events("repair", after)) == 1
    assert text in loose.entries()


# Doubting oneself


@pytest.mark.parametrize(
    "seconds",
    [15, pytest.param(60, marks=pytest.mark.skipif("CI" not in os.environ, reason="a minute more: in CI only"))],
)
def test_a_director_stopped_for_long_repairs_nothing_when_it_goes_on(loose, seconds):
    after, before = loose.newest, loose.vms.names()
    pid = loose.api.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)
    time.sleep(10)  # longer than three heartbeats: whoever is wrongly missed would be by now
    loose.await_well(30)
    assert loose.vms.names() == before
    assert loose.events("repair", after) == []
    assert loose.events("notice", after) == []
    assert any("stood still" in words for words in loose.health()["doubts"])


# Wishes


def test_an_ignored_instance_stays_dead_until_it_is_no_longer(loose):
    after = loose.newest
    loose.director.run("-d", "guestbook", "ignore", "web/1")
    kill(loose.vms.pid(loose.vm("web/1")), signal.SIGKILL)
    loose.health_says("it is ignored")
    time.sleep(3)
    assert loose.events("repair", after) == []
    loose.director.run("-d", "guestbook", "unignore", "web/1")
    loose.await_well()


def test_with_resurrection_off_nothing_is_repaired_until_it_is_on(loose):
    after = loose.newest
    loose.director.run("update-resurrection", "off")
    kill(loose.vms.pid(loose.vm("web/0")), signal.SIGKILL)
    loose.health_says("resurrection is off")
    time.sleep(3)
    assert loose.events("repair", after) == []
    loose.director.run("update-resurrection", "on")
    loose.await_well()


# Crashing again and again

LOOP = """#!/bin/bash
while [ ! -e /var/vcap/store/broken ]; do sleep 0.2; done
exit 1
"""


@pytest.fixture
def looping(loose, tmp_path):
    """A job that ends at once as long as there is a file on its disk, deployed; gives the path of that file."""
    job = tmp_path / "release/jobs/loop"
    (job / "templates").mkdir(parents=True)
    (job / "spec").write_text(
        "---\nname: loop\ntemplates: {run.j2: bin/run, bpm.yml.j2: config/bpm.yml}\npackages: []\n"
    )
    (job / "monit").write_text("")
    (job / "templates/run.j2").write_text(LOOP)
    (job / "templates/bpm.yml.j2").write_text(
        "processes:\n  - name: loop\n    executable: /bin/bash\n    args: [/var/vcap/jobs/loop/bin/run]\n"
        "    persistent_disk: true\n"
    )
    (tmp_path / "release/config").mkdir()
    (tmp_path / "release/config/final.yml").write_text("name: loop\n")
    group = {
        "name": "loop",
        "instances": 1,
        "azs": ["z1"],
        "stemcell": "default",
        "vm_type": "small",
        "persistent_disk_type": "small",
        "networks": [{"name": "default"}],
        "jobs": [{"name": "loop", "release": "loop"}],
    }
    manifest = {
        "name": "loop",
        "releases": [{"name": "loop", "version": "create", "url": f"file://{tmp_path / 'release'}"}],
        "stemcells": [{"alias": "default", "os": "local", "version": "latest"}],
        "update": {"canaries": 0, "max_in_flight": 1, "canary_watch_time": "100-3000", "update_watch_time": "100-3000"},
        "instance_groups": [group],
    }
    file = tmp_path / "loop.yml"
    file.write_text(yaml.safe_dump(manifest))
    loose.director.run("-n", "deploy", file)
    yield loose
    loose.director.run("-n", "-d", "loop", "delete-deployment")
    for row in loose.director.rows("disks", "--orphaned"):
        loose.director.run("-n", "delete-disk", row["disk_cid"])


def _broken(fleet):
    [disk] = (fleet.director.state / "vms" / fleet.vm("loop/0") / "disks").iterdir()
    return disk / "broken"


def test_a_job_that_crashes_again_and_again_is_restarted_twice_recreated_once_and_then_held_and_told(looping):
    director, before = looping.director, looping.vm("loop/0")
    _broken(looping).touch()
    looping.health_says("repairs have not helped", "loop", 120)
    rows = looping.api.get("/events?deployment=loop&object_type=instance")
    tried = [row["context"]["remedy"] for row in reversed(rows) if row["action"] == "repair"]
    assert tried == ["restart its jobs", "restart its jobs", "recreate its VM"]
    assert looping.vm("loop/0") != before
    assert "hold.given-up" in (director.state / "director.log").read_text()
    _broken(looping).unlink()
    director.run("-n", "-d", "loop", "restart", "loop/0")
    until(lambda: looping.api.get("/health?deployment=loop")["instances"] == [], what="it is still held")


# Losing much, or the network


def test_when_all_vms_die_at_once_every_repair_is_held_as_a_meltdown_until_no_more_are_lost(strict):
    after = strict.newest
    for pid in [strict.vms.pid(strict.vm(label)) for label in FLEET]:
        kill(pid, signal.SIGKILL)
    until(lambda: [(one["hold"] or {}).get("code") for one in strict.health()["instances"]] == ["hold.meltdown"] * 5)
    said = strict.health_says("meltdown")
    assert re.search("5 of 5 instances of .* were lost", " ".join(said.split())), said
    assert strict.events("repair", after) == []
    strict.await_well()
    assert len(strict.events("repair", after)) == len(FLEET)


def test_a_vm_whose_agent_is_frozen_is_missed_after_three_heartbeats_and_made_again(strict):
    strict.await_trust()
    former, pid = strict.vm("web/0"), strict.vms.find(strict.vm("web/0"), "-m agent")
    with Listener(api=strict.api) as listener:
        since = kill(pid, signal.SIGSTOP)
        notice = until(lambda: listener.first(strict.rows["web/0"]["instance"], "notice", since))
    assert notice.event["context"]["condition"] == "unresponsive agent"
    assert SILENT_S - 1.5 < notice.at - since < SILENT_S + 3
    strict.await_well()
    assert strict.vm("web/0") != former


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="only root's VMs have networks of their own")
def test_a_vm_cut_off_is_proven_gone_before_its_address_and_disk_go_on_and_its_agent_is_refused(strict, tmp_path):
    strict.await_trust()
    text = uuid.uuid4().hex
    strict.sign(text)
    after, former, instance = strict.newest, strict.vm("store/0"), strict.rows["store/0"]["instance"]
    pid = strict.vms.pid(former)
    identity = _identity(strict.director.state / "vms" / former, tmp_path)
    with Listener(api=strict.api) as listener, Visitor(url=strict.page, words=text) as visitor:
        since = time.monotonic()
        strict.vms.cut(former)
        notice = until(lambda: listener.first(instance, "notice", since))
        until(lambda: any(name.startswith("store-0-") and name != former for name in strict.vms.names()))
        assert not is_alive(pid), "the old VM still runs beside its successor"
        served = until(lambda: visitor.back(since), 60)
    print(f"noticed after {notice.at - since:.1f} s, served again after {served - since:.1f} s")
    assert notice.event["context"]["condition"] == "unresponsive agent"
    assert SILENT_S - 1.5 < notice.at - since < SILENT_S + 3
    strict.await_well()
    vms = [row for row in strict.api.get("/events?deployment=guestbook") if row["object_type"] == "vm"]
    told = [(row["action"], row["object_name"]) for row in reversed(vms) if int(row["id"]) > after]
    assert told.index(("delete", former)) < told.index(("create", strict.vm("store/0"))), told
    assert _dialled(identity) is grpc.StatusCode.PERMISSION_DENIED
    assert text in strict.entries()


def _identity(vm, tmp_path):
    """A copy of what an agent is known by, as it would have in a VM that comes back."""
    [place] = {path.parent for path in vm.rglob("identity/agent.json")}
    return Path(shutil.copytree(place, tmp_path / "identity"))


def _dialled(identity):
    """How the director ends a stream of that agent."""
    pems = [(identity / name).read_bytes() for name in ("ca.pem", "key.pem", "certificate.pem")]
    [target] = json.loads((identity / "agent.json").read_text())["agent_targets"]
    with grpc.secure_channel(target, grpc.ssl_channel_credentials(*pems), OPTIONS) as channel:
        hello = wire.FromAgent(hello=wire.Hello(version="1", boot=99))
        try:
            list(GatewayStub(channel).Connect(iter([hello]), timeout=10))
        except grpc.RpcError as error:
            return error.code()
    return None


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="only root can become an ordinary user; the tests are then run directly")
def test_the_storm_and_the_meltdown_for_an_ordinary_user():
    chosen = [
        f"{THIS}::{test.__name__}"
        for test in (
            test_vms_jobs_agents_and_the_director_killed_at_random_leave_all_running_and_nothing_lost_or_doubled,
            test_when_all_vms_die_at_once_every_repair_is_held_as_a_meltdown_until_no_more_are_lost,
        )
    ]
    with home_of_a_user() as home:
        said = pytest_as_user(home, chosen, 250)
    assert "2 passed" in said, said
