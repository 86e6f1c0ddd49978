"""A plot on two logarithmic axes as SVG: readable on light and on dark pages, by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 76, 190, 46, 64
COLOURS = (("#0b6bcb", "#6cb6ff"), ("#b3541e", "#f0a070"), ("#3f7d20", "#8ccf6c"))  # light, dark
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #333; }
.title { font-size: 15px; font-weight: 600; }
.small { font-size: 11px; fill: #666; }
.page { fill: #fff; }
.grid { stroke: #ddd; }
.frame { stroke: #888; fill: none; }
.line { fill: none; stroke-width: 2; }
"""
DARK = """
text { fill: #ddd; } .small { fill: #aaa; } .page { fill: #16191d; }
.grid { stroke: #363b42; } .frame { stroke: #777; }
"""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """From a value to its place."""

    label: str
    low: float
    high: float
    begin: float
    end: float

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Powers of ten; with 2 and 5 between them where there are few."""
        few = self.high - self.low < 2.5
        all_of_them = [
            step * 10.0**power
            for power in range(math.floor(self.low), math.ceil(self.high) + 1)
            for step in ((1, 2, 5) if few else (1,))
        ]
        return [v for v in all_of_them if self.low - 1e-9 <= math.log10(v) <= self.high + 1e-9]


def _axis(label: str, values: list[float], begin: float, end: float) -> Axis:
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.04 * (high - low), (1.0 - (high - low)) / 2)  # at least one power of ten
    return Axis(label, low - room, high + room, begin, end)


def plot(title: str, x_label: str, y_label: str, lines: dict[str, Points], foot: str) -> str:
    """The lines, each with its name at its end, and a word below on where they come from."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    across = _axis(x_label, xs, LEFT, WIDTH - RIGHT)
    up = _axis(y_label, ys, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}{_colours(0)}",
        f"@media (prefers-color-scheme: dark) {{{DARK}{_colours(1)}}}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        _text(LEFT, 26, title, "title"),
        *_grid(across, up),
        *_curves(lines, across, up),
        _text(LEFT, HEIGHT - 12, foot, "small"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _colours(which: int) -> str:
    return "".join(
        f".of{i} {{ stroke: {pair[which]}; }} .name{i}, .dot{i} {{ fill: {pair[which]}; }}\n"
        for i, pair in enumerate(COLOURS)
    )


def _grid(across: Axis, up: Axis) -> list[str]:
    left, right, bottom, top = across.begin, across.end, up.begin, up.end
    parts = []
    for value in across.ticks():
        x = across.place(value)
        parts.append(_line(x, bottom, x, top, "grid"))
        parts.append(_text(x, bottom + 18, short(value), anchor="middle"))
    for value in up.ticks():
        y = up.place(value)
        parts.append(_line(left, y, right, y, "grid"))
        parts.append(_text(left - 8, y + 4, short(value), anchor="end"))
    parts.append(
        f'<rect class="frame" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}"/>'
    )
    parts.append(_text((left + right) / 2, bottom + 36, across.label, anchor="middle"))
    middle = (top + bottom) / 2
    parts.append(
        f'<text x="20" y="{middle}" text-anchor="middle" transform="rotate(-90 20 {middle})">'
        f"{escape(up.label)}</text>"
    )
    return parts


def _curves(lines: dict[str, Points], across: Axis, up: Axis) -> list[str]:
    parts, names = [], []
    for i, (name, points) in enumerate(lines.items()):
        places = [(across.place(x), up.place(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="line of{i}" points="{path}"/>')
        for (x, y), (wide, high) in zip(places, points, strict=True):
            parts.append(
                f'<circle class="dot{i}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
                f"<title>{escape(name)}: {short(wide)}, {short(high)}</title></circle>"
            )
        names.append((places[-1][1], i, name))
    below = -math.inf
    for y, i, name in sorted(names):  # names do not cover each other
        below = max(y + 4, below + 16)
        parts.append(_text(across.end + 10, below, name, f"name{i}"))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def short(value: float) -> str:
    """A number as one reads it on an axis: 20, 1k, 5M, 0.2."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
