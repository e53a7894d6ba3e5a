"""The heartbeat: everything the director is told about this VM, gathered at one moment (1.13, 1.17)."""

import json

from agent.disks import Disks
from agent.layout import Layout, try_to_write
from agent.state import job_state
from agent.supervise import Supervisor
from agent.vitals import Gauge
from agent.wire import agent_pb2 as wire


def gather(
    layout: Layout, supervisor: Supervisor, disks: Disks, gauge: Gauge, *, configuration_hash: str, running: list[str]
) -> wire.Report:
    state = job_state(supervisor.states(), is_stopped=supervisor.is_stopped)
    word = wire.JobState.Name(state).removeprefix("JOB_STATE_").lower()
    _write_health(layout, word)
    return wire.Report(
        job_state=state,
        processes=supervisor.report(gauge.memory_kb),
        vitals=gauge.read(),
        configuration_hash=configuration_hash,
        disks=disks.mounted(),
        running=running,
    )


def _write_health(layout: Layout, state: str) -> None:
    path, content = layout.instance / "health.json", json.dumps({"state": state}).encode()
    if not path.exists() or path.read_bytes() != content:
        try_to_write(path, content, 0o644)
