"""Which worker gets the next connection: counts in, a choice out.

The counts are in order of the workers' numbers, so that the next one is found by going on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    first = None
    for worker, count in unfinished.items():  # a loop: each connection comes by here
        if count == fewest:
            if last is None or worker > last:
                return worker
            if first is None:
                first = worker
    return first


def round_robin(unfinished: Iterable[Worker], last: Worker | None = None) -> Worker | None:
    """The worker after `last` in order of number, whatever they are doing."""
    workers = list(unfinished)
    later = workers if last is None else [worker for worker in workers if worker > last]
    return next(iter(later or workers), None)


def choose(
    balance: str, unfinished: Mapping[Worker, int], last: Worker | None = None
) -> Worker | None:
    """Follow `[[listen]] balance`: "least" or "round-robin"; None without workers."""
    return (least if balance == "least" else round_robin)(unfinished, last)
