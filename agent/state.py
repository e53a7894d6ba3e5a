"""What an instance's health is, from the states of its processes (1.13). A pure table; touches nothing."""

from collections.abc import Collection
from enum import Enum

from agent.wire import agent_pb2 as wire


class ProcessState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    FAILING = "failing"
    """Down and waiting to be tried again, or crashing again and again."""
    STOPPED = "stopped"
    """Down, and nobody will start it: stopped, or ended while not monitored."""


def job_state(states: Collection[ProcessState], *, is_stopped: bool) -> "wire.JobState.ValueType":
    """``is_stopped`` when the instance was told to stop. No processes at all count as running."""
    if is_stopped:
        return wire.JOB_STATE_STOPPED
    if ProcessState.STARTING in states:
        return wire.JOB_STATE_STARTING
    if any(state is not ProcessState.RUNNING for state in states):
        return wire.JOB_STATE_FAILING
    return wire.JOB_STATE_RUNNING
