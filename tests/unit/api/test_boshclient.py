"""BOSH's own client library against our API over TLS: what it cannot read, ``bosh`` cannot either."""

import asyncio
import contextlib
import datetime as dt
import gzip
import io
import ipaddress
import json
import socket
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from director.model.names import DeploymentName, TaskId
from director.model.problem_found import TITLES, OpenProblem, ProblemFound, ProblemType, Resolution
from director.model.record import DiskState, Event, TaskState
from director.reconcile.requests import (
    ApplyResolutions,
    CleanUp,
    DeleteDeployment,
    DeleteDisk,
    Deploy,
    FetchLogs,
    ListInstances,
    Overrides,
    RunErrand,
    ScanProblems,
    UpdateRelease,
)
from director.reconcile.show import instance_row
from tests.e2e.boshclient import BoshClient, build
from tests.unit.api.room import NOW, SECRET, Room
from tests.unit.api.samples import CLOUD, MANIFEST, disk, instance, shop

pytestmark = pytest.mark.go


@pytest.fixture(scope="session")
def program() -> Path:
    return build()


def certificate(folder: Path) -> tuple[str, str]:
    """Files of a self-signed certificate for 127.0.0.1 and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "server.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "server.key").write_bytes(secret)
    return str(folder / "server.crt"), str(folder / "server.key")


class Quiet(uvicorn.Server):
    """Leaves the test runner's signals alone."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class Client:
    """The blocking client, kept off the loop that serves it."""

    def __init__(self, client: BoshClient) -> None:
        self.client = client

    async def ask(self, op: str, **arguments):
        return await asyncio.to_thread(self.client.ask, op, **arguments)

    async def value(self, op: str, **arguments):
        return await asyncio.to_thread(self.client.value, op, **arguments)


