"""A bundle is built once, when it is first wanted, and offered with what proves it."""

import asyncio
import base64
import hashlib
from pathlib import Path

import pytest

from director.adapters.bundles.offer import AgentBundle
from director.ports.failure import Failure

CONTENT = b"the bundle"


def _bundle(tmp_path: Path, build) -> AgentBundle:
    return AgentBundle(
        tmp_path,
        url="https://d/agent/bundle.tar.gz",
        sign=lambda content: b"signed " + content,
        public_key_pem="PEM",
        build=build,
    )


async def test_many_who_ask_at_once_get_one_bundle(tmp_path: Path) -> None:
    built: list[Path] = []

    def build(directory: Path) -> Path:
        built.append(directory)
        (directory / "b").write_bytes(CONTENT)
        return directory / "b"

    bundle = _bundle(tmp_path, build)
    assert bundle.file is None
    offers = await asyncio.gather(*(bundle.offer() for _ in range(5)))
    assert built == [tmp_path]
    assert len(set(offers)) == 1
    assert offers[0].sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert base64.b64decode(offers[0].signature_b64) == b"signed " + CONTENT
    assert bundle.file == await bundle.path() == tmp_path / "b"


async def test_a_full_disk_is_told_and_the_next_who_asks_tries_again(tmp_path: Path) -> None:
    def build(directory: Path) -> Path:
        if not (directory / "room").exists():
            raise OSError(28, "No space left on device")
        return directory / "room"

    bundle = _bundle(tmp_path, build)
    with pytest.raises(Failure, match=r"cannot be built in .*: No space left on device"):
        await bundle.offer()
    (tmp_path / "room").write_bytes(CONTENT)
    assert (await bundle.offer()).sha256 == hashlib.sha256(CONTENT).hexdigest()
