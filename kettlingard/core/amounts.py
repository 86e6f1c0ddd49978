"""Amounts in a definition: times, sizes, rates and shares, with their units."""

from __future__ import annotations

import math
import re

from .values import TEXT, Kind, matches, wrong

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?")
_PERCENT = re.compile(r"\d+(?:\.\d+)?%")


def _duration(value: object) -> float:
    seconds = _seconds(value)
    if not 0 <= seconds < math.inf:
        raise wrong(value, "a duration of zero or more")
    return seconds


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = value.strip() if isinstance(value, str) else ""
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text).strip():
        raise wrong(value, 'a duration (seconds, or a text such as "250ms", "30s", "1m30s", "12h")')
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def _size(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise wrong(value, 'a size in bytes (a number, or a text such as "256M")')
    return int(float(match[1]) * _BYTES[match[2]])


def _rate(value: object) -> str:
    """A text that `rate_of` can read."""
    text: str = TEXT.read(value)
    if text == "off":
        return text
    lines, slash, time = text.partition("/")
    if not slash or not lines.strip().isdecimal() or not int(lines) or not _duration(time) > 0:
        raise wrong(value, 'lines in a time, such as "2000/10s", or "off"')
    return text


def rate_of(text: str) -> tuple[int, float]:
    """`2000/10s` -> (2000, 10.0); (0, 0.0) for `off`."""
    if text == "off":
        return 0, 0.0
    lines, _, time = text.partition("/")
    return int(lines), _seconds(time)


def _quota(value: object) -> str:
    """A text that `quota_of` can read."""
    text = value if isinstance(value, str) else ""
    if _PERCENT.fullmatch(text) is None or not quota_of(text) > 0:
        raise wrong(value, 'a share of a processor such as "50%", or "150%" for one and a half')
    return text


def quota_of(text: str) -> float:
    """`150%` -> 1.5 processors."""
    return float(text.removesuffix("%")) / 100


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise wrong(value, "a number of 0 to 1")
    return float(value)


DURATION = Kind("duration", _duration, form={"type": ["number", "string"]})
SIZE = Kind("size", _size, form={"type": ["integer", "string"]})
QUOTA = Kind('"PERCENT%"', _quota, form=matches(_PERCENT))
RATE = Kind('"lines/time" or "off"', _rate, form=TEXT.form)
SHARE = Kind("number of 0 to 1", _share, form={"type": "number", "minimum": 0, "maximum": 1})
