"""``director health``, ``update-resurrection``, ``fence`` and the resurrection configs against canned answers."""

import json

import pytest

from director.cli.commands.health import age
from tests.unit.cli.fake import Reply

HELD = {
    "deployment": "shop",
    "instance": "web/0",
    "id": "i-0",
    "group": "web",
    "az": "z1",
    "vm": "vm-0",
    "condition": "unresponsive agent",
    "since_s": 125.0,
    "evidence": ["silent for 125 s", "its VM is on"],
    "remedy": "recreate its VM",
    "task": None,
    "task_s": None,
    "hold": {"code": "hold.ignored", "reason": "it is ignored; `director unignore web/0` ends that"},
    "in_s": None,
}
MENDED = {**HELD, "instance": "web/1", "id": "i-1", "condition": "off", "evidence": [], "since_s": 3.0}
MENDED |= {"remedy": "reboot its VM", "task": 7, "task_s": 1.0, "hold": None}
WAITING = {
    **MENDED,
    "instance": "web/2",
    "id": "i-2",
    "condition": "starting",
    "remedy": "restart its jobs",
    "task": None,
}
WAITING |= {"hold": {"code": "hold.early", "reason": "it is given 9 s more to become well by itself"}, "in_s": 9.4}
UNASKED = {**WAITING, "condition": "not answering", "remedy": "nothing", "hold": None, "in_s": None, "vm": None}


def answer(*instances, **more):
    found = {"looked": True, "seen_s": 0.4, "deployments": 1, "resurrection": True, "repairs": True, "doubts": []}
    counts = {"running": 4} | {one["condition"]: 1 for one in instances}
    return {**found, "counts": counts, "instances": list(instances), **more}


def test_when_all_is_well_it_says_so_and_ends_with_0(director, fake):
    fake.on("GET /health", answer())
    ended = director("health")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "4 running.\nResurrection is on.\n"
    assert fake.asked[0].query == {}


def test_in_a_pipe_it_is_a_line_per_instance_and_ends_with_1(director, fake):
    fake.on("GET /health", answer(HELD, MENDED, WAITING, doubts=["it started 3 s ago"]))
    ended = director("health", "-d", "shop")
    assert fake.asked[0].query == {"deployment": "shop"}
    assert (ended.code, ended.err) == (1, "3 of 7 instances are not well.\n")
    lines = [line.split("  ") for line in ended.out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells == [
        ["Instance", "Condition", "For", "Seen", "Remedy", "Now"],
        [
            "web/0",
            "unresponsive agent",
            "2m 5s",
            "silent for 125 s, its VM is on",
            "recreate its VM",
            "held: it is ignored; `director unignore web/0` ends that",
        ],
        ["web/1", "off", "3s", "-", "reboot its VM", "under way for 1s: task 7"],
        [
            "web/2",
            "starting",
            "3s",
            "-",
            "restart its jobs",
            "held: it is given 9 s more to become well by itself",
        ],
        ["4 running, 1 unresponsive agent, 1 off, 1 starting."],
        ["Resurrection is on."],
        ["It started 3 s ago."],
        ["3 not well"],
    ]


def test_of_all_deployments_each_instance_has_its_deployment_before_it(director, fake):
    fake.on("GET /health", answer(UNASKED))
    ended = director("health")
    assert "shop web/2  not answering" in ended.out
    assert "nothing is to be done" in ended.out


def test_a_hold_that_time_ends_says_when(director, fake):
    melted = {**WAITING, "hold": {"code": "hold.meltdown", "reason": "meltdown"}, "in_s": 70.0}
    fake.on("GET /health", answer(melted))
    assert "held: meltdown, ends by itself in 1m 10s" in director("health").out


def test_what_is_due_is_about_to_begin(director, fake):
    fake.on("GET /health", answer({**MENDED, "task": None, "task_s": None}))
    assert "about to begin" in director("health").out


def test_as_json_there_are_two_tables_and_it_still_ends_with_1(director, fake):
    fake.on("GET /health", answer(HELD))
    ended = director("--json", "health")
    counts, rows = json.loads(ended.out)["Tables"]
    assert counts["Rows"] == [{"state": "running", "count": "4"}, {"state": "unresponsive agent", "count": "1"}]
    (row,) = rows["Rows"]
    assert row["instance"] == "web/0"
    assert (row["deployment"], row["id"], row["vm"], row["since_s"]) == ("shop", "i-0", "vm-0", "125.0")
    assert (row["hold"], row["task"]) == ("hold.ignored", "")
    assert rows["Notes"][-1] == "Resurrection is on."
    assert ended.code == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"deployments": 0, "counts": {}}, "Nothing is deployed, so there is nothing to watch."),
        ({"counts": {}}, "There is no instance to watch."),
        ({"counts": {}, "deployments": 0, "looked": False}, "Nothing is deployed, so there is nothing to watch."),
        ({"resurrection": False}, "Resurrection is off: nothing is repaired unasked."),
        ({"repairs": False}, "This director watches, but repairs nothing unasked"),
        ({"seen_s": 130.0}, "This was seen 2m 10s ago: the director could not look since."),
    ],
)
def test_what_is_out_of_the_ordinary_is_said(director, fake, more, said):
    fake.on("GET /health", answer(**more))
    ended = director("health")
    assert said in ended.out
    assert ended.code == 0


