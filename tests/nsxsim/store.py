"""State on disk: one JSON file, written beside itself and moved into place, soon after changes and at the end."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.nsxsim import kinds
from tests.nsxsim.cluster import Cluster
from tests.nsxsim.problems import Json

FORMAT: Final = 1
SOON_S: Final = 0.5
NOTHING: Final[Json] = {"system": {}, "objects": {}}


def load(path: Path) -> Json | None:
    """None when there is no such file yet. Raises ValueError for a file that is not ours."""
    if not path.exists():
        return None
    said: Json = json.loads(path.read_text())
    if said.get("format") != FORMAT:
        raise ValueError(f"{path} is not a state of nsxsim (format {FORMAT})")
    return said


def state(cluster: Cluster) -> Json:
    """Everything that outlives a restart; realisation starts anew, sessions end."""
    tree = cluster.sim.tree
    return {
        "format": FORMAT,
        "roots": sorted(path for path, node in tree.nodes.items() if node.kind is None),
        "objects": [
            {"path": path, "owner": node.owner, "body": node.body}
            for path, node in tree.nodes.items()
            if node.kind is not None
        ],
        "numbers": tree.numbers,
        "principals": {mark: list(who) for mark, who in cluster.auth.principals.items()},
        "rooms": {name: room.saved() for name, room in sorted(cluster.sim.rooms.items()) if hasattr(room, "saved")},
    }


def restore(cluster: Cluster, said: Mapping[str, Any]) -> None:
    """Puts a saved state in place of an empty tree. What was being deleted goes on being deleted."""
    tree = cluster.sim.tree
    for path in said["roots"]:
        tree.root(path)
    tree.numbers.update(said["numbers"])
    for each in said["objects"]:
        place = kinds.place(each["path"])
        if place is None:
            raise ValueError(f"path {each['path']} in the state is none of the tree")
        tree.put(place, each["body"], owner=each["owner"])
    cluster.auth.principals.update({mark: (who[0], who[1]) for mark, who in said["principals"].items()})
    for name, room in cluster.sim.rooms.items():
        if hasattr(room, "restore") and name in said["rooms"]:
            room.restore(said["rooms"][name])


class Keeper:
    """Saves `SOON_S` after the first change since the last save."""

    def __init__(self, cluster: Cluster, path: Path) -> None:
        self.cluster, self.path = cluster, path
        self._due = False
        cluster.sim.tree.listen(self._changed)

    def _changed(self, _path: str, _before: Json | None, _after: Json | None) -> None:
        if not self._due:
            self._due = True
            self.cluster.clock.later(SOON_S, self.save)

    def save(self) -> None:
        self._due = False
        beside = self.path.with_name(self.path.name + ".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(state(self.cluster), file, separators=(",", ":"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)
