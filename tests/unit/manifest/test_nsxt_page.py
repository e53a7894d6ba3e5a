"""The worked examples of docs/nsx-t.md are ones that the director takes."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from director.manifest.load import check_cloud_text, check_network_text

PAGE = Path(__file__).resolve().parents[3] / "docs" / "nsx-t.md"
BLOCKS = re.findall(r"(?m)^    # a (cloud|network) config\n((?:    .*\n)+)", PAGE.read_text())
REST = {"azs": [{"name": "z1"}], "vm_types": [{"name": "small"}]}


def test_the_page_has_examples():
    assert [kind for kind, _ in BLOCKS] == ["cloud"] * 4 + ["network"]


@pytest.mark.parametrize("text", [dedent(text) for kind, text in BLOCKS if kind == "cloud"])
def test_a_cloud_config_of_the_page_is_taken(text):
    tree = yaml.safe_load(text)
    network = tree["networks"][0]["name"]
    whole = {**REST, **tree, "compilation": {"workers": 1, "az": "z1", "network": network, "vm_type": "small"}}
    assert check_cloud_text(yaml.safe_dump(whole, sort_keys=False), "cloud.yml", strict=True) == ()


@pytest.mark.parametrize("text", [dedent(text) for kind, text in BLOCKS if kind == "network"])
def test_a_network_config_of_the_page_is_taken(text):
    assert check_network_text(text, "network.yml", strict=True) == ()
