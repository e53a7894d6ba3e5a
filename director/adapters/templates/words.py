"""BOSH's template words over plain data, for Jinja2 (bosh-director.md section 8.4). The Ruby worker has its own."""

from collections.abc import Mapping, Sequence
from typing import Final

from director.model.tree import Node, Tree

_ABSENT: Final = object()
FILTERS: Final = {"default": 0, "healthy": 3, "unhealthy": 1, "all": 4}


class MissingProperty(LookupError):
    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"no value for {', '.join(names)}")
        self.names = tuple(names)


class MissingLink(LookupError):
    def __init__(self, name: str) -> None:
        super().__init__(f"no link {name}")
        self.name = name


class Properties:
    """``p`` and friends over one tree; null counts as absent, false does not."""

    def __init__(self, tree: Tree) -> None:
        self.properties = tree

    def p(self, names: str | Sequence[str], default: object = _ABSENT) -> object:
        """The first of ``names`` that has a value, else ``default``. Raises MissingProperty without one."""
        wanted = (names,) if isinstance(names, str) else tuple(names)
        for name in wanted:
            value = self._find(name)
            if value is not None:
                return value
        if default is _ABSENT:
            raise MissingProperty(wanted)
        return default

    def has_p(self, *names: str) -> bool:
        """Whether every one of ``names`` has a value."""
        return all(self._find(name) is not None for name in names)

    def if_p(self, *names: str) -> object:
        """The value (a tuple for several names) when all have one, else None."""
        values = tuple(self._find(name) for name in names)
        if any(value is None for value in values):
            return None
        return values[0] if len(values) == 1 else values

    def _find(self, name: str) -> Node:
        node: Node = self.properties
        for key in name.split("."):
            if not isinstance(node, Mapping):
                return None
            node = node.get(key)
        return node


class LinkInstance(Properties):
    """One instance behind a link; its own properties, else the link's."""

    def __init__(self, tree: Tree, fallback: Tree) -> None:
        own = tree.get("properties")
        super().__init__(own if isinstance(own, Mapping) else fallback)
        self.name = tree.get("name")
        self.index = tree.get("index")
        self.id = tree.get("id")
        self.az = tree.get("az")
        self.address = tree.get("address")
        self.bootstrap = tree.get("bootstrap")


class Link(Properties):
    """A link's content (section 3.7): ``instances``, ``p``, ``if_p``, ``address()``, ``properties``."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(_tree(tree.get("properties")))
        self._tree = tree
        instances = tree.get("instances")
        self.instances = tuple(
            LinkInstance(_tree(instance), self.properties)
            for instance in (instances if isinstance(instances, list) else ())
        )

    def address(self, azs: Sequence[str] = (), status: str = "default") -> str:
        """The DNS name that answers with the provider's instances (3.9); a manual link has its own address."""
        manual = self._tree.get("address")
        if manual is not None:
            return str(manual)
        numbers = "".join(f"a{number}" for number in sorted(self._az_number(az) for az in azs))
        names = (self._tree.get(key) for key in ("instance_group", "default_network", "deployment_name"))
        query = f"q-{numbers}s{FILTERS[status]}"
        return ".".join([query, *(str(name) for name in names), str(self._tree.get("domain") or "bosh")])

    def _az_number(self, name: str) -> int:
        number = _tree(self._tree.get("az_numbers")).get(name)
        if not isinstance(number, int):
            raise LookupError(f"the link knows no DNS number of az {name!r}")  # noqa: TRY004 -- it is absent
        return number


class Words(Properties):
    """The words of one job on one instance."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(_tree(tree.get("properties")))
        self._links = _tree(tree.get("links"))
        self.name = _tree(tree.get("job")).get("name") or tree.get("name")

    def link(self, name: str) -> Link:
        """Raises MissingLink."""
        content = self._links.get(name)
        if not isinstance(content, Mapping):
            raise MissingLink(name)
        return Link(content)

    def if_link(self, name: str) -> Link | None:
        return self.link(name) if isinstance(self._links.get(name), Mapping) else None


def _tree(node: Node) -> Tree:
    return node if isinstance(node, Mapping) else {}
