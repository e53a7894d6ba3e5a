"""A VM in a temporary directory, with a helper that puts jobs on it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent import apply, bundles, jobs
from agent.keep import Pace
from agent.layout import Layout, make_directories
from agent.supervise import Supervisor
from agent.wire import agent_pb2 as wire

QUICK = Pace(first_s=0.01, max_s=0.05, reset_s=60.0, settled_s=0.5, stop_s=0.3, stop_program_s=3.0)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(base=tmp_path / "vcap")
    make_directories(layout)
    return layout


class Vm:
    """``put`` installs and enables jobs given as {name: {path: text}}; a path ``monit`` is the monit file."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def put(self, files: dict[str, dict[str, str]], **fields: object) -> wire.Spec:
        spec = wire.Spec(configuration_hash="h1", **fields)  # type: ignore[arg-type]  # the test's own fields
        for name, contents in files.items():
            monit = contents.get("monit", "")
            rendered = [
                wire.File(path=path, content=text.replace("$BASE", str(self.layout.base)).encode())
                for path, text in contents.items()
                if path != "monit"
            ]
            spec.jobs.append(wire.Job(name=name, monit=monit, files=rendered))
        jobs.install(spec.jobs, self.layout)
        jobs.make_directories(spec.jobs, self.layout)
        for job in spec.jobs:
            bundles.enable(self.layout, "jobs", job.name, jobs.version(job))
        apply.remember(spec, self.layout)
        return spec


@pytest.fixture
def vm(layout: Layout) -> Vm:
    return Vm(layout)


class Watched:
    """A supervisor whose changes can be awaited."""

    def __init__(self, layout: Layout, group: asyncio.TaskGroup, pace: Pace) -> None:
        self._changed = asyncio.Event()
        self.it = Supervisor(layout, group, self._changed.set, pace)

    async def until(self, is_so: Callable[[], bool], timeout_s: float = 10.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not is_so():
                self._changed.clear()
                await self._changed.wait()

    def states(self) -> list[str]:
        return [state.value for state in self.it.states()]


@pytest.fixture
async def supervised(layout: Layout) -> AsyncIterator[Callable[[], Watched]]:
    """Makes supervisors that end with the test, and whatever they started with them."""
    made: list[Watched] = []

    async with asyncio.TaskGroup() as group:

        def make(pace: Pace = QUICK) -> Watched:
            made.append(Watched(layout, group, pace))
            return made[-1]

        yield make
        for watched in made:
            await watched.it.stop()
