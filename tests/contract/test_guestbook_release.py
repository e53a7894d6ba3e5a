"""The sample release, end to end but without VMs: made from its directory, read, rendered, and run on loopback."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from director.adapters.archives import ArchiveReader
from director.adapters.templates import TemplateRenderer
from director.cli.create_release import create_release
from director.model.wanted import WantedJob
from director.ports.blobs import Blob
from director.ports.renderer import RenderRequest

ROOT = Path(__file__).parents[2]
RELEASE = ROOT / "manifests" / "releases" / "guestbook"
PASSWORD = 'pass"word-<1>'
WAIT_S = 15


class Blobs:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()

    async def put_file(self, path: Path) -> Blob:
        blob = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copy(path, self.directory / blob)
        return Blob(id=blob, digest=f"sha256:{blob}", size=path.stat().st_size)

    async def path_of(self, blob: str) -> Path:
        return self.directory / blob


class Guestbook:
    """Renders jobs with ports of its own choice; starts their processes from the release's source."""

    def __init__(self, directory: Path, jobs, renderer: TemplateRenderer) -> None:
        self.directory = directory
        self.jobs = jobs
        self.renderer = renderer
        self.ports = {"store": free_port(), "proxy": free_port()} | {f"web/{n}": free_port() for n in range(3)}
        self.running: dict[str, subprocess.Popen] = {}

    def instances(self, job: str, address: str) -> dict:
        count = 3 if job == "web" else 1
        listed = [
            {"name": job, "id": f"{job}-{n}", "index": n, "az": f"z{n + 1}", "address": address, "bootstrap": n == 0}
            for n in range(count)
        ]
        return {
            "deployment_name": "guestbook",
            "default_network": "default",
            "instance_group": job,
            "instances": listed,
        }

    def links(self) -> dict:
        properties = {"store": {"port": self.ports["store"], "password": "((store_password))"}}
        properties |= {"web": {"port": self.ports["web/0"]}, "proxy": {"port": self.ports["proxy"]}}
        return {name: self.instances(name, "127.0.0.1") | {"properties": given} for name, given in properties.items()}

    async def render(self, job: str, index: int = 0, **properties) -> dict[str, str]:
        spec = self.jobs[job]
        given = {name: declared.default for name, declared in spec.properties.items()} | properties
        links = self.links()
        wanted = WantedJob(
            job=spec,
            release="guestbook",
            release_version="1",
            properties={name: value for name, value in given.items() if value is not None},
            links={link.name: links[link.name] for link in spec.consumes},
        )
        request = RenderRequest(
            label=f"{job}/{index}",
            spec={"deployment": "guestbook", "name": job, "index": index, "az": f"z{index + 1}", "ip": "127.0.0.1"},
            jobs=(wanted,),
            values={"store_password": PASSWORD},
        )
        (content,) = await self.renderer.render([request])
        files = {file.path: file.content.decode() for file in content.jobs[0].files}
        return files | {"monit": content.jobs[0].monit}

    def start(self, name: str, program: str, config: str) -> None:
        path = self.directory / f"{name.replace('/', '-')}.json"
        path.write_text(config)
        source = RELEASE / "src" / "guestbook" / program
        self.running[name] = subprocess.Popen(
            [sys.executable, "-B", "-W", "error", source, path],
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "http_proxy": "http://127.0.0.1:1"},
        )

    async def start_all(self) -> None:
        store = await self.render(
            "store", port=self.ports["store"], password="((store_password))", directory=str(self.directory / "entries")
        )
        self.start("store", "store.py", store["config/store.json"])
        for index in range(3):
            web = await self.render("web", index, port=self.ports[f"web/{index}"], title="The <sample>")
            self.start(f"web/{index}", "web.py", web["config/web.json"])
        proxy = json.loads((await self.render("proxy", port=self.ports["proxy"]))["config/proxy.json"])
        # On one address the instances of web need a port each; on VMs each has an address.
        for index, backend in enumerate(proxy["backends"]):
            backend["url"] = f"http://127.0.0.1:{self.ports[f'web/{index}']}"
        self.start("proxy", "proxy.py", json.dumps(proxy))
        for port in self.ports.values():
            await_port(port)

    def stop(self, name: str) -> int:
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=WAIT_S)

    def url(self, path: str = "/", name: str = "proxy") -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def await_port(port: int) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert time.monotonic() < give_up_at, f"nothing listens on port {port}"
            time.sleep(0.02)
        else:
            return


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url: str, data: bytes | None = None, method: str | None = None, **headers: str):
    """(status, headers, text), following redirects as a browser does."""
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with OPENER.open(request, timeout=WAIT_S) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


