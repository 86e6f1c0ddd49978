"""Connections that end with us: their 503, and what a worker's death leaves of its own."""

from __future__ import annotations

from collections.abc import Iterable

from kettlingard.core.custody import Fate, fate
from kettlingard.host.refusal import Refusals, unavailable
from kettlingard.host.touch import touch_of

from .connection import Connection
from .worker import Counts


class Ends:
    """Ends connections of one service, and counts how."""

    def __init__(self, service: str, refusals: Refusals, counts: Counts) -> None:
        self._refusals = refusals
        self.counts = counts
        self.nobody = unavailable(f"no instance of {service} is ready; please try again")
        self._unanswered = unavailable(
            f"an instance of {service} ended while it worked on this request, "
            "which may or may not have been done"
        )

    def sorry(self, connection: Connection) -> None:
        """Nobody was there for it in time."""
        self._refuse(connection, self.nobody)

    def survivors(self, connections: Iterable[Connection]) -> list[Connection]:
        """Those of a dead worker that may go to another one; the rest has been ended."""
        return [one for one in connections if self._survives(one)]

    def _survives(self, connection: Connection) -> bool:
        sock = connection.sock
        if sock is None:
            self.counts.lost += 1
            return False
        what = fate(connection.stage, touch_of(sock))
        if what is Fate.AGAIN:
            return True
        if what is Fate.SORRY:
            self._refuse(connection, self._unanswered)
            return False
        self.counts.lost += what is Fate.CUT
        connection.cut()
        return False

    def _refuse(self, connection: Connection, answer: bytes) -> None:
        sock, connection.sock = connection.sock, None
        if sock is not None:
            self.counts.answered_503 += 1
            self._refusals.refuse(sock, answer)
