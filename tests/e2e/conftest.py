"""A real director with real agents and VMs on this machine, driven by the real command."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from director.adapters.local.network import Networks

ROOT = Path(__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0


@contextlib.contextmanager
def started(command, **more):
    """A program whose output is read; a test that fails does not wait for its end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


class Director:
    """One local director of its own, and everything a test does to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("BOSH_", "DIRECTOR_"))}
        ports = {f"DIRECTOR_{name}_PORT": "0" for name in ("API", "AGENTS", "ENROL")}
        self.env = {**kept, **ports, "DIRECTOR_STATE_DIR": str(self.state)}

    def start_command(self, *words, **more):
        command = [sys.executable, "-m", "director", *map(str, words)]
        return subprocess.Popen(
            command, env=self.env, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
        )

    def run(self, *words, expect=0, timeout=170):
        with self.start_command(*words) as process:
            out, err = process.communicate(timeout=timeout)
        assert process.returncode == expect, f"director {words} ended with {process.returncode}:\n{out}\n{err}"
        return out + err

    def rows(self, *words):
        return json.loads(self.run("--json", *words))["Tables"][0]["Rows"]

    @property
    def facts(self):
        return json.loads((self.state / "director.json").read_text())

    def instances(self, deployment="guestbook"):
        """Rows of `instances --details` by group/index."""
        found = self.rows("-d", deployment, "instances", "--details")
        return {f"{row['instance'].partition('/')[0]}/{row['index']}": row for row in found}

    def deploy(self, *more, **options):
        return self.run("-n", "deploy", "manifests/guestbook.yml", *more, **options)

    def url(self):
        return f"http://{self.instances()['proxy/0']['ips']}:8080/"

    def page(self):
        with urllib.request.urlopen(self.url(), timeout=10) as response:
            return response.read().decode()

    def environment(self):
        """What `eval "$(director local env)"` sets."""
        lines = self.run("local", "env").splitlines()
        return dict(line.removeprefix("export ").replace("'", "").split("=", 1) for line in lines)


def leftovers(director):
    """Processes, mounts, links and control groups that belong to this director's VMs."""
    mark = str(director.state)
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            text = (path / "mountinfo").read_text() + (path / "cmdline").read_text()
        except OSError:
            continue
        if f"{mark}/vms" in text or f"{mark}/disks" in text:
            found.append(f"process {path.name}: {(path / 'cmdline').read_text() if path.exists() else ''}")
    if mark in Path("/proc/self/mountinfo").read_text():
        found.append("mounts")
    networks = Networks(str(director.state.resolve()))
    found += [networks.link] * Path("/sys/class/net", networks.link).exists()
    found += [networks.namespace.name] * Path("/run/netns", networks.namespace.name).exists()
    owner = networks.namespace.name  # the control groups are named as the namespace is
    # Others' control groups go while this looks; os.walk passes over them.
    return found + [str(Path(at, owner)) for at, names, _ in os.walk("/sys/fs/cgroup") if owner in names]


def cloud_config(folder, *, second=False):
    """The sample's, but with networks of this test run's own: somebody may be running the demo beside it.

    ``second``: of a second director beside the first.
    """
    if not IS_ROOT:
        ops = "manifests/ops/unprivileged.yml"
        return ["manifests/cloud-config.yml", "-o", _own(ROOT / ops, folder, "127.16.", "127.26.") if second else ops]
    return [_own(ROOT / "manifests/cloud-config.yml", folder, "10.244.", f"{own_net(second=second)}.")]


def own_net(*, second=False):
    """The first two numbers of root's networks."""
    return f"10.{100 + (os.getpid() + 50 * second) % 100}"


def _own(file, folder, there, here):
    own = folder / file.name
    own.write_text(file.read_text().replace(there, here))
    return own


@pytest.fixture(scope="module")
def director():
    """A started director with the sample's cloud config; everything of it is gone afterwards, and that is asserted."""
    with one_director() as made:
        yield made


@contextlib.contextmanager
def one_director(*, second=False, **settings):
    """The same with settings of its own, named as in docs/settings.md without DIRECTOR_."""
    with tempfile.TemporaryDirectory(prefix="director-e2e-") as name:
        made = Director(Path(name))
        made.env |= {f"DIRECTOR_{key}": str(value) for key, value in settings.items()}
        try:
            made.run("local", "start")
            made.run("-n", "update-cloud-config", *cloud_config(made.folder, second=second))
            yield made
        finally:
            made.run("-n", "local", "destroy")
        deadline = time.monotonic() + 10
        while leftovers(made) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert leftovers(made) == []
        assert not made.state.exists()
