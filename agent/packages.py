"""Packages of a spec: fetched, verified and unpacked as bundles. Repeatable: what is there is not fetched again."""

import asyncio
import hashlib
from collections.abc import Iterable

from agent import archives, bundles
from agent.blobs import Blobs
from agent.layout import Layout
from agent.together import gather_all
from agent.wire import agent_pb2 as wire

_AT_ONCE = 4
KIND = "packages"


async def install(packages: Iterable[wire.Package], layout: Layout, blobs: Blobs) -> None:
    """Raises Failed, naming the package, when one cannot be had."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(package: wire.Package) -> None:
        async with slots:
            await _install_one(package, layout, blobs)

    await gather_all([one(package) for package in packages])


async def _install_one(package: wire.Package, layout: Layout, blobs: Blobs) -> None:
    place = bundles.bundle(layout, KIND, package.name, package.key)
    if place.exists():
        return
    what = f'package "{package.name}"'
    archive = layout.tmp / f"package-{hashlib.sha1(str(place).encode(), usedforsecurity=False).hexdigest()}.tgz"
    try:
        await blobs.fetch(package.blob, package.digest, archive, what)
        await archives.unpack(archive, place, what, layout)
    finally:
        archive.unlink(missing_ok=True)


def enable(packages: Iterable[wire.Package], layout: Layout) -> None:
    for package in packages:
        bundles.enable(layout, KIND, package.name, package.key)


def keep_only(packages: Iterable[wire.Package], layout: Layout) -> None:
    bundles.keep_only(layout, KIND, {(package.name, package.key) for package in packages})