@pytest.fixture
async def guestbook(tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    created = create_release(RELEASE, tmp_path / "out")
    read = await ArchiveReader(blobs, tmp_path / "scratch").read_release(created.path)
    renderer = TemplateRenderer(blobs, tmp_path / "cache", shutil.which("ruby"))
    guestbook = Guestbook(tmp_path, {job.name: job for job in read.release.jobs}, renderer)
    yield guestbook
    await renderer.close()
    for name in list(guestbook.running):
        guestbook.stop(name)


async def test_the_release_has_the_jobs_and_links_of_the_sample(guestbook):
    assert sorted(guestbook.jobs) == ["banner", "proxy", "smoke-tests", "store", "web"]
    assert [(link.name, link.properties) for link in guestbook.jobs["store"].provides] == [
        ("store", ("port", "password"))
    ]
    assert guestbook.jobs["smoke-tests"].has_script("run")
    assert guestbook.jobs["store"].has_script("drain")


async def test_no_job_of_the_manifest_needs_ruby(guestbook, tmp_path):
    renderer = TemplateRenderer(guestbook.renderer._blobs, tmp_path, None)
    guestbook.renderer, with_ruby = renderer, guestbook.renderer
    for job in sorted(set(guestbook.jobs) - {"banner"}):
        assert await guestbook.render(job, password=PASSWORD)
    guestbook.renderer = with_ruby


async def test_configs_are_json_whatever_the_password_holds(guestbook):
    store = json.loads((await guestbook.render("store", password="((store_password))"))["config/store.json"])
    web = json.loads((await guestbook.render("web", 2))["config/web.json"])
    assert store["password"] == web["store"]["password"] == PASSWORD
    assert web["me"] == {"instance": "web/2", "az": "z3", "ip": "127.0.0.1"}


@pytest.mark.parametrize("job", ["web", "proxy"])
async def test_what_to_keep_running_stands_in_bpm_yml(guestbook, job):
    files = await guestbook.render(job)
    (process,) = yaml.safe_load(files["config/bpm.yml"])["processes"]
    assert process["name"] == job
    program, config = process["args"]
    assert (RELEASE / "src" / Path(program).relative_to("/var/vcap/packages/guestbook")).is_file()
    assert Path(config).relative_to(f"/var/vcap/jobs/{job}").as_posix() in files
    assert files["monit"] == ""


async def test_the_store_is_kept_running_by_a_monit_file(guestbook):
    files = await guestbook.render("store", password="x")
    assert "check process store" in files["monit"]
    for script in ("bin/ctl", "bin/pre-start", "bin/drain"):
        assert script in files
        subprocess.run(["bash", "-n"], input=files[script], text=True, check=True)


async def test_a_drain_of_a_store_that_is_not_running_prints_its_number_only(guestbook, tmp_path):
    script = (await guestbook.render("store", password="x"))["bin/drain"]
    script = script.replace("/var/vcap/packages/python/bin/python3", sys.executable)
    config = tmp_path / "store.json"
    config.write_text(json.dumps({"ip": "127.0.0.1", "port": free_port(), "password": "x"}))
    script = script.replace("/var/vcap/jobs/store/config/store.json", str(config))
    run = subprocess.run(["bash"], input=script, capture_output=True, text=True, check=True, timeout=WAIT_S)
    assert run.stdout == "0\n"
    assert "nothing to drain" in run.stderr


@pytest.mark.ruby
@pytest.mark.skipif(shutil.which("ruby") is None, reason="no Ruby on this machine: ERB is not tested")
async def test_the_banner_is_filled_by_erb(guestbook):
    text = (await guestbook.render("banner", colour="blue"))["config/banner.txt"]
    port = guestbook.ports["store"]
    assert text.strip() == (
        f"Welcome to instance 0 of guestbook, in zone z1, painted blue; the store listens on port {port} at 127.0.0.1"
    )


async def test_an_entry_is_written_shown_kept_and_escaped(guestbook):
    await guestbook.start_all()
    form = urllib.parse.urlencode({"name": "Ada", "text": "<b>first</b> é"}).encode()
    status, _, page = fetch(guestbook.url(), form)
    assert status == 200
    assert "&lt;b&gt;first&lt;/b&gt; é" in page
    assert "The &lt;sample&gt;" in page
    served = {fetch(guestbook.url())[1]["X-Guestbook-Instance"] for _ in range(6)}
    assert served == {"web/0", "web/1", "web/2"}
    assert guestbook.stop("store") == 0
    assert fetch(guestbook.url())[0] == 503
    store = guestbook.directory / "store.json"
    guestbook.start("store", "store.py", store.read_text())
    await_port(guestbook.ports["store"])
    assert "first" in fetch(guestbook.url())[2]


async def test_the_store_wants_its_password_and_stops_writing_when_drained(guestbook):
    await guestbook.start_all()
    entry = json.dumps({"name": "a", "text": "b"}).encode()
    url, allowed = guestbook.url("/entries", "store"), {"Authorization": f"Bearer {PASSWORD}"}
    assert fetch(url)[0] == fetch(url, entry, Authorization="Bearer wrong")[0] == 401
    assert fetch(url, entry, **allowed)[0] == 201
    assert fetch(guestbook.url("/drain", "store"), b"", **allowed)[0] == 200
    assert fetch(url, entry, **allowed)[0] == 503
    assert fetch(url, **allowed)[0] == 200
    assert fetch(guestbook.url("/drain", "store"), b"", Authorization="Bearer wrong")[0] == 401


async def test_the_proxy_passes_over_dead_instances_and_finds_them_again(guestbook):
    await guestbook.start_all()
    guestbook.stop("web/1")
    served = [fetch(guestbook.url("/health")) for _ in range(6)]
    assert {status for status, _, _ in served} == {200}
    assert {headers["X-Guestbook-Instance"] for _, headers, _ in served} == {"web/0", "web/2"}
    assert alive(guestbook) == {"web/0": True, "web/1": False, "web/2": True}
    guestbook.start("web/1", "web.py", (guestbook.directory / "web-1.json").read_text())
    give_up_at = time.monotonic() + WAIT_S
    while not alive(guestbook)["web/1"]:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


def alive(guestbook: Guestbook) -> dict[str, bool]:
    status = json.loads(fetch(guestbook.url("/status"))[2])
    return {backend["instance"]: backend["alive"] for backend in status["backends"]}


async def test_the_smoke_tests_pass_and_leave_no_entry(guestbook):
    await guestbook.start_all()
    run = await smoke(guestbook)
    assert run.returncode == 0, run.stderr
    assert sorted(re.findall(r"met +(web/\d)", run.stdout)) == ["web/0", "web/1", "web/2"]
    assert json.loads(fetch(guestbook.url("/entries"))[2]) == []


async def test_the_smoke_tests_fail_with_a_reason_when_there_is_no_store(guestbook):
    await guestbook.start_all()
    guestbook.stop("store")
    run = await smoke(guestbook)
    assert run.returncode == 1
    assert "writing an entry failed: HTTP 502" in run.stderr


async def smoke(guestbook: Guestbook) -> subprocess.CompletedProcess:
    config = guestbook.directory / "smoke.json"
    config.write_text((await guestbook.render("smoke-tests"))["config/smoke.json"])
    program = [sys.executable, "-B", RELEASE / "src" / "guestbook" / "smoke.py", config]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def packaging(tmp_path: Path, path: str, python: str = "") -> subprocess.CompletedProcess:
    env = {"PATH": path, "BOSH_INSTALL_TARGET": str(tmp_path / "target"), "BOSH_PYTHON": python}
    script = RELEASE / "packages" / "python" / "packaging"
    return subprocess.run(["/bin/bash", script], env=env, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_the_package_python_finds_the_agents_interpreter_where_no_other_is(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("mkdir", "ln"):
        (tools / tool).symlink_to(shutil.which(tool))
    if Path("/usr/local/bin/python3").exists():
        pytest.skip("this machine has /usr/local/bin/python3, which is looked at first")
    assert packaging(tmp_path, str(tools), sys.executable).returncode == 0
    found = tmp_path / "target" / "bin" / "python3"
    assert subprocess.run([found, "-c", "import http.server, json"], check=False).returncode == 0
    missing = packaging(tmp_path, str(tools))
    assert missing.returncode == 1
    assert "No Python 3.9 or newer was found" in missing.stderr
