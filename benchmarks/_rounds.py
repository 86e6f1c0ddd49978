"""Rounds in turn, their medians and ratios, and the table that comes of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from ._machine import MissingError

Figures = dict[str, float]


@dataclass(frozen=True)
class Line:
    """One comparison: our figure beside another's."""

    row: str
    what: str
    unit: str
    ours: float
    beside: str
    theirs: float | None  # None: the target is a number
    ratio: float
    target: str  # "<= 1.25"
    met: bool


@dataclass
class Curve:
    """How a cost grows: points by contestant."""

    name: str  # of its file
    title: str
    across: str
    up: str
    points: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, contestant: str, x: float, y: float) -> None:
        self.points.setdefault(contestant, []).append((x, y))

    def __str__(self) -> str:
        lines = [f"{self.title} ({self.up})"]
        for name, points in self.points.items():
            told = ", ".join(f"{x:,.0f}: {_number(y, '')}" for x, y in points)
            lines.append(f"  {name}: {told}")
        return "\n".join(lines)


@dataclass
class Plan:
    """How long to measure, and what came of it so far."""

    rounds: int = 7
    seconds: float = 0.4  # for each contestant in each round
    quick: bool = False
    lines: list[Line] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)

    @contextmanager
    def peer(self, what: str) -> Iterator[None]:
        """A contestant that may be missing: then a word is said about it, and no more."""
        try:
            yield
        except (MissingError, RuntimeError, TimeoutError) as why:
            self.skipped.append(f"{what}: {why}")

    def in_turn(
        self, row: str, contestants: Mapping[str, Callable[[], Figures]], rounds: int = 0
    ) -> Results:
        """Measure each contestant once in each round; all of them, before the next round."""
        seen: dict[str, list[Figures]] = {name: [] for name in contestants}
        for _ in range(rounds or self.rounds):
            for name, measure in contestants.items():
                seen[name].append(measure())
        self.figures[row] = {name: _medians(figures) for name, figures in seen.items()}
        return Results(self, row, seen)

    def fact(self, row: str, what: str, unit: str, ours: float, target: str) -> None:
        """One of our figures, whose target is a number."""
        self.lines.append(
            Line(row, what, unit, ours, "-", None, ours, target, _holds(ours, target))
        )

    def as_data(self) -> dict[str, Any]:
        """All of it, for the JSON file."""
        return {
            "rounds": self.rounds,
            "seconds_each": self.seconds,
            "lines": [asdict(line) for line in self.lines],
            "skipped": self.skipped,
            "figures": self.figures,
            "curves": [asdict(curve) for curve in self.curves],
        }


class Results:
    """What some contestants did in each round."""

    def __init__(self, plan: Plan, row: str, seen: dict[str, list[Figures]]) -> None:
        self._plan = plan
        self._row = row
        self._seen = seen

    def of(self, name: str, key: str) -> float:
        """The median of one figure."""
        return statistics.median(figures[key] for figures in self._seen[name])

    def compare(
        self, what: str, unit: str, ours: str, beside: str, key: str, target: str
    ) -> None:  # fmt: skip
        """Add a line, unless one of the two is missing. The ratio is taken round by round."""
        if ours not in self._seen or beside not in self._seen:
            return
        pairs = zip(self._seen[ours], self._seen[beside], strict=True)
        ratio = statistics.median(a[key] / b[key] for a, b in pairs if b[key])
        self._plan.lines.append(
            Line(self._row, what, unit, self.of(ours, key), beside, self.of(beside, key), ratio,
                 target, _holds(ratio, target))
        )  # fmt: skip


def _medians(figures: list[Figures]) -> Figures:
    return {key: statistics.median(one[key] for one in figures) for key in figures[0]}


def _holds(number: float, target: str) -> bool:
    sign, _, bound = target.partition(" ")
    return number <= float(bound) if sign == "<=" else number >= float(bound)


def table(lines: list[Line]) -> str:
    """The lines as a table of Markdown."""
    rows = [["#", "what", "ours", "beside", "theirs", "ratio", "target", "met"]]
    for line in lines:
        theirs = "" if line.theirs is None else _number(line.theirs, line.unit)
        ratio = "" if line.theirs is None else f"{line.ratio:.2f}"
        rows.append([
            line.row, line.what, _number(line.ours, line.unit), line.beside, theirs, ratio,
            line.target, "yes" if line.met else "**no**",
        ])  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    text = [_row(rows[0], widths), _row(["-" * width for width in widths], widths)]
    return "\n".join(text + [_row(row, widths) for row in rows[1:]])


def _row(cells: list[str], widths: list[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def _number(number: float, unit: str) -> str:
    digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 0.1 else 4
    return f"{number:,.{digits}f} {unit}".strip()


__all__ = ["Curve", "ExitStack", "Figures", "Line", "Plan", "Results", "table"]
