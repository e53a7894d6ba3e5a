"""A vCenter as compute manager: segments show up there as port groups, VMs' NICs on them are reported to the inventory.

As NSX does it on distributed switches: each segment becomes, `vcenter_lag_s` after it was made, an NSX-backed port
group on every switch, and goes with it. Start with `--vcenter URL --vcenter-user NAME --vcenter-password PASSWORD`, or:

    link = VCenter(sim, login); await link.start(); ...; await link.close()

Two threads speak SOAP, one that waits for news and one that does what is to be done; the simulation itself is touched
on the event loop only. When the vCenter goes away it is tried again, and all is compared anew.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from pyVmomi import vim, vmodl

from tests.nsxsim.inventory import Inventory
from tests.nsxsim.machines import Machine, Nic, vif_of
from tests.nsxsim.problems import Json
from tests.nsxsim.settings import Settings
from tests.nsxsim.vcenter_soap import Line, Login, PortGroup, VmWatch, moid_of

if TYPE_CHECKING:
    from tests.nsxsim.sim import Sim

Settings.declare("vcenter_lag_s", 0.3, "how long until a segment shows, or no longer shows, in the vCenter")

T = TypeVar("T")
CALL_S: Final = 90.0
WAIT_S: Final = 20
"""One wait for news; a link that is closed is noticed after it at the latest."""
AGAIN_S: Final = 1.0
"""Between tries after a vCenter went away or refused something."""
SLACK_S: Final = 0.05
"""By which a timer may be early."""
_POWER: Final = {"poweredOn": "VM_RUNNING", "poweredOff": "VM_STOPPED", "suspended": "VM_SUSPENDED"}
_CARD: Final = vim.vm.device.VirtualEthernetCard
_GONE: Final = (OSError, HTTPException, vmodl.RuntimeFault)

_log: Final = logging.getLogger(__name__)


def login_of(url: str, user: str, password: str) -> Login:
    """From `https://host[:port]/sdk` or `host[:port]`."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if not parts.hostname:
        raise ValueError(f"{url} names no host")
    return Login(host=parts.hostname, port=parts.port or 443, user=user, password=password)


