"""The TaskLog port's promises, held by every adapter. Another one joins by another entry in ``LOGS``."""

import asyncio
import gc
import stat
from pathlib import Path

import pytest

from director.adapters.memory.tasklog import MemoryTaskLog
from director.adapters.tasklog import FileTaskLog

LOGS = {"files": FileTaskLog, "memory": lambda _folder: MemoryTaskLog()}


@pytest.fixture(params=sorted(LOGS))
def log(request, tmp_path):
    made = LOGS[request.param](tmp_path / "tasks")
    yield made
    for task in (1, 2, 3):
        made.close(task)


def _open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_was_appended_is_read_from_any_offset(log):
    log.append(1, "event", "abc\n")
    log.append(1, "event", "dé\n")
    log.append(1, "debug", "other")
    log.append(2, "event", "other")
    assert log.read(1, "event") == "abc\ndé\n".encode()
    assert log.size(1, "event") == 8
    assert log.read(1, "event", 4, 2) == "dé".encode()[:2]
    assert log.read(1, "event", 8) == b""
    assert log.read(1, "event", 99) == b""


def test_a_log_nobody_wrote_is_empty(log):
    assert log.size(7, "result") == 0
    assert log.read(7, "result") == b""
    log.close(7)
    log.delete(7)


def test_text_that_is_no_unicode_is_written_with_marks(log):
    log.append(1, "debug", "a\udcffb")
    assert log.read(1, "debug") == b"a?b"


def test_a_log_is_read_on_after_a_restart(tmp_path):
    log = FileTaskLog(tmp_path / "tasks")
    log.append(1, "event", "before\n")
    log.close(1)
    again = FileTaskLog(tmp_path / "tasks")
    again.append(1, "event", "after\n")
    assert again.read(1, "event", 7) == b"after\n"
    again.close(1)


def test_a_deleted_log_is_gone_and_may_begin_anew(log, tmp_path):
    log.append(1, "event", "x")
    log.delete(1)
    assert not (tmp_path / "tasks" / "1").exists()
    log.append(1, "event", "y")
    assert log.read(1, "event") == b"y"


def test_a_kind_that_is_none_reaches_no_file(log):
    for ask in (lambda: log.append(1, "../x", "a"), lambda: log.read(1, "secrets"), lambda: log.size(1, "")):
        with pytest.raises(AssertionError, match="no kind"):
            ask()


def test_nobody_else_may_read_a_log(tmp_path):
    log = FileTaskLog(tmp_path / "tasks")
    log.append(1, "debug", "x")
    assert stat.S_IMODE((tmp_path / "tasks" / "1" / "debug").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tasks" / "1").stat().st_mode) == 0o700
    log.close(1)


def test_only_so_many_files_are_open_and_all_are_written(tmp_path):
    log = FileTaskLog(tmp_path / "tasks", handles_max=3)
    before = _open_files()
    for round_ in "ab":
        for task in range(10):
            log.append(task, "event", round_)
    assert _open_files() - before == 3
    assert {log.read(task, "event") for task in range(10)} == {b"ab"}
    for task in range(10):
        log.close(task)
    assert _open_files() == before


async def test_a_waiter_is_woken_by_the_append_it_waits_for(log):
    log.append(1, "event", "a")
    assert await log.await_more(1, "event", 0, 5.0), "there is more already"
    waiting = [asyncio.ensure_future(log.await_more(1, "event", 1, 5.0)) for _ in range(3)]
    await asyncio.sleep(0)
    log.append(1, "debug", "another kind")
    log.append(2, "event", "another task")
    await asyncio.sleep(0)
    assert not any(one.done() for one in waiting)
    log.append(1, "event", "b")
    assert await asyncio.gather(*waiting) == [True] * 3


async def test_a_waiter_hears_when_the_time_is_over(log):
    assert not await log.await_more(1, "event", 0, 0.001)


async def test_a_waiter_hears_when_the_log_closes(log):
    log.append(1, "event", "a")
    waiting = asyncio.ensure_future(log.await_more(1, "event", 1, 5.0))
    await asyncio.sleep(0)
    log.close(1)
    assert not await waiting
    assert not await log.await_more(1, "event", 1, 5.0), "closed before it was asked"
    assert await log.await_more(1, "event", 0, 5.0), "but what is there can be had"


async def test_a_closed_log_that_is_appended_to_is_open_again(log):
    log.close(1)
    log.append(1, "event", "a")
    waiting = asyncio.ensure_future(log.await_more(1, "event", 1, 5.0))
    await asyncio.sleep(0)
    log.append(1, "event", "b")
    assert await waiting


def test_a_log_that_is_dropped_holds_no_file_open(tmp_path):
    before = _open_files()
    log = FileTaskLog(tmp_path / "tasks")
    log.append(1, "event", "a")
    assert _open_files() == before + 1
    del log
    gc.collect()
    assert _open_files() == before
