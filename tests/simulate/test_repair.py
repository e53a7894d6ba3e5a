"""Repairs on a world in memory: what is sick comes back as it was, the rest notices nothing, no crash spoils it."""

from dataclasses import replace

import pytest

from director.adapters.memory.agents import Reply
from director.adapters.memory.infrastructure import Fault, FaultKind, MemoryInfrastructure
from director.model.health import Remedy
from director.model.record import TaskState, VmState
from director.model.sighting import JobState
from director.ports.agents import Start, Stop
from director.ports.failure import Retry
from director.ports.store import PutVm
from director.reconcile.requests import Deploy, Repair
from tests.simulate.simulation import MANIFEST, Killed, Simulation

DEPLOY = Deploy(deployment="demo", manifest=MANIFEST)
RECREATE, REBOOT, RESTART = Remedy.RECREATE, Remedy.REBOOT, Remedy.RESTART


class Patient(Simulation):
    """A deployment that was deployed, and what befalls it."""

    async def deployed(self):
        await self.prepare()
        assert (await self.direct(DEPLOY)).state is TaskState.DONE
        record = await self.store.record("demo")
        # Long ago: the silence of a VM this old is not put down to its booting.
        await self.store.commit(*(PutVm(record=replace(vm, created_at=0.0)) for vm in record.vms))
        self.before = await self.store.record("demo")
        return self

    @property
    def iron_now(self) -> MemoryInfrastructure:
        return self.world.infrastructures.of("")

    def vm(self, label, record=None):
        found = record or self.before
        instance = next(i for i in found.instances if i.label == label)
        return next(vm for vm in found.vms if vm.instance == instance.id)

    async def repair(self, remedies, *, by="watch"):
        pairs = tuple((self.vm(label).instance, remedy.value) for label, remedy in remedies.items())
        return await self.direct(Repair(deployment="demo", remedies=pairs, by=by))

    def said(self, task):
        return self.world.tasklog.read(task.id, "result").decode()

    async def check_others(self, *labels):
        """Instances, VMs, disks and the deployment are as before, but for the VMs of ``labels``."""
        after = await self.check_invariants()
        own = {self.vm(label).instance for label in labels}
        for now, then in ((after.vms, self.before.vms), (after.disks, self.before.disks)):
            assert [x for x in now if x.instance not in own] == [x for x in then if x.instance not in own]
        assert tuple(replace(i, generation=1) for i in after.instances) == self.before.instances
        assert replace(after.deployment, serial=0) == replace(self.before.deployment, serial=0)
        return after


@pytest.fixture
async def patient(tmp_path):
    return await Patient(tmp_path).deployed()


async def test_a_vm_that_was_killed_comes_back_with_identity_address_and_disk(patient):
    db = patient.vm("db/0")
    patient.iron_now.lose_vm(db.name)
    calls, done = len(patient.iron.calls), len(patient.agents.done)
    assert (await patient.repair({"db/0": RECREATE})).state is TaskState.DONE
    after = await patient.check_others("db/0")
    new = patient.vm("db/0", after)
    assert (new.generation, new.shape, new.state) == (db.generation + 1, db.shape, VmState.CREATED)
    assert after.disks == tuple(replace(disk, vm=new.name) for disk in patient.before.disks)
    assert {agent for agent, _ in patient.agents.done[done:]} == {new.agent}
    assert [name for call, name in patient.iron.calls[calls:] if call == "place"] == [new.name]
    assert (await patient.direct(DEPLOY)).state is TaskState.DONE
    assert await patient.store.record("demo") == after, "a deploy finds nothing to do"


async def test_a_silent_vm_is_gone_before_its_successor_comes(patient):
    db = patient.vm("db/0")
    patient.agents.silence(db.agent)
    calls = len(patient.iron.calls)
    assert (await patient.repair({"db/0": RECREATE})).state is TaskState.DONE
    changed = [call for call, _ in patient.iron.calls[calls:] if call in {"delete_vm", "create_vm", "attach_disk"}]
    assert changed == ["delete_vm", "create_vm", "attach_disk"]
    await patient.check_others("db/0")


@pytest.mark.parametrize("is_off", [True, False])
async def test_a_rebooted_vm_is_the_same_one_with_its_disk(patient, is_off):
    db = patient.vm("db/0")
    if is_off:
        patient.iron_now.power_off(db.name)
    else:
        patient.agents.silence(db.agent)
    assert (await patient.repair({"db/0": REBOOT})).state is TaskState.DONE
    assert await patient.check_others() is not None
    assert patient.agents.seen()[db.agent].job_state is JobState.RUNNING
    assert patient.iron.calls.count(("reboot_vm", db.name)) == 1


async def test_failing_jobs_are_started_anew_in_place(patient):
    app = patient.vm("app/1")
    patient.agents.report(app.agent, JobState.FAILING)
    calls = len(patient.iron.calls)
    assert (await patient.repair({"app/1": RESTART})).state is TaskState.DONE
    assert patient.agents.seen()[app.agent].job_state is JobState.RUNNING
    assert {call for call, _ in patient.iron.calls[calls:]} <= {"find_vms"}
    await patient.check_others()


async def test_what_runs_again_is_left_alone_and_the_task_says_so(patient):
    done, serial = len(patient.agents.done), patient.before.deployment.serial
    task = await patient.repair({"db/0": RECREATE})
    assert task.state is TaskState.DONE
    assert len(patient.agents.done) == done
    assert (await patient.store.record("demo")).deployment.serial == serial
    assert "1 held back" in patient.said(task)
    assert (await patient.repair({"db/0": RECREATE}, by="ann")).state is TaskState.DONE
    assert patient.vm("db/0", await patient.check_others("db/0")).generation == 2


