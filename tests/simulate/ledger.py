"""The record as one director process reaches it: locked or full at times, and the place where it dies.

Every commit is an entry of the journal; the process may end just before it is written, or just after, not knowing.
I5 is held at every entry: a task that has ended stays as it ended.
"""

from director.ports.failure import Retry, StoreFailure
from director.ports.store import OpenIntent, PutTask
from tests.simulate.trouble import Killed


class Ledger:
    """``ports.store.Store`` for one life."""

    def __init__(self, store, life, simulation):
        self._store, self._life, self._simulation = store, life, simulation

    def __getattr__(self, call):
        known = getattr(self._store, call)

        async def ask(*args, **more):
            self._life.check()
            return await known(*args, **more)

        return ask

    async def commit(self, *changes):
        await self._write(lambda: self._store.commit(*changes), changes)

    async def add_task(self, task):
        return await self._write(lambda: self._store.add_task(task), (PutTask(record=task),))

    async def _write(self, write, changes):
        simulation = self._simulation
        self._life.check()
        if simulation.store_trouble:
            raise StoreFailure(simulation.store_trouble, retry=Retry.SOON)
        for change in changes:
            if isinstance(change, PutTask) and change.record.id:
                await self._check_task(change.record)
        simulation.entries += 1
        entry = simulation.entries
        if entry in simulation.dies_before:
            self._die(f"before entry {entry}")
        result = await write()
        for change in changes:
            self._tell(change, result)
        if entry in simulation.dies_after:
            self._die(f"after entry {entry}")
        return result

    async def _check_task(self, task):
        before = await self._store.task(task.id)
        if before is not None and before.state.is_final and before != task:
            self._simulation.blame(f"I5 task {task.id} ended as {before.state.value} and is now {task.state.value}")

    def _tell(self, change, result):
        if isinstance(change, PutTask):
            task = result or change.record
            what = [remedy for _, remedy in task.options.get("remedies", ())] or task.result.splitlines()[:1]
            self._simulation.say(f"task {task.id} {task.type} {task.state.value} {what}")
            if result is not None:
                self._simulation.overseer.task_added(task)
            else:
                self._simulation.overseer.task_changed(task)
        if isinstance(change, OpenIntent):
            self._simulation.overseer.intent_opened()
            self._simulation.say(f"intent {change.intent.effect} {change.intent.target}")

    def _die(self, why):
        self._simulation.say(f"the director dies {why}")
        self._simulation.kill()
        raise Killed
