"""Makes the VM ready for its agent: ``python -m agent.boot --base DIR``, which ends when it is done.

Order: the enrolment is found, what it tells about the VM is kept, then host name and network, then the ephemeral disk
(1.2). A process of its own because what it loads would stay in the agent's memory. May be repeated at each start.
Exit code 0: ready, or nothing to do. 1: the agent may go on without what failed. 2: it may not, since its jobs would
write where their data does not belong. The log says what failed.
"""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from agent import devices, filesystem, identity, machine, network, partition, sources, tool
from agent.failure import Failed
from agent.filesystem import Wish
from agent.layout import Layout, make_directories
from agent.settings import base_from

log = logging.getLogger("agent")
_NETWORK_TRIES = 10
_NETWORK_TRY_S = 1.0


def main() -> int:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = Layout(base=base_from(sys.argv[1:]))
    code = 0
    for step, code_failed in ((_find_enrolment, 1), (_set_up_network, 1), (_set_up_disk, 2)):
        try:
            step(layout)
        except (Failed, OSError) as failure:
            log.error("this VM is not ready why=%s", failure)  # noqa: TRY400 - the message says it all
            code = code_failed
    return code


def _find_enrolment(layout: Layout) -> None:
    if not identity.enrolment_file(layout).exists() and identity.load(layout) is None:
        log.info("enrolment found=%s", sources.fetch(layout))
    machine.keep(layout)


def _set_up_network(layout: Layout) -> None:
    """A NIC may appear a little after the agent started; without root the network is another's to make."""
    told = machine.about(layout)
    if os.geteuid() != 0 or not told.get("networks"):
        return
    for tries_left in reversed(range(_NETWORK_TRIES)):
        try:
            network.set_up(told["networks"], str(told.get("hostname", "")))
            return  # noqa: TRY300 - the loop is what is tried
        except Failed:
            if not tries_left:
                raise
            time.sleep(_NETWORK_TRY_S)


def _set_up_disk(layout: Layout) -> None:
    hint = _ephemeral(machine.about(layout))
    if hint:
        asyncio.run(_mount_ephemeral(layout, hint))
        make_directories(layout)  # what the agent had made there is hidden now


def _ephemeral(told: Mapping[str, Any]) -> str:
    """One word, as devices.py reads it; empty without such a disk."""
    hint = (told.get("disks") or {}).get("ephemeral") or ""
    if not isinstance(hint, dict):
        return str(hint)
    if hint.get("id"):
        return f"id:{hint['id']}"
    return str(hint.get("path") or hint.get("volume_id") or "")


async def _mount_ephemeral(layout: Layout, hint: str) -> None:
    source = await devices.find("ephemeral", hint)
    if partition.is_directory(source):
        if not layout.data.samefile(source):
            await tool.run(layout, ("mount", "--bind", str(source), str(layout.data)), "mounting the ephemeral disk")
    elif not filesystem.is_mounted(partition.known(source), layout.data):
        volume = await partition.ready(layout, source)
        await filesystem.mount(layout, volume, layout.data, Wish())


if __name__ == "__main__":
    sys.exit(main())
