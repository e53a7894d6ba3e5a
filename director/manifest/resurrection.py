"""Resurrection configs (bosh-director.md 2.4): what is odd about well-formed rules, and from checked ones to values."""

from collections.abc import Sequence
from typing import Final

from director.manifest import faults
from director.manifest.document import Document, Path
from director.manifest.pick import flag, texts, tree_at, trees
from director.manifest.report import Report
from director.model.resurrection import ResurrectionFilter, ResurrectionRule
from director.model.tree import Tree

SECTION: Final = "rules"
KINDS: Final = ("deployments", "instance_groups")


def check_rules(report: Report) -> None:
    """Rules that surely mean something else than they say; the shape was checked by the schema."""
    for index, rule in trees(report.document.root, SECTION):
        path: Path = (SECTION, index)
        for side in ("include", "exclude"):
            _check_empty(report, (*path, side), tree_at(rule, side), side)
        _check_applies(report, path, rule)


def build_rules(docs: Sequence[Document]) -> tuple[ResurrectionRule, ...]:
    """Every rule of every config, in their order; never fails."""
    return tuple(_rule(tree) for doc in docs for _, tree in trees(doc.root, SECTION))


def _rule(tree: Tree) -> ResurrectionRule:
    return ResurrectionRule(
        is_enabled=flag(tree, "enabled", True),
        include=_filter(tree_at(tree, "include")),
        exclude=_filter(tree_at(tree, "exclude")),
    )


def _filter(tree: Tree) -> ResurrectionFilter:
    return ResurrectionFilter(deployments=texts(tree, "deployments"), instance_groups=texts(tree, "instance_groups"))


def _check_empty(report: Report, path: Path, wish: Tree, side: str) -> None:
    """As BOSH reads it an empty list chooses nothing in particular, which an author may not mean."""
    for kind in KINDS:
        if wish.get(kind) == []:
            means = "every one is included" if side == "include" else "none is excluded"
            detail = f"{report.words((*path, kind))} is empty, so that {means}."
            report.warn((*path, kind), faults.RULE_EMPTY, detail, "name some, or remove the key.")


def _check_applies(report: Report, path: Path, tree: Tree) -> None:
    """A rule that excludes by itself all that it includes."""
    rule = _rule(tree)
    if not (rule.exclude.deployments or rule.exclude.instance_groups):
        return
    sides = (
        (rule.include.deployments, rule.exclude.deployments),
        (rule.include.instance_groups, rule.exclude.instance_groups),
    )
    if all(not excluded or (included and set(included) <= set(excluded)) for included, excluded in sides):
        detail = f"{report.words(path)} excludes everything that it includes, so that it never applies."
        report.warn((*path, "exclude"), faults.RULE_NEVER, detail, "remove the rule, or name less in its exclude.")
