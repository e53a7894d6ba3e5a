"""The local director's life, with a small program in the daemon's place that holds to the same agreements."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from director.cli.commands import daemon
from director.cli.errors import CommandFailed, Exit

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
"""The daemon outlives the command that starts it; that is the point."""

DAEMON = """
import fcntl, json, os, pathlib, shutil, signal, sys
state = pathlib.Path(os.environ["DIRECTOR_STATE_DIR"])
how = (state.parent / "how").read_text() if (state.parent / "how").exists() else ""
if sys.argv[1:2] == ["destroy"]:
    if how == "has more elsewhere" and sys.argv[2:] != ["--forget-elsewhere"]:
        sys.exit("2 VMs are elsewhere")
    if how == "refuses":
        sys.exit("web/0 does not go")
    shutil.rmtree(state)
    sys.exit()
with (state.parent / "starts").open("a") as starts:
    starts.write(f"{os.getpid()}\\n")
if how == "fails":
    print("first line")
    sys.exit("Port 25555 is taken.")
lock = (state / "lock").open("a")
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
(state / "secret").write_text("s3cret'\\n")
(state / "ca.pem").write_text("CA")
facts = {"url": "https://127.0.0.1:5", "client": "admin", "client_secret_file": str(state / "secret"),
         "ca_file": str(state / "ca.pem"), "pid": os.getpid(), "not_enforced": ["disk", "cpu"]}
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
(state / "director.json").write_text(json.dumps(facts))
fd = int(os.environ["DIRECTOR_READY_FD"])
os.write(fd, b"ready\\n")
if how != "keeps the pipe open":
    os.close(fd)
signal.pause()
"""


@pytest.fixture
def local(tmp_path, state, monkeypatch):
    """The directory of everything, with the fake daemon set; every daemon that was started ends with the test."""
    program = tmp_path / "daemon.py"
    program.write_text(DAEMON)
    monkeypatch.setattr(daemon, "COMMAND", (sys.executable, str(program)))
    monkeypatch.setattr(daemon, "STOP_S", 10.0)
    yield tmp_path
    for pid in _started(tmp_path):
        _end(pid)


def _started(local: Path) -> list[int]:
    starts = local / "starts"
    return [int(line) for line in starts.read_text().split()] if starts.exists() else []


def _end(pid: int) -> None:
    """Our own child, so its number is its own until we wait for it."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def test_it_is_started_once_and_stopped(local, command):
    assert command("local", "status").code == 3
    assert command("local", "start").out == "The local director runs at https://127.0.0.1:5.\n"
    assert command("local", "start").code == 0
    assert len(_started(local)) == 1
    assert command("local", "stop").out == "The local director is stopped; its VMs go on.\n"
    assert command("local", "status").code == 3
    assert command("local", "stop").out == "The local director was not running.\n"


def test_its_status_names_what_is_not_enforced(local, command):
    command("local", "start")
    (table,) = json.loads(command("--json", "local", "status").out)["Tables"]
    found = {row["key"]: row["value"] for row in table["Rows"]}
    assert found == {
        "url": "https://127.0.0.1:5",
        "pid": str(_started(local)[0]),
        "state": str(local / "state"),
        "not enforced": "disk\ncpu",
    }


def test_its_environment_is_what_a_shell_reads(local, command):
    assert command("local", "env").code == 3
    command("local", "start")
    assert command("local", "env").out.splitlines() == [
        "export BOSH_ENVIRONMENT=https://127.0.0.1:5",
        "export BOSH_CLIENT=admin",
        """export BOSH_CLIENT_SECRET='s3cret'"'"''""",
        f"export BOSH_CA_CERT={local / 'state' / 'ca.pem'}",
    ]
    (table,) = json.loads(command("--json", "local", "env").out)["Tables"]
    assert table["Rows"][2] == {"name": "BOSH_CLIENT_SECRET", "value": "s3cret'"}


def test_its_state_is_its_owners_alone(local, command):
    command("local", "start")
    assert (local / "state").stat().st_mode & 0o777 == 0o700


def test_a_daemon_that_does_not_start_shows_its_last_words(local, command):
    (local / "how").write_text("fails")
    ended = command("local", "start")
    assert ended.code == 1
    assert "did not start:\nfirst line\nPort 25555 is taken.\n" in ended.err
    assert str(local / "state" / "director.log") in ended.err


