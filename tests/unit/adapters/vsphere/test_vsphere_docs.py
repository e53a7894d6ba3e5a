"""docs/vsphere.md tells of everything there is to set and to grant, under its right name."""

import ast
from pathlib import Path

import pytest

pytest.importorskip("pyVmomi")

from director.adapters.vsphere.privileges import FOR_ATTRIBUTES, FOR_RULES, ON_DATACENTER, ON_ROOT

ROOT = Path(__file__).resolve().parents[4]
TEXT = (ROOT / "docs" / "vsphere.md").read_text()
READERS = {"text", "whole", "flag", "one_of", "pattern", "parts", "fields", "options", "raw", "has", "items"}


def keys(module):
    """Every key that a module asks its fields for."""
    tree = ast.parse((ROOT / "director" / "adapters" / "vsphere" / f"{module}.py").read_text())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return sorted(
        {
            call.args[0].value
            for call in calls
            if call.func.attr in READERS and call.args and isinstance(call.args[0], ast.Constant)
        }
    )


@pytest.mark.parametrize("privilege", sorted({*ON_ROOT, *ON_DATACENTER, *FOR_RULES, *FOR_ATTRIBUTES}))
def test_every_privilege_is_in_the_table(privilege):
    assert f"`{privilege}`" in TEXT


@pytest.mark.parametrize("module", ["settings", "cloud", "choices"])
def test_every_property_is_told_of(module):
    assert keys(module)
    assert [key for key in keys(module) if key not in TEXT] == []
