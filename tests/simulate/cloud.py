"""An infrastructure far away: what it was asked goes on there whether or not anybody still waits, or lives.

It holds I1 and I4 at the moment of every effect: no second VM of an instance or address, no disk given to a second VM
or away from its owner.
"""

import asyncio

from director.adapters.memory.infrastructure import MemoryInfrastructure
from director.model.names import DiskCid, DiskName, VmCid, VmName
from director.model.sighting import Power
from director.ports.failure import InfrastructureFailure, Retry
from tests.simulate.trouble import Fate, Killed

DEADLINE_S = 60.0
"""After which an adapter gives a call up."""

SECONDS = {"create_vm": (2.0, 20.0), "delete_vm": (1.0, 8.0), "reboot_vm": (2.0, 10.0)}
QUICK = (0.05, 1.0)
CHANGES = frozenset(
    {"create_vm", "delete_vm", "reboot_vm", "create_disk", "delete_disk", "attach_disk", "detach_disk", "grow_disk"}
)


class Cloud(MemoryInfrastructure):
    """The place itself. ``record`` looks a disk up in the director's record, past every fault."""

    def __init__(self, world, *, hooks, simulation):
        super().__init__(world, hooks=hooks)
        self.simulation = simulation
        self.late: set[str] = set()
        """VMs and disks that came when nobody waited for them any more."""

    def addresses(self, name):
        return {str(net["ip"]) for net in self.world.vms[name].request.shape.networks.values() if "ip" in net}

    def check_lonely(self, name, *, is_late):
        """I1: the VM ``name``, just begun, is the only living one of its instance and of its addresses."""
        vm, mine = self.world.vms[name], self.addresses(name)
        for other, known in self.world.vms.items():
            if other == name or known.power is Power.OFF:
                continue
            same = known.request.instance == vm.request.instance or self.addresses(other) & mine
            if same and not (is_late or other in self.late):
                self.simulation.blame(f"I1 {name} and {other} live at once")

    def die(self, name):
        self.power_off(name)

    def vanish(self, name):
        self.lose_vm(name)


class Line:
    """``ports.infrastructure.Infrastructure`` of one director process, over a network, to the cloud."""

    def __init__(self, cloud, life, simulation):
        self.cloud, self.life, self.simulation = cloud, life, simulation

    async def info(self):
        return await self.cloud.info()

    async def diagnose(self):
        return await self.cloud.diagnose()

    async def close(self):
        return None

    async def create_vm(self, request):
        async def act(*, is_late):
            before = self._is_on(request.name)
            cid = await self.cloud.create_vm(request)
            if not before:
                self.simulation.check_may_change(request.instance, "create_vm", self.life)
                self.cloud.late.update({request.name} if is_late else ())
                self.cloud.check_lonely(request.name, is_late=is_late)
            return cid

        return await self._call("create_vm", request.name, act, VmCid(request.name))

    async def delete_vm(self, cid):
        async def act(*, is_late):
            del is_late
            if VmName(cid) in self.cloud.world.vms:
                instance = self.cloud.world.vms[VmName(cid)].request.instance
                self.simulation.check_may_change(instance, "delete_vm", self.life)
            await self.cloud.delete_vm(cid)

        return await self._call("delete_vm", cid, act)

    async def reboot_vm(self, cid):
        async def act(*, is_late):
            was_on = self._is_on(VmName(cid))
            if VmName(cid) in self.cloud.world.vms:
                instance = self.cloud.world.vms[VmName(cid)].request.instance
                self.simulation.check_may_change(instance, "reboot_vm", self.life)
            await self.cloud.reboot_vm(cid)
            if not was_on:
                self.cloud.check_lonely(VmName(cid), is_late=is_late)

        return await self._call("reboot_vm", cid, act)

    async def attach_disk(self, vm, disk):
        async def act(*, is_late):
            hint = await self.cloud.attach_disk(vm, disk)
            self.simulation.check_attached(VmName(vm), DiskName(disk), is_late=is_late)
            return hint

        return await self._call("attach_disk", disk, act)

    async def delete_disk(self, cid):
        async def act(*, is_late):
            del is_late
            self.simulation.check_disk_is_nobodys(DiskName(cid))
            await self.cloud.delete_disk(cid)

        return await self._call("delete_disk", cid, act)

    async def create_disk(self, request):
        async def act(*, is_late):
            self.cloud.late.update({request.name} if is_late else ())
            return await self.cloud.create_disk(request)

        return await self._call("create_disk", request.name, act, DiskCid(request.name))

    async def find_vms(self, deployment=None, *, doubted=None, in_detail=False):
        return await self._plain("find_vms", deployment or "", deployment, doubted=doubted, in_detail=in_detail)

    def __getattr__(self, call):
        """Whatever else an infrastructure can be asked."""
        if call.startswith("_") or not hasattr(self.cloud, call):
            raise AttributeError(call)

        async def ask(*args, **more):
            name = str(getattr(args[0], "name", args[0])) if args and not isinstance(args[0], list | tuple) else ""
            return await self._plain(call, name, *args, **more)

        return ask

    async def _plain(self, call, name, *args, **more):
        async def act(*, is_late):
            del is_late
            return await getattr(self.cloud, call)(*args, **more)

        return await self._call(call, name, act)

    def _is_on(self, name):
        known = self.cloud.world.vms.get(name)
        return known is not None and known.power is Power.ON

    async def _call(self, call, name, act, forged=None):
        self.life.check()
        simulation = self.simulation
        if call in {"place", "cloud_properties_for"}:
            return await act(is_late=False)
        fate, before_s, after_s = simulation.fate_of(call)
        answer = asyncio.get_running_loop().create_future()
        simulation.keep(self._carry_out(call, name, act, answer, (fate, before_s, after_s, forged)))
        try:
            async with asyncio.timeout(DEADLINE_S):
                result = await asyncio.shield(answer)
        except TimeoutError:
            words = f"The infrastructure has not answered {call} of {name} within {DEADLINE_S:g} s."
            raise InfrastructureFailure(words, retry=Retry.SOON) from None
        finally:
            self.life.check()
        return result

    async def _carry_out(self, call, name, act, answer, how):
        fate, before_s, after_s, forged = how
        await asyncio.sleep(before_s)
        simulation = self.simulation
        is_news = fate is not Fate.DO or call in CHANGES
        if is_news:
            simulation.say(f"cloud {call} {name}: {fate.value}")
        try:
            _fails_if(fate is Fate.FAIL, f"{call} of {name} failed.")
            result = forged if fate is Fate.FORGET else await act(is_late=fate is Fate.LATE)
            await asyncio.sleep(after_s)
            _fails_if(fate is Fate.LOSE_REPLY, f"The connection was lost during {call} of {name}.")
        except (InfrastructureFailure, Killed) as failure:
            if not answer.done():
                answer.set_exception(failure)
                answer.exception()  # taken, should nobody wait any more
            return
        if not answer.done():
            answer.set_result(result)


def _fails_if(is_so, words):
    if is_so:
        raise InfrastructureFailure(words, retry=Retry.SOON)
