"""The libraries the agent needs, as wheels for the Pythons a guest may have. Blocks on pip and files.

Their versions are this director's own, so that both ends speak the same gRPC. Why wheels: docs/decisions/0007.
"""

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Final

import structlog

log = structlog.get_logger()

NEEDED: Final = ("cryptography", "grpcio", "protobuf")
_BENEATH: Final = ("cffi", "pycparser", "typing_extensions")
"""What those need in turn; pip finds it out by itself."""
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
_PLATFORMS: Final = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
_DOWNLOAD_MAX_S: Final = 300.0
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


def pins() -> tuple[str, ...]:
    return tuple(f"{name}=={metadata.version(name)}" for name in NEEDED)


def download(
    directory: Path, pythons: Sequence[str] = PYTHONS, pip: Sequence[str] = (sys.executable, "-m", "pip")
) -> bool:
    """Whether there are wheels for at least one of ``pythons`` now; a Python nobody built for yet is left out."""
    got = [python for python in pythons if _download(directory, python, pip)]
    log.info("wheels downloaded for the agent bundle", pythons=got)
    return bool(got)


def _download(directory: Path, python: str, pip: Sequence[str]) -> bool:
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:", "--implementation=cp"]
    platforms = [f"--platform={platform}" for platform in _PLATFORMS]
    argv = [*pip, "download", *options, *platforms, f"--python-version={python}", f"--dest={directory}", *pins()]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_DOWNLOAD_MAX_S, check=False)
    except subprocess.TimeoutExpired:
        log.warning("no wheels for the agent bundle", python=python, why="the download took too long")
        return False
    if done.returncode:
        log.warning("no wheels for the agent bundle", python=python, why=done.stderr.strip()[-300:])
    return done.returncode == 0


def pack_installed(directory: Path) -> None:
    """From this director's own libraries: for a guest with the same Python, where nothing can be downloaded."""
    for name in NEEDED:
        _pack(metadata.distribution(name), directory)
    for name in _BENEATH:
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # no longer needed by the version that is installed
        _pack(found, directory)


def _pack(distribution: metadata.Distribution, directory: Path) -> None:
    name = distribution.metadata["Name"].replace("-", "_").lower()
    path = directory / f"{name}-{distribution.version}-{_tag(distribution)}.whl"
    files = sorted(str(file) for file in distribution.files or () if _belongs(PurePosixPath(str(file))))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(file, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, Path(str(distribution.locate_file(file))).read_bytes())


def _tag(distribution: metadata.Distribution) -> str:
    """``cp311-cp311-manylinux_2_17_x86_64``: as the wheel it was installed from says, else this Python's own."""
    lines = (distribution.read_text("WHEEL") or "").splitlines()
    tags = [line.removeprefix("Tag: ").split("-") for line in lines if line.startswith("Tag: ")]
    if not tags:
        own = f"cp{sys.version_info[0]}{sys.version_info[1]}"
        return f"{own}-{own}-linux_x86_64"
    return "-".join(".".join(sorted({tag[place] for tag in tags})) for place in range(3))


def _belongs(file: PurePosixPath) -> bool:
    """Commands lie outside of the libraries, and what Python compiled is made anew on the guest."""
    return ".." not in file.parts and not file.is_absolute() and "__pycache__" not in file.parts