def test_before_the_first_look_it_says_so_and_ends_with_1(director, fake):
    fake.on("GET /health", answer(looked=False, counts={}, doubts=["the director came up 1 s ago"]))
    ended = director("health")
    assert ended.out.startswith("The director has just come up and has not looked yet.\n")
    assert ended.err == "It is not known yet how the instances are.\n"
    assert ended.code == 1


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (59.9, "59s"), (60, "1m 0s"), (3600, "1h 0m"), (7265, "2h 1m"), (90000, "1d 1h")],
)
def test_an_age_has_its_two_largest_parts(seconds, said):
    assert age(seconds) == said


@pytest.mark.parametrize(("switch", "paused"), [("on", False), ("off", True)])
def test_the_switch_is_boshs(director, fake, switch, paused):
    fake.on("PUT /resurrection", {})
    ended = director("update-resurrection", switch)
    assert ended.code == 0
    assert json.loads(fake.asked[0].body) == {"resurrection_paused": paused}
    assert f"Resurrection is {switch}" in ended.out


def test_the_switch_is_on_or_off(director, fake):
    assert director("update-resurrection", "maybe").code == 2
    assert not fake.asked


def test_a_resurrection_config_is_compared_confirmed_and_set(director, fake, tmp_path):
    file = tmp_path / "r.yml"
    file.write_text("rules: [{enabled: false}]\n")
    fake.on("POST /resurrection_configs/diff", {"diff": [["rules:", "added"]]})
    fake.on("POST /resurrection_configs", Reply(status=201, body={"warnings": []}))
    ended = director("update-resurrection-config", file, "--name", "nights", stdin="y\n")
    assert (ended.code, ended.out.endswith("The resurrection config is set.\n")) == (0, True)
    (sent,) = fake.said("POST /resurrection_configs")
    assert (sent.query["name"], sent.body) == ("nights", b"rules: [{enabled: false}]\n")


def test_a_resurrection_config_is_shown_and_deleted(director, fake):
    fake.on("GET /resurrection_configs", [{"properties": "rules: []\n"}])
    assert director("resurrection-config").out == "rules: []\n"
    fake.on("DELETE /configs", Reply(status=204))
    assert director("-n", "delete-resurrection-config").code == 0
    assert fake.said("DELETE /configs")[0].query == {"type": "resurrection", "name": "default"}


@pytest.fixture
def shop(fake):
    fake.on("GET /deployments/shop/instances", [{"job": "web", "id": "i-0", "index": 0, "cid": "vm-77"}])
    fake.on("PUT /deployments/shop/instance_groups/web/0/fence", {"vm": "web-0-1", "cid": "vm-77", "is_fenced": True})
    return fake


FENCED = "PUT /deployments/shop/instance_groups/web/0/fence"


def test_fencing_asks_in_words_what_it_means(director, shop):
    ended = director("-d", "shop", "fence", "web/0", "--reason", "the rack burnt", stdin="y\n")
    assert ended.code == 0
    assert "VM vm-77 of web/0 will be taken for dead and replaced; if it is not dead, two of it may run." in ended.out
    assert "web-0-1 is taken for dead. `director unfence web/0` takes that back." in ended.out
    (asked,) = shop.said(FENCED)
    assert json.loads(asked.body) == {"fence": True, "words": "the rack burnt"}


def test_without_a_yes_nothing_is_fenced(director, shop):
    assert director("-d", "shop", "fence", "web/0", stdin="n\n").code == 1
    assert not shop.said(FENCED)


def test_a_vm_that_answers_is_not_fenced_and_it_says_why(director, shop):
    shop.on(FENCED, Reply(status=409, body={"code": 1, "description": "The agent is connected."}))
    ended = director("-n", "-d", "shop", "fence", "web/0")
    assert (ended.code, ended.err) == (1, "The agent is connected.\n")


@pytest.mark.parametrize("slug", ["web", "web/9"])
def test_what_is_fenced_is_one_instance(director, shop, slug):
    assert director("-n", "-d", "shop", "fence", slug).code == 2
    assert not [asked for asked in shop.asked if asked.method == "PUT"]


def test_a_fence_is_taken_back(director, shop):
    ended = director("-d", "shop", "unfence", "web/0")
    assert (ended.code, ended.out) == (0, "web-0-1 is no longer taken for dead.\n")
    assert json.loads(shop.said(FENCED)[0].body) == {"fence": False}
