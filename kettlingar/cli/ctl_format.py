"""Numbers, times and tables as people read them. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = r"(\d+(?:\.\d+)?)\s*(ms|min|s|m|h|d|)\s*"


def parse_duration(text: str) -> float:
    """Seconds from "30", "250ms", "1m30s". Raise ValueError for anything else."""
    import re

    one, place, seconds = re.compile(_DURATION), 0, 0.0
    while place < len(text):
        part = one.match(text, place)
        if part is None:
            break
        seconds += float(part[1]) * _UNITS[part[2]]
        place = part.end()
    if not text.strip() or place < len(text):
        raise ValueError(f"{text!r} is not a duration such as 30, 250ms or 1m30s")
    return seconds


def duration(seconds: float | None) -> str:
    """`40s`, `12m40s`, `3h12m`, `2d`; `-` for None."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d"


def size(count: float | None) -> str:
    """`900K`, `61M`, `1.1G`; `-` for None."""
    if count is None:
        return "-"
    for unit in "BKM":
        if count < 1024 or (unit == "M" and count < 1000):
            return f"{count:.0f}{unit if unit != 'B' else ''}"
        count /= 1024
    return f"{count:.1f}G"


def percent(share: float | None) -> str:
    """`2%`; `-` for None."""
    return "-" if share is None else f"{share:.0f}%"


def formatted(item: Mapping[str, Any]) -> str | None:
    """What an item says by its own `_format`; None if it has none that works."""
    pattern = item.get("_format")
    if not isinstance(pattern, str):
        return None
    try:
        return pattern % item
    except (KeyError, TypeError, ValueError):
        return None  # the pattern names what the item has not got


def table(rows: Sequence[Sequence[str]], right: Sequence[bool], *, widest: int = 1000) -> list[str]:
    """Lines with aligned columns; `right` says which are numbers. The first row is the head.

    A cell that is longer than `widest` makes only its own line longer.
    """
    widths = [
        max((len(row[column]) for row in rows if len(row[column]) <= widest), default=0)
        for column in range(len(right))
    ]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def printable(text: str) -> str:
    """Without control characters: what a service says must not drive the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)
