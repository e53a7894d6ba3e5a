"""Reads from a manifest how many instances of each group may be away at a time. Decides nothing else of it."""

from collections.abc import Mapping

from director.manifest.build import build_update
from director.manifest.pick import text, tree_at, trees
from director.manifest.read import read
from director.model.deployment import Count


def read_budgets(manifest: str) -> Mapping[str, Count]:
    """``max_in_flight`` of every instance group of a manifest that was deployed: its own, or the deployment's.

    Reading takes half a second for a thousand groups: ask once for each version. Raises Refused when it is none.
    """
    root = read(manifest, "the manifest last deployed").root
    above = tree_at(root, "update")
    groups = [tree for _, tree in trees(root, "instance_groups")]
    return {text(group, "name"): build_update(tree_at(group, "update"), above).max_in_flight for group in groups}
