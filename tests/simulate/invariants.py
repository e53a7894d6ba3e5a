"""I1 to I6 of one world at rest (performance-reliability.md 5.3)."""

from director.model.record import DiskState, VmState
from director.model.sighting import Power
from director.model.wanted import Want
from director.reconcile.drift import look_for_drift

BROKEN = "The director itself failed"


async def check_all(simulation):
    """Blames whatever does not hold."""
    blame = simulation.blame
    vms, iron = await simulation.store.vms(), simulation.iron
    disks = await simulation.store.disks()
    _one_each(vms, iron, blame)
    await _nothing_unknown(simulation, vms, disks)
    _as_recorded(await _started(simulation, vms), disks, iron, blame)
    _tasks(simulation, blame)
    _secrets(simulation, blame)


def _one_each(vms, iron, blame):
    """I1: one running VM per instance and address."""
    recorded = {vm.name for vm in vms}
    alive = {name: vm for name, vm in iron.vms.items() if vm.power is Power.ON and name in recorded}
    owners = [vm.request.instance for vm in alive.values()]
    if len(owners) != len(set(owners)):
        blame(f"I1 two VMs of one instance: {sorted(alive)}")
    addresses = [str(n["ip"]) for vm in alive.values() for n in vm.request.shape.networks.values() if "ip" in n]
    if len(addresses) != len(set(addresses)):
        blame(f"I1 one address twice: {sorted(addresses)}")


async def _nothing_unknown(simulation, vms, disks):
    """I2: whatever exists is recorded, or came too late for that and is found as a stranger of ours."""
    iron, late = simulation.iron, simulation.cloud.late
    strangers = set(iron.vms) - {vm.name for vm in vms} | set(iron.disks) - {disk.name for disk in disks}
    for name in sorted(strangers - late):
        simulation.blame(f"I2 {name} exists and is not recorded")
    if strangers and not simulation.life.is_dead:
        report = await look_for_drift(simulation.world)
        found = {drift.subject for drift in report.drifts}
        for name in sorted(strangers):
            if not any(name in subject for subject in found):
                simulation.blame(f"I2 {name} exists, unrecorded, and drift does not show it: {sorted(found)}")


async def _started(simulation, vms):
    """A stopped instance's VM is nobody's to bring back but a person's."""
    record = await simulation.store.record("demo")
    started = (
        {one.id for one in record.instances if one.want is Want.STARTED and not one.is_ignored} if record else set()
    )
    return [vm for vm in vms if vm.instance in started]


def _as_recorded(vms, disks, iron, blame):
    """I3: what is recorded is there, and so."""
    for vm in vms:
        here = iron.vms.get(vm.name)
        if vm.state is VmState.CREATED and (here is None or here.power is Power.OFF):
            blame(f"I3 VM {vm.name} is recorded and {'gone' if here is None else 'off'}")
    kept = {vm.name for vm in vms} | iron.vms.keys()
    for disk in disks:
        if disk.state in {DiskState.CREATING, DiskState.DELETING}:
            continue
        here = iron.disks.get(disk.name)
        if here is None:
            blame(f"I3 disk {disk.name} is recorded and gone")
        elif disk.state is DiskState.ATTACHED and here.vm != disk.vm and disk.vm in kept:
            blame(f"I3 disk {disk.name} is attached to {here.vm}, recorded at {disk.vm}")
    owners = [disk.instance for disk in disks if disk.instance is not None]
    if len(owners) != len(set(owners)):
        blame("I4 two disks of one instance")


def _tasks(simulation, blame):
    for task in simulation.store._tables.tasks.values():
        if BROKEN in task.result:
            blame(f"task {task.id} {task.type}: {task.result}")


def _secrets(simulation, blame):
    """I6: no secret in a task's output, event, result, stored plan or record."""
    from tests.simulate.seeded import CANARY  # noqa: PLC0415  it imports this

    tables = simulation.store._tables
    for (task, kind), text in simulation.tasklog._texts.items():
        if CANARY.encode() in text:
            blame(f"I6 a secret in the {kind} log of task {task}")
    for name in ("tasks", "events", "plans", "instances", "vms", "deployments", "settings"):
        if any(CANARY in repr(row) for row in getattr(tables, name).values()):
            blame(f"I6 a secret in {name}")
