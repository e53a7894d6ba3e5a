"""Drain scripts are called, asked again and judged as the protocol says."""

import pytest

from agent.drain import drain
from agent.failure import Failed
from agent.layout import Layout
from agent.wire import agent_pb2 as wire

TELL = """#!/bin/sh
echo "$* state=$BOSH_JOB_STATE next=$BOSH_JOB_NEXT_STATE" >> $BASE/data/calls
"""
UPDATE = wire.Drain(kind=wire.Drain.KIND_UPDATE)
SHUTDOWN = wire.Drain(kind=wire.Drain.KIND_SHUTDOWN)


class Slept:
    def __init__(self) -> None:
        self.s: list[float] = []

    async def __call__(self, s: float) -> None:
        self.s.append(s)


def _calls(layout: Layout) -> list[str]:
    return (layout.data / "calls").read_text().splitlines()


async def test_a_static_drain_waits_as_long_as_it_says(vm, layout: Layout) -> None:
    slept = Slept()
    spec = vm.put({"web": {"bin/drain": TELL + "echo 7\n"}, "none": {}}, persistent_disk_mb=100)
    await drain(SHUTDOWN, spec, layout, slept)
    assert slept.s == [7]
    assert _calls(layout) == ['job_shutdown hash_unchanged state={"persistent_disk":100} next=']


async def test_a_dynamic_drain_is_asked_again_until_it_is_done(vm, layout: Layout) -> None:
    slept = Slept()
    script = TELL + "case $(wc -l < $BASE/data/calls) in 1) echo -5;; 2) echo ' -3 ';; *) echo 0;; esac\n"
    spec = vm.put({"web": {"bin/drain": script}})
    await drain(UPDATE, spec, layout, slept)
    assert slept.s == [5, 3, 0]
    assert [call.split(" state")[0] for call in _calls(layout)] == [
        "job_changed hash_unchanged",
        "job_check_status hash_unchanged",
        "job_check_status hash_unchanged",
    ]


@pytest.mark.parametrize(
    "request_, call",
    [
        (
            wire.Drain(kind=wire.Drain.KIND_UPDATE, changed_packages=["z", "a"], configuration_changed=True),
            'job_changed hash_changed a z state={"persistent_disk":0} next=',
        ),
        (
            wire.Drain(kind=wire.Drain.KIND_UPDATE, next_disk_mb=50),
            'job_changed hash_unchanged state={"persistent_disk":0} next={"persistent_disk":50}',
        ),
        (
            wire.Drain(kind=wire.Drain.KIND_SHUTDOWN, next_disk_mb=50, changed_packages=["a"]),
            'job_shutdown hash_unchanged state={"persistent_disk":0} next=',
        ),
    ],
)
async def test_arguments_and_states_say_what_changes(vm, layout: Layout, request_: wire.Drain, call: str) -> None:
    spec = vm.put({"web": {"bin/drain": TELL + "echo 0\n"}})
    await drain(request_, spec, layout, Slept())
    assert _calls(layout) == [call]


@pytest.mark.parametrize(
    "script, complaint",
    [
        ("echo 5 and more", 'it must print one whole number, and printed "5 and more"'),
        ("", 'printed ""'),
        ("echo 0; echo busy >&2; exit 4", "exit code 4; the end of its stderr:\nbusy"),
    ],
)
async def test_a_drain_that_breaks_the_protocol_has_failed(vm, layout: Layout, script: str, complaint: str) -> None:
    spec = vm.put({"bad": {"bin/drain": f"#!/bin/sh\n{script}\n"}, "fine": {"bin/drain": "#!/bin/sh\necho 0\n"}})
    with pytest.raises(Failed) as failed:
        await drain(UPDATE, spec, layout, Slept())
    message = str(failed.value)
    assert message.startswith("1 of 2 drain scripts failed. Failed Jobs: bad. Successful Jobs: fine.")
    assert complaint in message


async def test_a_drain_that_cannot_be_run_has_failed(vm, layout: Layout) -> None:
    spec = vm.put({"bad": {"bin/drain": "#!/no/such/shell\n"}})
    with pytest.raises(Failed, match="bin/drain cannot be run: No such file"):
        await drain(UPDATE, spec, layout, Slept())


async def test_without_jobs_there_is_nothing_to_drain(layout: Layout) -> None:
    slept = Slept()
    await drain(SHUTDOWN, wire.Spec(), layout, slept)
    assert slept.s == []
