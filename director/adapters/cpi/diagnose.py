"""Whether a CPI can be used: its program, its answer to ``info``, what lost replies may have left. Changes nothing."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from director.adapters.cpi.memory import LostFile
from director.adapters.cpi.room import Room
from director.ports.failure import InfrastructureFailure
from director.ports.infrastructure import Finding


async def findings_of(room: Room) -> Sequence[Finding]:
    program = _program(room)
    if not program.is_well:
        return (program, *_lost(room))
    return (program, await _info(room), *_lost(room))


def unusable_program(room: Room) -> str:
    """Why its program cannot be run, as a sentence; empty when it can."""
    path = room.cpi.options.program
    if not path.is_file():
        return f"CPI '{room.cpi.options.name}' has its program at {path}, where there is no file."
    if not os.access(path, os.X_OK):
        return f"CPI '{room.cpi.options.name}' has its program at {path}, which may not be run."
    return ""


def _program(room: Room) -> Finding:
    why = unusable_program(room)
    fix = "install the CPI's release on the director's machine, or correct exec_path in the CPI config." if why else ""
    detail = why or f"{room.cpi.options.program} can be run."
    return Finding(subject="program", is_well=not why, detail=detail, fix=fix)


async def _info(room: Room) -> Finding:
    try:
        abilities = await room.cpi.abilities()
    except InfrastructureFailure as failure:
        return Finding(
            subject="info", is_well=False, detail=str(failure), fix="see what it says in the task's cpi log."
        )
    formats = ", ".join(abilities.stemcell_formats) or "no format named"
    detail = f"It speaks version {abilities.api_version} of the protocol and takes stemcells as {formats}."
    if abilities.api_version < 2:
        fix = "use a release of this CPI that speaks version 2: without it there are no persistent disks."
        return Finding(subject="info", is_well=False, detail=detail, fix=fix)
    return Finding(subject="info", is_well=True, detail=detail)


def _lost(room: Room) -> Sequence[Finding]:
    return [
        Finding(
            subject=f"lost {lost.method} {lost.name}",
            is_well=False,
            detail=f"At {datetime.fromtimestamp(lost.at, UTC):%Y-%m-%d %H:%M:%S} UTC: {lost.why}",
            fix=f"look there for {lost.what}, delete it, then remove {room.memory.path_of(lost)}.",
        )
        for lost in room.memory.all(LostFile)
    ]
