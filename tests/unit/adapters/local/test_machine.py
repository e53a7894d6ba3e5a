from pathlib import Path

import pytest

from director.adapters.local.files import Limits
from director.adapters.local.limits import find_groups
from director.adapters.local.machine import Machines, is_in_overlay
from director.adapters.local.machine_groups import create_groups, find_hierarchies, mounts
from director.adapters.local.machine_proc import cpuinfo, meminfo, write_proc
from director.adapters.local.request import read_nics
from director.ports.failure import InfrastructureFailure

SYSTEMD = ("cpu,cpuacct", "cpuset", "memory", "net_cls,net_prio", "pids")


def mount(point, options, kind="cgroup"):
    return f"30 25 0:9 / {point} rw,nosuid - {kind} {kind} rw,{options}\n"


def hybrid(top):
    """Version 1 as systemd lays it out, with a version 2 that has no controllers beside it."""
    text = "".join(mount(top / name, name) for name in SYSTEMD)
    text += mount(top / "systemd", "xattr,release_agent=/lib/agent,name=systemd")
    text += mount(top / "unified", "nsdelegate", "cgroup2")
    for name in (*SYSTEMD, "systemd", "unified"):
        (top / name).mkdir()
    (top / "unified/cgroup.controllers").write_text("\n")
    for group in ("", "director-x", "director-x/web-1"):
        (top / "cpuset" / group).mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            (top / "cpuset" / group / name).write_text("" if group else "0-1\n")
    return text


def test_version_1_gives_a_machine_a_group_in_every_hierarchy_mounted_as_on_its_host(tmp_path):
    text = hybrid(tmp_path)
    found = find_hierarchies(find_groups("x", text, ""), "x", text)
    places = ["cpu,cpuacct", "cpuset", "memory", "net_cls,net_prio", "pids", "systemd", "unified"]
    assert create_groups(found, "web-1") == tuple(tmp_path / name / "director-x/web-1/cgroup.procs" for name in places)
    assert [(place, kind, options.removeprefix("nosuid,nodev,noexec")) for place, kind, options in mounts(found)] == [
        *((name, "cgroup", f",{name}") for name in places[:5]),
        ("systemd", "cgroup", ",none,name=systemd"),
        ("unified", "cgroup2", ""),
    ]


def test_a_group_of_version_1_takes_processors_and_memory_from_the_one_above(tmp_path):
    text = hybrid(tmp_path)
    create_groups(find_hierarchies(find_groups("x", text, ""), "x", text), "web-1")
    for name in ("cpuset.cpus", "cpuset.mems"):
        assert (tmp_path / "cpuset/director-x/web-1" / name).read_text() == "0-1\n"


def version_2(top):
    for group in (top, top / "director-x", top / "director-x/web-1"):
        group.mkdir(exist_ok=True)
        (group / "cgroup.controllers").write_text("cpu cpuset memory pids")
        (group / "cgroup.subtree_control").write_text("")
        (group / "cgroup.procs").write_text("")
    return mount(top, "nsdelegate", "cgroup2")


def test_version_2_gives_a_machine_one_group_with_every_controller_mounted_at_the_top(tmp_path):
    text = version_2(tmp_path / "top")
    found = find_hierarchies(find_groups("x", text, "0::/\n"), "x", text)
    assert create_groups(found, "web-1") == (tmp_path / "top/director-x/web-1/cgroup.procs",)
    assert list(mounts(found)) == [("", "cgroup2", "nosuid,nodev,noexec")]
    # The last one written is the last one handed down: a file here keeps only that.
    assert (tmp_path / "top/cgroup.subtree_control").read_text() == "+pids"
    assert (tmp_path / "top/director-x/cgroup.subtree_control").read_text() == "+pids"
    assert (tmp_path / "top/director-x/web-1/cgroup.subtree_control").read_text() == "", "its own init does that"


def test_a_hierarchy_that_cannot_be_written_is_told(tmp_path):
    text = mount(tmp_path / "gone/memory", "memory")
    (tmp_path / "gone").touch()
    with pytest.raises(InfrastructureFailure, match="in every hierarchy"):
        create_groups(find_hierarchies(find_groups("x", text, ""), "x", text), "web-1")


