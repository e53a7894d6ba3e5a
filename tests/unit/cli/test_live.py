"""The live view, drawn on consoles of several widths from canned progress lines."""

import io
import json
from threading import Thread

import pytest
from rich.console import Console

from director.cli.live import RUNNING_MAX, WAITING_MAX, View, aside_of, live

UUID = "9a6f1ca8-d58d-5641-ae54-2959c437a9e0"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def outline(*steps):
    made = [{"key": key, "does": does, "waits_for": list(needs), "unit": None} for key, does, *needs in steps]
    return json.dumps({"plan": "p", "limits": {}, "units": {}, "steps": made})


def at(key, state):
    return json.dumps({"step": key, "state": state, "at": 1.0, "error": "", "new key": [1]})


CHAIN = outline(
    ("web/0:create-vm", "creating vm"),
    ("web/0:start", "starting jobs", "web/0:create-vm"),
    ("gate:canaries of web", "", "web/0:start"),
    ("web/1:create-vm", "creating vm", "gate:canaries of web"),
    ("proxy/0:create-vm", "", "web/1:create-vm", "web/0:start"),
)


def drawn(view, width=80):
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(view)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def view_of(*lines, clock=None):
    view = View(5, clock or Clock())
    for line in lines:
        view.take(line)
    return view


def test_before_there_is_a_plan_it_says_so():
    clock = Clock()
    view = view_of(clock=clock)
    clock.now = 61.5
    assert drawn(view) == ["Task 5 is being prepared, or waits for its turn 01:01"]


def test_it_shows_what_runs_since_when_and_what_waits_for_what():
    clock = Clock()
    view = view_of(CHAIN, at("web/0:create-vm", "began"), clock=clock)
    clock.now = 12.0
    head, *rows = drawn(view)
    assert head.endswith("0/4 steps 00:12")
    assert [" ".join(row.split()) for row in rows] == [
        "▸ web/0 creating vm 12 s",
        "· web/1 waits for web/0",
        "· proxy/0 waits for web/0, web/1",
    ]


def test_what_waits_for_nothing_waits_for_a_free_slot():
    view = view_of(outline(("a:x", "working"), ("b:x", "working")), at("a:x", "began"))
    assert " ".join(drawn(view)[-1].split()) == "· b waits for a free slot"


def test_ended_steps_are_counted_and_failures_are_told():
    view = view_of(CHAIN, at("web/0:create-vm", "began"), at("web/0:create-vm", "done"), at("web/0:start", "failed"))
    assert "2/4 steps" in drawn(view)[0]
    assert "1 failed" in drawn(view)[0]
    assert str(view.end_line()) == "Task 5 took 0.0 s: 1 done, 1 failed"


def test_a_second_plan_begins_anew_and_the_summary_counts_both():
    view = view_of(CHAIN, at("web/0:create-vm", "began"), at("web/0:create-vm", "done"))
    view.take(outline(("web/0:create-vm", "creating vm")))
    assert "0/1 steps" in drawn(view)[0]
    view.take(at("web/0:create-vm", "done"))
    assert str(view.end_line()).endswith("2 done")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "no json",
        "5",
        "[]",
        "{}",
        '{"plan": "p"}',
        at("unknown:step", "began"),
        at("unknown", "done"),
        '{"step": "x"}',
        outline(("a:b", "x", "gate:gone", "gone:too")),
        '{"steps": [{"key": "bare"}]}',
        outline(),
    ],
)
def test_an_odd_line_does_no_harm(line):
    for lines in ([line], [CHAIN, line], [CHAIN, line, CHAIN, line]):
        assert drawn(view_of(*lines))
        assert str(view_of(*lines).end_line())


@pytest.mark.parametrize("width", [20, 40, 80, 120, 300])
@pytest.mark.parametrize("count", [1, 5, 100])
def test_it_fits_any_width_and_stays_short(width, count):
    steps = [(f"group-{n}/{UUID}:verb", "installing packages and configuring jobs") for n in range(count)]
    waiting = [(f"later-{n}/{UUID}:verb", "", f"group-0/{UUID}:verb") for n in range(count)]
    lines = [outline(*steps, *waiting), *(at(key, "began") for key, _ in steps)]
    rows = drawn(view_of(*lines), width)
    assert all(len(row) <= width for row in rows)
    assert len(rows) <= 2 + RUNNING_MAX + WAITING_MAX + 2
    if count == 100 and width >= 80:
        assert any("… 88 more run" in row for row in rows)
        assert any("… 95 more wait" in row for row in rows)


def test_it_may_be_drawn_while_lines_arrive():
    """rich redraws on a thread of its own: 'dictionary changed size during iteration' is what this is about."""
    view = view_of(outline(*[(f"a/{n}:x", "x") for n in range(300)]))
    broken = []

    def draw():
        try:
            for _ in range(20):
                view.__rich__()
        except RuntimeError as error:
            broken.append(error)

    threads = [Thread(target=draw) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(300):
        view.take(at(f"a/{n}:x", "began"))
    for thread in threads:
        thread.join()
    assert broken == []


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"type": "warning", "message": "Held back: [x]."}, "Warning: Held back: [x]."),
        ({"stage": "A", "task": "b", "state": "failed", "data": {"error": "c"}}, "A: b failed: c"),
        ({"stage": "A", "task": "b", "state": "failed"}, "A: b failed: "),
        ({"stage": "A", "task": "b", "state": "finished"}, None),
        ({"error": {"message": "told at the end"}}, None),
    ],
)
def test_of_the_events_only_warnings_and_failures_stay(event, said):
    aside = aside_of(event)
    assert (str(aside) if aside is not None else None) == said


def test_a_followed_task_leaves_a_summary_on_the_screen(fake, client):
    event = json.dumps({"time": 1, "type": "warning", "message": "Careful."}) + "\n"
    progress = "\n".join([CHAIN, at("web/0:create-vm", "began"), at("web/0:create-vm", "done"), ""])
    fake.task(5, progress=progress, event=event)
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    live(client, 5, console)
    *_, warning, end = console.file.getvalue().splitlines()
    assert warning == "Warning: Careful."
    assert end.startswith("Task 5 took")
    assert end.endswith("1 done")
