"""Which uploaded software no deployment uses, and how much of it a clean-up leaves; which orphaned disks have been kept
for long enough (section 4.6). Pure.
"""

from collections.abc import Iterable, Sequence
from functools import cmp_to_key
from typing import Final, TypeVar

from director.manifest.version import compare_versions, is_version
from director.model.record import DeploymentRecord, DiskRecord, DiskState
from director.model.release import Catalog, Release, Stemcell

KEPT: Final = 2
"""Newest unused versions of each release and stemcell that an ordinary clean-up leaves."""

ORPHANS_KEPT_S: Final = 5 * 86400.0
"""Of an orphaned disk, as BOSH keeps it; a setting."""

_Software = TypeVar("_Software", Release, Stemcell)


def unused(
    catalog: Catalog, deployments: Iterable[DeploymentRecord], *, keep: int
) -> tuple[list[Release], list[Stemcell]]:
    """Releases and stemcells in no deployment, without the ``keep`` newest of each name; by name, newest first."""
    users = tuple(deployments)
    used_releases = {pair for d in users for pair in d.releases}
    used_stemcells = {pair for d in users for pair in d.stemcells}
    releases = [r for r in catalog.releases if (str(r.name), r.version) not in used_releases]
    uploaded = [s for s in catalog.stemcells if not s.is_built_in]
    stemcells = [s for s in uploaded if (s.name, s.version) not in used_stemcells]
    return _all_but_newest(releases, keep), _all_but_newest(stemcells, keep)


def expired(orphans: Iterable[DiskRecord], now: float, kept_s: float) -> tuple[DiskRecord, ...]:
    """Orphaned for ``kept_s`` or longer, by name; with 0 all of them. One whose deletion had begun is always among
    these; one without a time, of which nobody knows for how long, only among all.
    """
    return tuple(
        disk
        for disk in sorted(orphans, key=lambda disk: disk.name)
        if kept_s <= 0
        or disk.state is DiskState.DELETING
        or (disk.orphaned_at is not None and now - disk.orphaned_at >= kept_s)
    )


def in_order(versions: Iterable[str]) -> list[str]:
    """Lowest first, each once; what is no version comes before all that are."""
    each = sorted(set(versions))
    proper = sorted((v for v in each if is_version(v)), key=cmp_to_key(compare_versions))
    return [v for v in each if not is_version(v)] + proper


def _all_but_newest(found: Sequence[_Software], keep: int) -> list[_Software]:
    gone: list[_Software] = []
    for name in sorted({item.name for item in found}):
        newest_first = in_order(item.version for item in found if item.name == name)[::-1]
        left = newest_first[keep:]
        gone += [item for version in left for item in found if (item.name, item.version) == (name, version)]
    return gone
