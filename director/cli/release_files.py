"""Reads what a release directory holds, and says with file and line what is wrong with it. Decides no policy."""

import glob
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from director.cli.fingerprint import Content, content_of
from director.model.problem import Mark, Problem


@dataclass(slots=True)
class ReleaseProblems:
    """Collects what is wrong below ``directory``."""

    directory: Path
    found: list[Problem] = field(default_factory=list)

    def add(self, path: Path, detail: str, fix: str, line: int = 1, column: int = 1) -> None:
        self.found.append(
            Problem(
                code="release.directory",
                summary="A bad release directory",
                detail=detail,
                fix=fix,
                mark=Mark(file=str(path), line=line, column=column),
                number=30002,
            )
        )

    def read(self, path: Path) -> "Spec | None":
        """The spec, or None, and then the problem is noted."""
        try:
            text = path.read_text()
            root = yaml.compose(text, Loader=yaml.CSafeLoader)
            tree = yaml.load(text, Loader=yaml.CSafeLoader)
        except (OSError, UnicodeDecodeError) as error:
            self.add(path, f"{path.name} cannot be read: {error}.", "add the file; see the release's other parts.")
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self.add(path, f"This is not valid YAML: {error.problem}.", "correct it.", *place)
        except yaml.YAMLError as error:
            self.add(path, f"This is not valid YAML: {error}.", "correct it.")
        else:
            if isinstance(tree, dict) and isinstance(root, yaml.MappingNode):
                return Spec(path=path, tree=tree, root=root, problems=self)
            self.add(path, f"{path.name} is not a mapping.", "write it as key: value.")
        return None

    def take(self, path: Path, name: str, files: dict[str, Content], missing: str) -> None:
        """Adds the file as ``name``; ``missing`` is what is said when it is not there."""
        try:
            files[name] = content_of(path)
        except FileNotFoundError:
            self.add(path, missing or f"{path.name} is not there.", f"add {path.name}.")
        except OSError as error:
            self.add(path, f"{path.name} cannot be read: {error}.", "make it readable.")


@dataclass(frozen=True, slots=True)
class Spec:
    """A YAML mapping that remembers its lines."""

    path: Path
    tree: Mapping[str, Any]
    root: yaml.MappingNode
    problems: ReleaseProblems

    def wrong(self, key: str | tuple[str, ...], detail: str, fix: str) -> None:
        """A problem at ``key`` (a path of keys), or at the closest place above it."""
        node: yaml.Node = self.root
        mark = node.start_mark
        for name in (key,) if isinstance(key, str) else key:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            found = next(((left, right) for left, right in pairs if left.value == name), None)
            if found is None:
                break
            mark, node = found[0].start_mark, found[1]
        self.problems.add(self.path, detail, fix, mark.line + 1, mark.column + 1)

    def words(self, key: str) -> tuple[str, ...]:
        """A list of words, empty when absent; anything else is a problem."""
        value = self.tree.get(key) or []
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return tuple(value)
        self.wrong(key, f"{key} is not a list of words.", f"write {key}: [one, …].")
        return ()

    def mapping(self, key: str) -> Mapping[str, Any]:
        """A mapping with words as keys, empty when absent; anything else is a problem."""
        value = self.tree.get(key) or {}
        if isinstance(value, dict) and all(isinstance(name, str) for name in value):
            return value
        self.wrong(key, f"{key} is not a mapping.", f"write {key}: as name: value.")
        return {}


@dataclass(frozen=True, slots=True)
class Finder:
    """Finds a package's files by its spec's globs: below ``src``, then below ``blobs``."""

    directory: Path

    def find(self, spec: Spec) -> dict[str, Content]:
        """By path in the archive. A glob that matches nothing is a problem: the package would lack it silently."""
        files: dict[str, Content] = {}
        excluded = {path for pattern in spec.words("excluded_files") for path in self._match(pattern)}
        for pattern in spec.words("files"):
            matches = self._match(pattern)
            if pattern.startswith("/") or ".." in pattern.split("/"):
                spec.wrong(
                    "files", f'The pattern "{pattern}" leads out of the release.', "name files below src or blobs."
                )
            elif not matches:
                spec.wrong("files", f'Nothing below src or blobs matches "{pattern}".', self._fix())
            for name in sorted(set(matches) - excluded - set(files)):
                spec.problems.take(matches[name], name, files, "")
        return files

    def _fix(self) -> str:
        """Blobs that BOSH keeps elsewhere are listed in config/blobs.yml; of others the release's README may tell."""
        readme = self.directory / "README.md"
        where = " (bosh sync-blobs)" if (self.directory / "config" / "blobs.yml").exists() else ""
        told = f"; {readme} may say where they come from" if readme.exists() else ""
        return f"correct the pattern, or get the blobs that are missing{where}{told}."

    def _match(self, pattern: str) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for base in (self.directory / "blobs", self.directory / "src"):
            # Path.glob has no include_hidden, which is what BOSH does.
            for name in glob.glob(pattern, root_dir=base, recursive=True, include_hidden=True):  # noqa: PTH207
                path = base / name
                if path.is_symlink() or path.is_file():
                    found[name] = path
        return found
