"""SIGKILL at a random moment of an apply, one restart, and then: what exists that nobody has on record?

The same for ``terraform apply`` and for a deploy of ours. Both make as many things outside, each by a shell command
that takes 0.1 s, does what it does in the middle, and goes on when whoever began it is killed. Orphans are counted
after the first start that was let come to its end. ``--kills 10000 --seconds 36000`` makes more of them, ``--in-a-row
10`` kills the starts after it as well before one is let come to its end, ``--seed`` chooses other moments.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import kills_director as ours
from bench.figures import Figure, show

SIZE = 8
DISKS = 2
"""Of ours; Terraform makes ten things of one kind."""
SLOTS = 10
KILLS = 30
SEED = 6
GRACE_S = 4 * ours.CALL_S
"""The last shell has ended."""
RESTART_S = 60.0

RESOURCES = f"""
resource "terraform_data" "vm" {{
  count = {SIZE + DISKS}
  provisioner "local-exec" {{
    command = "sleep {ours.CALL_S}; : > world/${{self.id}}; sleep {ours.CALL_S}"
  }}
  provisioner "local-exec" {{
    when    = destroy
    command = "rm -f world/${{self.id}}"
  }}
}}
"""


@dataclass(slots=True, kw_only=True)
class Tally:
    """``missed``: it had ended before its kill, so that was none. ``unfinished``: the restart did not bring it to its
    end. ``lost``: recorded, and not there. ``open``: calls of ours that were begun and not answered at the kills.
    """

    kills: int = 0
    orphans: int = 0
    hit: int = 0
    lost: int = 0
    missed: int = 0
    unfinished: int = 0
    open: int = 0
    seconds: float = 0.0


class Subject:
    """Who is killed: begins afresh in a folder, begins again in it, and tells what is left."""

    def begin(self, root: Path) -> Callable[[], int]:
        """A new world; a call of the result starts one process in it and gives its pid."""
        raise NotImplementedError

    def again(self, root: Path) -> int:
        raise NotImplementedError

    def left(self, root: Path) -> tuple[int, int]:
        """Orphans, and what is recorded and not there."""
        raise NotImplementedError

    def open_in(self, root: Path) -> int:
        """How many calls were begun and not answered, as far as it keeps a journal of them."""
        del root
        return 0


class Ours(Subject):
    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"
        pid = ours.forked(self._make_template, folder / "template.log")
        assert os.waitpid(pid, 0)[1] == 0, (folder / "template.log").read_text()
        self._manifest = ours.MANIFEST.format(slots=SLOTS, disks=DISKS, others=SIZE - DISKS)

    async def _make_template(self) -> int:
        await ours.make_template(self._template)
        return 0

    def begin(self, root: Path) -> Callable[[], int]:
        for kind in (*ours.KINDS, "tasks"):
            (root / kind).mkdir()
        shutil.copyfile(self._template, root / "director.db")
        return lambda: ours.forked(partial(ours.direct, root, self._manifest), root / "log")

    def again(self, root: Path) -> int:
        return ours.forked(partial(ours.direct, root, None), root / "log")

    def left(self, root: Path) -> tuple[int, int]:
        return asyncio.run(ours.orphans_in(root))

    def open_in(self, root: Path) -> int:
        with closing(sqlite3.connect(root / "director.db")) as record:
            return int(record.execute("select count(*) from intents where is_open").fetchone()[0])


class Terraform(Subject):
    """With its state in a file beside its configuration, as it is by default."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._env = {**os.environ, "CHECKPOINT_DISABLE": "1"}

    def begin(self, root: Path) -> Callable[[], int]:
        (root / "world").mkdir()
        (root / "main.tf").write_text(RESOURCES)
        return lambda: self.again(root)

    def again(self, root: Path) -> int:
        with (root / "log").open("ab") as log:
            words = [self._program, "apply", "-auto-approve", "-input=false", "-no-color", "-lock-timeout=30s"]
            return subprocess.Popen(words, cwd=root, env=self._env, stdout=log, stderr=log).pid

    def left(self, root: Path) -> tuple[int, int]:
        state = json.loads((root / "terraform.tfstate").read_text())
        recorded = {one["attributes"]["id"] for resource in state["resources"] for one in resource.get("instances", ())}
        there = {path.name for path in (root / "world").iterdir()}
        return len(there - recorded), len(recorded - there)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """So many kills, or as many as fit into ``seconds``; in each world ``in_a_row`` of them."""

    kills: int = KILLS
    seconds: float = 30.0
    in_a_row: int = 1
    seed: int = SEED


