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
    gauge = Gauge(vm, tmp_path)
    _proc(tmp_path, "120 10 140 120 10 0 0 0")
    vitals = gauge.read()
    assert (vitals.cpu_user, vitals.cpu_sys, vitals.cpu_wait) == (30.0, 40.0, 10.0)
    assert (vitals.mem_kb, vitals.mem_percent, vitals.swap_percent) == (750, 75.0, 0.0)
    assert gauge.memory_kb == 1000
    assert [disk.name for disk in vitals.disks] == ["system", "ephemeral"]
    assert all(0 <= disk.percent <= 100 for disk in vitals.disks)


def test_waits_are_spread_below_a_doubling_bound() -> None:
    rounds = [list(islice(backoff.waits_s(0.1, 10.0), 12)) for _ in range(200)]
    for number, bound_s in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0, 10.0, 10.0, 10.0]):
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
