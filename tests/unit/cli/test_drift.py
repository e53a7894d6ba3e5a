"""``director drift`` and ``director doctor`` against canned answers."""

import json

import pytest

LOST = {
    "kind": "vm missing",
    "deployment": "shop",
    "instance": "web/0",
    "subject": "vm-1",
    "cpi": "",
    "recorded": "created",
    "seen": "gone",
    "fix": "Deploy it again.",
    "way": "recreate",
    "does": "recreate its VM",
}
STRAY = {**LOST, "kind": "vm unrecorded", "subject": "vm-9", "deployment": "", "way": "person", "does": "by hand"}
INFO = {"name": "prod", "uuid": "u-1", "version": "0.1.0", "user": "admin", "cpi": "vcenter1"}
WELL = {"subject": "record", "is_well": True, "detail": "It can be read and written.", "fix": ""}
ILL = {"subject": "agents", "is_well": False, "detail": "0 of 2 connected.", "fix": "See `director drift`."}


def answer(*drift, unseen=()):
    return {"drift": list(drift), "unseen": list(unseen), "vms": 4, "disks": 1}


def test_without_drift_the_code_is_0(director, fake):
    fake.on("GET /drift", answer())
    ended = director("drift")
    assert ended.code == 0
    assert "4 VMs and 1 disks were looked at." in ended.out
    assert "0 differences" in ended.out
    assert fake.asked[0].query == {}


def test_drift_ends_with_1_and_says_what_to_do(director, fake):
    fake.on("GET /drift", answer(LOST))
    ended = director("drift", "-d", "shop")
    assert ended.code == 1
    for words in ("vm-1", "web/0", "created", "gone", "Deploy it again."):
        assert words in ended.out
    assert "not as recorded" in ended.err
    assert fake.asked[0].query == {"deployment": "shop"}


def test_drift_as_json_is_one_table_and_still_ends_with_1(director, fake):
    fake.on("GET /drift", answer(LOST))
    ended = director("--json", "drift")
    (table,) = json.loads(ended.out)["Tables"]
    assert table["Rows"] == [{k: LOST[k] for k in ("subject", "deployment", "instance", "recorded", "seen", "fix")}]
    assert ended.code == 1


def test_what_could_not_be_looked_at_is_not_taken_for_well(director, fake):
    fake.on("GET /drift", answer(unseen=[{"cpi": "far", "reason": "It is away."}]))
    ended = director("drift")
    assert ended.code == 1
    assert "CPI far could not be looked at: It is away." in ended.out


def test_a_set_up_that_is_well_ends_with_0(director, fake):
    fake.on("GET /info", INFO)
    fake.on("GET /doctor", {"findings": [WELL]})
    ended = director("doctor")
    assert ended.code == 0
    assert ended.out.splitlines() == [
        "✓ director: prod answers: version 0.1.0, vcenter1, uuid u-1.",
        "✓ record: It can be read and written.",
    ]


def test_what_is_not_well_ends_with_1_and_says_what_to_do(director, fake):
    fake.on("GET /info", INFO)
    fake.on("GET /doctor", {"findings": [WELL, ILL]})
    ended = director("doctor")
    assert ended.code == 1
    assert "✗ agents: 0 of 2 connected.\n    to fix it: See `director drift`." in ended.out
    assert ended.err == "1 of 3 is not well.\n"


def test_the_doctor_as_json_is_one_table(director, fake):
    fake.on("GET /info", INFO)
    fake.on("GET /doctor", {"findings": [ILL]})
    (table,) = json.loads(director("--json", "doctor").out)["Tables"]
    assert [(row["mark"], row["subject"]) for row in table["Rows"]] == [("✓", "director"), ("✗", "agents")]


@pytest.mark.parametrize("case", ["closed", "never"])
def test_a_director_that_does_not_answer_is_the_first_finding(command, monkeypatch, case):
    if case == "closed":
        monkeypatch.setenv("BOSH_ENVIRONMENT", "https://127.0.0.1:1")
    ended = command("doctor")
    assert ended.code == 3
    assert ended.out.startswith("✗ director: ")
    assert "to fix it: " in ended.out
    assert "nothing else was looked at" in ended.err


def test_fix_shows_what_it_would_do_and_repairs_only_what_was_confirmed(director, fake):
    fake.on("GET /drift", answer(LOST, {**LOST, "subject": "vm-2", "deployment": "blog"}))
    fake.begins("PUT /drift")
    ended = director("drift", "--fix", stdin="n\n")
    assert ended.code == 1
    assert "recreate its VM" in ended.out
    assert fake.said("PUT /drift") == []
    ended = director("drift", "--fix", stdin="y\n")
    assert ended.code == 0, ended.err
    assert [json.loads(asked.body) for asked in fake.said("PUT /drift")] == [
        {"deployment": "blog", "differences": [{"kind": "vm missing", "subject": "vm-2"}]},
        {"deployment": "shop", "differences": [{"kind": "vm missing", "subject": "vm-1"}]},
    ]


def test_what_is_set_back_takes_no_instance_down_and_goes_with_the_rest_of_its_deployment(director, fake):
    router = {**LOST, "subject": "router web", "instance": "", "kind": "network object changed", "way": "set_back"}
    fake.on("GET /drift", answer(router))
    fake.begins("PUT /drift")
    assert "down" not in director("drift", "--fix", stdin="n\n").out
    fake.on("GET /drift", answer(router, LOST))
    ended = director("drift", "--fix", stdin="y\n")
    assert ended.code == 0, ended.err
    assert "The instances are down" in ended.out
    (asked,) = fake.said("PUT /drift")
    assert [one["subject"] for one in json.loads(asked.body)["differences"]] == ["router web", "vm-1"]


def test_what_only_a_person_can_decide_is_told_and_not_done(director, fake):
    fake.on("GET /drift", answer(STRAY))
    ended = director("drift", "--fix", "-n")
    assert ended.code == 1
    assert "by hand" in ended.out
    assert "Deploy it again." in ended.out
    assert [asked.method for asked in fake.asked] == ["GET"]


def test_fix_as_json_is_one_document(director, fake):
    fake.on("GET /drift", answer(LOST, STRAY))
    fake.begins("PUT /drift", result="1 difference(s) fixed")
    ended = director("drift", "--fix", "-n", "--json")
    document = json.loads(ended.out)
    assert document["Lines"] == ["Task 1 done: 1 difference(s) fixed"]
    assert [row["does"] for row in document["Tables"][0]["Rows"]] == ["recreate its VM", "by hand"]
    assert ended.code == 1, "one is left for a person"
