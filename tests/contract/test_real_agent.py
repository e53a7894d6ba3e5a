"""The agent itself against the gateway itself: what it did is done once, whoever dies between doing and recording."""

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from director.adapters.agents.authority import Authority
from director.adapters.agents.gateway import Gateway, GatewayOptions
from director.adapters.agents.listen import Listen
from director.adapters.clock import SystemClock
from director.model.names import AgentId, DeploymentName, InstanceId
from director.model.wanted import Content, RenderedFile, RenderedJob
from director.ports.agents import AgentSpec, Apply, Errand, Script
from director.ports.failure import AgentFailure
from tests.unit.adapters.agents.scripted_agent import DictBlobs, DictStore

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
A = AgentId("a-1")
FILES = {
    "bin/run": "#!/bin/sh\necho ran >> $TMPDIR/runs\necho said\nexit 3\n",
    "bin/pre-start": "#!/bin/sh\necho ran >> $TMPDIR/runs\necho it cannot be done >&2\nexit 7\n",
}


class Place:
    """A VM with its agent's process, and directors that come and go; the store outlives them."""

    def __init__(self, directory, sockets):
        self.base, self.log = directory / "vcap", directory / "agent.log"
        self.authority = Authority(directory / "authority", SystemClock())
        self.store, self.sockets = DictStore(), sockets
        self.process = self.gateway = None

    async def direct(self):
        """A director that knows nothing but what is in the store. The one before, if any, is gone without a word."""
        if self.gateway is not None:
            await self.gateway.stop()
        self.gateway = Gateway(
            store=self.store,
            blobs=DictBlobs(),
            clock=SystemClock(),
            authority=self.authority,
            options=GatewayOptions(
                agents=Listen(socket=self.sockets / "a.sock"), enrol=Listen(socket=self.sockets / "e.sock")
            ),
            warn=lambda *_: None,
        )
        await self.gateway.start()

    async def invite(self):
        found = await self.gateway.enrolment_for(A, InstanceId("i"), DeploymentName("d"), 1)
        names = ("token", "ca_certificate", "enrol_targets", "agent_targets")
        ticket = {"agent_id": A, **{name: getattr(found, name) for name in names}}
        (self.base / "bosh").mkdir(parents=True)
        (self.base / "bosh/enrolment.json").write_text(json.dumps(ticket))

    async def up(self):
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "agent", "--base", str(self.base), cwd=ROOT, stdout=log, stderr=log
            )
        await self.gateway.await_connected(A, 60)

    async def kill(self):
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        self.process = None

    async def ask(self, request, key):
        try:
            return await self.gateway.ask(A, request, key=key, timeout_s=60)
        except AgentFailure as failure:
            return str(failure)

    def runs(self):
        [file] = self.base.rglob("runs")
        return len(file.read_text().splitlines())

    def kept(self):
        return len(list((self.base / "bosh/results").iterdir()))


@pytest.fixture
async def place(tmp_path):
    with tempfile.TemporaryDirectory() as sockets:
        place = Place(tmp_path, Path(sockets))
        await place.direct()
        await place.invite()
        await place.up()
        files = tuple(RenderedFile(path=path, content=text.encode(), mode=0o755) for path, text in FILES.items())
        job = RenderedJob(name="web", files=files, monit="", digest="sha256:1")
        spec = AgentSpec(
            deployment=DeploymentName("d"),
            instance={"group": "web", "index": 0, "id": "i", "name": "web/0"},
            content=Content(jobs=(job,)),
            packages=(),
            configuration_hash="h",
        )
        assert await place.ask(Apply(spec=spec), "apply") == {}
        place.gateway.forget(A, "apply")
        yield place
        if place.process is not None:
            await place.kill()
        await place.gateway.stop()


@pytest.mark.parametrize(
    ("request_", "says"), [(Errand(job="web"), "said"), (Script(name="pre-start"), "it cannot be done")]
)
async def test_it_answers_alike_until_it_is_told_to_forget_over_deaths_of_its_own_and_of_directors(
    place, request_, says
):
    first = await place.ask(request_, "k")
    assert says in str(first)
    await place.kill()
    await place.direct()
    await place.up()
    assert await place.ask(request_, "k") == first
    await place.direct()
    assert await place.ask(request_, "k") == first
    assert (place.runs(), place.kept()) == (1, 1)
    place.gateway.forget(A, "k")
    assert says in str(await place.ask(request_, "another"))  # sent after it
    assert (place.runs(), place.kept()) == (2, 1)


async def test_it_is_told_to_forget_when_it_is_back_what_was_recorded_while_it_was_away(place):
    await place.ask(Errand(job="web"), "k")
    await place.kill()
    await place.gateway.await_away(A)
    place.gateway.forget(A, "k")
    await place.up()
    await place.ask(Errand(job="web"), "another")
    async with asyncio.timeout(20):
        while place.kept() > 1:
            await asyncio.sleep(0.05)
    assert place.runs() == 2
