"""A picture in the making: boxes, lines, dots and texts, put out as SVG. Knows nothing of networks.

Every text goes through the XML writer, so no name of others can become markup. Light and dark are the viewer's choice.
"""

import re
from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

NOT_IN_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SIZES: Final = {"head": 15, "name": 13, "text": 11, "mono": 11, "fine": 10}
"""Pixels of each class of text."""
NARROW, WIDE = frozenset("ijlrtfI.,:;'|!/()[] -"), frozenset("mwMW@%→◆…")

STYLE: Final = """
text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1c2430 }
.page { fill: #ffffff }
.head { font-size: 15px; font-weight: 600 } .name { font-size: 13px; font-weight: 600 }
.text { font-size: 11px } .fine { font-size: 10px; fill: #5b6675 }
.mono { font-size: 11px; font-family: ui-monospace, "DejaVu Sans Mono", monospace }
.tier { fill: #dbe4f3; stroke: #5b79ad } .router { fill: #eef3fb; stroke: #7f9bcb }
.segment { fill: #eef8f1; stroke: #86b996 } .balancer { fill: #fdf3e4; stroke: #d9aa5f }
.plain { fill: #f3f4f6; stroke: #aab2bd } .card { fill: #ffffff; stroke: #c3cad4 }
.bus { fill: #4f9a67 } .bus.plain { fill: #aab2bd; stroke: none } .outside { fill: #ffffff; stroke: #7d8793; stroke-dasharray: 4 3 }
.wire { fill: none; stroke: #7d8fae; stroke-width: 1.5 }
.ill { stroke: #c62f2f; stroke-width: 2 }
text.bad { fill: #b3261e } text.waiting { fill: #8a5a00 }
.dot.good { fill: #2c9a4b } .dot.waiting { fill: #e0a100 } .dot.bad { fill: #d23b3b } .dot.muted { fill: #a4acb8 }
.p0 { fill: #7b4fd0 } .p1 { fill: #0b87a6 } .p2 { fill: #c2477f } .p3 { fill: #5d7a00 } .p4 { fill: #a35a1c } .p5 { fill: #3f62d8 }
"""  # noqa: E501  (a rule of a style sheet per line reads better)
DARK: Final = """
@media (prefers-color-scheme: dark) {
text { fill: #e3e8ef } .fine { fill: #9aa6b5 } .page { fill: #14181f }
.tier { fill: #26344d; stroke: #7f9bcb } .router { fill: #1d2838; stroke: #5b79ad }
.segment { fill: #182a1e; stroke: #4f8a62 } .balancer { fill: #332816; stroke: #b0843d }
.plain { fill: #20252d; stroke: #596270 } .card { fill: #222a35; stroke: #485363 }
.outside { fill: #14181f; stroke: #8b96a5 } .bus { fill: #57a872 } .bus.plain { fill: #596270 } .wire { stroke: #6f84a8 }
.ill { stroke: #ef6a62 } text.bad { fill: #ff8a80 } text.waiting { fill: #f0bd4f }
.p0 { fill: #a98bf0 } .p1 { fill: #46b9d6 } .p2 { fill: #ea86b3 } .p3 { fill: #a3c34a } .p4 { fill: #d9955a } .p5 { fill: #8aa4ff }
}
"""  # noqa: E501


def width_of(text: str, kind: str) -> float:
    """About how many pixels wide it will be; fonts differ, so it errs on the wide side."""
    return sum(_width(char, kind) for char in text)


def fitted(text: str, kind: str, width: float) -> str:
    """The text, or its beginning with an ellipsis."""
    if width_of(text, kind) <= width:
        return text
    left = width - width_of("…", kind)
    for place, char in enumerate(text):
        left -= _width(char, kind)
        if left < 0:
            return f"{text[:place].rstrip()}…"
    return text


def _width(char: str, kind: str) -> float:
    size = SIZES[kind]
    if kind == "mono":
        return size * 0.62
    ems = 0.36 if char in NARROW else 0.92 if char in WIDE else 0.7 if char.isupper() else 0.6
    return ems * size * (1.2 if kind in {"head", "name"} else 1.0)


class Canvas:
    def __init__(self) -> None:
        self._root = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img"})

    def box(self, x: float, y: float, w: float, h: float, kind: str, *, radius: float = 6, hint: str = "") -> None:
        """``hint`` is what a pointer over it shows."""
        values = {"x": x, "y": y, "width": w, "height": h, "rx": radius}
        made = SubElement(self._root, "rect", {**{k: _number(v) for k, v in values.items()}, "class": kind})
        _hint(made, hint)

    def text(
        self, x: float, y: float, text: str, kind: str, *, width: float = 0, tone: str = "", anchor: str = "start"
    ) -> None:
        """``y`` is the base line. With ``width`` it is cut to fit, the whole then being its hint."""
        shown = fitted(text, kind, width) if width else text
        values = {"x": _number(x), "y": _number(y), "class": f"{kind} {tone}".strip(), "text-anchor": anchor}
        made = SubElement(self._root, "text", values)
        made.text = _clean(shown)
        _hint(made, text if shown != text else "")

    def line(self, points: Sequence[tuple[float, float]], kind: str = "wire") -> None:
        path = " ".join(f"{'L' if n else 'M'}{_number(x)} {_number(y)}" for n, (x, y) in enumerate(points))
        SubElement(self._root, "path", {"d": path, "class": kind})

    def dot(self, x: float, y: float, tone: str, *, hint: str = "") -> None:
        values = {"cx": _number(x), "cy": _number(y), "r": "4", "class": f"dot {tone}"}
        _hint(SubElement(self._root, "circle", values), hint)

    def diamond(self, x: float, y: float, kind: str, *, hint: str = "") -> None:
        path = f"M{_number(x)} {_number(y - 5)} l5 5 l-5 5 l-5 -5 z"
        _hint(SubElement(self._root, "path", {"d": path, "class": kind}), hint)

    def svg(self, width: float, height: float, title: str) -> str:
        """The whole picture, with a background as large as it."""
        root = self._root
        size = {"width": _number(width), "height": _number(height), "viewBox": f"0 0 {width:g} {height:g}"}
        root.attrib.update(size)
        page = Element("rect", {"width": "100%", "height": "100%", "class": "page"})
        style, name = Element("style"), Element("title")
        style.text, name.text = f"{STYLE}{DARK}", _clean(title)
        root[:0] = [name, style, page]
        indent(root, " ")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _hint(element: Element, text: str) -> None:
    if text:
        SubElement(element, "title").text = _clean(text)


def _clean(text: str) -> str:
    """XML has no place for some characters, not even escaped."""
    return NOT_IN_XML.sub("�", text)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
