"""What may be shown of a CPI call (agent-cpi-vsphere.md 2.1): not what BOSH hides, nor secrets wherever they turn up.

Pure. A program can still print a secret in a form of its own (encoded, cut in pieces); nobody can find that.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from director.model.tree import Node, Tree

REDACTED: Final = "<redacted>"
_PLAIN_ENV: Final = ("group", "groups", "tags")
"""Parts of ``env.bosh`` that are shown."""
_SECRET_KEY: Final = re.compile(r"passw|secret|token|credential|private|api_?key|_key$|^key$|mbus", re.IGNORECASE)
_URL_SECRET: Final = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_SECRET_MIN: Final = 6
"""Shorter words are found everywhere, and hiding them would make a log unreadable."""

_HIDDEN_ARGUMENTS: Final[Mapping[str, Sequence[int]]] = {
    "create_stemcell": (1,),
    "create_vm": (2,),
    "create_disk": (1,),
    "update_disk": (2,),
}
_NETWORK_ARGUMENTS: Final[Mapping[str, int]] = {"create_vm": 3, "create_network": 0}
_ENV_ARGUMENTS: Final[Mapping[str, int]] = {"create_vm": 5, "create_stemcell": 2}
_CONTEXT_SHOWN: Final = ("director_uuid", "request_id", "vm")


class Mask:
    """Takes known secrets out of any text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self.longest = len(longest_first[0]) if longest_first else 0

    def of(self, text: str) -> str:
        return self._pattern.sub(REDACTED, text) if self._pattern else text


def _forms(secret: str) -> Iterator[str]:
    """As it is, as JSON and Ruby write it inside quotes, and its lines: logs are read line by line."""
    lines = secret.splitlines() if "\n" in secret else []
    for form in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], *lines):
        if len(form.strip()) >= _SECRET_MIN and not form.startswith("-----"):
            yield form.strip()


def secrets_in(tree: Node, *, are_all: bool = False) -> Iterator[str]:
    """Texts below keys that sound secret; with ``are_all`` every text."""
    match tree:
        case str():
            if are_all or _URL_SECRET.search(tree):
                yield tree
        case list():
            for item in tree:
                yield from secrets_in(item, are_all=are_all)
        case Mapping():
            for key, value in tree.items():
                yield from secrets_in(value, are_all=are_all or _SECRET_KEY.search(key) is not None)
        case _:
            return


def secrets_of_env(env: Tree) -> Iterator[str]:
    """Every text of an env but group, groups and tags."""
    for key, value in env.items():
        if key == "bosh" and isinstance(value, Mapping):
            hidden = {name: part for name, part in value.items() if name not in _PLAIN_ENV}
            yield from secrets_in(hidden, are_all=True)
        else:
            yield from secrets_in(value, are_all=True)


def shown_request(method: str, arguments: Sequence[Node], context: Tree, api_version: int | None) -> str:
    """The request for the log, as one line of JSON."""
    said: dict[str, Node] = {
        "method": method,
        "arguments": [_shown_argument(method, at, node) for at, node in enumerate(arguments)],
        "context": {key: value if key in _CONTEXT_SHOWN else REDACTED for key, value in sorted(context.items())},
    }
    if api_version is not None:
        said["api_version"] = api_version
    return json.dumps(said)


def shown_result(node: Node) -> Node:
    """A result without the values of cloud properties and env anywhere in it."""
    if isinstance(node, list):
        return [shown_result(item) for item in node]
    if isinstance(node, Mapping):
        hidden = ("cloud_properties", "env")
        return {key: _hidden(value) if key in hidden else shown_result(value) for key, value in node.items()}
    return node


def _shown_argument(method: str, at: int, node: Node) -> Node:
    if at in _HIDDEN_ARGUMENTS.get(method, ()):
        return _hidden(node)
    if at == _NETWORK_ARGUMENTS.get(method):
        return shown_result(node)
    if at == _ENV_ARGUMENTS.get(method) and isinstance(node, Mapping):
        return {key: _shown_bosh(value) if key == "bosh" else _hidden(value) for key, value in node.items()}
    return node


def _shown_bosh(node: Node) -> Node:
    if not isinstance(node, Mapping):
        return _hidden(node)
    return {key: value if key in _PLAIN_ENV else _hidden(value) for key, value in node.items()}


def _hidden(node: Node) -> Node:
    """Keys stay: they help to see what was asked; values go."""
    if isinstance(node, Mapping):
        return {key: _hidden(value) for key, value in node.items()}
    return REDACTED