class VCenter:
    def __init__(self, sim: "Sim", login: Login) -> None:
        self._sim, self._login = sim, login
        self._inventory: Inventory = sim.rooms["inventory"]
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="nsxsim-vcenter")
        self._lines: list[Line] = []
        self._news = asyncio.Event()
        self._groups: dict[str, PortGroup] = {}
        self._vms: dict[str, Mapping[str, Any]] = {}
        self._reported: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._watch: VmWatch | None = None
        self._is_first = True
        sim.tree.listen(self._heard)

    async def start(self) -> None:
        """Raises ValueError when the vCenter does not let us in; from then on losses are mended."""
        try:
            line, ears = await self._connect()
        except (vmodl.MethodFault, *_GONE) as refused:
            words = getattr(refused, "msg", None) or refused
            raise ValueError(f"vCenter {self._login.host}:{self._login.port}: {words}") from refused
        self._task = asyncio.get_running_loop().create_task(self._run(line, ears), name="nsxsim vcenter")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._leave()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _leave(self) -> None:
        """Ends the wait for news, and the sessions, as far as the other end listens."""
        watch, self._watch = self._watch, None
        lines, self._lines = self._lines, []
        ends = [watch.end] if watch else []
        for end in [*ends, *(line.close for line in lines)]:
            with suppress(*_GONE):
                await asyncio.to_thread(end)

    async def _connect(self) -> tuple[Line, Line]:
        line, ears = await self._do(lambda: (Line(self._login, timeout_s=CALL_S), Line(self._login, timeout_s=CALL_S)))
        self._lines = [line, ears]
        return line, ears

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _run(self, line: Line, ears: Line) -> None:
        while True:
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._shape(line))
                    both.create_task(self._listen(ears))
            except* _GONE as lost:
                _log.warning("the vCenter is gone: %s", lost.exceptions[0])
            line, ears = await self._reconnected()

    async def _reconnected(self) -> tuple[Line, Line]:
        while True:
            await self._leave()
            await asyncio.sleep(AGAIN_S)
            try:
                return await self._connect()
            except _GONE as away:
                _log.warning("the vCenter cannot be reached: %s", away)

    def _heard(self, _path: str, before: Json | None, after: Json | None) -> None:
        """Segments come, change and go in the vCenter a while after they did here."""
        if (after or before or {}).get("resource_type") == "Segment":
            self._sim.clock.later(self._sim.settings.vcenter_lag_s, self._news.set)

    async def _shape(self, line: Line) -> None:
        """Makes port groups what segments are, whenever those changed."""
        switches = await self._do(line.switches)
        self._news.set()
        while True:
            await self._news.wait()
            self._news.clear()
            there = await self._do(line.port_groups)
            for what, change in self._changes(line, switches, there):
                try:
                    await self._do(change)
                except vmodl.MethodFault as refused:
                    if isinstance(refused, vmodl.RuntimeFault):
                        raise
                    _log.warning("%s: %s", what, getattr(refused, "msg", refused))
                    self._sim.clock.later(AGAIN_S, self._news.set)
            self._groups = {group.key: group for group in await self._do(line.port_groups)}
            self._report_all()

    def _changes(self, line: Line, switches: list[str], there: list[PortGroup]) -> list[tuple[str, Callable[[], None]]]:
        wanted = self._wanted()
        ours = {(group.segment, group.switch): group for group in there}
        made = [
            (
                f"add {path}",
                lambda s=switch, p=path, b=body: line.add_port_group(s, b["display_name"], p, b["realization_id"]),
            )
            for path, body in wanted.items()
            for switch in switches
            if (path, switch) not in ours
        ]
        renamed = [
            (f"rename {group.name}", lambda g=group: line.rename(g.moid, wanted[g.segment]["display_name"]))
            for group in there
            if group.segment in wanted and unquote(group.name) != wanted[group.segment]["display_name"]
        ]
        removed = [
            (f"remove {group.name}", lambda g=group: line.remove(g.moid))
            for group in there
            if group.is_ours and group.segment not in wanted
        ]
        return [*removed, *renamed, *made]

    def _wanted(self) -> dict[str, Json]:
        """Segments that were made at least the lag ago."""
        newest = (self._sim.clock.now() - self._sim.settings.vcenter_lag_s + SLACK_S) * 1000
        return {
            node.path: node.body for node in self._sim.tree.of_kind("Segment") if node.body["_create_time"] <= newest
        }

    async def _listen(self, ears: Line) -> None:
        """Takes in what the vCenter tells of its VMs."""
        watch = self._watch = await self._do(lambda: VmWatch(ears))
        there = await self._do(lambda: watch.wait(0))
        self._vms = {moid: one for moid, one in there.items() if one is not None}
        self._report_all()
        if self._is_first:
            self._is_first = False
            self._forget_lost()
        while True:
            for moid, one in (await self._do(lambda: watch.wait(WAIT_S))).items():
                if one is None:
                    self._vms.pop(moid, None)
                else:
                    self._vms[moid] = one
                self._report(moid)

    def _forget_lost(self) -> None:
        """What went from the vCenter while the simulator was not running."""
        there = set(self._reported.values())
        for machine in self._inventory.reported():
            if machine.moid and machine.external_id not in there:
                self._inventory.gone(machine.external_id)
        self._inventory.drop_orphans()

    def _report_all(self) -> None:
        for moid in sorted({*self._vms, *self._reported}):
            self._report(moid)

    def _report(self, moid: str) -> None:
        one = self._vms.get(moid)
        machine = None if one is None else self._machine(moid, one)
        before = self._reported.pop(moid, None)
        if before is not None and (machine is None or machine.external_id != before):
            self._inventory.gone(before)
        if machine is not None:
            self._reported[moid] = machine.external_id
            self._inventory.report(machine)

    def _machine(self, moid: str, one: Mapping[str, Any]) -> Machine | None:
        """None for templates, and for VMs that are just being made."""
        external_id = one.get("config.instanceUuid")
        if not external_id or one.get("config.template"):
            return None
        return Machine(
            external_id=str(external_id),
            name=unquote(str(one.get("name", ""))),
            power=_POWER.get(str(one.get("runtime.powerState")), "UNKNOWN"),
            host=moid_of(one["runtime.host"]) if one.get("runtime.host") else "",
            moid=moid,
            bios_uuid=str(one.get("config.uuid") or ""),
            computer_name=str(one.get("guest.hostName") or ""),
            nics=self._nics(str(external_id), one),
        )

    def _nics(self, external_id: str, one: Mapping[str, Any]) -> tuple[Nic, ...]:
        addresses = {
            str(net.macAddress).lower(): tuple(str(each) for each in net.ipAddress or ())
            for net in one.get("guest.net") or ()
        }
        cards = [device for device in one.get("config.hardware.device") or () if isinstance(device, _CARD)]
        found = []
        for card in cards:
            group = self._group(card)
            if group is not None:
                mac = str(card.macAddress or "").lower()
                vif = str(card.externalId or vif_of(external_id, card.key))
                found.append(
                    Nic(segment=group.segment, vif=vif, key=card.key, mac=mac, addresses=addresses.get(mac, ()))
                )
        return tuple(found)

    def _group(self, card: Any) -> PortGroup | None:
        port = getattr(card.backing, "port", None)
        return None if port is None else self._groups.get(str(port.portgroupKey))
