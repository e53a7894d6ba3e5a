"""Job processes, real and short-lived, are kept running, stopped and taken over."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from agent import process, programs
from agent.failure import Failed
from agent.keep import Pace
from agent.layout import Layout
from agent.program import Program
from agent.wire import agent_pb2 as wire

LONG = "processes: [{name: web, executable: /bin/sleep, args: ['600']}]"


def _programs(vm, layout: Layout, **files: str) -> tuple[Program, ...]:
    paths = {"bpm": "config/bpm.yml", "monit": "monit", "ctl": "bin/ctl", "run": "bin/run"}
    spec = vm.put({"web": {paths[name]: text for name, text in files.items()}})
    return programs.of_jobs(spec.jobs, layout)


def _only(watched) -> wire.Process:
    (found,) = watched.it.report(1_000_000)
    return found


async def test_a_process_is_started_with_its_pid_file_and_logs(vm, layout: Layout, supervised) -> None:
    bpm = """processes: [{name: web, executable: /bin/sh,
      args: ["-c", "echo out; echo err >&2; echo $COLOUR $HOME; exec sleep 600"], env: {COLOUR: red}}]"""
    watched = supervised()
    await watched.it.start(_programs(vm, layout, bpm=bpm))
    await watched.until(lambda: watched.states() == ["running"])
    pid = int((layout.run("web") / "web.pid").read_text())
    assert process.find(pid) is not None
    report = _only(watched)
    assert (report.name, report.job, report.state, report.restarts) == ("web", "web", "running", 0)
    assert 0 <= report.uptime_s < 10
    os.kill(pid, signal.SIGKILL)
    await watched.until(lambda: watched.states() == ["failing"])
    assert (layout.log("web") / "web.stdout.log").read_text().startswith(f"out\nred {layout.data}/web\n")
    assert (layout.log("web") / "web.stderr.log").read_text().startswith("err\n")


async def test_a_crashed_process_is_started_again_and_counted(vm, layout: Layout, supervised) -> None:
    watched = supervised()
    await watched.it.start(_programs(vm, layout, bpm=LONG))
    await watched.until(lambda: watched.states() == ["running"])
    first = _pid(layout)
    os.kill(first, signal.SIGKILL)
    await watched.until(lambda: _only(watched).restarts == 1 and watched.states() == ["running"])
    assert _pid(layout) != first


def _pid(layout: Layout) -> int:
    return int((layout.run("web") / "web.pid").read_text())


async def test_a_process_that_crashes_at_once_is_failing_with_its_last_lines(vm, layout, supervised) -> None:
    bpm = "processes: [{name: web, executable: /bin/sh, args: ['-c', 'echo no database >&2; exit 3']}]"
    watched = supervised()
    await watched.it.start(_programs(vm, layout, bpm=bpm))
    await watched.until(lambda: _only(watched).restarts >= 3)
    report = _only(watched)
    assert report.state == "failing"
    assert report.last_log[0] == "no database"
    assert report.last_log[-1] == "ended with exit code 3"
    assert len(report.last_log) <= 20


async def test_after_three_crashes_in_a_row_being_up_again_is_not_believed_at_once(vm, layout, supervised) -> None:
    bpm = """processes: [{name: web, executable: /bin/sh, args: ["-c",
      "echo x >> $COUNT; [ $(wc -l < $COUNT) -gt 3 ] && exec sleep 600; exit 1"], env: {COUNT: $BASE/data/count}}]"""
    watched = supervised()
    await watched.it.start(_programs(vm, layout, bpm=bpm))
    seen: list[tuple[str, bool]] = []

    def is_settled() -> bool:
        report = _only(watched)
        seen.append((report.state, report.uptime_s > 0.05))
        return report.state == "running" and report.restarts == 3

    await watched.until(is_settled)
    assert seen[-1] == ("running", True)
    assert _only(watched).uptime_s >= 0.4


async def test_a_program_that_cannot_be_run_is_failing_and_says_so(vm, layout: Layout, supervised) -> None:
    watched = supervised()
    await watched.it.start(_programs(vm, layout, bpm="processes: [{name: web, executable: /no/such}]"))
    await watched.until(lambda: watched.states() == ["failing"])
    assert _only(watched).last_log[-1] == "/no/such cannot be run: No such file or directory"


async def test_stop_ends_the_whole_process_group(vm, layout: Layout, supervised) -> None:
    bpm = """processes: [{name: web, executable: /bin/sh,
      args: ["-c", "sleep 600 & echo $! > $BASE/data/child; wait"]}]"""
    watched = supervised()
    await watched.it.start(_programs(vm, layout, bpm=bpm))
    child = layout.data / "child"
    await _until_file(watched, child)
    live = process.find(int(child.read_text()))
    assert live is not None
    await watched.it.stop()
    assert watched.states() == ["stopped"]
    assert watched.it.is_stopped
    await process.gone(live)


async def _until_file(watched, path: Path) -> None:
    async with asyncio.timeout(10):
        while not path.exists() or not path.read_text().strip():
            await asyncio.sleep(0.01)


async def test_a_process_deaf_to_sigterm_is_killed(vm, layout: Layout, supervised) -> None:
    bpm = """processes: [{name: web, executable: /bin/sh,
      args: ["-c", "trap '' TERM; echo up > $BASE/data/up; while :; do sleep 1; done"]}]"""
    watched = supervised()
    await watched.it.start(_programs(vm, layout, bpm=bpm))
    await _until_file(watched, layout.data / "up")
    live = process.find(_pid(layout))
    assert live is not None
    await watched.it.stop()
    assert not process.is_alive(live)


async def test_a_released_process_stays_down_when_it_ends(vm, layout: Layout, supervised) -> None:
    watched = supervised()
    await watched.it.start(_programs(vm, layout, bpm=LONG))
    await watched.until(lambda: watched.states() == ["running"])
    watched.it.release()
    assert watched.states() == ["running"]
    os.kill(_pid(layout), signal.SIGTERM)
    await watched.until(lambda: watched.states() == ["stopped"])
    assert _only(watched).restarts == 0


async def test_start_after_a_release_keeps_it_running_again(vm, layout: Layout, supervised) -> None:
    watched = supervised()
    found = _programs(vm, layout, bpm=LONG)
    await watched.it.start(found)
    await watched.until(lambda: watched.states() == ["running"])
    watched.it.release()
    await watched.it.start(found)
    first = _pid(layout)
    os.kill(first, signal.SIGKILL)
    await watched.until(lambda: _only(watched).restarts == 1 and watched.states() == ["running"])


async def test_the_next_supervisor_takes_over_what_runs(vm, layout: Layout, supervised) -> None:
    found = _programs(vm, layout, bpm=LONG)
    first = supervised()
    await first.it.start(found)
    await first.until(lambda: first.states() == ["running"])
    pid = _pid(layout)
    first.it.release()  # as a killed agent: it restarts nothing any more
    (layout.bosh / "processes.json").write_text((layout.bosh / "processes.json").read_text().replace("left", "kept"))
    second = supervised()
    assert second.it.is_to_resume
    second.it.resume(found)
    await second.until(lambda: second.states() == ["running"])
    assert _pid(layout) == pid
    os.kill(pid, signal.SIGKILL)
    await second.until(lambda: _only(second).restarts == 1 and second.states() == ["running"])
    assert _pid(layout) != pid


async def test_processes_of_an_earlier_boot_are_not_taken_for_ours(vm, layout: Layout, supervised) -> None:
    stat = process.find(os.getpid())
    assert stat is not None
    (layout.bosh / "processes.json").write_text(
        '{"mode": "kept", "boot": "another", "processes": '
        f'[{{"job": "web", "name": "web", "pid": {stat.pid}, "started": {stat.started}}}]}}'
    )
    watched = supervised()
    watched.it.resume(_programs(vm, layout, bpm=LONG))
    await watched.until(lambda: watched.states() == ["running"])
    assert _pid(layout) != os.getpid()


MONIT = """check process web with pidfile $BASE/sys/run/web/web.pid
  start program "$BASE/jobs/web/bin/ctl start" with timeout 2 seconds
  stop program "$BASE/jobs/web/bin/ctl stop"
  group vcap"""
DAEMON = """#!/bin/sh
case $1 in
start) setsid sleep 600 >/dev/null 2>&1 & echo $! > $BASE/sys/run/web/web.pid ;;
stop) kill $(cat $BASE/sys/run/web/web.pid) ;;
esac
"""
FOREGROUND = """#!/bin/sh
case $1 in
start) echo $$ > $BASE/sys/run/web/web.pid; exec sleep 600 ;;
stop) kill $(cat $BASE/sys/run/web/web.pid) ;;
esac
"""


@pytest.mark.parametrize("ctl", [DAEMON, FOREGROUND], ids=["daemon", "foreground"])
async def test_a_monit_job_is_started_watched_and_stopped_by_its_programs(ctl, vm, layout, supervised) -> None:
    watched = supervised()
    await watched.it.start(_programs(vm, layout, monit=MONIT.replace("$BASE", str(layout.base)), ctl=ctl))
    await watched.until(lambda: watched.states() == ["running"])
    first = _pid(layout)
    os.kill(first, signal.SIGKILL)
    await watched.until(lambda: _only(watched).restarts == 1 and watched.states() == ["running"])
    live = process.find(_pid(layout))
    assert live is not None
    assert live.pid != first
    await watched.it.stop()
    assert not process.is_alive(live)


async def test_a_start_program_that_fails_is_failing_with_its_exit_code(vm, layout: Layout, supervised) -> None:
    watched = supervised()
    ctl = "#!/bin/sh\necho broken >&2\nexit 7\n"
    await watched.it.start(_programs(vm, layout, monit=MONIT.replace("$BASE", str(layout.base)), ctl=ctl))
    await watched.until(lambda: watched.states() == ["failing"])
    assert list(_only(watched).last_log) == ["broken", f"{layout.base}/jobs/web/bin/ctl ended with exit code 7"]


async def test_an_old_pid_file_of_another_process_is_not_believed(vm, layout: Layout, supervised) -> None:
    pidfile = layout.run("web") / "web.pid"
    pidfile.parent.mkdir(parents=True, exist_ok=True)
    pidfile.write_text(str(os.getpid()))
    os.utime(pidfile, (1, 1))
    watched = supervised()
    await watched.it.start(_programs(vm, layout, monit=MONIT.replace("$BASE", str(layout.base)), ctl=DAEMON))
    await watched.until(lambda: watched.states() == ["running"])
    assert _pid(layout) != os.getpid()


async def test_a_stop_program_that_stops_nothing_is_an_error(vm, layout: Layout, supervised) -> None:
    watched = supervised(Pace(stop_program_s=1.0))
    ctl = DAEMON.replace("kill", "[ -e $BASE/data/may ] && kill")
    await watched.it.start(_programs(vm, layout, monit=MONIT.replace("$BASE", str(layout.base)), ctl=ctl))
    await watched.until(lambda: watched.states() == ["running"])
    with pytest.raises(Failed, match='process "web" of job "web" still runs 1 s after its stop program'):
        await watched.it.stop()
    (layout.data / "may").touch()


@pytest.mark.parametrize("crashes, wait_s", [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (5000, 60.0)])
def test_waits_double_up_to_a_minute(crashes: int, wait_s: float) -> None:
    assert Pace().wait_s(crashes) == wait_s
