"""Which worker gets the next connection: counts in, a choice out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Worker = TypeVar("Worker", bound=int)


def least(unfinished: Mapping[Worker, int], last: Worker | None = None) -> Worker | None:
    """The worker with the fewest unfinished connections; of equals, the next after `last`.

    Going on after the last chosen one spreads short connections, whose counts
    are back at zero before the next one comes.
    """
    if not unfinished:
        return None
    fewest = min(unfinished.values())
    return _next([worker for worker, count in unfinished.items() if count == fewest], last)


def round_robin(unfinished: Mapping[Worker, int], last: Worker | None = None) -> Worker | None:
    """The worker after `last` in order of number, whatever they are doing."""
    return _next(list(unfinished), last) if unfinished else None


def choose(
    balance: str, unfinished: Mapping[Worker, int], last: Worker | None = None
) -> Worker | None:
    """Follow `[[listen]] balance`: "least" or "round-robin"; None without workers."""
    return (least if balance == "least" else round_robin)(unfinished, last)


def _next(workers: list[Worker], last: Worker | None) -> Worker:
    if last is not None:
        later = [worker for worker in workers if worker > last]
        if later:
            return min(later)
    return min(workers)