def killing(subject: Subject, folder: Path, storm: Storm) -> Tally:
    """The moment is anywhere between the start and the usual end."""
    dice, tally = random.Random(storm.seed), Tally()
    began = time.monotonic()
    usual_s = min(_undisturbed(subject, folder / f"whole-{n}") for n in range(3))
    number = 0
    while tally.kills < storm.kills and time.monotonic() - began < storm.seconds:
        number += 1
        root = folder / str(number)
        root.mkdir()
        # Who goes on with something has the less to do the more often it was begun.
        moments_s = [dice.uniform(0.0, usual_s / n) for n in range(1, storm.in_a_row + 1)]
        _one(subject, root, moments_s, tally)
        shutil.rmtree(root)
    tally.seconds = time.monotonic() - began
    return tally


def _undisturbed(subject: Subject, root: Path) -> float:
    root.mkdir()
    start = subject.begin(root)
    began = time.monotonic()
    code = _awaited(start(), RESTART_S)
    took_s = time.monotonic() - began
    assert code == 0, f"it does not even work undisturbed:\n{(root / 'log').read_text()}"
    time.sleep(GRACE_S)
    assert subject.left(root) == (0, 0), "it leaves orphans undisturbed"
    shutil.rmtree(root)
    return took_s


def _one(subject: Subject, root: Path, moments_s: Sequence[float], tally: Tally) -> None:
    starts: list[Callable[[], int]] = [subject.begin(root), *[partial(subject.again, root)] * (len(moments_s) - 1)]
    if not sum(_killed(start(), at_s, tally) for start, at_s in zip(starts, moments_s, strict=True)):
        return
    tally.open += subject.open_in(root)
    tally.unfinished += 1 if _awaited(subject.again(root), RESTART_S) else 0
    time.sleep(GRACE_S)
    orphans, lost = subject.left(root)
    tally.orphans += orphans
    tally.hit += 1 if orphans else 0
    tally.lost += lost


def _killed(pid: int, at_s: float, tally: Tally) -> bool:
    """False when it had come to its end before."""
    time.sleep(at_s)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    is_killed = os.WIFSIGNALED(status)
    tally.kills += is_killed
    tally.missed += not is_killed
    return is_killed


def _awaited(pid: int, seconds: float) -> int:
    """Its exit code; one that does not end in time is killed and counts as -9."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def measure(storm: Storm | None = None, *, with_peer: bool = True) -> list[Figure]:
    """``storm.seconds`` are each one's. Without a Terraform its part is left out, and said to be."""
    storm = storm or Storm()
    with tempfile.TemporaryDirectory(prefix="director-bench-kills-") as name:
        folder = Path(name)
        mine = _told("ours", Ours(folder), folder / "ours", storm)
        program = _terraform() if with_peer else None
        theirs = _told("terraform", Terraform(program), folder / "terraform", storm) if program else None
    peer = f"{_version(program)}, {theirs.kills} kills, same run" if program and theirs else ""
    per_kill = round(theirs.orphans / theirs.kills, 4) if theirs and theirs.kills else None
    return [
        Figure(name="kill_apply_orphans_per_kill", value=round(mine.orphans / mine.kills, 4), unit="orphans", goal=0,
               peer=peer, peer_value=per_kill),
        Figure(name="kill_apply_lost_per_kill", value=round(mine.lost / mine.kills, 4), unit="rows", goal=0),
        Figure(name="kill_apply_needs_a_person", value=round(mine.unfinished / mine.kills, 4), unit="per kill", goal=0,
               peer=peer, peer_value=round(theirs.unfinished / theirs.kills, 4) if theirs and theirs.kills else None),
    ]  # fmt: skip


def _told(name: str, subject: Subject, folder: Path, storm: Storm) -> Tally:
    folder.mkdir()
    tally = killing(subject, folder, storm)
    assert tally.kills, f"nothing of {name} was killed in time"
    print(
        f"{name}: {tally.kills} kills in {tally.seconds:.0f} s ({tally.missed} too late): {tally.orphans} orphans, "
        f"after {tally.hit} of them; {tally.lost} recorded and not there;",
        f"{tally.unfinished} restarts did not finish",
        f"; {tally.open} calls were open at the kills" if tally.open else "",
        flush=True,
    )
    return tally


def _terraform() -> str | None:
    """One that works here."""
    program = shutil.which("terraform")
    if program is None or subprocess.run([program, "version"], capture_output=True, check=False).returncode:
        print("SKIPPED: there is no working terraform here; only ours is killed", file=sys.stderr)
        return None
    return program


def _version(program: str | None) -> str:
    if program is None:
        return ""
    done = subprocess.run([program, "version", "-json"], capture_output=True, text=True, check=True)
    return f"Terraform {json.loads(done.stdout)['terraform_version']}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seconds", type=float, default=480.0, help="for each of the two at most")
    parser.add_argument("--in-a-row", type=int, default=1)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only-ours", action="store_true")
    given = parser.parse_args()
    asked = Storm(kills=given.kills, seconds=given.seconds, in_a_row=given.in_a_row, seed=given.seed)
    show(measure(asked, with_peer=not given.only_ours))
