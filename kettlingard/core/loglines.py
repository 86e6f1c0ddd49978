"""Which lines of a log somebody wants to see: from a time on, of a level and above.

A line without a stamp of its own (a traceback, what a program prints) belongs to the one before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import Struct

LEVELS = ("debug", "info", "warning", "error", "critical")
_LETTERS = {name[0].upper(): number for number, name in enumerate(LEVELS)}
_NAMES = {name: number for number, name in enumerate(LEVELS)}
_TEXT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) \d+ ([A-Z]) ")


class Stamp(Struct, frozen=True):
    """When a line was written (seconds since 1970), and its level's place in LEVELS."""

    at: float
    level: int


def stamp_of(line: str) -> Stamp | None:
    """Read it, in either form of log.format; None if the line has none."""
    found = _TEXT.match(line)
    try:
        if found is not None:
            at = datetime.fromisoformat(f"{found[1]}.{found[2]}").timestamp()
            return Stamp(at, _LETTERS.get(found[3], 0))
        if line.startswith("{"):
            data = json.loads(line)
            at = datetime.fromisoformat(str(data["time"])).timestamp()
            return Stamp(at, _NAMES.get(str(data.get("level")), 0))
    except (ValueError, KeyError, TypeError):
        return None
    return None


class Filter:
    """One for each log. It starts with nothing to show if it asks for anything."""

    def __init__(self, since: float | None = None, level: str | None = None) -> None:
        """Raise ValueError for a level that is none."""
        if level is not None and level not in _NAMES:
            raise ValueError(f'"{level}" is not one of {", ".join(LEVELS)}')
        self._since = since
        self._least = _NAMES[level] if level is not None else 0
        self.all = since is None and not self._least
        self._shows = self.all

    def shows(self, line: str) -> bool:
        """Is it one of those?"""
        stamp = None if self.all else stamp_of(line)
        if stamp is not None:
            late = self._since is None or stamp.at >= self._since
            self._shows = late and stamp.level >= self._least
        return self._shows

    def of(self, lines: Iterable[str]) -> Iterator[str]:
        """Those of them."""
        return (line for line in lines if self.shows(line))
