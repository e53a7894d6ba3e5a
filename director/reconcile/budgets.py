"""Which groups keep data on disks, and how many of each may be repaired at a time: what their manifest says of updates.

The manifest is the one last deployed to its end, which the record has. It is read once for each version of it, and only
when something of a group with disks is to be repaired.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from director.manifest.budget import read_budgets
from director.model.deployment import Count
from director.model.health import Verdict, Watched
from director.model.names import DeploymentName
from director.model.problem import Refused
from director.planning.quorum import GroupKey, Quorum, group_of

log = structlog.get_logger()

ONE = Count(number=1)


class Budgets:
    """Keeps what it read of each deployment's manifest until that is another one."""

    def __init__(self) -> None:
        self._read: dict[DeploymentName, tuple[str, Mapping[str, Count]]] = {}

    def quorums(
        self, fleet: Sequence[Watched], verdicts: Sequence[Verdict], manifests: Mapping[DeploymentName, str]
    ) -> Mapping[GroupKey, Quorum]:
        """Of every group with a persistent disk of which something is to be repaired, now or once a hold has gone."""
        sizes = Counter((one.instance.deployment, str(one.instance.group)) for one in fleet)
        keeping = {(one.instance.deployment, str(one.instance.group)) for one in fleet if one.has_disk}
        unwell = {group_of(verdict.finding) for verdict in verdicts if verdict.remedy.is_action} & keeping
        return {
            (name, group): Quorum(size=sizes[name, group], budget=max(1, count.of(sizes[name, group])))
            for name, group in sorted(unwell)
            for count in (self._of(name, manifests.get(name, "")).get(group, ONE),)
        }

    def _of(self, name: DeploymentName, manifest: str) -> Mapping[str, Count]:
        known = self._read.get(name)
        if known is None or known[0] != manifest:
            known = self._read[name] = (manifest, _read(name, manifest))
        return known[1]


def _read(name: DeploymentName, manifest: str) -> Mapping[str, Count]:
    """None where it cannot be read any more: then one at a time."""
    try:
        return read_budgets(manifest) if manifest else {}
    except Refused as refused:
        log.warning("the manifest last deployed cannot be read", deployment=name, why=str(refused))
        return {}
