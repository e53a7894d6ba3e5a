"""Compiles a package (1.12): dependencies enabled, source unpacked, ``packaging`` run, the result uploaded."""

import shutil
from pathlib import Path

from agent import archives, bundles, packages, process
from agent.blobs import Blobs
from agent.failure import Failed
from agent.layout import Layout, make_directory
from agent.tail import last_lines
from agent.wire import agent_pb2 as wire

_LAST_LINES = 20


async def compile_package(request: wire.CompilePackage, layout: Layout, blobs: Blobs) -> wire.StoredBlob:
    """The compiled package as the director stored it. Raises Failed with the script's exit code and last lines."""
    await packages.install(request.dependencies, layout, blobs)
    packages.keep_only(request.dependencies, layout)
    packages.enable(request.dependencies, layout)
    source, target = await _unpacked(request, layout, blobs), _target(request, layout)
    what = f'compiled package "{request.name}"'
    archive = layout.tmp / f"compiled-{request.name}.tgz"
    try:
        await _run_packaging(request, source, layout)
        await archives.pack(target, archive, (), what, layout)
        return await blobs.store(archive, what)
    finally:
        archive.unlink(missing_ok=True)
        bundles.disable(layout, packages.KIND, request.name)
        shutil.rmtree(target, ignore_errors=True)
        shutil.rmtree(source, ignore_errors=True)


async def _unpacked(request: wire.CompilePackage, layout: Layout, blobs: Blobs) -> Path:
    what = f'source of package "{request.name}"'
    source = layout.data / "compile" / _target(request, layout).parent.name
    archive = layout.tmp / f"source-{request.name}.tgz"
    try:
        await blobs.fetch(request.source, request.digest, archive, what)
        await archives.unpack(archive, source, what, layout)
    finally:
        archive.unlink(missing_ok=True)
    return source


def _target(request: wire.CompilePackage, layout: Layout) -> Path:
    return bundles.bundle(layout, packages.KIND, request.name, request.fingerprint)


async def _run_packaging(request: wire.CompilePackage, source: Path, layout: Layout) -> None:
    if not (source / "packaging").exists():
        raise Failed(f'package "{request.name}" has no file "packaging"')
    target = _target(request, layout)
    shutil.rmtree(target, ignore_errors=True)
    make_directory(target, 0o755)
    bundles.enable(layout, packages.KIND, request.name, request.fingerprint)
    logs = layout.log("compilation")
    shutil.rmtree(logs, ignore_errors=True)
    make_directory(logs, 0o750)
    out, err = logs / "packaging.stdout.log", logs / "packaging.stderr.log"
    with out.open("wb") as stdout, err.open("wb") as stderr:
        code = await process.run(
            ("bash", "-x", "packaging"),
            env=layout.environment() | _variables(request, source, layout),
            cwd=source,
            stdout=stdout,
            stderr=stderr,
            notes=layout.notes,
        )
    if code:
        lines = (*last_lines(out, _LAST_LINES), *last_lines(err, _LAST_LINES))
        raise Failed("\n".join((f'packaging of "{request.name}" ended with exit code {code}; its last lines:', *lines)))


def _variables(request: wire.CompilePackage, source: Path, layout: Layout) -> dict[str, str]:
    return {
        "BOSH_COMPILE_TARGET": str(source),
        "BOSH_INSTALL_TARGET": str(layout.package(request.name)),
        "BOSH_PACKAGE_NAME": request.name,
        "BOSH_PACKAGE_VERSION": request.fingerprint,
    }
