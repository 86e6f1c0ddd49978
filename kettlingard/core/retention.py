"""Old logs: what they are called, and which of them have to go.

An old log keeps the name it got, with the time (UTC) of its rotation in it:
nothing is renamed a second time, so whoever compresses or reads it is not
disturbed by the next rotation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

COMPRESSED = ".gz"
UNFINISHED = ".gz.part"  # what a compression that was broken off has left
_FORMAT = "%Y%m%dT%H%M%S.%fZ"
_STAMP = re.compile(r"\.(\d{8}T\d{6}\.\d{6}Z)(\.gz)?")


def old_name(log: str, at: float) -> str:
    """`blog-1.log` -> `blog-1.log.20261123T101500.000000Z`; `at` in seconds of the epoch."""
    return f"{log}.{datetime.fromtimestamp(at, UTC).strftime(_FORMAT)}"


def rotated_at(name: str, log: str) -> float | None:
    """When this old log of `log` was rotated; None if it is none."""
    match = _STAMP.fullmatch(name.removeprefix(log)) if name.startswith(log) else None
    if match is None:
        return None
    try:
        when = datetime.strptime(match[1], _FORMAT)  # noqa: DTZ007  the zone follows
    except ValueError:
        return None
    return when.replace(tzinfo=UTC).timestamp()


def old_logs(names: Iterable[str], log: str) -> list[str]:
    """Those of `names` that are old logs of `log`, the newest first."""
    return sorted((n for n in names if rotated_at(n, log) is not None), reverse=True)


def outdated(names: Iterable[str], log: str, *, keep: int, oldest: float) -> list[str]:
    """The old logs of `log` that are beyond `keep`, or were rotated before `oldest` (epoch)."""
    old = old_logs(names, log)
    aged = [name for name in old[:keep] if (rotated_at(name, log) or 0.0) < oldest]
    return [*old[keep:], *aged]
