"""Which files of a source belong to a deployment, and what a text may be. Pure."""

from collections.abc import Iterable
from typing import Final, NoReturn

from director.ports.sources import SourceFailure

FILE_MAX: Final = 10 * 1024 * 1024
"""Bytes of one file; a manifest may have less (``manifest.read.BYTES_MAX``)."""
OPS_MAX: Final = 200
"""Ops files of one deployment."""
CONFIGS: Final = ("cloud", "runtime")


def manifest_of(deployment: str) -> str:
    return f"{deployment}.yml"


def ops_of(deployment: str) -> str:
    """The directory of its ops files."""
    return f"{deployment}.ops"


def config_of(type: str) -> str:
    return f"configs/{type}.yml"


def ops_among(names: Iterable[str], deployment: str) -> tuple[str, ...]:
    """Paths of ops files, in the order they apply. Raises SourceFailure for more than can be meant."""
    start = f"{ops_of(deployment)}/"
    found = sorted(n for n in names if n.startswith(start) and n.endswith(".yml") and "/" not in n[len(start) :])
    if len(found) > OPS_MAX:
        raise SourceFailure(f"{start} has {len(found)} ops files; at most {OPS_MAX} are applied. Join some.")
    return tuple(found)


def check_size(name: str, size: int) -> None:
    if size > FILE_MAX:
        raise SourceFailure(f"{name} has more than {FILE_MAX // 1024 // 1024} MiB. Split it, or leave it out.")


def text_in(name: str, content: bytes) -> str:
    check_size(name, len(content))
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise SourceFailure(f"{name} is not UTF-8 text (byte {error.start}).") from error


def no_manifest(where: str, deployment: str) -> NoReturn:
    raise SourceFailure(f"There is no {manifest_of(deployment)} in {where}. Put the manifest there under this name.")
