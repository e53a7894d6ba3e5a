"""What a VM of this machine is: alone with its processes, name, address and files, outliving its director."""

import asyncio
import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from director.adapters.local import LocalInfrastructure, boot, destroy
from director.adapters.local.addresses import addresses_of
from director.adapters.local.network import Networks, hash_of
from director.adapters.local.process import is_alive, kill, know
from director.model.placement import VmWish
from director.model.sighting import Power
from director.ports.failure import InfrastructureFailure
from tests.contract.local_vm import (
    AGENT_COMMAND,
    DEADLINE_S,
    GREETER,
    IS_ROOT,
    STRAY,
    Guests,
    disk_request,
    network,
    vm_request,
)

SECRET = "secret"


@pytest.fixture
async def guests(tmp_path):
    met = Guests()
    await met.listen(tmp_path / "run")
    yield met
    await met.close()


@pytest.fixture
async def state_dir(tmp_path):
    path = tmp_path / "state dir"
    yield path
    await destroy(path)
    assert not [entry.name for entry in path.glob("*") if entry.name != SECRET]
    assert not left_behind(path)


def left_behind(state_dir):
    """Processes, interfaces and control groups of a state directory."""
    found = [line for line in commands() if str(state_dir) in line]
    owner = str(state_dir.resolve())
    networks = Networks(owner)
    found += sorted({networks.link} & {entry.name for entry in Path("/sys/class/net").iterdir()})
    found += [networks.namespace.name] * Path("/run/netns", networks.namespace.name).exists()
    return found + [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/director-{hash_of(owner)}")]


def commands():
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                yield (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


@pytest.fixture
def cloud(state_dir, tmp_path, guests):
    return director_on(state_dir, tmp_path)


def director_on(state_dir, tmp_path, agent_command=AGENT_COMMAND):
    return LocalInfrastructure(state_dir, agent_command=agent_command, sockets_dir=tmp_path / "run", calls_in_flight=4)


def pid_of(state_dir, name="web-1"):
    return json.loads((state_dir / "vms" / name / "vm.json").read_text())["process"]["pid"]


async def kill_vm(state_dir, name="web-1"):
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    await kill(know(pid_of(state_dir, name), boot_id), DEADLINE_S)


async def test_a_vm_has_its_own_processes_and_its_own_name(cloud, guests):
    await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    assert guest.name == "web-1"
    processes = (await guest.run("cd /proc; cat [0-9]*/stat")).splitlines()
    assert processes[0].startswith("1 (sh)")
    assert len(processes) <= 4, "init, the guest, its shell, cat: nobody else's"
    assert await guest.run("cat /etc/hostname") == "web-1\n"
    assert "web-1" in await guest.run("cat /etc/hosts")
    assert socket.gethostname() != "web-1"


async def test_a_vm_sees_its_own_vcap_and_not_the_directors_state(cloud, guests, state_dir, tmp_path):
    (state_dir).mkdir()
    (state_dir / "secret").write_text("of the director")
    await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    await guest.run("echo mine > /var/vcap/file")
    assert (state_dir / "vms/web-1/vcap/file").read_text() == "mine\n"
    assert await guest.run(f"cat '{state_dir}/secret' 2>/dev/null") == ""
    tops = set((await guest.run("ls /")).split())
    assert {"bin", "dev", "etc", "home", "lib", "proc", "root", "run", "sys", "tmp", "usr", "var"} <= tops
    assert tops.isdisjoint({"boot", "lost+found", "old_root", "work"} - tops_of_python())
    assert await guest.run("ls /var/lib /srv /media | grep -v :") == "\n\n"


def tops_of_python():
    return {Path(path).parts[1] for path in (sys.prefix, sys.base_prefix, __file__)}


async def test_a_state_directory_inside_what_is_shown_is_hidden(guests, state_dir, tmp_path):
    state_dir.mkdir()
    (tmp_path / "shown").write_text("open")
    (state_dir / "secret").write_text("of the director")
    cloud = director_on(state_dir, tmp_path, (*AGENT_COMMAND, str(tmp_path)))
    await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    assert await guest.run(f"cat '{tmp_path}/shown'") == "open"
    assert "secret" not in await guest.run(f"ls '{state_dir}' 2>&1")


async def test_the_hosts_programs_cannot_be_changed_from_a_vm(cloud, guests):
    await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    for place in ("/usr", "/etc", "/bin", "/dev", sys.prefix, "/run/director"):
        assert "ok" not in await guest.run(f"touch {place}/x 2>/dev/null && echo ok"), place
    assert await guest.run("echo 1 >/dev/null && head -c 3 /dev/urandom | wc -c") == "3\n"
    assert await guest.run("touch /tmp/x /run/x /var/tmp/x /dev/shm/x && echo ok") == "ok\n"


async def test_the_enrolment_is_private_and_its_sockets_are_where_the_vm_sees_them(cloud, guests, state_dir):
    await cloud.create_vm(vm_request("web-1"))
    path = state_dir / "vms/web-1/vcap/bosh/enrolment.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert (state_dir / "vms/web-1").stat().st_mode & 0o077 == 0
    guest = await guests.next()
    enrolment = json.loads(await guest.run("cat /var/vcap/bosh/enrolment.json"))
    assert enrolment == {
        "agent_id": "agent-of-web-1",
        "token": "a-token",
        "ca_certificate": "a-certificate",
        "enrol_targets": ["unix:/run/director/enrol.sock"],
        "agent_targets": ["unix:/run/director/agents.sock", "10.0.0.1:25581"],
    }


async def test_an_adopted_vm_gets_the_token_that_works_now(cloud, state_dir):
    request = vm_request("web-1")
    await cloud.create_vm(request)
    await cloud.create_vm(replace(request, enrolment=replace(request.enrolment, token="a-newer-token")))
    path = state_dir / "vms/web-1/vcap/bosh/enrolment.json"
    assert json.loads(path.read_text())["token"] == "a-newer-token"
    path.unlink()  # as an agent does that has enrolled
    await cloud.create_vm(request)
    assert not path.exists()


async def test_the_agent_and_what_it_imports_are_there(cloud, guests):
    await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    assert await guest.python("import agent, cryptography, grpc; print('there')") == "there\n"


async def test_killing_pid_1_kills_a_daemonised_grandchild_and_leaves_no_zombie_of_ours(cloud, guests, state_dir):
    await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    await guest.run(f"(setsid {sys.executable} -c '{STRAY}' </dev/null >/dev/null 2>&1 &)")
    stray = await guests.next()
    assert stray.name == "stray"
    assert await stray.run("cut -d' ' -f4 /proc/$PPID/stat") == "1\n", "its parent is the VM's init"
    os.kill(pid_of(state_dir), signal.SIGKILL)
    await stray.gone()
    await guest.gone()
    await kill_vm(state_dir)
    assert (await cloud.find_vm("web-1")).power is Power.OFF
    assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []


async def test_a_vm_that_died_is_made_again_under_its_name_and_its_disk_is_free(cloud, guests, state_dir):
    cid = await cloud.create_vm(vm_request("web-1"))
    await cloud.attach_disk(cid, await cloud.create_disk(disk_request("disk-1")))
    await guests.next()
    await kill_vm(state_dir)
    await cloud.create_vm(vm_request("web-1"))
    assert (await guests.next()).name == "web-1"
    assert (await cloud.find_vm("web-1")).power is Power.ON
    assert (await cloud.find_disk("disk-1")).vm is None


async def test_a_disk_keeps_its_files_over_vms(cloud, guests):
    cid = await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    disk = await cloud.create_disk(disk_request("disk-1"))
    hint = await cloud.attach_disk(cid, disk)
    await guest.run(f"echo precious > {hint['path']}/file; mkdir -p /var/vcap/store")
    mounted = await guest.run(f"mount --bind {hint['path']} /var/vcap/store && cat /var/vcap/store/file")
    assert mounted == "precious\n", "as an agent mounts it"
    await cloud.delete_vm(cid)
    await guest.gone()
    await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    hint = await cloud.attach_disk(cid, disk)
    assert await guest.run(f"cat {hint['path']}/file") == "precious\n"
    await cloud.detach_disk(cid, disk)
    assert await guest.run("ls /run/disks") == ""


async def test_a_reboot_ends_every_process_and_keeps_vcap_and_disks(cloud, guests):
    cid = await cloud.create_vm(vm_request("web-1"))
    await cloud.attach_disk(cid, await cloud.create_disk(disk_request("disk-1")))
    guest = await guests.next()
    await guest.run("echo kept > /var/vcap/file; echo gone > /tmp/file")
    await cloud.reboot_vm(cid)
    await guest.gone()
    guest = await guests.next()
    assert await guest.run("cat /var/vcap/file") == "kept\n"
    assert await guest.run("ls /run/disks; test -e /tmp/file || echo gone") == "disk-1\ngone\n"


async def test_a_guest_that_dies_is_started_again_by_init(cloud, guests, state_dir):
    await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    guest.send("kill -9 $PPID")
    await guest.gone()
    assert (await guests.next()).name == "web-1"
    log = (state_dir / "vms/web-1/vcap/bosh/log/current").read_text()
    assert "starting it again in 1 s" in log


async def test_a_job_cannot_keep_its_vm_from_being_deleted(cloud, guests, state_dir):
    cid = await cloud.create_vm(vm_request("web-1"))
    guest = await guests.next()
    await guest.run(
        "mkdir -p /var/vcap/data/a/b; touch /var/vcap/data/a/b/c; chmod 0 /var/vcap/data/a/b /var/vcap/data/a"
    )
    await cloud.delete_vm(cid)
    await guest.gone()
    assert not list((state_dir / "vms").iterdir())


async def test_two_directors_live_side_by_side(cloud, guests, state_dir, tmp_path):
    other_dir = tmp_path / "other state"
    other = director_on(other_dir, tmp_path)
    try:
        await cloud.create_vm(vm_request("web-1", subnet=1))
        first = await guests.next()
        await other.create_vm(vm_request("web-1", subnet=2))
        second = await guests.next()
        assert (first.name, second.name) == ("web-1", "web-1")
        await destroy(other_dir)
        await second.gone()
        assert list(await cloud.find_vms()) == ["web-1"]
        assert await first.run("echo here") == "here\n"
        assert not left_behind(other_dir)
    finally:
        await destroy(other_dir)


async def test_many_vms_come_and_go_at_once(cloud, guests, state_dir):
    names = [f"vm-{number}" for number in range(12)]
    requests = [vm_request(name, number=20 + number) for number, name in enumerate(names)]
    await asyncio.gather(*(cloud.create_vm(request) for request in requests))
    assert {(await guests.next()).name for _ in names} == set(names)
    await asyncio.gather(*(cloud.delete_vm(name) for name in names))
    assert await cloud.find_vms() == {}
    assert not left_behind(state_dir)


ELSEWHERE = """
import asyncio, sys
from pathlib import Path
from tests.contract.local_vm import vm_request
from tests.contract.test_local import director_on
asyncio.run(director_on(Path(sys.argv[1]), Path(sys.argv[2])).create_vm(vm_request("web-1")))
"""


async def test_a_vm_outlives_its_director_and_the_next_one_finds_it(cloud, guests, state_dir, tmp_path):
    root = Path(__file__).resolve().parents[2]
    once = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ELSEWHERE, str(state_dir), str(tmp_path), cwd=root
    )
    assert await once.wait() == 0
    guest = await guests.next()
    assert (await cloud.find_vm("web-1")).power is Power.ON
    await cloud.create_vm(vm_request("web-1"))
    assert await guest.run("echo here") == "here\n", "adopted, not made again"
    await cloud.delete_vm("web-1")
    await guest.gone()


@pytest.mark.skipif(not IS_ROOT, reason="without root VMs share this machine's network")
async def test_the_addresses_of_a_vm_are_read_from_outside_as_they_are(cloud, guests):
    request = vm_request("web-1")
    ip = str(request.shape.networks["default"]["ip"])
    cid = await cloud.create_vm(request)
    guest = await guests.next()
    assert await addresses(cloud) == {ip}
    other = str(ipaddress.ip_address(ip) + 1)
    await guest.run(f"ip addr flush dev eth0; ip addr add {other}/24 dev eth0; ip addr add fd00::7/64 dev eth0 nodad")
    assert await addresses(cloud) == {other, "fd00::7"}
    await cloud.reboot_vm(cid)
    await guests.next()
    assert await addresses(cloud) == {ip}
    await cloud.delete_vm(cid)
    assert addresses_of(os.getpid()) is not None
    assert addresses_of(2**22 + 1) is None


async def addresses(cloud):
    (card,) = (await cloud.find_vms(in_detail=True))["web-1"].addresses
    return {one for one in card if not ipaddress.ip_address(one).is_link_local}


@pytest.mark.skipif(IS_ROOT, reason="with root each VM has a network of its own")
async def test_without_root_nobodys_addresses_can_be_told(cloud, guests):
    await cloud.create_vm(vm_request("web-1"))
    await guests.next()
    seen = (await cloud.find_vms(in_detail=True))["web-1"]
    assert (seen.addresses, seen.tags) == (None, {"job": "web"})


CUT_OFF = """
import asyncio, sys
from pathlib import Path
from director.adapters.local import infrastructure
from tests.contract.local_vm import vm_request
from tests.contract.test_local import director_on

async def say_and_hang(launch, connect, boot):
    async def tell(process):
        await connect(process)
        print(process.pid, flush=True)
        await asyncio.Event().wait()
    await start(launch, tell, boot)

start, infrastructure.boot.start = infrastructure.boot.start, say_and_hang
asyncio.run(director_on(Path(sys.argv[1]), Path(sys.argv[2])).create_vm(vm_request("web-1")))
"""


async def test_a_director_killed_while_a_vm_boots_leaves_none_and_the_next_makes_it(cloud, guests, state_dir, tmp_path):
    root = Path(__file__).resolve().parents[2]
    doomed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CUT_OFF, str(state_dir), str(tmp_path), cwd=root, stdout=subprocess.PIPE
    )
    handle = os.pidfd_open(int(await doomed.stdout.readline()))
    doomed.kill()
    await doomed.wait()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(handle, ended.set)
    async with asyncio.timeout(DEADLINE_S):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)
    assert (await cloud.find_vm("web-1")).power is Power.OFF
    await cloud.create_vm(vm_request("web-1"))
    assert (await guests.next()).name == "web-1"


