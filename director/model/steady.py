"""Continuous reconciliation as values: what a deployment is kept to, by which limits, and how that stands.

Not to be mixed up with the watch of instances' health (``model/health.py``) nor with watch times of a manifest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from director.model.deployment import Count
from director.model.names import DeploymentName, TaskId
from director.model.tree import Tree

EVERY_S: Final = 300.0
EVERY_MIN_S: Final = 5.0
"""Below that, looking would be most of what an infrastructure has to answer."""
BRANCH: Final = "main"


class Mode(Enum):
    APPLY = "apply"
    PROPOSE = "propose"
    """Plans are made and shown; nothing is ever applied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The manifest that was deployed last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """An absolute path on the director's machine."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """``path`` is the directory inside the repository; empty means its root. ``url`` holds no credentials."""

    url: str
    branch: str = BRANCH
    path: str = ""


Source: TypeAlias = Recorded | Directory | Git
RECORDED: Final = Recorded()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``changes_max`` None: any number of instances. ``allows_deletes``: instances, disks and network objects may go.

    ``uses_latest``: planned with the latest cloud and runtime configs rather than with those deployed last.
    ``since`` (wall clock seconds) is when it was last set: what failed before does not count. ``by`` set it.
    """

    deployment: DeploymentName
    mode: Mode = Mode.PROPOSE
    changes_max: Count | None = None
    allows_deletes: bool = False
    uses_latest: bool = True
    every_s: float = EVERY_S
    source: Source = RECORDED
    since: float = 0.0
    by: str = ""


class State(Enum):
    NEW = "not looked at yet"
    STEADY = "as wanted"
    APPLYING = "applying"
    BUSY = "being changed"
    """By a task that somebody else began."""
    PENDING = "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one deployment stands. ``reasons`` are why what ``plan`` says is not (yet) applied, in words.

    ``revision`` names what the source last gave. ``planned_at`` and ``again_at`` are wall clock seconds: when the plan
    was made, and when time alone may change the state. ``task`` is the one that applies it, or did last.
    """

    policy: Policy
    state: State = State.NEW
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    summary: str = ""
    plan: str = field(default="", repr=False)
    revision: str = ""
    planned_at: float | None = None
    again_at: float | None = None
    task: TaskId | None = None


def setting_of(deployment: str) -> str:
    """The store's setting that holds a deployment's policy; an empty value is none."""
    return f"steady:{deployment}"


def policy_to_tree(policy: Policy) -> Tree:
    return {
        "mode": policy.mode.value,
        "changes_max": written(policy.changes_max),
        "allows_deletes": policy.allows_deletes,
        "uses_latest": policy.uses_latest,
        "every_s": policy.every_s,
        "source": source_to_tree(policy.source),
        "since": policy.since,
        "by": policy.by,
    }


def policy_of(deployment: DeploymentName, tree: Tree) -> Policy:
    """What ``policy_to_tree`` wrote."""
    source = tree["source"]
    assert isinstance(source, Mapping), "a policy is stored with its source"
    return Policy(
        deployment=deployment,
        mode=Mode(tree["mode"]),
        changes_max=count_of(str(tree["changes_max"])),
        allows_deletes=tree["allows_deletes"] is True,
        uses_latest=tree["uses_latest"] is True,
        every_s=float(str(tree["every_s"])),
        source=source_of(source),
        since=float(str(tree["since"])),
        by=str(tree["by"]),
    )


def source_to_tree(source: Source) -> Tree:
    match source:
        case Recorded():
            return {"kind": "recorded"}
        case Directory():
            return {"kind": "directory", "path": source.path}
        case Git():
            return {"kind": "git", "url": source.url, "branch": source.branch, "path": source.path}


def source_of(tree: Tree) -> Source:
    match tree["kind"]:
        case "directory":
            return Directory(path=str(tree["path"]))
        case "git":
            return Git(url=str(tree["url"]), branch=str(tree["branch"]), path=str(tree["path"]))
        case _:
            return RECORDED


def source_in_words(source: Source) -> str:
    match source:
        case Recorded():
            return "the manifest deployed last"
        case Directory():
            return source.path
        case Git():
            return f"{source.url}#{source.branch}" + (f":{source.path}" if source.path else "")


def written(count: Count | None) -> str:
    """As an operator writes it; empty for no limit."""
    if count is None:
        return ""
    return f"{count.percent}%" if count.percent is not None else str(count.number)


def count_of(text: str) -> Count | None:
    """What ``written`` wrote."""
    if not text:
        return None
    return Count(percent=int(text[:-1])) if text.endswith("%") else Count(number=int(text))
