"""``director configure nsx-t`` against the simulator: real command, real child, real files."""

import os
import pty
import re
import select
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

pytest.importorskip("httpx")

from director.adapters.nsxt.client.login import Auth
from director.adapters.nsxt.settings import read_settings
from director.manifest.load import check_cloud_text
from tests.support.nsxsim import PASSWORD, USER, nsxsim

INFRASTRUCTURE = "type: vsphere\nname: vc\nproperties: {host: vc.example, user: u, password: secret-of-vcenter}\n"


@pytest.fixture(scope="module")
def nsx():
    with nsxsim("--tls", managers=2) as running:
        yield running


@pytest.fixture
def place(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "infrastructure.yml").write_text(INFRASTRUCTURE)
    return tmp_path


def environment(place):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("BOSH_", "DIRECTOR_"))}
    return {**kept, "DIRECTOR_STATE_DIR": str(place / "state"), "TERM": "dumb", "COLUMNS": "200"}


def command(nsx, *words, **changes):
    given = {"host": address(nsx), "user": USER, "range": "10.20.0.0/24", **changes}
    flags = [word for key, value in given.items() if value for word in (f"--{key}", value)]
    return [sys.executable, "-m", "director", "configure", "nsx-t", *flags, *words]


def address(nsx, number=0):
    return nsx.urls[number].removeprefix("https://")


