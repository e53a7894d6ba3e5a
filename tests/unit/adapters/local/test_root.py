import sys
from pathlib import Path

from director.adapters.local.request import read_nics
from director.adapters.local.root import fstab, look_at_host, needed_paths, write_etc


def targets(text):
    return [line.split()[1] for line in text.splitlines()]


def test_blanks_in_paths_are_escaped_and_every_line_has_six_fields(tmp_path):
    state, sockets = tmp_path / "my state", tmp_path / "run"
    sockets.mkdir()
    host = look_at_host(state, sockets, (), own_network=True)
    (state / "vms/web-1").mkdir(parents=True)
    text = fstab(state / "vms/web-1", host)
    assert all(len(line.split()) == 6 for line in text.splitlines())
    assert f"{tmp_path}/my\\040state/vms/web-1/vcap " in text


def test_the_state_directory_is_covered_where_it_would_show_through(tmp_path):
    (tmp_path / "run").mkdir()
    open_host = look_at_host(tmp_path / "state", tmp_path / "run", (str(tmp_path),), own_network=True)
    assert targets(open_host.mounts)[-1] == f"{open_host.root}{tmp_path}/state"
    closed_host = look_at_host(tmp_path / "state", tmp_path / "run", (), own_network=True)
    assert f"{closed_host.root}{tmp_path}/state" not in targets(closed_host.mounts)


def test_only_who_owns_a_network_mounts_sysfs_anew(tmp_path):
    (tmp_path / "run").mkdir()
    kinds = [
        next(
            line.split()[2]
            for line in look_at_host(tmp_path, tmp_path / "run", (), own_network=own).mounts.splitlines()
            if line.split()[1].endswith("/sys")
        )
        for own in (True, False)
    ]
    assert kinds == ["sysfs", "none"]


def test_this_python_and_the_agents_arguments_are_shown_and_homes_and_checkouts_are_not(tmp_path):
    script = tmp_path / "program/agent"
    script.parent.mkdir()
    script.touch()
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "pyproject.toml").touch()
    found = needed_paths((sys.executable, str(script), str(checkout), "/nowhere/else", "--flag"))
    assert {Path(sys.prefix), Path(sys.base_prefix), script.parent} <= set(found)
    assert not {checkout, Path("/"), Path("/nowhere"), Path.home()} & set(found)


def test_a_chain_of_links_to_a_python_is_shown_all_along(tmp_path):
    for name in ("venv/bin", "alias/bin", "real/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "real/bin/python").touch()
    (tmp_path / "alias/bin/python").symlink_to("../../real/bin/python")
    (tmp_path / "venv/bin/python").symlink_to(tmp_path / "alias/bin/python")
    found = needed_paths((str(tmp_path / "venv/bin/python"),))
    assert {tmp_path / "venv", tmp_path / "alias"} <= set(found)


def test_a_vm_knows_its_name_its_addresses_and_its_name_servers(tmp_path):
    nics = read_nics({"a": {"ip": "10.0.0.5", "netmask": "255.255.255.0", "dns": ["10.0.0.2", "10.0.0.3"]}}, [])
    write_etc(tmp_path, "web-1", nics)
    assert (tmp_path / "hosts").read_text() == "127.0.0.1 localhost\n::1 localhost\n10.0.0.5 web-1\n"
    assert (tmp_path / "hostname").read_text() == "web-1\n"
    assert (tmp_path / "resolv.conf").read_text() == "nameserver 10.0.0.2\nnameserver 10.0.0.3\n"
