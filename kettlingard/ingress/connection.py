"""One accepted connection in our custody."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from kettlingar.transport.timeouts import Deadlines
from kettlingard.core.custody import Stage

from .front import Front


@dataclass(slots=True, eq=False)
class Connection:
    """An accepted connection until its worker says `done`."""

    number: int
    front: Front
    sock: socket.socket | None  # our copy; None once an answer has begun
    stage: Stage = Stage.HELD
    waiting: Deadlines[Connection] | None = None  # where its time in the hold is kept
    since: float = 0.0  # when that began
    waited: float = 0.0  # seconds in the hold before that, if workers gave it back

    def close(self) -> None:
        """Close our copy; a worker's lives on."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None
