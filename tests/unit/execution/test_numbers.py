"""What numbers and traces are told of tasks, steps and calls."""

import asyncio

import pytest

from director.adapters.memory.infrastructure import MemoryInfrastructure
from director.execution.infrastructures import Infrastructures
from director.execution.listeners import Listeners, StepNumbers
from director.model.names import AgentId, InstanceId, StepKey, TaskId, VmCid, VmName
from director.model.outcome import End, Outcome
from director.model.plan import PlannedStep
from director.model.step import DeleteVm, Gate
from director.ports.failure import InfrastructureFailure


class Numbers:
    def __init__(self):
        self.seen = []

    def count(self, name, by=1.0, **labels):
        self.seen.append((name, labels))

    def observe(self, name, seconds, **labels):
        self.seen.append((name, labels, seconds))

    def gauge(self, name, read): ...


class Spans:
    def __init__(self):
        self.told = []

    def span(self, *what):
        self.told.append(what)


class World:
    """As much of one as they look at."""

    def __init__(self):
        self.meter, self.tracer, self.clock = Numbers(), Spans(), self

    def now(self):
        return 1000.0


def planned(step):
    return PlannedStep(key=StepKey("web/0:x"), step=step, subject="web/0", unit="web/0")


DELETE = DeleteVm(vm=VmName("vm-1"), instance=InstanceId("i-1"), agent=AgentId("a-1"))


def outcome(end, error=""):
    return Outcome(step=StepKey("web/0:x"), end=end, started_s=2.0, ended_s=5.0, error=error)


@pytest.mark.parametrize("end,error", [(End.DONE, ""), (End.FAILED, "It will not go.")])
def test_a_step_that_ended_is_counted_and_traced(end, error):
    world = World()
    StepNumbers(TaskId(7), world).ended(planned(DELETE), outcome(end, error))
    assert world.meter.seen == [("step_seconds", {"kind": "DeleteVm", "outcome": end.value}, 3.0)]
    facts = {"director.step": "web/0:x", "director.unit": "web/0"}
    assert world.tracer.told == [(7, "DeleteVm", 1002.0, 1005.0, error, facts)]


@pytest.mark.parametrize("step,end", [(Gate(name="g"), End.DONE), (DELETE, End.SKIPPED), (DELETE, End.CANCELLED)])
def test_what_did_nothing_is_not_counted(step, end):
    world = World()
    StepNumbers(TaskId(7), world).ended(planned(step), outcome(end))
    assert (world.meter.seen, world.tracer.told) == ([], [])


def test_every_listener_is_told_in_order():
    told = []

    class Listener:
        def __init__(self, name):
            self.name = name

        def began(self, step):
            told.append((self.name, "began"))

        def ended(self, step, outcome):
            told.append((self.name, "ended"))

    both = Listeners(Listener("a"), Listener("b"))
    both.began(planned(DELETE))
    both.ended(planned(DELETE), outcome(End.DONE))
    assert told == [("a", "began"), ("b", "began"), ("a", "ended"), ("b", "ended")]


class Failing(MemoryInfrastructure):
    async def reboot_vm(self, cid):
        raise InfrastructureFailure("It is away.")

    async def delete_vm(self, cid):
        await asyncio.Event().wait()


async def test_calls_to_an_infrastructure_are_timed_by_cpi_call_and_end():
    numbers = Numbers()
    every = Infrastructures(MemoryInfrastructure(), numbers)
    every.name({"vc": Failing()}, {})
    await every.of("").find_vms()
    with pytest.raises(InfrastructureFailure):
        await every.of("vc").reboot_vm(VmCid("v"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await every.of("vc").delete_vm(VmCid("v"))
    assert [labels for _, labels, _ in numbers.seen] == [
        {"cpi": "", "call": "find_vms", "outcome": "done"},
        {"cpi": "vc", "call": "reboot_vm", "outcome": "failed"},
        {"cpi": "vc", "call": "delete_vm", "outcome": "cancelled"},
    ]


def test_an_infrastructure_nobody_counts_is_handed_out_as_it_is():
    own = MemoryInfrastructure()
    assert Infrastructures(own).of("") is own
