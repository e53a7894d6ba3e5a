"""Plain trees to YAML text that ``read`` gives back unchanged. Decides quoting only.

Note: why not plain PyYAML. It writes the texts ``y``, ``n``, ``1e3`` and ``0o7`` bare, and BOSH's tools and ours would
read booleans and numbers.
"""

import yaml

from director.manifest.scalar import meaning_of
from director.model.tree import Node


class _Dumper(yaml.CSafeDumper):
    """Writes shared parts out instead of as anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  the library's signature
        return True


def write(node: Node) -> str:
    """Block style, keys in their order, one line per scalar where it can be."""
    text: str = yaml.dump(
        node, Dumper=_Dumper, default_flow_style=False, sort_keys=False, allow_unicode=True, width=10_000
    )
    return text.removesuffix("...\n")


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    is_clear = meaning_of(text).value == text
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_clear else "'")


_Dumper.add_representer(str, _text)
