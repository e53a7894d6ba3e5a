"""The health of an instance, its vitals, and the waits between tries."""

from itertools import islice
from pathlib import Path

import pytest

from agent import backoff, layout
from agent.settings import base_from
from agent.state import ProcessState, job_state
from agent.vitals import Gauge
from agent.wire import agent_pb2 as wire

UP, STARTING, FAILING, DOWN = (
    ProcessState.RUNNING,
    ProcessState.STARTING,
    ProcessState.FAILING,
    ProcessState.STOPPED,
)


@pytest.mark.parametrize(
    "states, is_stopped, health",
    [
        ((), False, wire.JOB_STATE_RUNNING),
        ((), True, wire.JOB_STATE_STOPPED),
        ((UP, UP), True, wire.JOB_STATE_STOPPED),
        ((UP, UP), False, wire.JOB_STATE_RUNNING),
        ((UP, STARTING), False, wire.JOB_STATE_STARTING),
        ((FAILING, STARTING), False, wire.JOB_STATE_STARTING),
        ((UP, FAILING), False, wire.JOB_STATE_FAILING),
        ((UP, DOWN), False, wire.JOB_STATE_FAILING),
    ],
)
def test_the_health_of_an_instance_follows_its_processes(
    states: tuple[ProcessState, ...], is_stopped: bool, health: "wire.JobState.ValueType"
) -> None:
    assert job_state(states, is_stopped=is_stopped) == health


def _proc(path: Path, ticks: str) -> None:
    (path / "stat").write_text(f"cpu  {ticks} 0 0\ncpu0 1\n")
    (path / "meminfo").write_text("MemTotal: 1000 kB\nMemAvailable: 250 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")


def test_vitals_are_shares_since_the_last_reading(tmp_path: Path) -> None:
    vm = layout.Layout(base=tmp_path / "vcap")
    layout.make_directories(vm)
    _proc(tmp_path, "100 0 100 100 0 0 0 0")
    gauge = Gauge(vm, tmp_path, tmp_path)
    _proc(tmp_path, "120 10 140 120 10 0 0 0")
    vitals = gauge.read()
    assert (vitals.cpu_user, vitals.cpu_sys, vitals.cpu_wait) == (30.0, 40.0, 10.0)
    assert (vitals.mem_kb, vitals.mem_percent, vitals.swap_percent) == (750, 75.0, 0.0)
    assert gauge.memory_kb == 1000
    assert [disk.name for disk in vitals.disks] == ["system", "ephemeral"]
    assert all(0 <= disk.percent <= 100 for disk in vitals.disks)


@pytest.mark.parametrize("limit, used_kb", [("1024000", 200), ("max", 750), ("9223372036854771712", 750)])
@pytest.mark.parametrize(
    "names",
    [
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ],
    ids=["version-2", "version-1"],
)
def test_a_vm_that_is_a_group_of_its_machine_counts_its_own_memory(
    tmp_path: Path, names: tuple[str, str, str, str], limit: str, used_kb: int
) -> None:
    vm = layout.Layout(base=tmp_path / "vcap")
    layout.make_directories(vm)
    _proc(tmp_path, "1 1 1 1 0 0 0 0")
    (tmp_path / "groups/memory").mkdir(parents=True)
    for name, text in zip(names, (limit, "307200", f"cache 9\n{names[3]} 102400"), strict=False):
        (tmp_path / "groups" / name).write_text(f"{text}\n")
    assert Gauge(vm, tmp_path, tmp_path / "groups").read().mem_kb == used_kb


def test_waits_are_spread_below_a_bound_that_doubles_and_stays_low_for_a_minute() -> None:
    rounds = [list(islice(backoff.waits_s(), 70)) for _ in range(200)]
    brief = [0.1, 0.2, 0.4, 0.8, 1.6, *[2.0] * 55]
    for number, bound_s in enumerate([*brief, 4.0, 8.0, *[10.0] * 8]):
        waits = [waits[number] for waits in rounds]
        assert 0 <= min(waits) < bound_s * 0.2
        assert bound_s * 0.8 < max(waits) <= bound_s


@pytest.mark.parametrize("words, base", [([], "/var/vcap"), (["--base", "/x"], "/x"), (["--base=/x"], "/x")])
def test_the_base_is_var_vcap_unless_given(words: list[str], base: str) -> None:
    assert base_from(words) == Path(base)


@pytest.mark.parametrize("words", [["--base"], ["--bass", "/x"], ["x"], ["--base", "/x", "y"]])
def test_other_arguments_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="usage"):
        base_from(words)
