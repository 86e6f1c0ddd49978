"""Connections that end with us: their 503, and what a worker's death leaves of its own."""

from __future__ import annotations

import logging
import socket

from kettlingard.core.custody import Fate, fate, rescued
from kettlingard.core.marks import Whose
from kettlingard.host.refusal import Refusals, unavailable

from .connection import Connection
from .worker import Counts, Worker

log = logging.getLogger(__name__)


class Ends:
    """Ends connections of one service, and counts how."""

    def __init__(self, service: str, refusals: Refusals, counts: Counts) -> None:
        self._service = service
        self._refusals = refusals
        self.counts = counts
        self.nobody = unavailable(f"no instance of {service} is ready; please try again")
        self._unanswered = unavailable(
            f"an instance of {service} ended while it worked on this request, "
            "which may or may not have been done"
        )

    def sorry(self, connection: Connection) -> None:
        """Nobody was there for it in time."""
        if connection.answered:
            connection.close()  # an answer to nothing would be taken for that to what it asks next
        else:
            self._refuse(connection, self.nobody)

    def of_dead(self, run: int, worker: Worker) -> list[Connection]:
        """Those of a dead worker that may go to another one; the rest has been ended."""
        before = self.counts.lost
        self.counts.lost += len(worker.inherited)
        survivors = [one for one in worker.connections.values() if self._survives(one)]
        lost = self.counts.lost - before
        if lost:
            log.warning("connections lost service=%s run=%d count=%d", self._service, run, lost)
        return survivors

    def rescued(self, whose: Whose, connection: Connection, *, known: bool) -> bool:
        """May this connection of a killed supervisor go to a worker? If not, it has been ended."""
        return self._meets(connection, rescued(whose, connection.touch(), known=known))

    def _survives(self, connection: Connection) -> bool:
        if connection.fd < 0:
            self.counts.lost += 1
            return False
        what = fate(connection.stage, connection.touch(), answered=connection.answered)
        return self._meets(connection, what)

    def _meets(self, connection: Connection, what: Fate) -> bool:
        if what is Fate.AGAIN:
            return True
        if what is Fate.SORRY:
            self._refuse(connection, self._unanswered)
            return False
        if what is Fate.CUT:
            self.counts.lost += 1
            connection.cut()
        connection.close()
        return False

    def _refuse(self, connection: Connection, answer: bytes) -> None:
        if connection.fd >= 0:
            self.counts.answered_503 += 1
            self._refusals.refuse(socket.socket(fileno=connection.let_go()), answer)
