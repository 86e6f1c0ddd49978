"""Connections that their clients keep open, between two requests: from a worker that drains to others."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from .connection import NONE, Connection
from .front import Front
from .worker import Worker


def given_away(
    worker: Worker | None,
    front: Front | None,
    moved: Iterable[tuple[int, int]],
    new_numbers: Iterator[int],
) -> list[Connection]:
    """Connections made of numbers and descriptors; without a listener nobody goes on with them.

    One that we did not give to the worker gets another number, since others may have had
    that one too.
    """
    kept: list[Connection] = []
    for number, fd in moved:
        if worker is None or front is None:
            os.close(fd)
            continue
        worker.inherited.discard(number)
        one = worker.lose(number) or Connection(next(new_numbers), front, NONE)
        one.close()
        one.fd, one.answered = fd, True
        kept.append(one)
    return kept
