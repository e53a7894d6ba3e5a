"""Following a task: what a pipe shows, how each end is told, what an interruption leaves."""

import json

import pytest

from director.cli import follow as module
from director.cli.answer import Answer
from director.cli.errors import CommandFailed, Exit
from director.cli.follow import EventPrinter, follow, task_of
from tests.unit.cli.fake import Reply


def event(stage, task, state, at, **more):
    line = {"time": at, "stage": stage, "task": task, "state": state, "tags": [], "index": 1, "total": 1, **more}
    return json.dumps(line) + "\n"


EVENTS = (
    event("Creating missing vms", "web/1 (0)", "started", 3661)
    + event("Creating missing vms", "web/1 (0)", "in_progress", 3662)
    + event("Creating missing vms", "web/1 (0)", "finished", 3723)
    + event("Updating instance", "web/1 (0)", "started", 3723, tags=["web"])
    + json.dumps({"time": 3724, "type": "warning", "message": "Careful."})
    + "\n"
    + event("Updating instance", "web/1 (0)", "failed", 3725, tags=["web"], data={"error": "It broke."})
    + json.dumps({"time": 3725, "error": {"code": 100, "message": "web/1 broke."}})
    + "\n"
)


def failure(call, *args, **more) -> CommandFailed:
    with pytest.raises(CommandFailed) as failed:
        call(*args, **more)
    return failed.value


def test_a_pipe_gets_boshs_lines(fake, client, capsys):
    fake.task(3, event=EVENTS)
    follow(client, 3)
    assert capsys.readouterr().out.splitlines() == [
        "Task 3 | 01:01:01 | Creating missing vms: web/1 (0)",
        "Task 3 | 01:02:03 | Creating missing vms: web/1 (0) (00:01:02)",
        "Task 3 | 01:02:03 | Updating instance web: web/1 (0)",
        "Task 3 | 01:02:04 | Warning: Careful.",
        "Task 3 | 01:02:05 | Updating instance web: web/1 (0) (00:00:02)",
        "            L Error: It broke.",
        "Task 3 | 01:02:05 | Error: web/1 broke.",
        "Task 3 Started  Thu Jan 01 00:01:40 UTC 1970",
        "Task 3 Finished Thu Jan 01 00:02:41 UTC 1970",
        "Task 3 Duration 00:01:01",
        "Task 3 done",
    ]


@pytest.mark.parametrize("line", ["no json", "[]", "{}", '{"time": 1}', '{"stage": "a", "state": "finished"}', "5"])
def test_an_odd_event_line_does_not_end_the_following(line, capsys):
    EventPrinter(1).show(line)
    assert "Traceback" not in capsys.readouterr().out


def test_a_duration_may_be_longer_than_a_day(capsys):
    printer = EventPrinter(1)
    printer.show(event("a", "b", "started", 0))
    printer.show(event("a", "b", "finished", 100_000))
    assert "(27:46:40)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "result", "said"),
    [
        ("error", "web/0 broke.", "Task 3 failed: web/0 broke."),
        ("cancelled", "task cancelled", "Task 3 was cancelled: task cancelled"),
        ("timeout", None, "Task 3 took too long: (no reason given)"),
        ("mended", None, "Task 3 mended: (no reason given)"),
    ],
)
def test_a_task_that_did_not_end_well_is_exit_code_1(fake, client, state, result, said):
    fake.task(3, state=state, result=result)
    failed = failure(follow, client, 3)
    assert (str(failed), failed.code) == (said, Exit.FAILED)


def test_quiet_following_shows_nothing_and_gives_the_task(fake, client, capsys):
    fake.task(3, result="blob", event=EVENTS)
    assert follow(client, 3, quiet=True)["result"] == "blob"
    assert capsys.readouterr() == ("", "")


def test_an_interruption_leaves_the_task_running_and_says_how_to_go_on(client, monkeypatch):
    def interrupted(*_args, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(client, "output", interrupted)
    failed = failure(follow, client, 3)
    assert failed.code is Exit.INTERRUPTED
    assert "Task 3 goes on" in str(failed)
    assert "`director task 3`" in str(failed)
    assert "`director cancel-task 3`" in str(failed)


def test_a_director_lost_on_the_way_is_exit_code_3_and_says_how_to_go_on(fake, client):
    fake.on("GET /tasks/3/output", Reply(status=206, body=EVENTS), Reply(hangs_up=-1))
    failed = failure(follow, client, 3)
    assert failed.code is Exit.NO_DIRECTOR
    assert "stopped answering" in str(failed)
    assert "`director task 3`" in str(failed)


def test_the_end_is_waited_for_at_a_pace(fake, client, monkeypatch):
    slept = []
    monkeypatch.setattr(module.time, "sleep", slept.append)
    running, done = ({"id": 3, "state": state, "result": None} for state in ("processing", "done"))
    fake.on("GET /tasks/3", running, running, done)
    assert follow(client, 3, quiet=True)["state"] == "done"
    assert len(slept) == 2
    assert all(0 < pause <= 0.5 for pause in slept)


@pytest.mark.parametrize("location", ["", "/tasks/", "/deployments/x"])
def test_an_answer_without_a_task_is_a_failure_in_words(location):
    assert "began no task" in str(failure(task_of, Answer(status=200, body=b"", location=location)))
