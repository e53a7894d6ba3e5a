"""Requests are done once per key, in order where they must be, and their results outlive the agent."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.disks import Disks
from agent.layout import Layout
from agent.ledger import Ledger
from agent.perform import Vm as Machine
from agent.requests import Requests
from agent.wire import agent_pb2 as wire


class Asked:
    """Requests on one VM, whose answers can be awaited. ``dies`` is what a SIGTERM does to what runs."""

    def __init__(self, layout: Layout, supervisor, group: asyncio.TaskGroup) -> None:
        self.answers: list[str] = []
        self._answered = asyncio.Event()
        self.ledger = Ledger(layout)
        machine = Machine(layout=layout, blobs=None, supervisor=supervisor, disks=Disks(layout))  # type: ignore[arg-type]  # no director here
        self.it = Requests(machine, self.ledger, group, self._note)

    def _note(self, key: str) -> None:
        self.answers.append(key)
        self._answered.set()

    async def answer(self, key: str) -> wire.Result:
        async with asyncio.timeout(15):
            while key not in self.answers:
                self._answered.clear()
                await self._answered.wait()
        result = self.ledger.result(key)
        assert result is not None
        return result


@pytest.fixture
async def asked(layout: Layout, supervised) -> AsyncIterator[Callable[[], Asked]]:
    supervisor = supervised().it
    async with asyncio.TaskGroup() as group:
        yield lambda: Asked(layout, supervisor, group)


def _errand(key: str, **fields: object) -> wire.Request:
    return wire.Request(key=key, run_errand=wire.RunErrand(job="e"), **fields)  # type: ignore[arg-type]  # the test's own fields


def _script(key: str, name: str, **fields: object) -> wire.Request:
    return wire.Request(key=key, run_script=wire.RunScript(name=name), **fields)  # type: ignore[arg-type]  # the test's own fields


async def test_the_same_key_is_done_once_and_answered_again(vm, layout: Layout, asked) -> None:
    vm.put({"e": {"bin/run": "#!/bin/sh\necho x >> $BASE/data/count; sleep 0.1\n"}})
    requests = asked()
    requests.it.accept(_errand("k"))
    requests.it.accept(_errand("k"))
    assert requests.it.running() == ["k"]
    await requests.answer("k")
    requests.it.accept(_errand("k"))
    assert requests.answers == ["k", "k"]
    assert (layout.data / "count").read_text() == "x\n"


async def test_a_result_is_kept_until_it_is_acknowledged(vm, layout: Layout, asked) -> None:
    vm.put({"e": {"bin/run": "#!/bin/sh\nexit 3\n"}})
    requests = asked()
    requests.it.accept(_errand("k"))
    await requests.answer("k")
    later = Ledger(layout)
    assert later.held() == ("k",)
    found = later.result("k")
    assert found is not None
    assert found.errand.exit_code == 3
    later.forget("k")
    assert Ledger(layout).held() == ()


async def test_results_are_readable_by_the_agent_only(vm, layout: Layout, asked) -> None:
    vm.put({"e": {"bin/run": "#!/bin/sh\n"}})
    requests = asked()
    requests.it.accept(_errand("k"))
    await requests.answer("k")
    (path,) = (layout.bosh / "results").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_had_begun_and_must_not_be_repeated_is_answered_as_interrupted(layout: Layout) -> None:
    Ledger(layout).begin("k", "run_errand")
    later = Ledger(layout)
    found = later.result("k")
    assert found is not None
    assert found.error == "run_errand was interrupted: the agent was restarted while it ran"
    assert list((layout.bosh / "begun").iterdir()) == []


def test_what_had_ended_before_the_agent_died_is_not_called_interrupted(layout: Layout) -> None:
    ledger = Ledger(layout)
    ledger.settle(wire.Result(key="k"))
    ledger.begin("k", "drain")  # the mark that the agent had no time to remove
    found = Ledger(layout).result("k")
    assert found is not None
    assert found.error == ""


def test_results_nobody_takes_do_not_grow_without_bound(layout: Layout) -> None:
    ledger = Ledger(layout)
    for number in range(300):
        ledger.settle(wire.Result(key=str(number)))
    assert len(ledger.held()) == 256
    assert ledger.held()[-1] == "299"


async def test_a_cancelled_errand_is_answered_with_what_it_printed(vm, layout: Layout, asked) -> None:
    vm.put({"e": {"bin/run": "#!/bin/sh\necho begun; touch $BASE/data/up; sleep 600\n"}})
    requests = asked()
    requests.it.accept(_errand("k"))
    await _until((layout.data / "up").exists)
    requests.it.cancel("k")
    result = await requests.answer("k")
    assert (result.error, result.errand.exit_code, result.errand.stdout) == ("", 143, b"begun\n")


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_a_cancelled_script_says_so(vm, layout: Layout, asked) -> None:
    vm.put({"e": {"bin/pre-start": "#!/bin/sh\ntouch $BASE/data/up; sleep 600\n"}})
    requests = asked()
    requests.it.accept(_script("k", "pre-start"))
    await _until((layout.data / "up").exists)
    requests.it.cancel("k")
    assert (await requests.answer("k")).error == "run_script was cancelled by the director"


async def test_what_takes_too_long_is_given_up_with_its_limit(vm, layout: Layout, asked) -> None:
    vm.put({"e": {"bin/run": "#!/bin/sh\necho begun; sleep 600\n"}})
    requests = asked()
    requests.it.accept(_errand("k", timeout_s=1))
    result = await requests.answer("k")
    assert result.error == "run_errand was given up: not done within 1 s"
    assert result.errand.stdout == b"begun\n"


async def test_what_changes_jobs_goes_one_after_the_other_in_the_order_it_came(vm, layout: Layout, asked) -> None:
    drain = "#!/bin/sh\n[ -e $BASE/data/go ] || { sleep 0.1; }; echo drained >> $BASE/data/order; echo 0\n"
    vm.put({"e": {"bin/drain": drain, "bin/post-start": "#!/bin/sh\necho beside >> $BASE/data/order\n"}})
    requests = asked()
    requests.it.accept(wire.Request(key="1", drain=wire.Drain(kind=wire.Drain.KIND_SHUTDOWN)))
    requests.it.accept(wire.Request(key="2", stop=wire.Stop()))
    requests.it.accept(wire.Request(key="3", start=wire.Start()))
    requests.it.accept(_script("4", "post-start"))
    await requests.answer("3")
    await requests.answer("4")
    assert [key for key in requests.answers if key != "4"] == ["1", "2", "3"]
    assert (layout.data / "order").read_text() == "beside\ndrained\n"


async def test_what_this_agent_does_not_know_is_answered(asked) -> None:
    requests = asked()
    requests.it.accept(wire.Request(key="k"))
    assert "too old" in (await requests.answer("k")).error


async def test_a_request_that_fails_gives_the_reason(vm, asked, monkeypatch) -> None:
    monkeypatch.setattr("agent.devices.WAIT_S", 0.0)
    vm.put({})
    requests = asked()
    requests.it.accept(wire.Request(key="k", mount_disk=wire.MountDisk(disk="d", path="/no/such")))
    expected = 'disk "d" should be at /no/such, where there is no directory and no device'
    assert (await requests.answer("k")).error == expected


async def test_a_full_disk_loses_no_result_while_the_agent_lives(vm, layout: Layout, asked, monkeypatch) -> None:
    vm.put({"e": {"bin/run": "#!/bin/sh\nexit 3\n"}})
    requests = asked()

    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    requests.it.accept(_errand("k"))
    monkeypatch.setattr("agent.ledger.write_atomically", full)
    assert "No space left" in (await requests.answer("k")).error
    requests.it.acknowledge("k")
    assert requests.ledger.result("k") is None
