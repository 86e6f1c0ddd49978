"""Connections that their clients keep open, between two requests: from a worker that drains to others."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator

from .connection import Connection
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
        sock = socket.socket(fileno=fd)
        sock.setblocking(False)
        if worker is None or front is None:
            sock.close()
            continue
        worker.inherited.discard(number)
        one = worker.lose(number) or Connection(next(new_numbers), front, None)
        one.sock, one.answered = sock, True
        kept.append(one)
    return kept
