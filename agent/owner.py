"""Who files and jobs belong to: vcap, where the agent may give things away and that user exists."""

import os
import pwd
from functools import cache
from pathlib import Path


@cache
def vcap() -> tuple[int, int] | None:
    """(uid, gid) of vcap; None as an ordinary user, without that user, or where a namespace does not map it."""
    return user_ids("vcap")


def user_ids(name: str) -> tuple[int, int] | None:
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    if _is_mapped(entry.pw_uid, "uid_map") and _is_mapped(entry.pw_gid, "gid_map"):
        return entry.pw_uid, entry.pw_gid
    return None


def root_and_vcap_group() -> tuple[int, int] | None:
    """For files that jobs may read and not change: root:vcap."""
    ids = vcap()
    return None if ids is None else (0, ids[1])


def _is_mapped(number: int, table: str) -> bool:
    for line in Path("/proc/self", table).read_text("ascii").splitlines():
        first, _, count = (int(field) for field in line.split())
        if first <= number < first + count:
            return True
    return False
