"""What `plan` shows, as lines. Pure: the supervisor's records come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .ctl_format import printable, table

Record = Mapping[str, Any]


def planned(steps: Sequence[Record]) -> list[str]:
    """One line for each key that changes, and for each service that comes, goes or is refused."""
    rows = [[printable(cell) for cell in row] for step in steps for row in _rows(step)]
    wrong = [printable(line) for step in steps for line in _problems(step)]
    return [*(table(rows, [False] * 4) if rows else []), *wrong]


def _problems(step: Record) -> Iterator[str]:
    """They are long: no table is made as wide as they are."""
    for problem in step["problems"]:
        yield f"{step['mark']} {step['name']}  {problem}  ({step['does']})"


def _rows(step: Record) -> Iterator[list[str]]:
    name = f"{step['mark']} {step['name']}"
    for change in step["changes"]:
        yield [name, change["key"], change["text"], change["does"]]
    if not step["changes"] and not step["problems"]:
        yield [name, "", "", step["does"]]
