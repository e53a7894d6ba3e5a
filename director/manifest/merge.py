"""Several cloud configs as one: which item stands in which document (bosh-director.md 2.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from director.manifest.document import Path
from director.manifest.pick import text, tree_at, trees
from director.manifest.report import Report
from director.model.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One map of a section, with the report of the document it stands in."""

    report: Report
    path: Path
    tree: Tree

    @property
    def name(self) -> str:
        return text(self.tree, "name")


def items_of(reports: Sequence[Report], section: str) -> Iterator[Item]:
    """The items of ``section`` over all documents, in the order of the documents."""
    for report in reports:
        for index, tree in trees(report.document.root, section):
            yield Item(report=report, path=(section, index), tree=tree)


def has_section(reports: Sequence[Report], section: str) -> bool:
    """Whether any document has the section, so that a name missing in it is a mistake for certain."""
    return any(section in report.document.root for report in reports)


def compilations_of(reports: Sequence[Report]) -> tuple[Item, ...]:
    """Each ``compilation`` map; more than one is a mistake."""
    return tuple(
        Item(report=report, path=("compilation",), tree=tree_at(report.document.root, "compilation"))
        for report in reports
        if isinstance(report.document.root.get("compilation"), dict)
    )
