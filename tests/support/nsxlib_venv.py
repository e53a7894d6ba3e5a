"""A virtual environment of its own for OpenStack's ``vmware-nsxlib``, made once below ``build/``.

That library brings half of OpenStack's with it and monkey-patches, so it never enters the environment of the tests.
"""

import fcntl
import subprocess
import sys
from pathlib import Path
from typing import Final

WANTED: Final = "vmware-nsxlib==19.4.3"
PLACE: Final = Path(__file__).resolve().parents[2] / "build" / "nsxlib-venv"
INSTALL_S: Final = 300
PROBE: Final = "import vmware_nsxlib.v3.policy"


class NoNsxlib(Exception):
    """The library cannot be had here: no registry, or nothing of it for this Python."""


def nsxlib_python() -> Path:
    """A Python that has ``vmware-nsxlib``. Raises ``NoNsxlib`` with the installer's last words."""
    python = PLACE / "bin" / "python"
    if _has_it(python):
        return python
    try:
        PLACE.parent.mkdir(parents=True, exist_ok=True)
        with (PLACE.parent / "nsxlib-venv.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _has_it(python):
                _make(python)
    except OSError as unwritable:
        raise NoNsxlib(str(unwritable)) from unwritable
    return python


def _make(python: Path) -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(PLACE))
    # It imports distutils and pkg_resources, which newer Pythons and setuptools have dropped.
    _run(str(python), "-m", "pip", "install", "--quiet", WANTED, "setuptools<81")
    _run(str(python), "-c", PROBE)


def _has_it(python: Path) -> bool:
    return python.exists() and subprocess.run([python, "-c", PROBE], capture_output=True, check=False).returncode == 0


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired as late:
        raise NoNsxlib(f"{command[0]} took more than {INSTALL_S} s") from late
    if done.returncode:
        raise NoNsxlib(f"{' '.join(command[1:])}: {done.stderr.strip()[-500:]}")