@pytest_asyncio.fixture
async def client(room: Room, program: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    ca, key = certificate(tmp_path_factory.mktemp("tls"))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        room.app, ssl_certfile=ca, ssl_keyfile=key, log_config=None, lifespan="off", ws="none", access_log=False
    )
    server = Quiet(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    environment = {
        "BOSH_ENVIRONMENT": f"https://127.0.0.1:{listener.getsockname()[1]}",
        "BOSH_CLIENT": "admin",
        "BOSH_CLIENT_SECRET": SECRET,
        "BOSH_CA_CERT": ca,
    }
    yield Client(BoshClient(program=program, environment=environment))
    server.should_exit = True
    await serving


def archive(folder: Path) -> Path:
    """A release tarball as far as the client looks into it."""
    content = b"name: app\nversion: 2.0.0\n"
    with tarfile.open(folder / "app.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("release.MF")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return folder / "app.tgz"


async def test_it_logs_in_and_a_wrong_secret_does_not(client: Client) -> None:
    told = await client.value("info")
    assert (told["Name"], told["User"], told["CPI"]) == ("test", "admin", "local")
    assert told["Auth"]["Type"] == "basic"
    assert await client.value("is_authenticated") is True
    stranger = BoshClient(
        program=client.client.program, environment={**client.client.environment, "BOSH_CLIENT_SECRET": "wrong"}
    )
    assert (await Client(stranger).value("is_authenticated")) is False
    refused = await Client(stranger).ask("deployments")
    assert not refused.ok
    assert "status code '401'" in refused.error


async def test_it_uploads_a_release_and_reads_what_there_is(client: Client, room: Room, tmp_path: Path) -> None:
    shop(room)
    path = archive(tmp_path)
    assert await client.value("has_release", path=str(path)) is False
    answer = await client.ask("upload_release", path=str(path), rebase=True)
    assert answer.ok, answer.error
    assert answer.states == ((1, "started"), (1, "done"))
    (request,) = room.driver.asked
    assert request == UpdateRelease(path=request.path, rebase=True)
    assert Path(request.path).read_bytes() == path.read_bytes()
    releases = await client.value("releases")
    assert [(r["version"], r["deployed"]) for r in releases] == [("1.0.0", True), ("1.9.0", False), ("1.10.0", False)]
    shown = await client.value("release", name="app", version="1.0.0")
    assert [j["Name"] for j in shown["jobs"]] == ["server", "status", "tests"]
    assert shown["packages"][0]["Fingerprint"] == "fp-ruby"
    assert await client.value("has_release", name="app", version="1.0.0") is True
    known = "packages: [{name: ruby, fingerprint: fp-ruby}]"
    assert await client.value("match_packages", text=known) == ["fp-ruby"]


async def test_it_uploads_a_stemcell_only_when_needed(client: Client, room: Room, tmp_path: Path) -> None:
    shop(room)
    assert await client.value("stemcell_needs_upload", name="local-stemcell", version="1") is False
    assert await client.value("stemcell_needs_upload", name="local-stemcell", version="2") is True
    (tmp_path / "s.tgz").write_bytes(gzip.compress(b"x"))
    await client.value("upload_stemcell", path=str(tmp_path / "s.tgz"), fix=True)
    assert room.driver.asked[0].fix is True
    (row,) = await client.value("stemcells")
    assert (row["name"], row["version"], row["os"], row["cid"]) == ("local-stemcell", "1", "local", "sc-1")
    assert row["deployed"] is True


async def test_it_updates_and_compares_configs(client: Client) -> None:
    await client.value("update_cloud_config", name="", text=CLOUD)
    assert (await client.value("latest_cloud_config", name=""))["Properties"] == CLOUD
    compared = await client.value("diff_cloud_config", name="", text=CLOUD + "disk_types: [{name: d, disk_size: 1}]\n")
    assert any(mark == "added" for _, mark in compared["Diff"])
    refused = await client.ask("update_cloud_config", name="", text="networks: 5")
    assert "status code '400'" in refused.error
    first = await client.value("update_config", type="mine", name="a", text="x: 1")
    stale = await client.ask("update_config", type="mine", name="a", text="x: 2", expected="99")
    assert f"latest ID '{first['ID']}'" in stale.error
    compared = await client.value("diff_config", type="mine", name="a", text="x: 2")
    assert compared["FromId"] == first["ID"]
    assert [c["Name"] for c in await client.value("configs", type="mine")] == ["a"]
    assert await client.value("delete_config", type="mine", name="a") is True
    assert await client.value("delete_config", type="mine", name="a") is False


async def test_it_deploys_what_it_was_shown_and_follows_the_task(client: Client, room: Room) -> None:
    config = await room.store.add_config("cloud", "default", CLOUD, NOW)
    line = json.dumps({"time": 1, "stage": "Updating instance", "tags": [], "task": "web/0", "state": "started"}) + "\n"
    room.log.put(1, "event", line)
    answer = await client.ask("deploy", deployment="shop", text=MANIFEST, confirmed=True, canaries="2", context="ctx")
    assert answer.ok, answer.error
    assert [event["task"] for event in answer.events] == ["web/0"]
    assert all(mark == "added" for text, mark in answer.value if text)
    assert room.driver.asked == [
        Deploy(deployment="shop", manifest=MANIFEST, config_ids=(config.id,), overrides=Overrides(canaries="2"))
    ]
    assert room.store.all_tasks[1].context_id == "ctx"


async def test_a_failed_task_fails_its_command(client: Client, room: Room) -> None:
    shop(room)
    room.driver.state = TaskState.ERROR
    answer = await client.ask("restart", deployment="shop", target="web/0", converge=True)
    assert "Expected task '1' to succeed but state is 'error'" in answer.error


async def test_it_lists_deployments_with_what_they_use(client: Client, room: Room) -> None:
    shop(room)
    assert await client.value("deployments") == [
        {
            "name": "shop", "cloud_config": "none", "releases": ["app/1.0.0"], "stemcells": ["local-stemcell/1"],
            "teams": [],
        }
    ]  # fmt: skip
    assert (await client.value("list_deployments"))[0]["Name"] == "shop"
    assert await client.value("manifest", deployment="shop") == MANIFEST


@pytest.mark.parametrize("op,vms_only", [("instances", False), ("vms", True)])
async def test_it_reads_every_detail_of_an_instance(client: Client, room: Room, op: str, vms_only: bool) -> None:
    record = shop(room, 1)
    (web, virtual) = record.instances[0], record.vms[0]
    rows = (
        instance_row(web, virtual, record.disks, room.agents.known[virtual.agent]),
        instance_row(instance(1), None, (), None),
    )
    room.driver.results = {ListInstances: ("", "".join(json.dumps(row) + "\n" for row in rows))}
    running, missing = await client.value(op, deployment="shop")
    assert room.driver.asked == [ListInstances(deployment="shop", vms_only=vms_only)]
    assert (running["job_name"], running["job_state"], running["vm_cid"]) == ("web", "running", virtual.cid)
    assert (running["disk_cids"], running["ips"]) == (["cid-d1"], ["10.0.0.10"])
    assert running["Vitals"]["Mem"]["kb"] == "1024"
    assert running["Vitals"]["Uptime"]["secs"] == 99
    assert running["Processes"][0]["Name"] == "server"
    assert running["Processes"][0]["Uptime"]["secs"] == 12
    assert running["vm_created_at"] == "2023-11-14T22:13:20Z"
    assert (missing["vm_cid"], missing["active"], missing["id"]) == ("", None, "web-id-1")


async def test_it_lists_plain_instances(client: Client, room: Room) -> None:
    shop(room)
    found = await client.value("plain_instances", deployment="shop")
    assert [(i["job"], i["expects_vm"]) for i in found] == [("web", True), ("web", True)]


@pytest.mark.parametrize(
    "op,more,overrides",
    [
        ("stop", {"target": "web", "converge": True}, Overrides(state="stopped", target="web")),
        ("stop", {"target": "web/0", "hard": True}, Overrides(state="detached", target="web/0")),
        ("start", {"target": "", "converge": True}, Overrides(state="started", target="*")),
        ("start", {"target": "web/0"}, Overrides(state="started", target="web/0")),
        (
            "restart",
            {"target": "web/0", "skip_drain": True},
            Overrides(state="restart", target="web/0", skip_drain=("web/0",)),
        ),
        (
            "recreate",
            {"target": "web", "converge": True, "fix": True, "max_in_flight": "2"},
            Overrides(state="recreate", target="web", fix=True, max_in_flight="2"),
        ),
    ],
)
async def test_it_changes_the_state_of_instances(
    client: Client, room: Room, op: str, more: dict[str, object], overrides: Overrides
) -> None:
    shop(room)
    await client.value(op, deployment="shop", **more)
    assert room.driver.asked == [Deploy(deployment="shop", overrides=overrides)]


async def test_it_ignores_an_instance(client: Client, room: Room) -> None:
    shop(room)
    await client.value("ignore", deployment="shop", target="web/1", enabled=True)
    assert [i.is_ignored for i in sorted(room.store.records["shop"].instances, key=lambda i: i.index)] == [False, True]


async def test_it_runs_an_errand_and_reads_what_it_printed(client: Client, room: Room) -> None:
    shop(room)
    line = {
        "instance": {"group": "smoke", "id": "i-1"}, "errand_name": "smoke", "exit_code": 3, "stdout": "said\n",
        "stderr": "", "logs": {"blobstore_id": None, "sha1": None},
    }  # fmt: skip
    room.driver.results = {RunErrand: ("", json.dumps(line) + "\n")}
    assert [e["Name"] for e in await client.value("errands", deployment="shop")] == ["smoke", "status", "tests"]
    (result,) = await client.value("run_errand", deployment="shop", name="smoke", targets=["web/first"])
    assert (result["InstanceGroup"], result["ExitCode"], result["Stdout"]) == ("smoke", 3, "said\n")
    assert room.driver.asked == [RunErrand(deployment="shop", errand="smoke", instances=("web/first",))]


async def test_it_fetches_logs_and_downloads_them(client: Client, room: Room, tmp_path: Path) -> None:
    shop(room)
    room.blobs.kept = {"blob-1": b"tar" * 1000}
    room.driver.results = {FetchLogs: ("blob-1", "")}
    fetched = await client.value("logs", deployment="shop", target="web/0", filters=["a", "b"], type="job")
    assert fetched["BlobstoreID"] == "blob-1"
    assert room.driver.asked == [FetchLogs(deployment="shop", target="web/0", filters=("a", "b"))]
    assert await client.value("resource", name="blob-1", path=str(tmp_path / "logs.tgz")) == 3000


async def test_it_lists_shows_and_cancels_tasks(client: Client, room: Room) -> None:
    shop(room)
    await client.value("restart", deployment="shop", target="web/0")
    (recent,) = await client.value("tasks", limit=5)
    assert (recent["id"], recent["state"], recent["deployment"], recent["user"]) == (1, "done", "shop", "admin")
    assert recent["finished_at"] == int(NOW) + 1
    assert await client.value("tasks") == []
    room.log.put(1, "debug", "some details\n")
    assert await client.value("task_output", id=1, type="debug") == "some details\n"
    assert await client.value("task_output", id=1, type="event") == ""
    assert "status code '400'" in (await client.ask("cancel", id=1)).error
    assert "status code '404'" in (await client.ask("task", id=9)).error
    await client.value("cancel_tasks", deployment="shop", states=["queued"])


async def test_it_reads_events_locks_disks_and_variables(client: Client, room: Room) -> None:
    shop(room)
    room.store.all_events = [
        Event(id=1, at=NOW, user="admin", action="create", object_type="vm", object_name="v", task=TaskId(1),
              deployment=DeploymentName("shop"), context={"a": 1}),
    ]  # fmt: skip
    (event,) = await client.value("events", deployment="shop")
    assert (event["id"], event["action"], event["task"], event["context"]) == ("1", "create", "1", {"a": 1})
    room.store.orphans = [disk(instance(0), "a/b", DiskState.ORPHANED, orphaned_at=NOW)]
    (orphan,) = await client.value("disks")
    assert (orphan["cid"], orphan["size"], orphan["orphaned_at"]) == ("cid-a/b", 1024, "2023-11-14T22:13:20Z")
    await client.value("delete_disk", name="cid-a/b")
    assert room.driver.asked == [DeleteDisk(cid="cid-a/b")]
    room.driver.locks = {"shop": TaskId(1)}
    room.store.all_tasks[TaskId(1)] = room.store.all_tasks[1].__class__(
        id=TaskId(1), type="x", state=TaskState.PROCESSING, description="", user="", deployment=DeploymentName("shop")
    )
    (lock,) = await client.value("locks")
    assert (lock["Resource"], lock["TaskID"]) == (["shop"], "1")
    room.secrets.kept = {"shop": ["password"]}
    assert await client.value("variables", deployment="shop") == [{"id": "id-password", "name": "password"}]
    assert await client.value("orphaned_vms") is None
    assert await client.value("orphan_networks") == 0
    assert await client.value("snapshots", deployment="shop") is None
    assert await client.value("certificate_expiry") == []


async def test_it_cleans_up_and_deletes(client: Client, room: Room) -> None:
    shop(room)
    dry = await client.value("clean_up", dry_run=True, all=True)
    assert dry == {"releases": ["app/1.10.0", "app/1.9.0"], "stemcells": [], "disks": []}
    await client.value("clean_up", all=True)
    await client.value("delete_deployment", deployment="shop", force=True)
    assert room.driver.asked == [CleanUp(remove_all=True), DeleteDeployment(deployment="shop", force=True)]
    await client.value("resurrection", enabled=False)
    assert room.store.settings == {"resurrection": {"paused": True}}


async def test_it_scans_and_resolves_with_a_name_or_the_default(client: Client, room: Room) -> None:
    shop(room)
    offered = (Resolution.IGNORE, Resolution.RECREATE_VM)
    kept = {"instance": "i-0", "group": "web", "label": "web/0", "subject": "vm-0", "description": "VM missing."}
    found = ProblemFound(type=ProblemType.MISSING_VM, **kept, resolutions=offered, data={"vm_cid": "cid"})
    room.store.settings["problems:shop"] = {"last": 4, "open": [OpenProblem(id=4, found=found).to_tree()]}
    (problem,) = await client.value("scan", deployment="shop")
    assert (problem["ID"], problem["Type"], problem["instance_group"]) == (4, "missing_vm", "web")
    assert [one["name"] for one in problem["Resolutions"]] == ["ignore", "recreate_vm"]
    assert [one["plan"] for one in problem["Resolutions"]] == [TITLES[one] for one in offered]
    await client.value("resolve", deployment="shop", resolutions={"4": "recreate_vm"}, limits={"web": "50%"})
    await client.value("resolve", deployment="shop", resolutions={"4": None})
    assert room.driver.asked == [
        ScanProblems(deployment="shop"),
        ApplyResolutions(deployment="shop", resolutions=((4, "recreate_vm"),), max_in_flight=(("web", "50%"),)),
        ApplyResolutions(deployment="shop", resolutions=((4, None),)),
    ]


def test_it_interpolates_ops_and_variables_without_a_director(program: Path) -> None:
    client = BoshClient(program=program, environment={})
    ops = ["- type: replace\n  path: /b/-\n  value: 2\n"]
    assert client.value("interpolate", text="a: ((x))\nb: [1]", vars="x: 5", ops=ops) == "a: 5\nb:\n- 1\n- 2\n"
    assert client.value("interpolate", text="a: ((x))", vars="x: {below: deep}", path="/a/below") == "deep\n"
    assert not client.ask("interpolate", text="a: ((x))", all_keys=True).ok
    assert "BOSH_ENVIRONMENT" in client.ask("info").error
