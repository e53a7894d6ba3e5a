"""Finds placeholders that were left where a real value is needed to plan (bosh-director.md 1.11)."""

from typing import Final

from director.manifest import faults
from director.manifest.document import Path
from director.manifest.report import Report
from director.manifest.values import PLACEHOLDER
from director.model.tree import Node

_LATER: Final = frozenset(("properties", "env", "cloud_properties", "options", "tags"))
"""Below these, placeholders stay: they are filled in where content is rendered or a VM is created (section 1.11)."""


def check_filled(report: Report, path: Path, node: Node) -> None:
    """Outside of content that is rendered later, a placeholder left over stands where a real value is needed."""
    if isinstance(node, str):
        names = sorted({found[1] for found in PLACEHOLDER.finditer(node)})
        if names:
            detail = f"{report.words(path)} still holds (({names[0]})), and its value is needed to plan."
            fix = f"give it a value: -v {names[0]}=VALUE, or --vars-file FILE."
            report.error(path, faults.UNFILLED, detail, fix)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            check_filled(report, (*path, index), item)
    elif isinstance(node, dict):
        for key in node:
            if key not in _LATER:
                check_filled(report, (*path, key), node[key])