async def test_one_that_fails_holds_up_no_other(patient):
    db, app = patient.vm("db/0"), patient.vm("app/0")
    patient.iron_now.lose_vm(db.name)
    patient.iron_now.lose_vm(app.name)
    patient.agents.script = lambda _a, key, request: (
        Reply(error="no such port") if isinstance(request, Start) and "/db/0:" in key else Reply()
    )
    task = await patient.repair({"db/0": RECREATE, "app/0": RECREATE})
    assert (task.state, task.result) == (TaskState.ERROR, "db/0: no such port")
    after = await patient.check_invariants()
    assert [i.label for i in after.instances if not i.is_settled] == ["db/0"]
    patient.agents.script = lambda *_: Reply()
    assert (await patient.repair({"db/0": RESTART})).state is TaskState.DONE
    settled = await patient.check_others("db/0", "app/0")
    assert patient.vm("db/0", settled) == patient.vm("db/0", after), "what was begun is ended"


async def test_a_sick_agent_does_not_keep_its_vm(patient):
    db = patient.vm("db/0")
    patient.agents.report(db.agent, JobState.FAILING)
    patient.agents.script = lambda agent, _k, request: (
        Reply(error="jobs do not stop") if isinstance(request, Stop) and agent == db.agent else Reply()
    )
    task = await patient.repair({"db/0": RECREATE})
    assert "jobs do not stop" in task.result
    after = await patient.check_others("db/0")
    assert patient.vm("db/0", after).generation == 2


async def test_what_cannot_be_deleted_is_not_made_a_second_time(patient):
    db = patient.vm("db/0")
    patient.agents.silence(db.agent)
    patient.iron_now.faults.append(Fault(call="delete_vm", kind=FaultKind.FAIL, nth=None, retry=Retry.NEVER))
    assert (await patient.repair({"db/0": RECREATE})).state is TaskState.ERROR
    assert [name for name in patient.iron.vms if name.startswith("db-")] == [db.name]
    patient.iron_now.faults.clear()
    assert (await patient.repair({"db/0": RECREATE})).state is TaskState.DONE
    await patient.check_others("db/0")


async def test_an_infrastructure_that_does_not_answer_fails_the_repair_and_changes_nothing(patient):
    patient.iron_now.lose_vm(patient.vm("db/0").name)
    fault = Fault(call="find_vms", kind=FaultKind.FAIL, nth=None, retry=Retry.NEVER)
    patient.iron_now.faults.append(fault)
    assert (await patient.repair({"db/0": RECREATE})).state is TaskState.ERROR
    assert await patient.store.record("demo") == patient.before


async def test_who_has_no_place_holds_up_nobody_else(patient):
    patient.iron_now.lose_vm(patient.vm("db/0").name)
    patient.iron_now.lose_vm(patient.vm("app/0").name)
    await _with_huge(patient, "db/0")
    task = await patient.repair({"db/0": RECREATE, "app/0": RECREATE})
    assert task.state is TaskState.DONE, task.result
    assert "1 held back" in patient.said(task)
    assert any(name.startswith("app-0-") for name in patient.iron.vms)
    alone = await patient.repair({"db/0": RECREATE})
    assert (alone.state, "wants more memory" in alone.result) == (TaskState.ERROR, True)


async def _with_huge(patient, label):
    """Its VM was deployed when there was more room."""
    vm = patient.vm(label)
    shape = replace(vm.shape, cloud_properties={"ram": 1 << 21})
    await patient.store.commit(PutVm(record=replace(vm, shape=shape)))


async def test_an_unknown_remedy_is_refused(patient):
    pairs = ((patient.vm("db/0").instance, "wish it well"),)
    task = await patient.direct(Repair(deployment="demo", remedies=pairs))
    assert (task.state, 'There is no remedy "wish it well"' in task.result) == (TaskState.ERROR, True)


@pytest.mark.parametrize("scenario", ["missing", "silent", "failing", "reboot", "restart"])
async def test_killed_at_every_commit_the_same_repair_ends_it_well(tmp_path, scenario):
    for kill_at in range(1, 100):
        patient = await Patient(tmp_path / str(kill_at)).deployed()
        remedy = {"reboot": REBOOT, "restart": RESTART}.get(scenario, RECREATE)
        _befall(patient, scenario)
        patient.store.dies_at = kill_at
        try:
            task = await patient.repair({"db/0": remedy})
        except Killed:
            patient.agents.lose_director()
            patient.store.dies_at = 0
            patient.agents.find_director()
            task = await patient.repair({"db/0": remedy})
            assert task.state is TaskState.DONE, (kill_at, task.result)
            await _check(patient, () if remedy is not RECREATE else ("db/0",))
        else:
            assert task.state is TaskState.DONE, task.result
            break
    assert kill_at > 3


def _befall(patient, scenario):
    db = patient.vm("db/0")
    match scenario:
        case "missing":
            patient.iron_now.lose_vm(db.name)
        case "silent" | "reboot":
            patient.agents.silence(db.agent)
        case _:
            patient.agents.report(db.agent, JobState.FAILING)


async def _check(patient, labels):
    after = await patient.check_others(*labels)
    vm = patient.vm("db/0", after)
    assert [(disk.vm, disk.state.value) for disk in after.disks] == [(vm.name, "attached")]
    assert patient.agents.seen()[vm.agent].job_state is JobState.RUNNING
    assert patient.agents.seen()[vm.agent].disks == (after.disks[0].name,)
