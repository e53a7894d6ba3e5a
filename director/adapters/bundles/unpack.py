"""On the guest: puts the agent and the libraries it needs into one directory, without pip. Wheels are zip files.

usage: unpack.py check BUNDLE    prints this Python's own path and tag when the bundle has wheels for it
       unpack.py into DIR BUNDLE

Runs under whatever Python the guest has, to say in words that it is too old: nothing newer than 3.7, no other module.
"""

from __future__ import annotations

import platform
import shutil
import sys
import zipfile
from pathlib import Path

OLDEST = (3, 11)


def tags_of(name: str) -> tuple[str, list[str], list[str], list[str]]:
    """Distribution, and the Pythons, ABIs and platforms of a wheel's file name."""
    parts = name[: -len(".whl")].split("-")
    return parts[0], parts[-3].split("."), parts[-2].split("."), parts[-1].split(".")


def rank(name: str, version: tuple[int, int], machine: str, glibc: tuple[int, int]) -> int:
    """0: this wheel does not run here. The higher the better."""
    _, pythons, abis, platforms = tags_of(name)
    if not any(_runs_on(word, machine, glibc) for word in platforms):
        return 0
    own = f"cp{version[0]}{version[1]}"
    if own in pythons and own in abis:
        return 3
    if "abi3" in abis and any(_number(word) <= version for word in pythons if word.startswith("cp3")):
        return 2
    return 1 if "none" in abis and ("py3" in pythons or own in pythons) else 0


def choose(names: list[str], version: tuple[int, int], machine: str, glibc: tuple[int, int]) -> list[str]:
    """The best wheel of each distribution. Raises SystemExit, in words, when one has none for this machine."""
    chosen = []
    for distribution in sorted({tags_of(name)[0] for name in names}):
        wheels = sorted(name for name in names if tags_of(name)[0] == distribution)
        best = max(wheels, key=lambda name: rank(name, version, machine, glibc))
        if not rank(best, version, machine, glibc):
            sys.exit(f"the bundle has no {distribution} for Python {version[0]}.{version[1]} on {machine}")
        chosen.append(best)
    return chosen


def _runs_on(word: str, machine: str, glibc: tuple[int, int]) -> bool:
    if word == "any":
        return True
    if not word.endswith("_" + machine):
        return False
    if word.startswith("manylinux_"):
        major, minor = word.split("_")[1:3]
        return (int(major), int(minor)) <= glibc
    return word.startswith(("manylinux", "linux"))


def _number(word: str) -> tuple[int, int]:
    return 3, int(word[len("cp3") :])


def _glibc() -> tuple[int, int]:
    kind, version = platform.libc_ver()
    major, minor = (version + ".0").split(".")[:2]
    return (int(major), int(minor)) if kind == "glibc" else (0, 0)


def _wheels(bundle: Path) -> list[str]:
    version = (sys.version_info[0], sys.version_info[1])
    if version < OLDEST or platform.python_implementation() != "CPython":
        sys.exit(f"the agent needs CPython {OLDEST[0]}.{OLDEST[1]} or newer, and this is {platform.python_version()}")
    names = [file.name for file in (bundle / "wheels").iterdir()]
    return choose(names, version, platform.machine(), _glibc())


def main(words: list[str]) -> None:
    """What the module's docstring says."""
    bundle = Path(words[-1])
    wheels = _wheels(bundle)
    if words[0] == "check":
        sys.stdout.write(f"{sys.executable}\ncp{sys.version_info[0]}{sys.version_info[1]}\n")
        return
    shutil.copytree(str(bundle / "agent"), str(Path(words[1]) / "agent"))
    for wheel in wheels:
        with zipfile.ZipFile(str(bundle / "wheels" / wheel)) as archive:
            archive.extractall(words[1])


if __name__ == "__main__":
    main(sys.argv[1:])
