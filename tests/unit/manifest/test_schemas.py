"""The published schemas are those the product checks with, and every fault in the table is one of a kind."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from director.manifest import faults
from director.manifest.faults import Fault
from director.manifest.schema import schema_text

PUBLISHED = Path(__file__).parents[3] / "schemas"
NAMES = (
    "manifest-v2",
    "cloud-config",
    "runtime-config",
    "cpi-config",
    "network-config",
    "resurrection-config",
    "addon",
    "fabric",
)
FAULTS = [value for value in vars(faults).values() if isinstance(value, Fault)]


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_and_published_as_it_is_used(name):
    text = schema_text(name)
    Draft202012Validator.check_schema(json.loads(text))
    assert (PUBLISHED / f"{name}.json").read_text() == text


def test_every_fault_has_a_code_of_its_own():
    codes = [fault.code for fault in FAULTS]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+\.[a-z0-9-]+", code) for code in codes)


def test_a_summary_holds_no_data():
    assert all(fault.summary[0].isupper() and "{" not in fault.summary for fault in FAULTS)
