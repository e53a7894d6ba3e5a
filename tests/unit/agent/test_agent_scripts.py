"""Lifecycle scripts and errands run in the environment BOSH gives them, and fail with what an operator needs."""

import asyncio

import pytest

from agent import process
from agent.errand import run_errand
from agent.failure import Failed
from agent.layout import Layout
from agent.scripts import run_scripts
from agent.wire import agent_pb2 as wire


async def test_scripts_run_with_a_minimal_environment_and_append_to_their_logs(vm, layout: Layout, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "1")
    vm.put({"web": {"bin/pre-start": "#!/bin/sh\nenv; echo hush >&2\n"}, "other": {}})
    await run_scripts("pre-start", ["web", "other"], {"EXTRA": "yes"}, layout)
    await run_scripts("pre-start", ["web", "other"], {}, layout)
    stdout, stderr = layout.log("web") / "pre-start.stdout.log", layout.log("web") / "pre-start.stderr.log"
    first = dict(line.split("=", 1) for line in stdout.read_text().splitlines())
    assert first["PATH"] == "/usr/sbin:/usr/bin:/sbin:/bin"
    assert first["EXTRA"] == "yes"
    assert first["TMPDIR"] == str(layout.tmp)
    assert set(first) <= {"PATH", "EXTRA", "TMPDIR", "HOME", "LANG", "PWD", "SHLVL", "_", "OLDPWD"}
    assert stderr.read_text() == "hush\nhush\n"
    assert stdout.stat().st_mode & 0o777 == 0o640


async def test_a_bad_script_fails_with_job_exit_code_and_last_lines_after_all_have_ended(vm, layout: Layout) -> None:
    vm.put(
        {
            "bad": {"bin/pre-start": "#!/bin/sh\nseq 1 30 >&2; echo no disk >&2; exit 3\n"},
            "fine": {"bin/pre-start": "#!/bin/sh\nsleep 0.1; touch $BASE/data/done\n"},
        }
    )
    with pytest.raises(Failed) as failed:
        await run_scripts("pre-start", ["bad", "fine"], {}, layout)
    message = str(failed.value)
    assert message.startswith(
        "1 of 2 pre-start scripts failed. Failed Jobs: bad. Successful Jobs: fine.\nbad: exit code 3"
    )
    assert message.endswith("29\n30\nno disk")
    assert "\n20\n" not in message
    assert (layout.data / "done").exists()


async def test_a_script_ended_by_a_signal_gives_128_and_the_signal(vm, layout: Layout) -> None:
    vm.put({"bad": {"bin/post-start": "#!/bin/sh\nkill -9 $$\n"}})
    with pytest.raises(Failed, match="exit code 137"):
        await run_scripts("post-start", ["bad"], {}, layout)


async def test_a_name_that_is_a_path_is_refused(layout: Layout) -> None:
    with pytest.raises(Failed, match="not a name of a script"):
        await run_scripts("../x", [], {}, layout)


async def test_an_errand_gives_exit_code_and_the_ends_of_its_output(vm, layout: Layout) -> None:
    vm.put({"smoke": {"bin/run": "#!/bin/sh\nhead -c 2000000 /dev/zero; echo $X; echo bad >&2; exit 5\n"}})
    result = wire.ErrandResult()
    await run_errand("smoke", ["smoke"], {"X": "end"}, layout, result)
    assert result.exit_code == 5
    assert len(result.stdout) == 1024 * 1024
    assert result.stdout.endswith(b"\0end\n")
    assert result.stderr == b"bad\n"


async def test_without_a_name_the_first_job_with_run_is_the_errand(vm, layout: Layout) -> None:
    vm.put({"a": {}, "b": {"bin/run": "#!/bin/sh\necho b\n"}, "c": {"bin/run": "#!/bin/sh\necho c\n"}})
    result = wire.ErrandResult()
    await run_errand("", ["a", "b", "c"], {}, layout, result)
    assert result.stdout == b"b\n"


async def test_an_unknown_errand_is_refused_with_what_there_is(vm, layout: Layout) -> None:
    vm.put({"a": {}})
    with pytest.raises(Failed, match='no errand "x": no job of that name with bin/run among a'):
        await run_errand("x", ["a"], {}, layout, wire.ErrandResult())


async def test_a_cancelled_errand_is_ended_with_its_children_and_keeps_what_it_printed(vm, layout: Layout) -> None:
    vm.put({"slow": {"bin/run": "#!/bin/sh\necho begun\nsleep 600 & echo $! > $BASE/data/child\nwait\n"}})
    result = wire.ErrandResult()
    task = asyncio.create_task(run_errand("slow", ["slow"], {}, layout, result))
    child = layout.data / "child"
    async with asyncio.timeout(10):
        while not child.exists() or not child.read_text().strip():
            await asyncio.sleep(0.01)
    live = process.find(int(child.read_text()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (result.exit_code, result.stdout) == (143, b"begun\n")
    assert live is not None
    await process.gone(live)