def test_without_a_controller_to_hand_down_there_are_no_machines(tmp_path):
    text = version_2(tmp_path / "top")
    (tmp_path / "top/cgroup.controllers").write_text("")
    found = find_hierarchies(find_groups("x", text, "0::/\n"), "x", text)
    with pytest.raises(InfrastructureFailure, match="may hand none down"):
        create_groups(found, "web-1")


MEMINFO = """\
MemTotal:       24000000 kB
MemFree:         1000000 kB
MemAvailable:   20000000 kB
Cached:          3000000 kB
SwapTotal:       2000000 kB
SwapFree:        2000000 kB
VmallocTotal:   34359738367 kB
HugePages_Total:       0
"""


def test_a_machine_has_the_memory_of_its_type_and_no_swap():
    shown = dict(line.split(":") for line in meminfo(MEMINFO, 2048).splitlines())
    assert {name: text.split()[0] for name, text in shown.items()} == {
        "MemTotal": "2048",
        "MemFree": "2048",
        "MemAvailable": "2048",
        "Cached": "2048",
        "SwapTotal": "0",
        "SwapFree": "0",
        "VmallocTotal": "34359738367",
        "HugePages_Total": "0",
    }
    assert shown["MemTotal"].endswith(" kB")


def test_a_machine_has_the_processors_of_its_type_or_all_there_are():
    text = "".join(f"processor\t: {number}\nmodel name\t: x\n\n" for number in range(4))
    assert cpuinfo(text, 2) == "processor\t: 0\nmodel name\t: x\n\nprocessor\t: 1\nmodel name\t: x\n\n"
    assert cpuinfo(text, 4) == cpuinfo(text, 9) == text


def test_half_a_processor_is_shown_as_one_and_no_limit_as_what_the_machine_has(tmp_path):
    half = {place: file.read_text() for file, place in write_proc(tmp_path / "half", Limits(cpu=0.5))}
    assert half["cpuinfo"].count("processor\t") == 1
    assert "meminfo" not in half
    assert "cpuinfo" not in {place: file for file, place in write_proc(tmp_path / "none", Limits())}


def test_each_boot_has_an_id_of_its_own(tmp_path):
    one, two = (dict(map(reversed, write_proc(tmp_path, Limits()))) for _ in range(2))
    place = "sys/kernel/random/boot_id"
    first = one[place].read_text()
    write_proc(tmp_path, Limits())
    assert first != two[place].read_text() != Path("/proc", place).read_text()


def test_what_a_boot_reads_is_written_again_at_the_next_one(tmp_path):
    text = hybrid(tmp_path)
    groups, vm, root = find_groups("x", text, ""), tmp_path / "web-1", tmp_path / "root"
    vm.mkdir()
    nics = read_nics({"a": {"ip": "10.0.0.5", "netmask": "255.255.255.0"}}, [])
    for lower in ("/old", "/new"):
        machines = Machines(tmp_path, tmp_path / "run")
        fstab = machines.prepare(vm, Path(lower), root, nics, Limits(), groups, "web-1")
    assert (vm / "lower").readlink() == Path("/new")
    places = [line.split()[1].removeprefix(str(root)) for line in fstab.splitlines()]
    assert places.index("/sys") < places.index("/sys/fs/cgroup") < places.index("/sys/fs/cgroup/memory")
    assert places.index("/proc") < places.index("/proc/sys/kernel/random/boot_id")
    assert places.index("/run") < places.index("/run/disks")
    assert len((vm / "machine-id").read_text()) == 33


@pytest.mark.parametrize(
    "directory, is_in",
    [("/", True), ("/var/lib", True), ("/data dir/state", False), ("/data dir/over/state", True), ("/hidden/x", False)],
)
def test_an_overlay_is_found_by_the_last_mount_above(directory, is_in):
    text = (
        "1 0 0:1 / / rw - overlay overlay rw\n"
        "2 1 0:2 / /data\\040dir rw - ext4 /dev/x rw\n"
        "3 2 0:3 / /data\\040dir/over rw shared:1 - overlay overlay rw\n"
        "4 1 0:4 / /hidden rw - overlay overlay rw\n"
        "5 1 0:5 / /hidden rw - tmpfs tmpfs rw\n"
    )
    assert is_in_overlay(Path(directory), text) is is_in
