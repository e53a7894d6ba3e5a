"""etcd's members follow the instances: the job's own scripts with real etcds, one to three to one, no key lost."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time

import pytest

from tests.support.kubernetes import RELEASE, Ground, manifest
from tests.support.kubernetes_programs import hyperkube

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs network namespaces"),
    pytest.mark.timeout(1600),  # Kubernetes may have to be compiled first
]

MEMBER = RELEASE / "src" / "node-tools" / "etcd_member.py"
MARK = f"k8s{os.getpid()}"
LEAVES = {"BOSH_INSTANCE_NEXT_STATE": "delete", "BOSH_DEPLOYMENT_NEXT_STATE": "keep"}


def run(*words, **more):
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=150, **more)


@pytest.fixture
def switch():
    """A network namespace with a bridge that others are plugged into. Another for each test: links go belatedly."""
    run("ip", "netns", "add", MARK)
    try:
        run("ip", "-n", MARK, "link", "add", "switch", "type", "bridge")
        run("ip", "-n", MARK, "link", "set", "switch", "up")
        yield MARK
    finally:
        run("ip", "netns", "del", MARK)


class Member:
    """One master's etcd: its rendered files below a directory, its processes in a namespace of its own."""

    def __init__(self, name, files, folder, programs, switch):
        self.name, self.folder, self.netns = name, folder / name, f"{MARK}-{name[-1]}"
        for path, content in files.items():
            if path.startswith("etcd/"):
                place = self.folder / "jobs" / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(self.here(content, programs))
                place.chmod(0o700)
        self.config = self.folder / "jobs/etcd/config/member.json"
        self.address = json.loads(self.config.read_text())["address"]
        self.tell(etcdctl=str(programs / "etcdctl"), user="root")
        (self.folder / "store/etcd").mkdir(parents=True)
        self.process = None
        run("ip", "netns", "add", self.netns)
        run("ip", "-n", self.netns, "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", switch)
        run("ip", "-n", switch, "link", "set", name, "master", "switch", "up")
        run("ip", "-n", self.netns, "addr", "add", f"{self.address}/16", "dev", "eth0")
        for link in ("lo", "eth0"):
            run("ip", "-n", self.netns, "link", "set", link, "up")

    def here(self, text, programs):
        text = text.replace("/var/vcap/packages/hyperkube/bin", str(programs))
        return text.replace("/var/vcap", str(self.folder))

    def has(self, files):
        """Files of the job are others from now on."""
        for path in ("ca.crt", "ca.key", "client.crt", "client.key"):
            (self.folder / "jobs/etcd/config" / path).write_text(files[f"etcd/config/{path}"])

    def shown(self, port):
        """The authority of the certificate that it shows there."""
        ca = self.folder / "jobs/etcd/config/ca.crt"
        words = ["openssl", "s_client", "-connect", f"{self.address}:{port}", "-CAfile", ca]
        done = subprocess.run(self.command(*words), input="", capture_output=True, text=True, timeout=30, check=False)
        return "the CA there is now" if "Verify return code: 0 (ok)" in done.stdout else "another"

    def tell(self, **more):
        self.config.write_text(json.dumps(json.loads(self.config.read_text()) | more))

    def command(self, *words):
        return ["ip", "netns", "exec", self.netns, *map(str, words)]

    def step(self, name, **env):
        words = self.command(sys.executable, MEMBER, self.config, name)
        done = subprocess.run(
            words, env={**os.environ, **env}, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    def start(self):
        told = self.step("pre-start")
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(self.command(self.folder / "jobs/etcd/bin/etcd"), stdout=log, stderr=log)
        log.close()
        return told + self.step("post-start")

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=30)
        self.process = None

    def ctl(self, *words):
        at = self.folder / "jobs/etcd/config"
        tls = [f"--cacert={at}/ca.crt", f"--cert={at}/client.crt", f"--key={at}/client.key"]
        program = json.loads(self.config.read_text())["etcdctl"]
        return run(*self.command(program, "--endpoints=https://127.0.0.1:2379", *tls, *words)).stdout

    def voters(self):
        members = json.loads(self.ctl("member", "list", "--write-out=json"))["members"]
        return sorted(member["name"] for member in members if not member.get("isLearner"))


