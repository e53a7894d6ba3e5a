"""What a VM of a stemcell of its own is: a machine to whatever runs in it, and nothing to the one it runs on."""

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from director.adapters.agents.authority import Authority
from director.adapters.agents.gateway import Gateway, GatewayOptions
from director.adapters.agents.listen import Listen
from director.adapters.archives.stemcell import open_stemcell
from director.adapters.archives.stream import Limits
from director.adapters.clock import SystemClock
from director.adapters.local import LocalInfrastructure, destroy
from director.adapters.local.network import Networks, hash_of
from director.model.sighting import Power
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import StemcellRequest
from tests.contract.local_vm import DEADLINE_S, GREETER, GUEST, IS_ROOT, Guests, disk_request, network, vm_request
from tests.support.local_stemcell_fixtures import local_stemcell  # noqa: F401  a fixture
from tests.unit.adapters.agents.scripted_agent import DictBlobs, DictStore

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not IS_ROOT, reason="needs root"),
    pytest.mark.timeout(1600),  # the first stemcell on a machine is built
]

# The image's agent runs where a test says so; else the guest of these tests does.
AGENT = "/usr/lib/director-agent/run"
SWITCH = f"""
import os
if os.path.exists("/run/director/agent"):
    os.execv("{AGENT}", ["{AGENT}", "--base", "/var/vcap"])
{GUEST}"""
# Containers of an image made on the spot: a shell and what it needs.
TINY = """
import hashlib, io, json, os, tarfile
def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()
programs = "/bin/dash", "/bin/cat", "/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"
layer = tar({name[1:]: open(os.path.realpath(name), "rb").read() for name in programs})
blobs = {}
def put(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    blobs["blobs/sha256/" + digest] = data
    return {"mediaType": kind, "digest": "sha256:" + digest, "size": len(data)}
oci = "application/vnd.oci.image."
root = put(layer, oci + "layer.v1.tar")
config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [root["digest"]]}}
config = put(json.dumps(config).encode(), oci + "config.v1+json")
manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": [root]}
manifest = put(json.dumps(manifest).encode(), oci + "manifest.v1+json")
manifest["annotations"] = {"io.containerd.image.name": "here/tiny:1"}
blobs["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
blobs["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode()
open("/tmp/tiny.tar", "wb").write(tar(blobs))
"""
CONTAINERD = """
mkdir -p /var/vcap/data
cat >/tmp/containerd.toml <<END
version = 2
root = "/var/vcap/data/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
END
(setsid containerd -c /tmp/containerd.toml >/tmp/containerd.log 2>&1 </dev/null &)
until ctr version >/dev/null 2>&1; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def unpacked(local_stemcell, tmp_path_factory):  # noqa: F811  the fixture
    """(the directory of stemcells, the cid): unpacked once, shared by all state directories here."""
    home = tmp_path_factory.mktemp("machines")
    read = open_stemcell(local_stemcell, home, Limits())
    properties = read.cloud_properties | {"agent": {"command": ["/usr/bin/python3", "-c", SWITCH]}}
    cloud = LocalInfrastructure(home, agent_command=(), sockets_dir=home, calls_in_flight=1)
    request = StemcellRequest(key="tests", image=read.image, properties=properties)
    cid = asyncio.run(cloud.create_stemcell(request))
    read.image.unlink()
    yield home / "stemcells", cid
    shutil.rmtree(home)


@pytest.fixture
async def guests(tmp_path):
    met = Guests()
    await met.listen(tmp_path / "run")
    yield met
    await met.close()


@pytest.fixture
async def state_dir(tmp_path, unpacked):
    path = tmp_path / "state, dir:1"  # of characters that mean more to overlay than to others
    path.mkdir()
    (path / "stemcells").symlink_to(unpacked[0])
    yield path
    await destroy(path)
    assert not list(path.iterdir())
    assert not left_behind(path)


def left_behind(state_dir):
    """Groups, mounts, links, namespaces and processes of a state directory."""
    owner = str(state_dir.resolve())
    networks = Networks(owner)
    found = [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/director-{hash_of(owner)}")]
    found += sorted({networks.link} & {entry.name for entry in Path("/sys/class/net").iterdir()})
    found += [networks.namespace.name] * Path("/run/netns", networks.namespace.name).exists()
    mark = owner.replace(" ", "\\040")
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):
            found += [path.parent.name] * (f"{mark}/vms" in path.read_text())
    return found


@pytest.fixture
def cloud(state_dir, tmp_path):
    return director_on(state_dir, tmp_path)


def director_on(state_dir, tmp_path):
    return LocalInfrastructure(state_dir, agent_command=(), sockets_dir=tmp_path / "run", calls_in_flight=4)


@pytest.fixture
def ask(unpacked):
    def request(name="web-1", **more):
        wanted = vm_request(name, **more)
        return replace(wanted, shape=replace(wanted.shape, stemcell_cid=unpacked[1]))

    return request


def python(code):
    return f"python3 -c {shlex.quote(code)} 2>&1"


def reach(address):
    return python(f"import socket; print(socket.create_connection(('{address}', 7001), timeout=10).recv(9).decode())")


async def greet(guest):
    await guest.run(f"cat >/tmp/greeter <<'END'\n{GREETER}\nEND")
    await guest.run(
        "mkfifo /tmp/greets; (setsid python3 /tmp/greeter >/tmp/greets 2>&1 </dev/null &); head -1 /tmp/greets"
    )


async def two_of(guests):
    one, two = await guests.next(), await guests.next()
    return (one, two) if one.name == "web-1" else (two, one)


def pid_of(state_dir, name="web-1"):
    return json.loads((state_dir / "vms" / name / "vm.json").read_text())["process"]["pid"]


def groups_of(state_dir, name="web-1"):
    return sorted(Path("/sys/fs/cgroup").glob(f"**/director-{hash_of(str(state_dir.resolve()))}/{name}"))


async def test_a_machine_has_the_stemcells_root_and_changes_only_its_own(cloud, guests, ask, unpacked):
    await cloud.create_vm(ask("web-1", number=11))
    await cloud.create_vm(ask("web-2", number=12))
    one, two = await two_of(guests)
    assert "ID=debian" in await one.run("cat /etc/os-release")
    assert await one.run("echo mine >/usr/bin/mine && rm /usr/bin/socat && cat /usr/bin/mine") == "mine\n"
    assert await two.run("ls /usr/bin/mine /usr/bin/socat 2>/dev/null") == "/usr/bin/socat\n"
    lower = unpacked[0] / unpacked[1] / "root/usr/bin"
    assert (lower / "socat").exists()
    assert not (lower / "mine").exists()
    assert await one.run("cat /etc/hostname; hostname; grep web-1 /etc/hosts | wc -l") == "web-1\nweb-1\n1\n"
    assert await one.run("cat /etc/machine-id") != await two.run("cat /etc/machine-id")


async def test_a_machine_is_alone_in_every_namespace_and_sees_its_groups_as_all_there_is(cloud, guests, ask):
    await cloud.create_vm(ask())
    guest = await guests.next()
    spaces = "for kind in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$kind; done"
    own = {str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("cgroup", "ipc", "mnt", "net", "pid", "uts")}
    assert not own & set((await guest.run(spaces)).split())
    assert (await guest.run("cd /proc; cat [0-9]*/stat")).startswith("1 (sh)")
    groups = (await guest.run("cat /proc/1/cgroup")).splitlines()
    assert groups
    assert {line.split(":", 2)[2] for line in groups} == {"/"}
    mounted = (await guest.run("grep -c cgroup /proc/self/mounts")).strip()
    assert int(mounted) >= len(groups)
    assert await guest.run("grep -o ' / .*shared:' /proc/self/mountinfo | head -c 3") == " / "
    assert (
        await guest.run(
            "echo ok >/dev/null && head -c 3 /dev/urandom | wc -c; test -c /dev/kmsg -a -c /dev/fuse && echo there"
        )
        == "3\nthere\n"
    )
    assert not list(Path("/run/netns").glob("*web*"))


async def test_a_machine_shows_the_size_of_its_vm_type_and_is_held_to_it(cloud, guests, ask):
    await cloud.create_vm(ask(cloud_properties={"cpu": 1, "ram": 256}))
    guest = await guests.next()
    assert (await guest.run("head -1 /proc/meminfo")).split() == ["MemTotal:", "262144", "kB"]
    assert await guest.run("grep -c ^processor /proc/cpuinfo; wc -l </proc/swaps") == "1\n1\n"
    assert await guest.run(python("print(len(bytearray(100_000_000)))")) == "100000000\n"
    assert "500000000" not in await guest.run(python("print(len(bytearray(500_000_000)))"))


async def test_what_a_kubelet_sets_stays_in_the_machine_and_each_boot_has_its_own_id(cloud, guests, ask):
    names = "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"
    before = [Path("/proc/sys", name).read_text() for name in names]
    cid = await cloud.create_vm(ask())
    guest = await guests.next()
    for name in names:
        assert await guest.run(f"echo 7 >/proc/sys/{name} && cat /proc/sys/{name}") == "7\n"
    assert [Path("/proc/sys", name).read_text() for name in names] == before
    first = await guest.run("cat /proc/sys/kernel/random/boot_id")
    await cloud.reboot_vm(cid)
    guest = await guests.next()
    second = await guest.run("cat /proc/sys/kernel/random/boot_id")
    assert len({first, second, Path("/proc/sys/kernel/random/boot_id").read_text()}) == 3
    assert await guest.run(f"cat /proc/sys/{names[0]}") == before[0], "as at every boot"


async def test_a_reboot_keeps_root_vcap_and_disks_and_a_new_vm_keeps_its_disks(cloud, guests, ask):
    cid = await cloud.create_vm(ask())
    disk = await cloud.create_disk(disk_request("disk-1"))
    guest = await guests.next()
    place = (await cloud.attach_disk(cid, disk))["path"]
    await guest.run(f"mkdir -p /var/vcap/store && mount --bind {place} /var/vcap/store && echo d >/var/vcap/store/file")
    await guest.run("echo r >/etc/file; echo 10.0.0.9 other >>/etc/hosts; echo v >/var/vcap/file; echo t >/tmp/file")
    await cloud.reboot_vm(cid)
    guest = await guests.next()
    assert await guest.run(f"cat /etc/file /var/vcap/file {place}/file; grep -c other /etc/hosts") == "r\nv\nd\n1\n"
    assert await guest.run("ls /tmp") == ""
    await cloud.delete_vm(cid)
    cid = await cloud.create_vm(ask())
    guest = await guests.next()
    await cloud.attach_disk(cid, disk)
    assert await guest.run(f"cat /etc/file /var/vcap/file {place}/file 2>/dev/null") == "d\n"


async def test_a_killed_machine_leaves_no_group_and_no_container_of_it_lives(cloud, guests, ask, state_dir):
    cid = await cloud.create_vm(ask())
    guest = await guests.next()
    nest = "for top in /sys/fs/cgroup/*/; do mkdir -p $top/pods/one/two && "
    await guest.run(
        nest + "(setsid sleep 600 </dev/null >/dev/null 2>&1 & echo $! >$top/pods/one/two/cgroup.procs); done"
    )
    assert any((group / "pods/one/two").is_dir() for group in groups_of(state_dir))
    os.kill(pid_of(state_dir), signal.SIGKILL)
    await guest.gone()
    await cloud.reboot_vm(cid)
    guest = await guests.next()
    assert await guest.run("find /sys/fs/cgroup -name pods") == "", "nothing of the boot before is taken for alive"
    await cloud.delete_vm(cid)
    assert not left_behind(state_dir)


async def test_a_new_director_finds_the_machine_of_the_one_before(cloud, guests, ask, state_dir, tmp_path):
    await cloud.create_vm(ask())
    guest = await guests.next()
    after = director_on(state_dir, tmp_path)
    assert (await after.find_vm("web-1")).power is Power.ON
    await after.create_vm(ask())
    assert await guest.run("echo here") == "here\n"
    await after.create_vm(ask("web-2", number=12))
    two = await guests.next()
    await greet(two)
    assert await guest.run(reach(network(12)["ip"])) == "hello\n"
    await after.delete_vm("web-1")
    await guest.gone()


async def test_machines_reach_each_other_over_subnets_their_host_and_what_they_route(cloud, guests, ask):
    await cloud.create_vm(ask("web-1", number=11, subnet=1))
    await cloud.create_vm(ask("web-2", number=11, subnet=2))
    one, two = await two_of(guests)
    first, second = network(11, 1)["ip"], network(11, 2)["ip"]
    await greet(one)
    assert await two.run(reach(first)) == "hello\n"
    reader, writer = await asyncio.open_connection(first, 7001)
    assert await reader.read() == b"hello"
    writer.close()
    await writer.wait_closed()
    for address in (network(11, 1)["gateway"], "127.0.0.1"):
        server = await asyncio.start_server(lambda _, peer: (peer.write(b"of host"), peer.close()), address, 7001)
        async with server:
            if address != "127.0.0.1":
                assert await one.run(reach(address)) == "of host\n", "a gateway is the host's own address"
    # As a node routes to the pods of another one, which is in another zone.
    await one.run("ip addr add 10.201.1.1/32 dev lo")
    assert await two.run(f"ip route add 10.201.1.0/24 via {first} dev eth0 onlink 2>&1") == ""
    await one.run(f"ip route add 10.201.2.0/24 via {second} dev eth0 onlink")
    assert await two.run(reach("10.201.1.1")) == "hello\n"


async def test_a_machine_has_a_default_route_though_its_network_gives_none(cloud, guests, ask):
    alone = {key: value for key, value in network(11).items() if key not in {"gateway", "default"}}
    await cloud.create_vm(ask(networks={"default": alone}))
    assert "default dev eth0" in await (await guests.next()).run("ip route")


async def test_containerd_and_runc_run_a_container_in_a_machine_within_its_limit(cloud, guests, ask, state_dir):
    await cloud.create_vm(ask(cloud_properties={"cpu": 2, "ram": 1024}))
    guest = await guests.next()
    await guest.run(CONTAINERD)
    await guest.run(f"cat >/tmp/tiny.py <<'END'\n{TINY}\nEND\npython3 /tmp/tiny.py && ctr images import /tmp/tiny.tar")
    ran = await guest.run(
        "ctr run --rm --memory-limit 33554432 here/tiny:1 one /bin/dash -c 'echo $$; cat /proc/1/cgroup'"
    )
    assert ran.startswith("1\n"), ran
    assert "/one" in ran
    await guest.run("ctr run --detach here/tiny:1 two /bin/dash -c 'while :; do read -r line; done'")
    assert "RUNNING" in await guest.run("ctr task ls")
    assert any(path.name == "two" for group in groups_of(state_dir) for path in group.rglob("two"))
    await cloud.delete_vm("web-1")
    assert not groups_of(state_dir)


async def test_the_images_agent_enrols_reports_and_is_there_again_after_a_reboot(cloud, ask, tmp_path, guests):
    (tmp_path / "run/agent").touch()
    with tempfile.TemporaryDirectory() as short:
        listen = {kind: Listen(socket=Path(short) / kind) for kind in ("agents", "enrol")}
        agents = Gateway(
            store=DictStore(),
            blobs=DictBlobs(),
            clock=SystemClock(),
            authority=Authority(tmp_path, SystemClock()),
            options=GatewayOptions(**listen),
            warn=lambda *_: None,
        )
        await agents.start()
        for kind in listen:
            os.link(Path(short, kind), tmp_path / "run" / kind)
        try:
            enrolment = await agents.enrolment_for("agent-1", "i", "shop", 1)
            cid = await cloud.create_vm(replace(ask(cloud_properties={"ram": 512}), enrolment=enrolment))
            await agents.await_connected("agent-1", DEADLINE_S)
            seen = await agents.await_seen("agent-1", lambda seen: seen.vitals is not None, DEADLINE_S)
            assert seen is not None
            await cloud.reboot_vm(cid)
            await agents.await_seen("agent-1", lambda seen: not seen.is_connected, DEADLINE_S)
            await agents.await_connected("agent-1", DEADLINE_S)
        finally:
            await agents.stop()


async def test_where_the_disk_cannot_hold_an_overlay_changes_are_in_memory_and_it_is_said(
    ask, guests, unpacked, tmp_path
):
    state_dir = tmp_path / "over/merged"
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / "over" / name).mkdir(parents=True)
    options = "lowerdir=lower,upperdir=upper,workdir=work"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", "merged"], check=True, cwd=tmp_path / "over")
    try:
        (state_dir / "stemcells").symlink_to(unpacked[0])
        cloud = director_on(state_dir, tmp_path)
        (finding,) = [one for one in await cloud.diagnose() if "memory" in one.detail]
        assert finding.is_well
        cid = await cloud.create_vm(ask())
        await (await guests.next()).run("echo mine >/etc/mine; echo kept >/var/vcap/mine")
        assert "are in memory" in (state_dir / "vms/web-1/log").read_text()
        await cloud.reboot_vm(cid)
        assert await (await guests.next()).run("cat /etc/mine /var/vcap/mine 2>/dev/null") == "kept\n"
    finally:
        await destroy(state_dir)
        subprocess.run(["umount", state_dir], check=True)
    assert not left_behind(state_dir)


async def test_a_stemcell_that_is_not_here_is_refused_before_anything_is_made(cloud, ask, state_dir):
    wanted = ask()
    with pytest.raises(InfrastructureFailure, match="upload it again"):
        await cloud.create_vm(replace(wanted, shape=replace(wanted.shape, stemcell_cid="root-0000000000000000")))
    assert not (state_dir / "vms").exists()
