"""A real stemcell for this machine's VMs, built once and kept in the user's cache: for tests and demos.

Its Debian is built anew when the recipe changes (some minutes), the agent in it when the agent does (some seconds).
`python -m tests.support.local_stemcell` prints where it lies.
"""

import fcntl
import hashlib
import importlib.util
import inspect
import os
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from director.adapters.bundles import wheels
from director.stemcell import recipe, root
from director.stemcell.build import check_machine
from director.stemcell.failure import Impossible
from director.stemcell.recipe import Recipe, Target
from tests.support import interruptible

ROOT: Final = Path(__file__).resolve().parents[2]
BUILD_S: Final = 1500
KEPT: Final = 3
"""Of several checkouts or branches, so that they do not build in turn."""
USED_S: Final = 3600
"""A run that was given one not longer ago than this may still read it."""


class CannotBuild(Exception):
    """This machine lacks something; the message says what."""


def stemcell() -> Path:
    """The archive, built if need be; by one process only. Raises ``CannotBuild``, or ``AssertionError`` with why."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "director" / "stemcells"
    cache.mkdir(parents=True, exist_ok=True)
    base, place = _base_digest(), cache / f"{_base_digest()}-{_agent_digest()}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _archive_in(place)
        if found is None:
            earlier = [_archive_in(one) for one in _newest_first(cache.glob(f"{base}-*"))]
            found = _build(place, next((one for one in earlier if one is not None), None))
        os.utime(place)
        for old in _newest_first(one for one in cache.iterdir() if one.is_dir())[KEPT:]:
            if old.stat().st_mtime < time.time() - USED_S:
                shutil.rmtree(old)
    return found


def _archive_in(place: Path) -> Path | None:
    return next(iter(sorted(place.glob("*.tgz"), reverse=True)), None)


def _newest_first(places: Iterable[Path]) -> list[Path]:
    return sorted(places, key=lambda place: place.stat().st_mtime, reverse=True)


def _build(place: Path, base: Path | None) -> Path:
    _check_machine(place)
    more = [f"--from={base}"] if base else ["--without-compilers"]
    command = [sys.executable, "-m", "director", "build-stemcell", "--for", "local", f"--out={place}", *more]
    built = interruptible.run(command, cwd=ROOT, timeout_s=BUILD_S)
    assert built.returncode == 0, f"the stemcell could not be built:\n{built.stdout}\n{built.stderr}"
    archive = _archive_in(place)
    assert archive is not None, built.stdout
    return archive


def _check_machine(place: Path) -> None:
    made = Recipe(target=Target.LOCAL, version="0", out=place, work=place, sources=(), disk_mb=0)
    try:
        check_machine(made)
    except Impossible as why:
        raise CannotBuild(str(why)) from why


def _base_digest() -> str:
    """Of what Debian is made by: packages, and the code that installs them."""
    code = [inspect.getsource(made_by) for made_by in (root.make_debian, root.add_packages)]
    return _digest([recipe.SUITE, *recipe.KINDS[Target.LOCAL].packages, *code])


def _agent_digest() -> str:
    """Of what is done again over an earlier Debian: the agent, its libraries, settings, and how it is packed."""
    spec = importlib.util.find_spec("agent")
    assert spec is not None
    agent = Path(next(iter(spec.submodule_search_locations or ())))
    bundles, building = Path(wheels.__file__).parent, Path(recipe.__file__).parent
    files = [*sorted(agent.rglob("*.py")), bundles / "install.sh", bundles / "unpack.py"]
    files += [building / name for name in ("pack.py", "recipe.py", "root.py", "tree.py")]
    return _digest([*wheels.pins(), *(f"{file.name} {file.read_text()}" for file in files)])


def _digest(words: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


if __name__ == "__main__":
    try:
        print(stemcell())
    except CannotBuild as why:
        sys.exit(str(why))
