"""What an agent that was killed left running is found by its note, or by its mark where there was no note yet."""

import os
import signal
from pathlib import Path

import pytest

from agent import process
from agent.layout import Layout, make_directories
from agent.leftover import end_leftovers


@pytest.fixture
def layout(tmp_path):
    made = Layout(base=tmp_path)
    make_directories(made)
    return made


def started(mark):
    env = {"PATH": os.environ["PATH"]}
    with Path(os.devnull).open("r+b") as nothing:
        return process.spawn(["sleep", "600"], env=env, cwd=Path("/"), stdout=nothing, stderr=nothing, mark=mark)


def reaped(child):
    """What a VM's pid 1 does."""
    return child.wait(timeout=20)


async def test_while_it_runs_a_note_tells_which_process_it_is(layout):
    with process.noted(started, layout.notes) as child:
        (note,) = layout.notes.iterdir()
        assert process.of_note(note) == process.find(child.pid)
        await end_leftovers(layout)
        assert reaped(child) == -9
    assert not list(layout.notes.iterdir())


async def test_one_that_was_started_but_not_noted_yet_is_known_by_what_it_holds_open(layout):
    names = []

    def start(mark):
        names.extend(note.name for note in layout.notes.iterdir())
        return started(mark)

    with process.noted(start, layout.notes) as noted:
        process.signal_group(noted.pid, signal.SIGKILL)
        reaped(noted)
    # As an agent leaves it that is killed before it knows the pid.
    mark = os.open(layout.notes / names[0], os.O_WRONLY | os.O_CREAT)
    child = started(mark)
    os.close(mark)
    await end_leftovers(layout)
    assert reaped(child) == -9
    assert not list(layout.notes.iterdir())


async def test_one_that_never_began_and_one_of_an_earlier_boot_are_nobody(layout):
    (layout.notes / "coming-0").touch()
    (layout.notes / "1").write_text("another-boot 1 1")
    await end_leftovers(layout)
    assert not list(layout.notes.iterdir())


def test_what_cannot_be_started_leaves_no_note(layout):
    def start(mark):
        raise PermissionError(13, "no")

    with pytest.raises(PermissionError), process.noted(start, layout.notes):
        raise AssertionError("it was never started")
    assert not list(layout.notes.iterdir())
