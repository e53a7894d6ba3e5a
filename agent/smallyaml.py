"""Reads the part of YAML that rendered bpm.yml files use, so that the agent needs no YAML library.

Block and flow maps and lists, quoted, plain and block scalars, comments, anchors, merge keys. Every scalar stays
text ("8080", "true"): whoever reads a field knows its type. Null and empty are None. Anything else of YAML (tags,
several documents, complex keys) is refused with its line, never guessed.
"""

import re
from typing import Final, TypeAlias

Node: TypeAlias = "str | list[Node] | dict[str, Node] | None"

_QUOTED: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')"""
_PLAIN_KEY: Final = r"""(?:[^\s?:,\[\]{}#&*!|>'"%@`-]|[-?:](?=\S))(?:[^:#]|:(?=\S)|(?<=\S)\#)*?"""
_KEY: Final = re.compile(rf"({_QUOTED}|{_PLAIN_KEY})\s*:(?=\s|$)")
_CLOSED: Final = re.compile(_QUOTED, re.DOTALL)
_ITEM: Final = re.compile(r" *-(\s|$)")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "e": "\x1b", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_DEPTH_MAX = 50
"""Deeper than any job's file; keeps a hostile one from exhausting the stack."""


class NotUnderstood(ValueError):
    """Text outside the subset; the message names the line."""


