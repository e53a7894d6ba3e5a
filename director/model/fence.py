"""A person's word that a VM is gone for good, where no infrastructure can be asked to prove it."""

from dataclasses import dataclass
from typing import Self

from director.model.names import VmName
from director.model.record import VmRecord
from director.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Who said so, when (seconds since the epoch), and why in that person's words."""

    by: str
    at: float
    words: str

    def to_tree(self) -> Tree:
        return {"by": self.by, "at": self.at, "words": self.words}

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """What ``to_tree`` made."""
        at = tree.get("at")
        return cls(
            by=str(tree.get("by", "")),
            at=float(at) if isinstance(at, int | float) else 0.0,
            words=str(tree.get("words", "")),
        )


def fence_in(setting: Tree | None, vm: VmRecord) -> Fence | None:
    """The fence of ``vm`` as stored. One from before it was created was said of another VM of that name."""
    fence = Fence.of(setting) if setting else None
    return fence if fence and fence.at >= vm.created_at else None


def fence_name(vm: VmName) -> str:
    """The setting of the store that holds the fence of ``vm``."""
    return f"fence:{vm}"