def configure(place, words, stdin="", **more):
    return subprocess.run(
        words, cwd=place, env={**environment(place), **more}, input=stdin,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def written(place):
    return yaml.safe_load((place / "state" / "infrastructure.yml").read_text())


def fingerprint(text):
    found = re.search(r"SHA-256 ((?:[0-9A-F]{2}:){31}[0-9A-F]{2})", text)
    assert found, text
    return found[1]


def test_a_certificate_nobody_vouches_for_is_shown_and_nothing_is_written(nsx, place):
    ended = configure(place, command(nsx), DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert ended.returncode == 1
    assert fingerprint(ended.stderr)
    assert "--trust" in ended.stderr
    assert PASSWORD not in ended.stdout + ended.stderr
    assert "nsxt" not in written(place)["properties"]


def test_trusting_it_by_its_fingerprint_puts_nsxt_beside_the_vcenter(nsx, place):
    seen = fingerprint(configure(place, command(nsx), DIRECTOR_NSXT_PASSWORD=PASSWORD).stderr)
    ended = configure(place, command(nsx, "--trust", seen.lower()), DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert ended.returncode == 0, ended.stderr
    file = place / "state" / "infrastructure.yml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    tree = written(place)
    assert (tree["type"], tree["properties"]["password"]) == ("vsphere", "secret-of-vcenter")
    settings = read_settings(tree["properties"]["nsxt"])
    assert (settings.login.is_verified, settings.login.password, settings.login.auth) == (True, PASSWORD, Auth.SESSION)
    assert PASSWORD not in ended.stdout + ended.stderr
    assert "✓ NSX managers" in ended.stdout


def test_another_fingerprint_is_not_trusted(nsx, place):
    ended = configure(place, command(nsx, "--trust", "AA:" * 31 + "AA"), DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert ended.returncode == 1
    assert "nsxt" not in written(place)["properties"]


def snippet(ended):
    """The network that was printed, in a whole cloud config."""
    networks = yaml.safe_load(ended.stdout.split("docs/nsx-t.md.\n")[1])
    whole = {
        "azs": [{"name": "z1"}],
        "vm_types": [{"name": "small"}],
        "networks": networks,
        "compilation": {"workers": 1, "az": "z1", "network": networks[0]["name"], "vm_type": "small"},
    }
    return networks[0], check_cloud_text(yaml.safe_dump(whole), "cloud.yml", strict=True)


@pytest.mark.parametrize(
    "changes,topology,pool",
    [
        ({}, "routed", ""),
        ({"ip-pool": "floating-pool"}, "nat", "floating-pool"),
        ({"topology": "nat"}, "nat", "Floating addresses"),
        ({"range": "", "ip-block": "nodes-block"}, "routed", ""),
    ],
)
def test_the_network_it_prints_is_one_that_a_cloud_config_takes(nsx, place, changes, topology, pool):
    ended = configure(place, command(nsx, "--insecure", **changes), DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert ended.returncode == 0, ended.stderr
    network, problems = snippet(ended)
    assert problems == ()
    properties = network["subnets"][0]["cloud_properties"]
    assert (properties["tier0"], properties["topology"]) == ("Provider", topology)
    assert properties.get("snat") == ({"pool": pool} if topology == "nat" else None)


def test_for_a_cpi_config_it_is_printed_without_secrets_and_nothing_is_written(nsx, place):
    (place / "state" / "infrastructure.yml").unlink()
    ended = configure(place, command(nsx, "--insecure", "--cpi"), DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert ended.returncode == 0, ended.stderr
    assert "password: ((nsxt_password))" in ended.stdout
    assert PASSWORD not in ended.stdout + ended.stderr
    assert not (place / "state" / "infrastructure.yml").exists()


def test_without_a_vcenter_it_says_what_comes_first(nsx, place):
    (place / "state" / "infrastructure.yml").unlink()
    ended = configure(place, command(nsx, "--insecure"), DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert ended.returncode == 2
    assert "director configure vsphere" in ended.stderr


def test_an_nsxt_that_is_there_is_replaced_only_when_that_is_said(nsx, place):
    words = command(nsx, "--insecure")
    assert configure(place, words, DIRECTOR_NSXT_PASSWORD=PASSWORD).returncode == 0
    refused = configure(place, words, DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert configure(place, [*words, "--yes"], DIRECTOR_NSXT_PASSWORD=PASSWORD).returncode == 0


def test_several_managers_are_all_named(nsx, place):
    words = command(nsx, "--insecure", "--host", address(nsx, 1), "--password-stdin")
    ended = configure(place, words, stdin=f"{PASSWORD}\n")
    assert ended.returncode == 0, ended.stderr
    assert written(place)["properties"]["nsxt"]["hosts"] == [address(nsx), address(nsx, 1)]


def test_every_missing_flag_is_named_at_once(place):
    ended = configure(place, [sys.executable, "-m", "director", "configure", "nsx-t"])
    assert ended.returncode == 2
    for flag in ("--host", "--user", "--password-file", "--range", "--ip-block"):
        assert flag in ended.stderr


@pytest.mark.parametrize(
    "changes,words",
    [
        ({"host": "127.0.0.1:1"}, ["cannot be reached", "--host"]),
        ({"tier0": "t9"}, ['no tier-0 "t9"', "Provider"]),
        ({"edge-cluster": "e9", "transport-zone": "z9"}, ['edge cluster "e9"', 'transport zone "z9"']),
        ({"ip-pool": "p9"}, ['ip pool "p9"', "Floating addresses"]),
        ({"range": "10.20.0.1/24"}, ["--range 10.20.0.1/24"]),
        ({"ip-block": "nodes-block"}, ["and not both"]),
    ],
)
def test_what_is_wrong_is_told_in_words_and_nothing_is_written(nsx, place, changes, words):
    ended = configure(place, command(nsx, "--insecure", **changes), DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert ended.returncode in {1, 2}
    assert [word for word in words if word not in ended.stderr] == []
    assert "Traceback" not in ended.stderr
    assert PASSWORD not in ended.stderr + ended.stdout
    assert "nsxt" not in written(place)["properties"]


def test_a_wrong_password_is_told_once_and_locks_nobody_out(place):
    with nsxsim("--tls") as nsx:
        ended = configure(place, command(nsx, "--insecure"), DIRECTOR_NSXT_PASSWORD="wrong")
        assert ended.returncode == 1
        assert "does not let admin in" in ended.stderr
        assert configure(place, command(nsx, "--insecure"), DIRECTOR_NSXT_PASSWORD=PASSWORD).returncode == 0


def test_a_server_that_is_no_nsx_is_told(nsx, place):
    """One that says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.close()
        ended = configure(place, command(nsx, host=f"127.0.0.1:{port}"), DIRECTOR_NSXT_PASSWORD=PASSWORD)
    assert ended.returncode == 1
    assert "cannot be reached" in ended.stderr


def test_the_password_stands_in_no_process_list(nsx, place):
    process = subprocess.Popen(
        command(nsx, "--insecure"), cwd=place, env={**environment(place), "DIRECTOR_NSXT_PASSWORD": PASSWORD},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    shown, inherited = [], []
    while process.poll() is None:
        for pid in [process.pid, *children(process.pid)]:
            shown.append(read(f"/proc/{pid}/cmdline"))
            # A child is its parent still, environment and all, before it becomes its own program.
            if pid != process.pid and "director.setup" in shown[-1]:
                inherited.append(read(f"/proc/{pid}/environ"))
        time.sleep(0.01)
    assert process.communicate()[0]
    assert inherited, "the child was never seen"
    assert not any(PASSWORD in text for text in [*shown, *inherited])


def children(pid):
    return [int(word) for word in read(f"/proc/{pid}/task/{pid}/children").split()]


def read(path):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def test_at_a_terminal_it_asks_and_shows_what_there_is(nsx, place):
    """Every question answered by a person; the certificate trusted after its fingerprint was shown."""
    answers = [
        ("NSX managers", address(nsx)),
        ("Log in once", "session"),
        ("account", USER),
        ("password", PASSWORD),
        ("Trust them", "yes"),
        ("Tier-0 (number", "1"),
        ("Transport zone (number", ""),
        ("Edge cluster (number", ""),
        ("Topology", "nat"),
        ("Pool of addresses outside", ""),
        ("Addresses: a range", "2"),
        ("Block of addresses", "1"),
        ("AZs of the network", "z1,z2"),
    ]
    code, said = talk(place, [sys.executable, "-m", "director", "configure", "nsx-t"], answers)
    assert code == 0, said
    assert fingerprint(said)
    assert PASSWORD not in said
    assert "edge-cluster-1" in said
    assert read_settings(written(place)["properties"]["nsxt"]).login.is_verified
    assert "ip_block: nodes-block" in said


def talk(place, words, answers):
    """Runs it at a terminal; each answer is typed once its question stands there."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        os.execvpe(words[0], words, environment(place))
    said, left = "", list(answers)
    try:
        while True:
            ready, _, _ = select.select([terminal], [], [], 60)
            assert ready, f"it is silent after: {said}"
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            said += piece.decode(errors="replace")
            if left and left[0][0] in said.rpartition("\n")[2] and said.rstrip().endswith(":"):
                os.write(terminal, f"{left.pop(0)[1]}\n".encode())
                said += "\n"
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert not left, f"never asked: {left[0][0]}\n{said}"
    return os.waitstatus_to_exitcode(status), said