def test_a_daemon_that_is_never_ready_is_not_waited_for_forever(local, state, monkeypatch):
    monkeypatch.setattr(daemon, "START_S", 0.05)
    monkeypatch.setattr(daemon, "COMMAND", ("sleep", "30"))
    with pytest.raises(CommandFailed, match="did not start"):
        daemon.start()


def test_being_ready_does_not_depend_on_who_else_holds_the_pipe(local, command):
    (local / "how").write_text("keeps the pipe open")
    assert command("local", "start").code == 0


def test_two_commands_at_once_start_one_daemon(local, state):
    found = []
    threads = [threading.Thread(target=lambda: found.append(daemon.start()["pid"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == _started(local) * 4


def test_a_killed_daemon_is_not_taken_for_running_and_starts_again(local, command):
    command("local", "start")
    (pid,) = _started(local)
    _end(pid)
    assert command("local", "status").code == 3
    assert command("local", "stop").out == "The local director was not running.\n"
    assert command("local", "start").code == 0
    assert len(_started(local)) == 2


def test_another_process_with_the_dead_daemons_number_is_left_alone(local, command):
    command("local", "start")
    _end(_started(local)[0])
    facts = local / "state" / "director.json"
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"pid": os.getpid()}))
    assert command("local", "stop").out == "The local director was not running.\n"


def test_a_director_that_is_just_starting_is_not_started_twice(local, state):
    state.mkdir()
    lock = (state / "lock").open("a")
    daemon.fcntl.flock(lock, daemon.fcntl.LOCK_EX)
    with lock, pytest.raises(CommandFailed, match="try again") as failed:
        daemon.start()
    assert failed.value.code is Exit.NO_DIRECTOR
    assert _started(local) == []


def test_a_stubborn_daemon_is_ended_by_force(local, command, monkeypatch):
    (local / "how").write_text("stubborn")
    monkeypatch.setattr(daemon, "STOP_S", 0.2)
    command("local", "start")
    began = time.monotonic()
    assert command("local", "stop").code == 0
    assert time.monotonic() - began < 5


def test_destroying_asks_first_and_leaves_nothing(local, command):
    command("local", "start")
    assert command("local", "destroy", stdin="n\n").code == 1
    assert command("local", "status").code == 0
    assert command("-n", "local", "destroy").code == 0
    assert not (local / "state").exists()
    assert command("-n", "local", "destroy").code == 0


def test_what_lives_elsewhere_is_only_forgotten_when_asked_for(local, command):
    command("local", "start")
    (local / "how").write_text("has more elsewhere")
    ended = command("-n", "local", "destroy")
    assert (ended.code, (local / "state").exists()) == (1, True)
    assert "2 VMs are elsewhere" in ended.err
    assert command("-n", "local", "destroy", "--forget-elsewhere").code == 0
    assert not (local / "state").exists()


def test_what_could_not_be_destroyed_is_told(local, command):
    command("local", "start")
    (local / "how").write_text("refuses")
    ended = command("-n", "local", "destroy")
    assert (ended.code, ended.err) == (1, "Not everything could be removed:\nweb/0 does not go\n")


def test_facts_that_are_none_are_told_with_their_file(local, command, state):
    state.mkdir()
    (state / "director.json").write_text("{")
    ended = command("instances")
    assert ended.code == 3
    assert str(state / "director.json") in ended.err


def test_a_deploy_without_a_director_starts_the_local_one_and_says_so_in_one_line(local, command, tmp_path):
    (tmp_path / "m.yml").write_text("name: web\n")
    ended = command("-n", "deploy", tmp_path / "m.yml")
    first, *rest = ended.err.splitlines()
    assert first == "No director is named: started the local one at https://127.0.0.1:5."
    assert len(_started(local)) == 1
    assert ended.code == 2, "the fake one has no real certificate"
    assert "CA certificate" in " ".join(rest)


def test_a_named_director_is_never_replaced_by_a_local_one(local, director, fake, tmp_path):
    (tmp_path / "m.yml").write_text("name: web\n")
    fake.begins("POST /deployments", 1, event="")
    assert director("-n", "deploy", tmp_path / "m.yml").code == 0
    assert _started(local) == []