async def test_a_guest_that_cannot_start_is_said_in_the_vms_log(guests, state_dir, tmp_path):
    cloud = director_on(state_dir, tmp_path, ("/nowhere/agent",))
    await cloud.create_vm(vm_request("web-1"))
    assert (await cloud.find_vm("web-1")).power is Power.ON, "the machine runs, whatever its agent does"


async def test_a_vm_that_cannot_boot_says_why(guests, state_dir, tmp_path, monkeypatch):
    cloud = director_on(state_dir, tmp_path)
    broken = tmp_path / "init.sh"
    broken.write_text("read -r pid _ </proc/self/stat; echo $pid; echo 'no such luck' >&2; exit 3\n")
    monkeypatch.setattr(boot, "INIT", broken)
    with pytest.raises(InfrastructureFailure, match="no such luck"):
        await cloud.create_vm(vm_request("web-1"))
    seen = await cloud.find_vm("web-1")
    assert seen is None or seen.power is Power.OFF
    monkeypatch.undo()
    await cloud.create_vm(vm_request("web-1"))
    assert (await guests.next()).name == "web-1", "the next try cleans up and goes on"


async def test_a_process_is_known_again_by_its_start_and_its_boot(state_dir):
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    me = know(os.getpid(), boot_id)
    assert is_alive(me, boot_id)
    assert not is_alive(me, "another boot")
    child = subprocess.Popen(["true"])
    known = know(child.pid, boot_id)
    await kill(known, DEADLINE_S)
    assert not is_alive(known, boot_id), "a zombie is dead"
    child.wait()
    assert know(child.pid, boot_id) is None


