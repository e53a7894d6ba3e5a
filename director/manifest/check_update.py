"""Update rules: counts that can be met and times that make sense (bosh-director.md 1.5, D.4)."""

from typing import Final

from director.manifest import faults
from director.manifest.document import Path
from director.manifest.pick import tree_at
from director.manifest.report import Report
from director.manifest.values import count_fix, parse_watch, wrong_count
from director.model.deployment import VmStrategy
from director.model.problem import Refused
from director.model.tree import Tree

_AT_LEAST: Final = {"canaries": 0, "max_in_flight": 1}
_WATCHES: Final = ("canary_watch_time", "update_watch_time")


def check_update(report: Report, path: Path) -> None:
    """The ``update`` map at ``path``; its types and syntax were checked by the schema."""
    update: Tree = report.document.root
    for step in path:
        update = tree_at(update, step) if isinstance(step, str) else {}
    check_update_tree(report, path, update)


def check_update_tree(report: Report, path: Path, update: Tree) -> None:
    for key, at_least in _AT_LEAST.items():
        written = update.get(key)
        if isinstance(written, str | int) and not report.is_broken((*path, key)):
            wrong = wrong_count(written, at_least)
            if wrong:
                detail = f'{report.words((*path, key))} is "{written}", which {wrong}.'
                report.error((*path, key), faults.BAD_COUNT, detail, count_fix(at_least))
    for key in _WATCHES:
        _check_watch(report, (*path, key), update.get(key))
    if update.get("vm_strategy") == VmStrategy.CREATE_SWAP_DELETE.value:
        detail = f"{report.words((*path, 'vm_strategy'))} is not acted on: a VM is deleted before the next one is made."
        report.warn((*path, "vm_strategy"), faults.NOT_HONOURED, detail, "remove it, if that is what you want.")


def _check_watch(report: Report, path: Path, written: object) -> None:
    if not isinstance(written, str | int) or report.is_broken(path):
        return
    try:
        parse_watch(written, what=report.words(path), mark=report.document.mark(path))
    except Refused as refused:
        for problem in refused.problems:
            report.add(path, problem)
