"""Power gone in the middle: what a commit acknowledged is there when the record is opened again, whole."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from director.adapters.store import SqlStore

PROGRAM = """
import asyncio, pathlib, sys
from director.adapters.store import SqlStore
from director.ports.store import PutSetting

async def work(store, worker):
    for number in range(100_000):
        pair = [PutSetting(name=f"{worker}-{number}-{half}", value={"n": number}) for half in "ab"]
        await store.commit(*pair)
        print(worker, number, flush=True)

async def main():
    store = await SqlStore.open(pathlib.Path(sys.argv[1]))
    await asyncio.gather(*(work(store, worker) for worker in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 50, 400])
async def test_every_acknowledged_commit_survives_a_kill_and_none_is_half_there(tmp_path, lines):
    path = tmp_path / "director.db"
    child = subprocess.Popen([sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        acknowledged = [child.stdout.readline() for _ in range(lines)]
        os.kill(child.pid, signal.SIGKILL)
        acknowledged += [line for line in child.stdout if line.endswith("\n")]
    finally:
        child.kill()
        child.stdout.close()
        await asyncio.to_thread(child.wait, 10)
    store = await SqlStore.open(path)
    last = {}
    for line in acknowledged:
        worker, number = map(int, line.split())
        last[worker] = number
        assert [await store.setting(f"{worker}-{number}-{half}") for half in "ab"] == [{"n": number}] * 2
    for worker, number in last.items():
        after = [await store.setting(f"{worker}-{number + 1}-{half}") is None for half in "ab"]
        assert after[0] is after[1], "a commit is there whole or not at all"
    await store.close()
