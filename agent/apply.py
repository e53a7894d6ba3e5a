"""Makes this VM what a spec says, short of starting it: prepare downloads, apply enables and remembers.

Both are repeatable. The spec is remembered last, so ``configuration_hash`` never claims more than is there.
"""

from agent import jobs, packages
from agent.blobs import Blobs
from agent.layout import Layout, write_atomically
from agent.wire import agent_pb2 as wire


async def prepare(spec: wire.Spec, layout: Layout, blobs: Blobs) -> None:
    """Everything of ``spec`` on disk, nothing enabled. Raises Failed, naming job or package."""
    jobs.install(spec.jobs, layout)
    await packages.install(spec.packages, layout, blobs)


async def apply(spec: wire.Spec, layout: Layout, blobs: Blobs) -> None:
    """Enables exactly ``spec`` and drops every other bundle; without a configuration hash only records it."""
    if spec.configuration_hash:
        await prepare(spec, layout, blobs)
        jobs.make_directories(spec.jobs, layout)
        packages.enable(spec.packages, layout)
        jobs.enable(spec.jobs, layout)
        jobs.keep_only(spec.jobs, layout)
        packages.keep_only(spec.packages, layout)
    _write_instance(spec, layout)
    remember(spec, layout)


def remember(spec: wire.Spec, layout: Layout) -> None:
    """Without the content of files, which is in the bundles."""
    slim = wire.Spec()
    slim.CopyFrom(spec)
    for job in slim.jobs:
        job.digest = jobs.version(job)
        del job.files[:]
    write_atomically(layout.bosh / "spec.pb", slim.SerializeToString(), 0o600, durable=True)


def remembered(layout: Layout) -> wire.Spec:
    """The spec last applied; an empty one before the first."""
    try:
        return wire.Spec.FromString((layout.bosh / "spec.pb").read_bytes())
    except FileNotFoundError:
        return wire.Spec()


def _write_instance(spec: wire.Spec, layout: Layout) -> None:
    facts = {"id": spec.id, "az": spec.az, "name": spec.group, "deployment": spec.deployment}
    for name, fact in facts.items():
        write_atomically(layout.instance / name, fact.encode(), 0o644)
