"""CPI configs, one or several together: names (bosh-director.md 2.3), and from checked ones to values.

Whether a program can be run, and what its properties mean, is for the infrastructures to say.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from director.manifest import faults
from director.manifest.document import Document, Path
from director.manifest.merge import Item, items_of
from director.manifest.pick import text, text_or_none, tree_at, trees
from director.manifest.report import Report
from director.manifest.values import PLACEHOLDER
from director.model.cpi import CpiEntry
from director.model.tree import Node

SECTION: Final = "cpis"


def check_cpi_set(reports: Sequence[Report]) -> None:
    """All configs together; their shapes were checked one by one."""
    first: dict[str, str] = {}
    for item in items_of(reports, SECTION):
        for path, name in _names(item):
            if name in first:
                detail = f'The name "{name}" belongs to the CPI at {first[name]} already.'
                item.report.error(path, faults.CPI_DUPLICATE, detail, "rename or remove one of the two.")
            first.setdefault(name, str(item.report.document.mark(item.path)))
        _check_absolute(item.report, (*item.path, "properties"), item.tree.get("properties"))


def build_cpis(docs: Sequence[Document]) -> tuple[CpiEntry, ...]:
    """Every CPI of every config, in their order; never fails."""
    return tuple(
        CpiEntry(
            name=text(tree, "name"),
            type=text(tree, "type"),
            properties=tree_at(tree, "properties"),
            exec_path=text_or_none(tree, "exec_path"),
            migrated_from=tuple(text(former, "name") for _, former in trees(tree, "migrated_from")),
        )
        for doc in docs
        for _, tree in trees(doc.root, SECTION)
    )


def _names(item: Item) -> Iterator[tuple[Path, str]]:
    """The name and the former ones, with their places. An empty former name is the director's own infrastructure's."""
    if item.name:
        yield (*item.path, "name"), item.name
    for index, former in trees(item.tree, "migrated_from"):
        if isinstance(former.get("name"), str):
            yield (*item.path, "migrated_from", index, "name"), text(former, "name")


def _check_absolute(report: Report, path: Path, node: Node) -> None:
    """A relative name is one deployment's, and a CPI serves all of them."""
    if isinstance(node, str):
        for name in sorted({found[1] for found in PLACEHOLDER.finditer(node)}):
            if not name.startswith("/"):
                detail = f"{report.words(path)} refers to (({name})), a variable of no deployment in particular."
                report.error(path, faults.CPI_VARIABLE, detail, f"write an absolute name, such as ((/{name})).")
    elif isinstance(node, list):
        for index, below in enumerate(node):
            _check_absolute(report, (*path, index), below)
    elif isinstance(node, dict):
        for key in node:
            _check_absolute(report, (*path, key), node[key])
