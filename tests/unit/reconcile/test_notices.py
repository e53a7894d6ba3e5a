"""What the watch found is told where somebody has to hear of it, and not where a task does it."""

from types import SimpleNamespace

import pytest

from director.adapters.memory.store import MemoryStore
from director.model.health import Condition, Finding, Remedy, Verdict
from director.model.names import DeploymentName, InstanceId, VmName
from director.model.plan import Hold
from director.ports.meter import NO_METER
from director.ports.store import EventQuery
from director.reconcile.notices import Notices


class Telling:
    """Verdicts on one instance, one after another."""

    def __init__(self):
        self.store, self.rung = MemoryStore(), []
        alerts = SimpleNamespace(ring=self.rung.append)
        self.notices = Notices(SimpleNamespace(store=self.store, alerts=alerts, meter=NO_METER))

    async def tell(self, condition, hold=None):
        finding = Finding(
            deployment=DeploymentName("demo"),
            instance=InstanceId("1"),
            label="web/0",
            group="web",
            az=None,
            vm=VmName("web-0"),
            condition=condition,
            since=0.0,
        )
        held = Hold(code=hold, subject="web/0", reason="because") if hold else None
        await self.notices.tell([Verdict(finding=finding, remedy=Remedy.RESTART, hold=held)], 0.0)
        return [event.action for event in await self.store.events(EventQuery())], [one.code for one in self.rung]


async def test_jobs_that_a_task_stops_and_starts_again_are_not_told():
    telling = Telling()
    await telling.tell(Condition.STOPPED, "hold.task")
    assert await telling.tell(Condition.RUNNING) == ([], [])


async def test_jobs_that_a_task_leaves_stopped_are_told_once_it_has_ended():
    telling = Telling()
    assert await telling.tell(Condition.STOPPED, "hold.task") == ([], [])
    assert await telling.tell(Condition.STOPPED, "hold.early") == (["notice"], ["instance.stopped"])
    assert await telling.tell(Condition.STOPPED, "hold.early") == (["notice"], ["instance.stopped"])


@pytest.mark.parametrize("condition", [Condition.FAILING, Condition.OFF])
async def test_what_no_task_does_is_told_while_one_runs(condition):
    actions, codes = await Telling().tell(condition, "hold.task")
    assert actions == ["notice"]
    assert codes == [f"instance.{condition.name.lower()}"]
