"""``director top`` against canned answers."""

import io
import json
import os
import pty
import time

import pytest
from rich.console import Console

from director.cli import top
from director.cli.commands.top import Looks
from director.cli.errors import CommandFailed, Exit
from tests.unit.cli.fake import Reply

VITALS = {"load": 0.5, "cpu": 12.0, "mem": 40.0, "disk": 71.0}
NOBODY = {"load": None, "cpu": None, "mem": None, "disk": None}
FLEET = {
    "agents": {"connected": 3, "away": 1},
    "deployments": [{"name": "shop", "instances": 4, "states": {"running": 3, "unresponsive agent": 1}, **VITALS}],
    "instances": [
        {"deployment": "shop", "instance": "web/1", "az": "z1", "state": "unresponsive agent", **NOBODY},
        {"deployment": "shop", "instance": "web/0", "az": "z1", "state": "running", **VITALS},
    ],
    "total": 4,
}
SICK = {
    "deployment": "shop", "instance": "web/1", "id": "i1", "group": "web", "az": "z1", "vm": "vm1",
    "condition": "missing VM", "since_s": 75.0, "evidence": [], "remedy": "recreate its VM",
    "task": 9, "task_s": 12.0, "hold": None, "in_s": None,
}  # fmt: skip
HELD = SICK | {"instance": "web/2", "task": None, "hold": {"code": "hold.x", "reason": "meltdown"}, "in_s": 30.0}
HEALTH = {
    "looked": True, "seen_s": 1.0, "deployments": 1, "resurrection": True, "repairs": True,
    "counts": {"running": 3, "missing VM": 1},
    "instances": [SICK, HELD], "doubts": ["The clock jumped."],
}  # fmt: skip
TASKS = [
    {"id": 9, "state": "processing", "deployment": "shop", "description": "repair web/1", "started_at": 100,
     "timestamp": 100, "result": None, "user": "watch"}
]  # fmt: skip
ALERTS = [
    {"at": 90.0, "severity": "error", "code": "c", "subject": "shop/web/1", "words": "The VM of web/1 is gone.",
     "is_over": False, "deployment": "shop"},
    {"at": 80.0, "severity": "error", "code": "c", "subject": "other/web/1", "words": "Elsewhere.",
     "is_over": True, "deployment": "other"},
]  # fmt: skip
EVENTS = [
    {"id": "7", "timestamp": 95, "user": "watch", "action": "repair", "object_type": "instance",
     "object_name": "web/i1", "context": {}},
]  # fmt: skip


@pytest.fixture
def fleet(fake):
    fake.on("GET /fleet", Reply(body=FLEET, headers={"ETag": '"t1"'}))
    fake.on("GET /health", HEALTH)
    fake.on("GET /tasks", TASKS)
    fake.on("GET /alerts", ALERTS)
    fake.on("GET /events", EVENTS)
    return fake


def test_one_frame_goes_into_a_pipe_with_everything_in_it(director, fleet):
    ended = director("top", "--once")
    assert ended.code == 0, ended.err
    for words in (
        "3 agents connected", "1 away", "The clock jumped.",
        "3 running, 1 unresponsive agent", "0.50", "12 %", "40 %", "71 %",
        "missing VM", "1 min 15 s", "recreate its VM: task 9, for 12 s", "meltdown (again in 30 s)",
        "repair web/1", "The VM of web/1 is gone.", "… 2 more instances", "instance web/i1",
    ):  # fmt: skip
        assert words in ended.out, words
    assert "\x1b" not in ended.out


def test_without_a_terminal_it_prints_one_frame_by_itself(director, fleet):
    assert "shop" in director("top").out
    assert len(fleet.said("GET /fleet")) == 1


def test_json_has_a_table_for_each_part(director, fleet):
    told = json.loads(director("top", "--json").out)
    parts = {table["Content"]: table["Rows"] for table in told["Tables"]}
    assert set(parts) == {"deployments", "conditions", "tasks", "alerts", "instances", "events"}
    assert parts["conditions"][0]["condition"] == "missing VM"


def test_of_one_deployment_nothing_else_is_asked_or_shown(director, fleet):
    ended = director("top", "-d", "shop")
    assert "Elsewhere." not in ended.out
    for path in ("/fleet", "/health", "/tasks", "/events"):
        assert fleet.said(f"GET {path}")[0].query["deployment"] == "shop", path


class Near:
    deployment = ""

    def __init__(self, client):
        self.director = client


def test_a_second_look_asks_only_for_what_is_new(client, fleet):
    looks = Looks(Near(client))
    first = looks.next()
    fleet.on("GET /fleet", Reply(status=304, headers={"ETag": '"t1"'}))
    fleet.on("GET /events", [EVENTS[0] | {"id": "8", "timestamp": 99}, EVENTS[0]])
    second = looks.next()
    assert fleet.said("GET /fleet")[1].headers["if-none-match"] == '"t1"'
    assert fleet.said("GET /events")[1].query["after_time"] == "94"
    assert second["fleet"] == first["fleet"]
    assert [one["id"] for one in second["events"]] == ["8", "7"]


def test_a_low_screen_is_not_overrun():
    many = [FLEET["instances"][1] | {"instance": f"web/{n}"} for n in range(200)]
    seen = {"fleet": FLEET | {"instances": many, "total": 200}, "health": HEALTH, "tasks": TASKS * 50,
            "alerts": ALERTS, "events": EVENTS}  # fmt: skip
    console = Console(file=io.StringIO(), width=100, height=40)
    console.print(top.drawn(seen, height=40, now=110.0))
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= 40
    assert any("more tasks" in line for line in lines)


@pytest.mark.parametrize("key,ends", [(b"q", True), (b"x", False), (b"xxQ", True), (b"\x04", True)])
def test_q_ends_it_and_other_keys_do_not(key, ends):
    outer, inner = pty.openpty()
    try:
        with os.fdopen(inner, "r") as keys, top._unbuffered(keys):
            os.write(outer, key)
            began = time.monotonic()
            limit_s = 30.0 if ends else 0.05
            assert top._is_over(keys, limit_s) is ends
            assert ends is (time.monotonic() - began < limit_s)
    finally:
        os.close(outer)


def test_a_director_that_is_away_for_a_while_is_told_on_the_screen():
    seen = {"fleet": FLEET, "health": HEALTH, "tasks": [], "alerts": [], "events": []}
    console = Console(file=io.StringIO(), width=100)
    console.print(top.drawn(seen, trouble="The director stopped answering.", now=110.0))
    assert "The director stopped answering." in console.file.getvalue()


def test_a_director_that_never_answered_is_a_failure(client):
    def look():
        raise CommandFailed("Nobody there.", Exit.NO_DIRECTOR)

    with pytest.raises(CommandFailed, match="Nobody there"):
        top.live(look, 0.01, io.StringIO())


@pytest.mark.parametrize(
    "seconds,said", [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3700, "1 h 1 min"), (200_000, "2 d 7 h")]
)
def test_ages_have_the_two_units_that_matter(seconds, said):
    assert top.age(seconds) == said