def read(text: str) -> Node:
    """The one document in ``text``. Raises NotUnderstood."""
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.expandtabs(8).splitlines()
        self._at = 0
        self._anchors: dict[str, Node] = {}
        self._depth = 0

    def document(self) -> Node:
        self._skip()
        if self._at < len(self._lines) and self._lines[self._at].startswith("---"):
            self._lines[self._at] = "   " + self._lines[self._at][3:]
        node = self._block(-1)
        self._skip()
        if self._at < len(self._lines) and self._lines[self._at].rstrip() != "...":
            raise self._refuse("does not belong to what stands before it")
        return node

    def _refuse(self, why: str) -> NotUnderstood:
        return NotUnderstood(f"line {min(self._at + 1, len(self._lines))}: {why}")

    def _skip(self) -> None:
        while self._at < len(self._lines) and re.match(r"\s*(#|$)", self._lines[self._at]):
            self._at += 1

    def _indent(self) -> int:
        """Of the next line that says something; -1 at the end."""
        self._skip()
        if self._at >= len(self._lines) or self._lines[self._at].rstrip() == "...":
            return -1
        line = self._lines[self._at]
        return len(line) - len(line.lstrip(" "))

    def _block(self, parent: int) -> Node:
        """The node whose lines are indented by more than ``parent``; None when there are none."""
        indent = self._indent()
        if indent <= parent:
            return None
        self._depth += 1
        if self._depth > _DEPTH_MAX:
            raise self._refuse("is nested too deeply")
        line = self._lines[self._at]
        if _ITEM.match(line):
            node: Node = self._list(indent)
        elif _KEY.match(line, indent):
            node = self._map(indent)
        else:
            self._at += 1
            node = self._value(line[indent:], parent)
        self._depth -= 1
        return node

    def _list(self, indent: int) -> list[Node]:
        items: list[Node] = []
        while self._indent() == indent and _ITEM.match(self._lines[self._at]):
            line = self._lines[self._at]
            rest = line[indent + 1 :]
            if rest.strip() and not rest.strip().startswith("#") and self._opens_block(rest.strip()):
                self._lines[self._at] = line[:indent] + " " + rest
                items.append(self._block(indent))
            else:
                self._at += 1
                items.append(self._value(rest.strip(), indent))
        return items

    @staticmethod
    def _opens_block(text: str) -> bool:
        return bool(_KEY.match(text)) or bool(_ITEM.match(text))

    def _map(self, indent: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        while self._indent() == indent:
            line = self._lines[self._at]
            match = _KEY.match(line, indent)
            if match is None:
                break
            key = self._key(match[1])
            self._at += 1
            value = self._map_value(line[match.end() :].strip(), indent)
            if key == "<<":
                merged.update(self._merge(value))
            elif key in entries:
                raise self._refuse(f'the key "{key}" stands twice')
            else:
                entries[key] = value
        return merged | entries

    def _key(self, text: str) -> str:
        if text[0] in "\"'":
            return _unquote(text)
        if text[0] == "?" or text[0] == "!":
            raise self._refuse("has a key of a kind that is not understood")
        return text

    def _merge(self, value: Node) -> dict[str, Node]:
        parts = value if isinstance(value, list) else [value]
        merged: dict[str, Node] = {}
        for part in reversed(parts):
            if not isinstance(part, dict):
                raise self._refuse("merges what is not a map")
            merged.update(part)
        return merged

    def _map_value(self, text: str, indent: int) -> Node:
        anchor, text = self._take_anchor(text)
        if (not text or text.startswith("#")) and self._indent() == indent and self._at_item():
            node: Node = self._list(indent)  # a list may stand as far left as its key
        else:
            node = self._value(text, indent)
        return self._remember(anchor, node)

    def _at_item(self) -> bool:
        return bool(_ITEM.match(self._lines[self._at]))

    def _take_anchor(self, text: str) -> tuple[str, str]:
        match = re.match(r"&(\S+)\s*", text)
        return (match[1], text[match.end() :]) if match else ("", text)

    def _remember(self, anchor: str, node: Node) -> Node:
        if anchor:
            self._anchors[anchor] = node
        return node

    def _value(self, text: str, parent: int) -> Node:
        """What ``text`` begins, its line already passed; it may go on in lines indented by more than ``parent``."""
        anchor, text = self._take_anchor(text)
        return self._remember(anchor, self._bare_value(text, parent))

    def _bare_value(self, text: str, parent: int) -> Node:
        if not text or text.startswith("#"):
            return self._block(parent)
        if text[0] == "*":
            return self._alias(text)
        if text[0] in "|>":
            return self._block_scalar(text, parent)
        if text[0] in "[{":
            return self._flow(text)
        if text[0] in "\"'":
            return self._quoted(text)
        if text[0] in "!%@`":
            raise self._refuse(f"begins with {text[0]}, which is not understood here")
        return self._plain(text, parent)

    def _alias(self, text: str) -> Node:
        name = _without_comment(text[1:])
        if name not in self._anchors:
            raise self._refuse(f'"*{name}" refers to nothing before it')
        return self._anchors[name]

    def _plain(self, text: str, parent: int) -> Node:
        words = [_without_comment(text)]
        while self._indent() > parent:
            words.append(_without_comment(self._lines[self._at].strip()))
            self._at += 1
        return _plain_or_none(" ".join(words))

    def _block_scalar(self, header: str, parent: int) -> str:
        match = re.match(r"([|>])([-+]?)(\d?)([-+]?)\s*(#.*)?$", header)
        if match is None:
            raise self._refuse("is not a block scalar that is understood")
        lines: list[str] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.strip() and len(line) - len(line.lstrip(" ")) <= parent:
                break
            lines.append(line)
            self._at += 1
        indent = max(parent, 0) + int(match[3]) if match[3] else _least_indent(lines)
        body = [line[indent:] for line in lines]
        return _chomped(body, folded=match[1] == ">", chomp=match[2] or match[4])

    def _quoted(self, text: str) -> str:
        while (match := _CLOSED.match(text)) is None:
            text = self._joined(text)
        self._end_of_line(text[match.end() :])
        return _unquote(match[0])

    def _joined(self, text: str) -> str:
        """``text`` with the next line folded in."""
        if self._at >= len(self._lines):
            raise self._refuse("opens what is never closed")
        line = self._lines[self._at].strip()
        self._at += 1
        if text.endswith("\\") and text.startswith('"'):
            return text[:-1] + line.removeprefix("\\")
        if not line:
            return text + "\n"
        return text + line if text.endswith("\n") else f"{text} {line}"

    def _flow(self, text: str) -> Node:
        while not _is_balanced(text):
            text = self._joined(_without_comment(text))
        flow = _Flow(text, self._anchors)
        try:
            node = flow.node()
        except ValueError as error:
            raise self._refuse(str(error)) from error
        self._end_of_line(text[flow.at :])
        return node

    def _end_of_line(self, rest: str) -> None:
        if not re.match(r"\s*(#|$)", rest):
            raise self._refuse(f'"{rest.strip()}" stands after a value that has ended')


class _Flow:
    """``[a, b]`` and ``{a: b}``, JSON included."""

    def __init__(self, text: str, anchors: dict[str, Node]) -> None:
        self._text = text
        self._anchors = anchors
        self.at = 0

    def node(self) -> Node:
        self._space()
        start = self._text[self.at : self.at + 1]
        if start == "[":
            return self._list()
        if start == "{":
            return self._map()
        return self._scalar("]},")

    def _space(self) -> None:
        while self.at < len(self._text) and self._text[self.at].isspace():
            self.at += 1

    def _next_is(self, mark: str) -> bool:
        self._space()
        if self._text[self.at : self.at + 1] != mark:
            return False
        self.at += 1
        return True

    def _list(self) -> list[Node]:
        self.at += 1
        items: list[Node] = []
        while not self._next_is("]"):
            items.append(self.node())
            if not self._next_is(",") and self._text[self.at : self.at + 1] != "]":
                raise ValueError("a list lacks a comma")
        return items

    def _map(self) -> dict[str, Node]:
        self.at += 1
        entries: dict[str, Node] = {}
        while not self._next_is("}"):
            key = self._scalar(":}")
            value = self.node() if self._next_is(":") else None
            entries[str(key)] = value
            if not self._next_is(",") and self._text[self.at : self.at + 1] != "}":
                raise ValueError("a map lacks a comma")
        return entries

    def _scalar(self, ends: str) -> Node:
        self._space()
        match = _CLOSED.match(self._text, self.at)
        if match is not None:
            self.at = match.end()
            return _unquote(match[0])
        pattern = r"(?:(?!:\s|:$)[^,\[\]{}])*" if ":" in ends else r"[^,\[\]{}]*"
        match = re.compile(pattern).match(self._text, self.at)
        assert match is not None, "the pattern matches the empty string"
        if not match[0]:
            raise ValueError("a value is missing")
        self.at = match.end()
        word = match[0].strip()
        if word.startswith("*"):
            if word[1:] not in self._anchors:
                raise ValueError(f'"{word}" refers to nothing before it')
            return self._anchors[word[1:]]
        return _plain_or_none(word)


def _is_balanced(text: str) -> bool:
    """Whether every bracket and every quote that begins a value is closed."""
    bare = re.sub(rf"(?<=[\[{{,:\s]){_QUOTED}", "", text, flags=re.DOTALL)
    if re.search(r"[\[{,:\s][\"']", bare):
        return False
    return bare.count("[") + bare.count("{") <= bare.count("]") + bare.count("}")


def _without_comment(text: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", text).strip()


def _plain_or_none(text: str) -> str | None:
    return None if text in ("", "~", "null", "Null", "NULL") else text


def _unquote(text: str) -> str:
    inner = text[1:-1]
    if text[0] == "'":
        return inner.replace("''", "'")
    return re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", _escaped, inner, flags=re.DOTALL)


def _escaped(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return _ESCAPES.get(code, code)


def _least_indent(lines: list[str]) -> int:
    return min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)


def _chomped(lines: list[str], *, folded: bool, chomp: str) -> str:
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    body = _folded(kept) if folded else "\n".join(kept)
    if not kept or chomp == "-":
        return body
    return body + "\n" * (1 + len(lines) - len(kept) if chomp == "+" else 1)


def _folded(lines: list[str]) -> str:
    """Single line ends become spaces; empty lines and more indented lines keep theirs."""
    text = ""
    for number, line in enumerate(lines):
        if number == 0:
            text = line
        elif not line.strip():
            text += "\n"
        elif text.endswith("\n") or line.startswith(" ") or lines[number - 1].startswith(" "):
            text += line if text.endswith("\n") and not line.startswith(" ") else "\n" + line
        else:
            text += " " + line
    return text
