import os

import pytest

from director.adapters.local.files import Limits
from director.adapters.local.limits import CONTROLLERS, find_groups

LIMITS = Limits(cpu=1.5, ram_mb=64)


def first_version(top):
    for name in CONTROLLERS:
        (top / name).mkdir()
    return "".join(f"30 25 0:9 / {top}/{name} rw - cgroup cgroup rw,{name}\n" for name in CONTROLLERS)


def second_version(top, controllers="cpu memory pids", handed_down=""):
    top.mkdir(exist_ok=True)
    (top / "cgroup.controllers").write_text(controllers)
    (top / "cgroup.subtree_control").write_text(handed_down)
    (top / "cgroup.procs").write_text("")
    return f"30 25 0:9 / {top} rw - cgroup2 cgroup2 rw\n"


def test_version_1_gives_a_group_per_controller(tmp_path):
    groups = find_groups("x", first_version(tmp_path), "")
    joins = groups.create("web-1", LIMITS)
    assert joins == tuple(tmp_path / name / "director-x/web-1/cgroup.procs" for name in ("cpu", "memory", "pids"))
    assert (tmp_path / "cpu/director-x/web-1/cpu.cfs_quota_us").read_text() == "150000"
    assert (tmp_path / "memory/director-x/web-1/memory.limit_in_bytes").read_text() == "67108864"
    assert (tmp_path / "pids/director-x/web-1/pids.max").exists()
    assert groups.not_enforced == ("disk",)


def test_version_2_gives_one_group_and_hands_the_controllers_down(tmp_path):
    top = tmp_path / "top"
    groups = find_groups("x", second_version(top), "0::/\n")
    second_version(top / "director-x")
    assert groups.create("web-1", LIMITS) == (top / "director-x/web-1/cgroup.procs",)
    assert (top / "director-x/web-1/cpu.max").read_text() == "150000 100000"
    assert (top / "director-x/web-1/memory.max").read_text() == "67108864"
    assert (top / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert groups.not_enforced == ("disk",)


def test_without_limits_none_are_set(tmp_path):
    groups = find_groups("x", first_version(tmp_path), "")
    groups.create("web-1", Limits())
    assert not list((tmp_path / "cpu/director-x/web-1").iterdir())
    assert not list((tmp_path / "memory/director-x/web-1").iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything; test_local_user.py runs it as a user")
def test_what_may_not_be_written_is_not_enforced_and_said_so(tmp_path):
    mounts = first_version(tmp_path)
    (tmp_path / "cpu").chmod(0o500)
    assert find_groups("x", mounts, "").not_enforced == ("cpu", "disk")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything; test_local_user.py runs it as a user")
def test_a_user_takes_the_topmost_group_delegated_to_it(tmp_path):
    top = tmp_path / "top"
    mounts = second_version(top)
    second_version(top / "user", handed_down="memory pids cpu")
    second_version(top / "user/app")
    (top / "cgroup.procs").chmod(0o400)
    assert set(find_groups("x", mounts, "0::/user/app\n").roots.values()) == {top / "user/director-x"}


def test_without_control_groups_every_limit_is_let_go_and_named(tmp_path):
    groups = find_groups("x", "30 25 0:9 / / rw - ext4 /dev/vda rw\n", "")
    assert groups.not_enforced == ("cpu", "disk", "ram")
    assert groups.create("web-1", LIMITS) == ()


async def test_removal_leaves_no_directory_and_may_be_repeated(tmp_path):
    groups = find_groups("x", first_version(tmp_path), "")
    groups.create("web-1", Limits())
    for name in ("web-1", "web-2"):
        (tmp_path / "memory/director-x" / name / "below/it").mkdir(parents=True)
    (tmp_path / "pids/director-x/web-1/pids.max").unlink()  # the kernel's own files go with the directory
    await groups.remove("web-1")
    await groups.remove("web-1")
    assert [path.name for path in (tmp_path / "memory/director-x").iterdir()] == ["web-2"]
    assert not (tmp_path / "cpu/director-x").exists(), "the last one takes it along"