@pytest.fixture
def ground(tmp_path):
    ground = Ground(tmp_path / "ground")
    asyncio.run(ground.read())
    return ground


@pytest.fixture
def members(tmp_path, switch, ground):
    programs = hyperkube(tmp_path)
    rendered = asyncio.run(ground.render(manifest(["three-masters"])))
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(3):
            name = f"master-{number}"
            stack.callback(subprocess.run, ["ip", "netns", "del", f"{MARK}-{number}"], check=False)
            found.append(Member(name, rendered[name], tmp_path, programs, switch))
            stack.callback(found[-1].stop)
        yield found


def test_members_come_and_go_with_the_instances_and_no_key_is_lost(members):
    first, second, third = members
    everyone = [member.address for member in members]
    first.tell(peers=[first.address])
    assert "begins a new cluster" in first.start()
    first.ctl("put", "kept", "yes")
    first.tell(peers=everyone)
    for member in (second, third):
        told = member.start()
        assert f"{member.name} joins" in told
        assert "votes from now on" in told
    assert third.voters() == ["master-0", "master-1", "master-2"]
    assert third.ctl("get", "kept").split() == ["kept", "yes"]

    # A VM made anew with the same disk goes on as the member it was.
    second.stop()
    third.ctl("put", "meanwhile", "yes")
    assert second.start() == ""
    assert second.ctl("get", "meanwhile").split() == ["meanwhile", "yes"]

    # One whose disk was lost leaves and joins anew.
    third.stop()
    run("rm", "-rf", third.folder / "store/etcd/data")
    assert "whose data is gone" in third.start()
    assert third.voters() == ["master-0", "master-1", "master-2"]

    # Two go at the same time.
    leaving = [
        subprocess.Popen(
            member.command(sys.executable, MEMBER, member.config, "pre-stop"), env={**os.environ, **LEAVES}
        )
        for member in (second, third)
    ]
    assert [process.wait(timeout=100) for process in leaving] == [0, 0]
    for member in (second, third):
        member.stop()
    assert first.voters() == ["master-0"]
    assert first.ctl("get", "kept").split() == ["kept", "yes"]

    # The data of one that has left is of no use when it comes back.
    told = second.start()
    assert "is put aside" in told
    assert second.voters() == ["master-0", "master-1"]


def test_an_update_or_the_end_of_the_deployment_takes_no_member_away(members):
    first = members[0]
    first.tell(peers=[first.address])
    first.start()
    for env in ({"BOSH_INSTANCE_NEXT_STATE": "keep"}, LEAVES | {"BOSH_DEPLOYMENT_NEXT_STATE": "delete"}):
        begun = time.monotonic()
        assert first.step("pre-stop", **env) == ""
        assert time.monotonic() - begun < 5
    assert first.voters() == ["master-0"]


def test_members_get_another_ca_one_after_the_other_and_go_on_together(members, ground):
    everyone = [member.address for member in members]
    for number, member in enumerate(members):
        member.tell(peers=everyone[: number + 1])
        member.start()
        member.tell(peers=everyone)
    members[0].ctl("put", "kept", "yes")
    for name in ("etcd_ca", "etcd_client"):
        del ground.made[name]
    rendered = asyncio.run(ground.render(manifest(["three-masters"])))

    told = []
    for member in members:
        member.stop()
        member.has(rendered[member.name])
        told.append(member.start())  # post-start is a quorum's answer
        assert member.ctl("get", "kept").split() == ["kept", "yes"]
    _, second, third = everyone
    assert f"{second}, {third} may not know the new CA yet" in told[0]
    assert f"{third} may not know the new CA yet" in told[1]
    assert "is made anew" in told[2]
    assert [member.shown(2380) for member in members] == ["another", "another", "the CA there is now"]

    assert ["is made anew" in member.step("post-deploy") for member in members] == [True, True, False]
    assert [member.shown(2380) for member in members] == ["the CA there is now"] * 3
    believed = members[0].folder / "store/etcd/peer/authorities.crt"
    assert believed.read_text().count("BEGIN CERTIFICATE") == 2
    members[0].stop()
    assert members[0].start() == ""
    assert believed.read_text().count("BEGIN CERTIFICATE") == 1
    assert members[0].voters() == ["master-0", "master-1", "master-2"]
