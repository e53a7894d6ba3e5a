"""What the manager knows of virtual machines: hypervisors report them, a while later they and their ports are there.

vcenter.py reports those of a vCenter, POST /_sim/vms makes some up. A NIC on a segment becomes a segment port
`default:<uuid>` attached to its VIF, and goes a while after its NIC. Reference 5.7 (SegmentPort, VM record) and 5.9.

    inventory = sim.rooms["inventory"]      report(machine), gone(external_id): what hypervisors say now
    .machines                               what is known, by external id; .tags_of(id), .ports (vif to port path)
    .listen(call)                           after each change of machines or of their tags
"""

import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from tests.nsxsim.machines import Machine, Nic, read, shown
from tests.nsxsim.problems import Json, Refusal
from tests.nsxsim.settings import Settings
from tests.nsxsim.write import Who

if TYPE_CHECKING:
    from tests.nsxsim.sim import Sim

DISCOVERY: Final = Who("nsx_policy")
"""Whose writes automatic ports are: not the system's own, so that users may tag them."""
AUTOMATIC: Final = "default:"

for _name, _default, _text in (
    ("vm_lag_s", 0.2, "how long until a hypervisor's news of a VM are known"),
    ("port_lag_s", 0.2, "how long from then until a NIC on a segment has its port"),
    ("port_removal_lag_s", 0.5, "how long a port lingers when its NIC or VM is gone"),
):
    Settings.declare(_name, _default, _text)


class Inventory:
    def __init__(self, sim: "Sim") -> None:
        self.sim = sim
        self.machines: dict[str, Machine] = {}
        self.ports: dict[str, str] = {}
        self._reported: dict[str, Machine] = {}
        self._tags: dict[str, list[Json]] = {}
        self._listeners: list[Callable[[], None]] = []
        sim.tree.listen(self._changed)

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def report(self, machine: Machine) -> None:
        """There is such a VM now, or it changed."""
        if self._reported.get(machine.external_id) != machine:
            self._reported[machine.external_id] = machine
            self.sim.clock.later(self.sim.settings.vm_lag_s, self._learn, machine.external_id)

    def gone(self, external_id: str) -> None:
        """There is no such VM any more."""
        if self._reported.pop(external_id, None) is not None:
            self.sim.clock.later(self.sim.settings.vm_lag_s, self._learn, external_id)

    def drop_orphans(self) -> None:
        """Removes automatic ports of VMs that nobody reports: they went while the simulator was not running."""
        wanted = {nic.vif for machine in self._reported.values() for nic in machine.nics}
        for vif in sorted(set(self.ports) - wanted):
            if f"/ports/{AUTOMATIC}" in self.ports[vif]:
                self._drop_later(vif)

    def reported(self) -> tuple[Machine, ...]:
        return tuple(self._reported.values())

    def saved(self) -> Json:
        return {"machines": [asdict(machine) for machine in self._reported.values()], "tags": self._tags}

    def restore(self, said: Json) -> None:
        """They are known at once; a vCenter that has lost some will say so."""
        for one in said["machines"]:
            machine = read(one)
            self._reported[machine.external_id] = machine
            if machine.nics:
                self.machines[machine.external_id] = machine
        self._tags = dict(said["tags"])
        for external_id in self.machines:
            self._publish(external_id)
        self._tell()

    def tags_of(self, external_id: str) -> list[Json]:
        return self._tags.get(external_id, [])

    def tag(self, external_id: str, tags: list[Json]) -> None:
        """Replaces a VM's tags. Raises Refusal 404 for a VM that is not known."""
        if external_id not in self.machines:
            raise Refusal(404, 202, f"Virtual machine {external_id} could not be found", module="common-services")
        self._tags[external_id] = tags
        self._publish(external_id)
        self._tell()

    def machine_of(self, port: Json) -> Machine | None:
        """The VM whose NIC a port is attached to."""
        vif = (port.get("attachment") or {}).get("id")
        return next((m for m in self.machines.values() for nic in m.nics if nic.vif == vif), None)

    def _learn(self, external_id: str) -> None:
        before, now = self.machines.get(external_id), self._reported.get(external_id)
        if now is None or not now.nics:
            self.machines.pop(external_id, None)
            self._tags.pop(external_id, None)
        else:
            self.machines[external_id] = now
        had = {nic.vif: nic.segment for nic in before.nics} if before else {}
        has = {nic.vif: nic.segment for nic in now.nics} if now else {}
        for vif in [vif for vif in had if had[vif] != has.get(vif)]:
            self._drop_later(vif)
        for vif in [vif for vif in has if has[vif] != had.get(vif)]:
            self.sim.clock.later(self.sim.settings.port_lag_s, self._connect, external_id, vif)
        if before != self.machines.get(external_id):
            self._publish(external_id)
            self._tell()

    def _connect(self, external_id: str, vif: str) -> None:
        machine = self.machines.get(external_id)
        nic = next((nic for nic in machine.nics if nic.vif == vif), None) if machine else None
        if machine is None or nic is None or self._has_port(nic):
            return
        if self.sim.tree.node(nic.segment) is None:
            return  # the segment went meanwhile, or is none of ours
        body = {"display_name": f"{machine.name}.vmx@{vif}", "attachment": {"id": vif}}
        path = f"{nic.segment}/ports/{AUTOMATIC}{uuid.uuid4()}"
        self.sim.write(path, body, DISCOVERY)

    def _has_port(self, nic: Nic) -> bool:
        return self.ports.get(nic.vif, "").startswith(f"{nic.segment}/ports/")

    def _drop_later(self, vif: str) -> None:
        path = self.ports.get(vif)
        if path is not None:
            self.sim.clock.later(self.sim.settings.port_removal_lag_s, self._drop, vif, path)

    def _drop(self, vif: str, path: str) -> None:
        """Unless the NIC came back to it meanwhile."""
        segments = {nic.segment for m in self.machines.values() for nic in m.nics if nic.vif == vif}
        is_wanted = any(path.startswith(f"{segment}/ports/") for segment in segments)
        if not is_wanted and self.sim.tree.node(path) is not None:
            self.sim.delete(path, DISCOVERY, force=True)

    def _changed(self, path: str, before: Json | None, after: Json | None) -> None:
        """Keeps `ports`: also those that were read from a file, or that somebody made or removed by hand."""
        body = after or before
        if body is None or body["resource_type"] != "SegmentPort":
            return
        is_there = after is not None and not after.get("marked_for_delete")
        had, has = _vif(before), _vif(after) if is_there else ""
        if had and had != has and self.ports.get(had) == path:
            del self.ports[had]
        if has:
            self.ports[has] = path

    def _publish(self, external_id: str) -> None:
        """For searches: `resource_type:VirtualMachine`."""
        search, machine = self.sim.rooms.get("search"), self.machines.get(external_id)
        if search is not None:
            now_ms = int(self.sim.clock.now() * 1000)
            search.publish(f"vm:{external_id}", machine and shown(machine, self.tags_of(external_id), now_ms))

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _vif(body: Json | None) -> str:
    return str(((body or {}).get("attachment") or {}).get("id") or "")


def install(sim: "Sim") -> None:
    sim.rooms["inventory"] = Inventory(sim)