@pytest.mark.root
@pytest.mark.skipif(not IS_ROOT, reason="needs root")
class TestRoot:
    async def test_an_instance_owns_the_address_the_plan_gave_it(self, cloud, guests, state_dir):
        await cloud.create_vm(vm_request("web-1", number=11))
        await cloud.create_vm(vm_request("web-2", number=12))
        one, two = await guests.next(), await guests.next()
        one, two = (one, two) if one.name == "web-1" else (two, one)
        own, other = network(11)["ip"], network(12)["ip"]
        assert own in await one.run("ip -4 -o addr show dev eth0")
        assert f"default via {network(11)['gateway']}" in await one.run("ip route")
        await one.daemon(GREETER)
        assert await two.python(reach(own)) == "hello\n", "VMs reach each other"
        assert other in await two.run("ip -4 -o addr show dev eth0")

    async def test_subnets_of_one_network_reach_each_other_and_the_host_reaches_them(self, cloud, guests):
        await cloud.create_vm(vm_request("web-1", number=11, subnet=1))
        one = await guests.next()
        await cloud.create_vm(vm_request("web-2", number=11, subnet=2))
        two = await guests.next()
        await one.daemon(GREETER)
        address = network(11)["ip"]
        assert await two.python(reach(address)) == "hello\n"
        reader, writer = await asyncio.open_connection(address, 7001)
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()

    async def test_ipv6_reaches_the_vm_and_its_gateway(self, cloud, guests):
        base = f"fd00:{os.getpid():x}::"
        alone = {"type": "manual", "ip": f"{base}5", "prefix": 64, "gateway": f"{base}1"}
        await cloud.create_vm(vm_request("web-1", networks={"default": alone}))
        guest = await guests.next()
        await guest.daemon(GREETER.replace('("0.0.0.0", 7001)', '("::", 7001), family=socket.AF_INET6'))
        reader, writer = await asyncio.open_connection(f"{base}5", 7001)
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()
        async with await asyncio.start_server(lambda _, peer: (peer.write(b"of host"), peer.close()), f"{base}1", 7001):
            assert await guest.python(reach(f"{base}1")) == "of host\n"

    async def test_this_machine_has_one_link_whatever_the_networks_and_what_a_crash_tore_is_made_whole(
        self, cloud, guests, state_dir, tmp_path
    ):
        networks, before = Networks(str(state_dir.resolve())), links()
        Path("/run/netns").mkdir(exist_ok=True)
        Path("/run/netns", networks.namespace.name).touch()  # a crash while the namespace was made
        await cloud.create_vm(vm_request("web-1", number=11, networks=both(11)))
        assert links() - before == {networks.link}
        await (await guests.next()).daemon(GREETER)
        subprocess.run(["ip", "link", "del", networks.link], check=True)
        after = director_on(state_dir, tmp_path)
        await after.create_vm(vm_request("web-2", number=12, networks=both(12)))
        await guests.next()
        for subnet in (1, 2):
            reader, writer = await asyncio.open_connection(network(11, subnet)["ip"], 7001)
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()

    async def test_with_its_last_vm_a_network_is_no_longer_reached_and_others_are(self, cloud, guests, state_dir):
        networks = Networks(str(state_dir.resolve()))
        await cloud.create_vm(vm_request("web-1", networks={"a": network(11, 1)}))
        await cloud.create_vm(vm_request("web-2", networks={"b": network(11, 2)}))
        assert len(routes_by(networks.link)) == 2
        await cloud.delete_vm("web-1")
        (left,) = routes_by(networks.link)
        assert left.startswith(network(11, 2)["ip"].removesuffix("11"))
        addresses = subprocess.run(
            ["ip", "-o", "addr", "show", networks.link], capture_output=True, text=True, check=True
        )
        assert network(11, 1)["gateway"] not in addresses.stdout
        assert network(11, 2)["gateway"] in addresses.stdout
        await cloud.create_vm(vm_request("web-3", networks={"c": network(11, 1)}))  # the range is free again

    async def test_a_recreated_vm_answers_at_once_with_the_same_hardware_address(self, cloud, guests):
        await cloud.create_vm(vm_request("web-1"))
        first = await (await guests.next()).run("cat /sys/class/net/eth0/address")
        await cloud.delete_vm("web-1")
        await cloud.create_vm(vm_request("web-2"))
        assert await (await guests.next()).run("cat /sys/class/net/eth0/address") == first

    async def test_a_bridge_goes_with_its_last_vm(self, cloud, guests, state_dir):
        networks = Networks(str(state_dir.resolve()))
        bridge = networks.bridge("default")
        await cloud.create_vm(vm_request("web-1", number=11))
        await cloud.create_vm(vm_request("web-2", number=12))
        await cloud.delete_vm("web-1")
        assert networks.namespace.has(bridge)
        await cloud.delete_vm("web-2")
        assert not networks.namespace.exists
        assert not left_behind(state_dir)

    async def test_a_range_this_machine_already_reaches_is_refused(self, cloud, guests, state_dir, tmp_path):
        await cloud.create_vm(vm_request("web-1"))
        other = director_on(tmp_path / "other", tmp_path)
        try:
            with pytest.raises(InfrastructureFailure, match="give the network another range"):
                await other.create_vm(vm_request("web-1", number=12))
        finally:
            await destroy(tmp_path / "other")
        assert await (await guests.next()).run("echo here") == "here\n"

    async def test_limits_hold_before_the_first_process_of_a_vm(self, cloud, guests, state_dir):
        if {"cpu", "ram"} & set((await cloud.info()).not_enforced):
            pytest.skip("no control groups may be written here")
        await cloud.create_vm(vm_request("web-1", cloud_properties={"cpu": 0.5, "ram": 128, "disk": 1000}))
        guest = await guests.next()
        mine = await guest.run("cat /proc/1/cgroup")
        assert f"director-{hash_of(str(state_dir.resolve()))}/web-1" in mine
        eater = "x = bytearray(300_000_000); print(len(x))"
        assert "300000000" not in await guest.python(eater)


def both(number):
    """Two cards; the first one leads everywhere."""
    return {"a": network(number, 1), "b": network(number, 2) | {"default": ["dns"]}}


def links():
    return {entry.name for entry in Path("/sys/class/net").iterdir()}


def routes_by(link):
    shown = subprocess.run(["ip", "route", "show", "dev", link], capture_output=True, text=True, check=True)
    return [line for line in shown.stdout.splitlines() if "via" in line]


def reach(address):
    return f"import socket; print(socket.create_connection(('{address}', 7001), timeout=10).recv(9).decode())"


@pytest.mark.skipif(IS_ROOT, reason="of an ordinary user; test_local_user.py runs it as one")
class TestUser:
    async def test_an_address_beyond_loopback_is_refused_with_the_way_out(self, cloud, guests, state_dir):
        outside = {"default": {"type": "manual", "ip": "10.0.0.5", "netmask": "255.255.255.0"}}
        with pytest.raises(InfrastructureFailure, match=r"manifests/ops/unprivileged\.yml"):
            await cloud.create_vm(vm_request("web-1", networks=outside))
        assert not state_dir.exists(), "nothing was made"

    async def test_a_stemcell_with_a_root_of_its_own_is_refused_before_anything_is_made(self, cloud, state_dir):
        host = vm_request("web-1")
        wished = replace(host.shape, stemcell_cid="root-0123456789abcdef")
        (problem,) = (
            await cloud.place([VmWish(name="web-1", deployment="shop", label="web/0", shape=wished, az=None)], [])
        ).problems
        assert "run the director as root" in problem.detail
        with pytest.raises(InfrastructureFailure, match="run the director as root"):
            await cloud.create_vm(replace(host, shape=wished))
        assert not state_dir.exists(), "nothing was made"

    async def test_a_vm_listens_on_its_own_loopback_address(self, cloud, guests):
        await cloud.create_vm(vm_request("web-1", number=11))
        await cloud.create_vm(vm_request("web-2", number=12))
        await guests.next()
        guest = await guests.next()
        assert ipaddress.ip_address(network(11)["ip"]).is_loopback
        own = network(12)["ip"]
        bound = await guest.python(f"import socket; print(socket.create_server(('{own}', 0)).getsockname()[0])")
        assert bound == f"{own}\n"


async def test_a_vm_whose_first_file_found_no_space_is_found_by_name_and_removed(cloud, state_dir):
    (state_dir / "vms" / "web-1").mkdir(parents=True)
    seen = await cloud.find_vm("web-1")
    assert seen.power is Power.OFF
    await cloud.delete_vm(seen.cid)
    assert await cloud.find_vm("web-1") is None
    assert not list((state_dir / "vms").iterdir())
